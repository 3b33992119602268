"""The verification of an addendum: that it is as it was written, by whom, and that it belongs to a report.

The same steps as of a hand-off where they are the same. The report has to be verified first (`verify`): an addendum to
a report that was changed says nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.handoff import ADDENDUM, ADDENDUM_FILES, ADDENDUM_PAGE, ADDENDUM_TEXT, MANIFEST, UnsafeHandOffError
from spytriage.handoff import read_addendum as read_files
from spytriage.i18n import LANGUAGES, using_language
from spytriage.models import Addendum
from spytriage.review.verify import (
    BEHIND,
    GOOD,
    Case,
    Knowledge,
    Overall,
    Result,
    Step,
    StepOutcome,
    Verification,
    Why,
    look_at_files,
    look_at_hashes,
    look_at_signature,
    outcome_of_addendum,
)
from spytriage.signing import TrustedKey


class AddendumStepId(StrEnum):
    """The steps, in order."""

    CONTAINER = "addendum-container"
    FILES = "addendum-files"
    HASHES = "addendum-hashes"
    SIGNATURE = "addendum-signature"
    REPORT = "addendum-report"
    SCHEMA = "addendum-schema"
    RENDERINGS = "addendum-renderings"
    INDICATOR_SETS = "addendum-indicator-sets"
    CLOCK = "addendum-clock"
    CONSISTENCY = "addendum-consistency"


@dataclass(slots=True, kw_only=True)
class _AddendumCase(Case):
    """An addendum on its way through the steps."""

    to: Verification  # of the report that it is given with
    addendum: Addendum | None = None
    expected: Mapping[str, bytes] = field(default_factory=dict)  # its files, made again


def verify_addendum(
    path: Path, to: Verification, knowledge: Knowledge, keys: Iterable[TrustedKey] = ()
) -> Verification:
    """Verify an addendum.

    Args:
        path: the folder that `spytriage recheck` wrote, or the zip that `spytriage pack` made of it.
        to: what became of the verification of the report.
        knowledge: what this installation knows.
        keys: the public keys of those who may have signed it.

    Raises:
        SpytriageError: there is nothing at `path` that can be read.
    """
    first, *later = AddendumStepId
    try:
        files = read_files(path)
    except UnsafeHandOffError as error:
        found = Step(first, Result.FAILED, Why.NO_HAND_OFF, f"{error.message} {error.hint}")
        return Verification((found, *(Step(step, Result.NOT_DONE, Why.EARLIER_STEP_FAILED) for step in later)))
    case = _AddendumCase(files, knowledge, tuple(keys), ADDENDUM_FILES, to=to)
    steps, stopped = [Step(first, *GOOD)], False
    for step, (look, stops) in _STEPS.items():
        outcome: StepOutcome = (Result.NOT_DONE, Why.EARLIER_STEP_FAILED) if stopped else look(case)
        steps.append(Step(step, *outcome))
        stopped = stopped or (stops and outcome[0] is Result.FAILED)
    return Verification(tuple(steps), None if stopped else to.report, files)


def _report(case: _AddendumCase) -> StepOutcome:
    """It names the SHA-256 of this report, in the signed manifest too, and the report verifies."""
    if case.to.overall is Overall.FAILED or case.to.report is None:
        return (Result.FAILED, Why.REPORT_NOT_VERIFIED)
    digest = hashlib.sha256(case.to.files["report.json"]).hexdigest()
    try:
        named = json.loads(case.files[ADDENDUM])["report"]["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return (Result.FAILED, Why.ADDENDUM_UNREADABLE)
    if not named == case.manifest.get("report_sha256") == digest:
        return (Result.FAILED, Why.ADDENDUM_OF_ANOTHER)
    return GOOD


def _schema(case: _AddendumCase) -> StepOutcome:
    """addendum.json follows its schema and says of the report what that says; written again, it is the same bytes."""
    report = case.to.report
    if report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    try:
        case.addendum = case.knowledge.read_addendum(case.files[ADDENDUM], report)
    except SpytriageError:
        return (Result.FAILED, Why.ADDENDUM_UNREADABLE)
    if case.addendum.version != case.knowledge.version:
        return (Result.NOT_DONE, Why.OTHER_VERSION, case.addendum.version[:40])
    page = case.files[ADDENDUM_PAGE][:400]
    named = re.search(rb'<html [^>]{1,60} data-languages="([A-Za-z_]{2,10})">', page)
    language = named[1].decode() if named else ""
    if language not in LANGUAGES:
        return (Result.FAILED, Why.RENDERING_DIFFERS, ADDENDUM_PAGE)
    try:
        with using_language(language):
            case.expected = case.knowledge.write_addendum(case.addendum, case.manifest.get("signer"))
    except (ValueError, TypeError, LookupError):  # one that was made up to be read, and cannot be told
        return (Result.FAILED, Why.ADDENDUM_UNREADABLE)
    if case.expected[ADDENDUM] != case.files[ADDENDUM]:
        return (Result.FAILED, Why.ADDENDUM_NOT_AS_WRITTEN)
    return GOOD


def _renderings(case: _AddendumCase) -> StepOutcome:
    """addendum.html, addendum.md and manifest.json, made again from addendum.json, are the same bytes."""
    if case.addendum is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    if case.addendum.version != case.knowledge.version:
        return (Result.NOT_DONE, Why.OTHER_VERSION, case.addendum.version[:40])
    for name in (ADDENDUM_PAGE, ADDENDUM_TEXT, MANIFEST):
        if case.expected[name] != case.files[name]:
            return (Result.FAILED, Why.RENDERING_DIFFERS, name)
    return GOOD


def _indicator_sets(case: _AddendumCase) -> StepOutcome:
    """Every newer set is one that the catalogue knows, and what is new or still there names no other."""
    if case.addendum is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    known, used = case.knowledge.known_sets, case.addendum.sets
    found = (*case.addendum.new, *case.addendum.still_there)
    claims = {claim.sha256 for finding in found for i in finding.indicators for claim in i.attributions}
    boasting = any(loaded.catalogued and loaded.sha256 not in known for loaded in used)
    if claims - {loaded.sha256 for loaded in used} or (boasting and case.addendum.version == case.knowledge.version):
        return (Result.FAILED, Why.SET_CLAIMS_WRONG)
    if unknown := sum(loaded.sha256 not in known for loaded in used):
        return (Result.NOT_DONE, Why.SETS_UNKNOWN, str(unknown))
    return GOOD


def _clock(case: _AddendumCase) -> StepOutcome:
    """The recheck is not before the check, not in the future, and the consent was in force."""
    if case.addendum is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    report, day = case.addendum.report, case.addendum.rechecked_on
    if day < report.tool.checked_on - BEHIND or day - case.knowledge.today > BEHIND:
        return (Result.FAILED, Why.DAY_IMPLAUSIBLE, day.isoformat())
    if report.consent.keep_until is not None and report.consent.keep_until < day:
        return (Result.FAILED, Why.CONSENT_NOT_IN_FORCE)
    return GOOD


def _consistency(case: _AddendumCase) -> StepOutcome:
    """Findings and what could not be rechecked call for the outcome that is given."""
    if case.addendum is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    if (derived := outcome_of_addendum(case.addendum)) is not case.addendum.outcome:
        return (Result.FAILED, Why.OUTCOME_CONTRADICTS, derived.value)
    return GOOD


# In the order of AddendumStepId; True: when the step fails, it is not what was handed over, or not to this report.
_STEPS: Mapping[AddendumStepId, tuple[Callable[[_AddendumCase], StepOutcome], bool]] = {
    AddendumStepId.FILES: (look_at_files, True),
    AddendumStepId.HASHES: (look_at_hashes, True),
    AddendumStepId.SIGNATURE: (look_at_signature, True),
    AddendumStepId.REPORT: (_report, True),
    AddendumStepId.SCHEMA: (_schema, True),
    AddendumStepId.RENDERINGS: (_renderings, False),
    AddendumStepId.INDICATOR_SETS: (_indicator_sets, False),
    AddendumStepId.CLOCK: (_clock, False),
    AddendumStepId.CONSISTENCY: (_consistency, False),
}
