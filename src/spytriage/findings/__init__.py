"""Stage 4, what was seen: each alert of MVT becomes a finding with an id, a kind of trace, a grade and a day."""

from spytriage.findings.grade import grade, time_of
from spytriage.findings.outcome import outcome
from spytriage.findings.recognise import was_sent

__all__ = ["grade", "outcome", "time_of", "was_sent"]
