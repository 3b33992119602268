"""Stage 4, what was seen: each alert of MVT becomes a finding with an id, a kind of trace, a grade and a day."""

from spytriage.findings.grade import grade
from spytriage.findings.outcome import outcome

__all__ = ["grade", "outcome"]
