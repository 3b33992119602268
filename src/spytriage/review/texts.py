"""The words of a verification: a title for each step, a sentence for each reason, and what none of it proves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from spytriage.i18n import _, deferred
from spytriage.review.addendum import AddendumStepId
from spytriage.review.opinion import Ground, Verdict
from spytriage.review.verify import Overall, Result, Step, StepId, Why


def phrase(word: StrEnum) -> str:
    """Return what a step looks at, or what a result, a verdict or a ground says, in the current language."""
    return _(_PHRASES[type(word)][word])


def why_text(step: Step) -> str:
    """Return why a step came out as it did, in the current language."""
    return _(_REASONS[step.why]).format(about=step.about)


def not_proven() -> tuple[str, ...]:
    """Return what a verification does not prove, in the current language."""
    return tuple(_(sentence) for sentence in _NOT_PROVEN)


_STEPS: Mapping[StrEnum, str] = {
    StepId.CONTAINER: deferred("The folder or zip"),
    StepId.FILES: deferred("The files"),
    StepId.HASHES: deferred("The hashes"),
    StepId.CUSTODY: deferred("The chain of custody"),
    StepId.SIGNATURE: deferred("The signature"),
    StepId.SCHEMA: deferred("The form of report.json"),
    StepId.RENDERINGS: deferred("report.html and report.stix2"),
    StepId.INDICATOR_SETS: deferred("The indicator sets"),
    StepId.SEALED_EVIDENCE: deferred("The sealed evidence"),
    StepId.TOOL: deferred("The program"),
    StepId.CLOCK: deferred("The days"),
    StepId.CONSISTENCY: deferred("Outcome and coverage"),
    AddendumStepId.CONTAINER: deferred("The folder or zip"),
    AddendumStepId.FILES: deferred("The files"),
    AddendumStepId.HASHES: deferred("The hashes"),
    AddendumStepId.SIGNATURE: deferred("The signature"),
    AddendumStepId.REPORT: deferred("The report that it adds to"),
    AddendumStepId.SCHEMA: deferred("The form of addendum.json"),
    AddendumStepId.RENDERINGS: deferred("addendum.html and addendum.md"),
    AddendumStepId.INDICATOR_SETS: deferred("The indicator sets"),
    AddendumStepId.CLOCK: deferred("The days"),
    AddendumStepId.CONSISTENCY: deferred("The outcome"),
}

_RESULTS: Mapping[Result, str] = {
    Result.PASSED: deferred("passed"),
    Result.FAILED: deferred("FAILED"),
    Result.NOT_DONE: deferred("not done"),
}

_OVERALL: Mapping[Overall, str] = {
    Overall.PASSED: deferred("Every step passed."),
    Overall.PARTIAL: deferred("Nothing failed, but not every step could be done. Read which, before you rely on it."),
    Overall.FAILED: deferred("A step failed. Do not rely on this hand-off; ask whoever gave it to you for a new one."),
}

_REASONS: Mapping[Why, str] = {
    Why.AS_IT_SHOULD_BE: deferred("As it should be."),
    Why.EARLIER_STEP_FAILED: deferred("A step before this one failed: this is not what was handed over."),
    Why.NO_HAND_OFF: deferred("{about}"),
    Why.MANIFEST_UNREADABLE: deferred("manifest.json is not one that spytriage writes."),
    Why.FILES_MISSING: deferred("Missing: {about}"),
    Why.FILES_UNLISTED: deferred("There, but not in manifest.json: {about}"),
    Why.FILE_CHANGED: deferred("Changed after manifest.json was made: {about}"),
    Why.CUSTODY_BROKEN: deferred("A line of custody.jsonl was changed, taken out or put in."),
    Why.CUSTODY_OF_ANOTHER: deferred("custody.jsonl does not begin as manifest.json says."),
    Why.CUSTODY_CONTINUED: deferred("Unbroken. Lines that were added later, and that no signature covers: {about}"),
    Why.UNSIGNED: deferred("Not signed: nothing shows who made this, or that nobody made it anew."),
    Why.SIGNATURE_TAKEN_AWAY: deferred("manifest.json says that it is signed, and the signature is missing."),
    Why.SIGNATURE_UNREADABLE: deferred("The signature is not one that minisign writes."),
    Why.SIGNED_BY_ANOTHER_KEY: deferred("Signed with key {about}, which is none of those expected."),
    Why.SIGNATURE_WRONG: deferred("The signature with key {about} does not belong to these files."),
    Why.NO_KEY: deferred("It names key {about}. Without the public key (--key) nobody can tell."),
    Why.SIGNED: deferred("Signed with key {about}."),
    Why.NEWER_SCHEMA: deferred("It has schema version {about}, newer than this program. Use a newer spytriage."),
    Why.REPORT_UNREADABLE: deferred("It is not a report that spytriage writes."),
    Why.REPORT_NOT_AS_WRITTEN: deferred("report.json or manifest.json was not written by the version that it names."),
    Why.OTHER_VERSION: deferred("Made by spytriage {about}. Only that version can tell."),
    Why.RENDERING_DIFFERS: deferred("Does not say what report.json says: {about}"),
    Why.SETS_UNKNOWN: deferred("Sets that the catalogue does not know: {about}. Ask where they come from."),
    Why.SET_CLAIMS_WRONG: deferred("The report says of a set what is not so."),
    Why.NOTHING_SEALED: deferred("There is none."),
    Why.NO_IDENTITY: deferred("Only someone it was sealed for can open it and compare."),
    Why.EVIDENCE_OF_ANOTHER: deferred("It is not the evidence of this report. {about}"),
    Why.DAY_IMPLAUSIBLE: deferred("The day of the check, or one after it, is implausible: {about}"),
    Why.CONSENT_NOT_IN_FORCE: deferred("The consent was not in force on the day of the check."),
    Why.REPORT_NOT_VERIFIED: deferred("The report itself does not verify."),
    Why.ADDENDUM_UNREADABLE: deferred("It is not an addendum that spytriage writes to this report."),
    Why.ADDENDUM_NOT_AS_WRITTEN: deferred("addendum.json was not written by the version that it names."),
    Why.ADDENDUM_OF_ANOTHER: deferred("It names another report."),
    Why.OUTCOME_CONTRADICTS: deferred("Findings and coverage call for another outcome: {about}"),
    Why.LIMITS_CONTRADICT: deferred("The limits do not say what the coverage says."),
    Why.REPORT_NOT_READ: deferred("report.json could not be read."),
}  # fmt: skip

_NOT_PROVEN = (
    deferred("That the phone was the person's, or whose it was."),
    deferred("That the evidence is genuine: files can be forged before they are checked."),
    deferred("Who ran the check: a signature shows which key, not whose hand."),
    deferred("That every published indicator was looked for, or that anything ran on the phone."),
)

_VERDICTS: Mapping[Verdict, str] = {
    Verdict.AGREE: deferred("agrees"),
    Verdict.DISAGREE: deferred("disagrees"),
    Verdict.NEEDS_MORE: deferred("needs more"),
}

_GROUNDS: Mapping[Ground, str] = {
    Ground.SPECIFIC_INDICATOR: deferred("Nothing but spyware is known to have that name or address."),
    Ground.CORROBORATED: deferred("Several traces that do not depend on one another say the same."),
    Ground.SEEN_IN_OTHER_CASES: deferred("The same was seen in other cases."),
    Ground.WEAK_INDICATOR: deferred("Much else has that name or address."),
    Ground.WRONG_GRADE: deferred("The level or the kind of trace does not fit."),
    Ground.COVERAGE_TOO_LOW: deferred("Too little was checked to say."),
    Ground.NEEDS_SEALED_EVIDENCE: deferred("The sealed evidence is needed to say."),
    Ground.NEEDS_BACKUP: deferred("The files that were checked are needed to say."),
    Ground.NEEDS_CONTEXT: deferred("What the person remembers, or what else happened, is needed to say."),
}

_PHRASES: Mapping[type[StrEnum], Mapping[Any, str]] = {
    StepId: _STEPS, AddendumStepId: _STEPS, Result: _RESULTS, Overall: _OVERALL, Verdict: _VERDICTS, Ground: _GROUNDS,
}  # fmt: skip
