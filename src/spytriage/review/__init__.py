"""Stage 7, what a reviewer does: verify a hand-off, record an opinion, set opinions side by side.

A reviewer gets nothing but the hand-off. What the other stages know (how a report is read and rendered, which sets are
catalogued) comes in as `Knowledge`; `spytriage.verification` joins them.
"""

from spytriage.review.verify import Knowledge, Overall, Result, Step, StepId, Verification, Why, verify, verify_files

__all__ = ["Knowledge", "Overall", "Result", "Step", "StepId", "Verification", "Why", "verify", "verify_files"]
