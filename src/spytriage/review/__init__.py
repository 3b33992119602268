"""Stage 7, what a reviewer does: verify a hand-off, record an opinion, set opinions side by side.

A reviewer gets nothing but the hand-off. What the other stages know (how a report is read and rendered, which sets are
catalogued) comes in as `Knowledge`; `spytriage.verification` joins them.
"""

from spytriage.review.addendum import AddendumStepId, verify_addendum
from spytriage.review.opinion import (
    LARGEST_REVIEW,
    REVIEW,
    REVIEW_SIGNATURE,
    REVIEW_STIX,
    Ground,
    Opinion,
    Question,
    Review,
    Verdict,
    by_reference,
    read_review,
    to_json,
    write_review,
)
from spytriage.review.stix import to_stix
from spytriage.review.verify import (
    Knowledge,
    Overall,
    Result,
    Step,
    StepId,
    Verification,
    Why,
    outcome_of_addendum,
    verify,
    verify_files,
)

__all__ = [
    "LARGEST_REVIEW", "REVIEW", "REVIEW_SIGNATURE", "REVIEW_STIX", "AddendumStepId", "Ground", "Knowledge", "Opinion",
    "Overall", "Question", "Result", "Review", "Step", "StepId", "Verdict", "Verification", "Why", "by_reference",
    "outcome_of_addendum", "read_review", "to_json", "to_stix", "verify", "verify_addendum", "verify_files",
    "write_review",
]  # fmt: skip
