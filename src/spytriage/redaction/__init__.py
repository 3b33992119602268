"""Stage 5, what may leave: turns findings, which hold records of the phone, into findings that cannot.

Default-deny. What a report shows of a record is a published indicator, a closed word, a count, a day or a keyed
pseudonym; everything else is withheld and counted. After rendering, the tripwire reads what is about to leave.
"""

from spytriage.redaction.policy import POLICIES, Policy, load_policy
from spytriage.redaction.pseudonyms import CaseKey
from spytriage.redaction.redact import Redacted, redact, redact_source

__all__ = ["POLICIES", "CaseKey", "Policy", "Redacted", "load_policy", "redact", "redact_source"]
