"""The verification of a hand-off: numbered steps, the same in code, output and documentation.

Each step passed, failed, or could not be done, and says why in a closed word. The overall result is never better than
the worst step. When one of the first steps fails, what the files say is not looked at any more: it is not what was
handed over. What all of this does not prove stands in `texts.not_proven()`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from spytriage import custody
from spytriage.artefacts import artefact_of
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import Level, Trace
from spytriage.handoff import CUSTODY, EVIDENCE, MANIFEST, REQUIRED, SEALED, SIGNATURE, UnsafeHandOffError, read_handoff
from spytriage.i18n import LANGUAGES, using_language
from spytriage.jsontext import canonical
from spytriage.models import Addendum, CoverageState, Depth, LimitId, Outcome, Report
from spytriage.signing import TrustedKey, comment_of, is_well_formed, key_id_of, verified_by

_FIRST_DAY = date(2026, 1, 1)  # there was no spytriage before
BEHIND = timedelta(days=1)  # clocks and time zones


class Result(StrEnum):
    """What became of a step."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_DONE = "not-done"


class Overall(StrEnum):
    """What became of all steps: never better than the worst of them."""

    PASSED = "passed"
    FAILED = "failed"
    PARTIAL = "partial"  # nothing failed, but something could not be done

    @property
    def exit_code(self) -> int:
        """Return the exit code of `spytriage verify` (1 is an error, 2 wrong usage)."""
        return {Overall.PASSED: 0, Overall.FAILED: 3, Overall.PARTIAL: 5}[self]


class StepId(StrEnum):
    """The steps, in order."""

    CONTAINER = "container"
    FILES = "files"
    HASHES = "hashes"
    CUSTODY = "custody"
    SIGNATURE = "signature"
    SCHEMA = "schema"
    RENDERINGS = "renderings"
    INDICATOR_SETS = "indicator-sets"
    SEALED_EVIDENCE = "sealed-evidence"
    TOOL = "tool"
    CLOCK = "clock"
    CONSISTENCY = "consistency"


class Why(StrEnum):
    """Why a step came out as it did; the sentences stand in `review.texts`."""

    AS_IT_SHOULD_BE = "as-it-should-be"
    EARLIER_STEP_FAILED = "earlier-step-failed"
    NO_HAND_OFF = "no-hand-off"
    MANIFEST_UNREADABLE = "manifest-unreadable"
    FILES_MISSING = "files-missing"
    FILES_UNLISTED = "files-unlisted"
    FILE_CHANGED = "file-changed"
    CUSTODY_BROKEN = "custody-broken"
    CUSTODY_OF_ANOTHER = "custody-of-another"
    CUSTODY_CONTINUED = "custody-continued"
    UNSIGNED = "unsigned"
    SIGNATURE_TAKEN_AWAY = "signature-taken-away"
    SIGNATURE_UNREADABLE = "signature-unreadable"
    SIGNED_BY_ANOTHER_KEY = "signed-by-another-key"
    SIGNATURE_WRONG = "signature-wrong"
    NO_KEY = "no-key"
    SIGNED = "signed"
    NEWER_SCHEMA = "newer-schema"
    REPORT_UNREADABLE = "report-unreadable"
    REPORT_NOT_AS_WRITTEN = "report-not-as-written"
    OTHER_VERSION = "other-version"
    RENDERING_DIFFERS = "rendering-differs"
    SETS_UNKNOWN = "sets-unknown"
    SET_CLAIMS_WRONG = "set-claims-wrong"
    NOTHING_SEALED = "nothing-sealed"
    NO_IDENTITY = "no-identity"
    EVIDENCE_OF_ANOTHER = "evidence-of-another"
    DAY_IMPLAUSIBLE = "day-implausible"
    CONSENT_NOT_IN_FORCE = "consent-not-in-force"
    REPORT_NOT_VERIFIED = "report-not-verified"
    ADDENDUM_UNREADABLE = "addendum-unreadable"
    ADDENDUM_NOT_AS_WRITTEN = "addendum-not-as-written"
    ADDENDUM_OF_ANOTHER = "addendum-of-another"
    OUTCOME_CONTRADICTS = "outcome-contradicts"
    LIMITS_CONTRADICT = "limits-contradict"
    REPORT_NOT_READ = "report-not-read"


@dataclass(frozen=True, slots=True)
class Step:
    """One step and what became of it."""

    id: StrEnum  # StepId, or that of an addendum
    result: Result
    why: Why
    about: str = ""  # a file, a key or a version that the reason speaks of; printable

    @property
    def number(self) -> int:
        """Return the number under which the documentation describes the step."""
        return list(type(self.id)).index(self.id) + 1


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of each step, and the report when it could be read."""

    steps: tuple[Step, ...]
    report: Report | None = None
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def overall(self) -> Overall:
        """Return the result that is never better than the worst step."""
        results = {step.result for step in self.steps}
        if Result.FAILED in results:
            return Overall.FAILED
        return Overall.PARTIAL if Result.NOT_DONE in results else Overall.PASSED


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What this installation brings to a verification: other stages give it, so that this one knows none of them."""

    version: str  # of spytriage
    schema_version: int
    today: date  # UTC
    known_sets: frozenset[str]  # SHA-256 of the indicator sets that the catalogue pins or that came with spytriage
    read_report: Callable[[bytes], Report]  # raises SpytriageError
    write_report: Callable[[Report], bytes]  # report.json
    renderings: Callable[[Report], Mapping[str, bytes]]  # by name, in the current language
    manifest: Callable[[Report, Mapping[str, bytes], Mapping[str, Any]], bytes]
    read_addendum: Callable[[bytes, Report], Addendum]  # raises SpytriageError
    write_addendum: Callable[[Addendum, str | None], Mapping[str, bytes]]  # its files, in the current language
    unseal: Callable[[Mapping[str, bytes]], object] | None = None
    """With an identity that can open what is sealed: takes the files by name, and raises SpytriageError when a sealed
    one does not belong to report.json."""


@dataclass(slots=True)
class Case:
    """A hand-off on its way through the steps."""

    files: Mapping[str, bytes]
    knowledge: Knowledge
    keys: tuple[TrustedKey, ...]
    required: tuple[str, ...] = REQUIRED
    manifest: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None

    @property
    def own_version(self) -> bool:
        """Return whether this version of spytriage made the report."""
        return self.report is not None and self.report.tool.version == self.knowledge.version


StepOutcome = tuple[Result, Why] | tuple[Result, Why, str]
GOOD: StepOutcome = (Result.PASSED, Why.AS_IT_SHOULD_BE)


def verify(path: Path, knowledge: Knowledge, keys: Iterable[TrustedKey] = ()) -> Verification:
    """Verify a hand-off; nothing is written, nothing is unpacked.

    Args:
        path: its folder or its zip.
        knowledge: what this installation knows.
        keys: the public keys of those who may have signed it.

    Raises:
        SpytriageError: there is nothing at `path` that can be read.
    """
    try:
        files = read_handoff(path)
    except UnsafeHandOffError as error:
        first = Step(StepId.CONTAINER, Result.FAILED, Why.NO_HAND_OFF, f"{error.message} {error.hint}")
        rest = (Step(step, Result.NOT_DONE, Why.EARLIER_STEP_FAILED) for step in list(StepId)[1:])
        return Verification((first, *rest))
    return verify_files(files, knowledge, keys)


def verify_files(files: Mapping[str, bytes], knowledge: Knowledge, keys: Iterable[TrustedKey] = ()) -> Verification:
    """Verify the files of a hand-off that were read with `read_handoff`."""
    case = Case(files, knowledge, tuple(keys))
    steps = [Step(StepId.CONTAINER, *GOOD)]
    stopped = False
    for step, (look, stops) in _STEPS.items():
        if stopped:
            found: StepOutcome = (Result.NOT_DONE, Why.EARLIER_STEP_FAILED)
        else:
            found = look(case)
        steps.append(Step(step, *found))
        stopped = stopped or (stops and found[0] is Result.FAILED)
    return Verification(tuple(steps), None if stopped else case.report, files)


# --- The files are those that were handed over --------------------------------------------------------------------


def look_at_files(case: Case) -> StepOutcome:
    """All files are there that belong to a hand-off, the manifest lists them, and there are no others."""
    if missing := [name for name in case.required if name not in case.files]:
        return (Result.FAILED, Why.FILES_MISSING, ", ".join(missing))
    try:
        case.manifest = json.loads(case.files[MANIFEST])
        listed = [entry["name"] for entry in case.manifest["files"]]
        exact = canonical(case.manifest) == case.files[MANIFEST]
    except (ValueError, TypeError, KeyError, RecursionError):
        return (Result.FAILED, Why.MANIFEST_UNREADABLE)
    if not exact or not all(isinstance(name, str) for name in listed):
        return (Result.FAILED, Why.MANIFEST_UNREADABLE)
    here = set(case.files) - {MANIFEST, SIGNATURE, CUSTODY}  # custody.jsonl grows: the manifest holds its beginning
    if missing := sorted(set(listed) - here):
        return (Result.FAILED, Why.FILES_MISSING, ", ".join(name for name in missing if name.isprintable())[:200])
    if unlisted := sorted(here - set(listed)):
        return (Result.FAILED, Why.FILES_UNLISTED, ", ".join(unlisted))
    return GOOD if len(listed) == len(here) else (Result.FAILED, Why.MANIFEST_UNREADABLE)


def look_at_hashes(case: Case) -> StepOutcome:
    """Every file has the SHA-256 and the size that the manifest says."""
    for entry in case.manifest["files"]:
        data = case.files[entry["name"]]
        if entry.get("sha256") != hashlib.sha256(data).hexdigest() or entry.get("size") != len(data):
            return (Result.FAILED, Why.FILE_CHANGED, entry["name"])
    return GOOD


def _custody(case: Case) -> StepOutcome:
    """The chain of custody is unbroken and begins as the manifest says."""
    try:
        entries = custody.read(case.files[CUSTODY])
    except ValueError:
        return (Result.FAILED, Why.CUSTODY_BROKEN)
    claim = case.manifest.get("custody")
    if not custody.is_bound(case.files[CUSTODY], claim):
        return (Result.FAILED, Why.CUSTODY_OF_ANOTHER)
    later = len(entries) - case.manifest["custody"]["entries"]
    return (Result.PASSED, Why.CUSTODY_CONTINUED, str(later)) if later else GOOD


def look_at_signature(case: Case) -> StepOutcome:
    """The manifest is signed with one of the keys that were given."""
    declared = case.manifest.get("signer")
    if (signature := case.files.get(SIGNATURE)) is None:
        return (Result.FAILED, Why.SIGNATURE_TAKEN_AWAY) if declared else (Result.NOT_DONE, Why.UNSIGNED)
    manifest = case.files[MANIFEST]
    if not is_well_formed(signature):
        return (Result.FAILED, Why.SIGNATURE_UNREADABLE)
    key_id = key_id_of(signature) or ""
    if declared is not None and declared != key_id:
        return (Result.FAILED, Why.SIGNED_BY_ANOTHER_KEY, key_id)
    named = re.search(r"sha256:([0-9a-f]{64})", comment_of(signature))
    if named and named[1] != hashlib.sha256(manifest).hexdigest():
        return (Result.FAILED, Why.SIGNATURE_WRONG, key_id)
    if not case.keys:
        return (Result.NOT_DONE, Why.NO_KEY, key_id)
    if signed_by := verified_by(signature, manifest, case.keys):
        return (Result.PASSED, Why.SIGNED, f"{signed_by.id} ({signed_by.label})")
    known = key_id in {trusted.id for trusted in case.keys}
    return (Result.FAILED, Why.SIGNATURE_WRONG if known else Why.SIGNED_BY_ANOTHER_KEY, key_id)


# --- What they say holds together ---------------------------------------------------------------------------------


def _schema(case: Case) -> StepOutcome:
    """report.json follows its schema, and the manifest says the same as it."""
    data, knowledge = case.files["report.json"], case.knowledge
    if _schema_version(data) > knowledge.schema_version:
        return (Result.NOT_DONE, Why.NEWER_SCHEMA, str(_schema_version(data)))
    try:
        case.report = knowledge.read_report(data)
    except SpytriageError:
        return (Result.FAILED, Why.REPORT_UNREADABLE)
    if not case.own_version:
        return (Result.NOT_DONE, Why.OTHER_VERSION, case.report.tool.version[:40])
    listed = {entry["name"]: case.files[entry["name"]] for entry in case.manifest["files"]}
    manifest = knowledge.manifest(case.report, listed, case.manifest["custody"])
    if knowledge.write_report(case.report) != data or manifest != case.files[MANIFEST]:
        return (Result.FAILED, Why.REPORT_NOT_AS_WRITTEN)
    return GOOD


def _schema_version(data: bytes) -> int:
    try:
        version = json.loads(data)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
    return version if type(version) is int else 0


def _renderings(case: Case) -> StepOutcome:
    """report.html and report.stix2 say what report.json says: made again from it, they are the same bytes."""
    if case.report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    if not case.own_version:
        return (Result.NOT_DONE, Why.OTHER_VERSION, case.report.tool.version[:40])
    named = re.search(rb'<html [^>]{1,60} data-languages="([A-Za-z_,]{2,40})">', case.files["report.html"][:400])
    languages = named[1].decode().split(",") if named else []
    if not languages or not set(languages) <= set(LANGUAGES) or len(languages) > len(set(languages)):
        return (Result.FAILED, Why.RENDERING_DIFFERS, "report.html")
    try:
        with using_language(*languages):
            expected = case.knowledge.renderings(case.report)
    except (ValueError, TypeError, LookupError):  # a report that was made up to be read, and cannot be told
        return (Result.FAILED, Why.REPORT_UNREADABLE)
    for name, data in expected.items():
        if case.files[name] != data:
            return (Result.FAILED, Why.RENDERING_DIFFERS, name)
    return GOOD


def _indicator_sets(case: Case) -> StepOutcome:
    """Every indicator set is one that the catalogue knows, and a finding names no other."""
    if case.report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    known, used = case.knowledge.known_sets, case.report.sets
    claims = {claim.sha256 for finding in case.report.findings for i in finding.indicators for claim in i.attributions}
    boasting = any((loaded.embedded or loaded.catalogued) and loaded.sha256 not in known for loaded in used)
    if claims - {loaded.sha256 for loaded in used} or (case.own_version and boasting):
        return (Result.FAILED, Why.SET_CLAIMS_WRONG)
    if unknown := sum(loaded.sha256 not in known for loaded in used):
        return (Result.NOT_DONE, Why.SETS_UNKNOWN, str(unknown))
    return GOOD


def _sealed_evidence(case: Case) -> StepOutcome:
    """The sealed evidence is what the report committed itself to; only who can open it can tell."""
    if EVIDENCE not in case.files and case.report is not None and case.report.redaction.recipients > 0:
        return (Result.FAILED, Why.FILES_MISSING, EVIDENCE)
    if not any(name in case.files for name in SEALED):
        return (Result.PASSED, Why.NOTHING_SEALED)
    if case.knowledge.unseal is None:
        return (Result.NOT_DONE, Why.NO_IDENTITY)
    try:
        case.knowledge.unseal(case.files)
    except SpytriageError as error:
        return (Result.FAILED, Why.EVIDENCE_OF_ANOTHER, error.message)
    return GOOD


def _tool(case: Case) -> StepOutcome:
    """The version of spytriage is one that there is."""
    if case.report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    if not case.own_version:
        return (Result.NOT_DONE, Why.OTHER_VERSION, case.report.tool.version[:40])
    return GOOD


def _clock(case: Case) -> StepOutcome:
    """The days are plausible: nothing lies in the future, and the consent was in force on the day of the check."""
    if case.report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    checked, consent = case.report.tool.checked_on, case.report.consent
    latest = max(entry.day for entry in custody.read(case.files[CUSTODY]))
    if not _FIRST_DAY <= checked <= latest or latest - case.knowledge.today > BEHIND:
        return (Result.FAILED, Why.DAY_IMPLAUSIBLE, checked.isoformat())
    expired = consent.keep_until is not None and consent.keep_until < checked
    if consent.given_on > checked + BEHIND or expired or not consent.analyse:
        return (Result.FAILED, Why.CONSENT_NOT_IN_FORCE)
    return GOOD


def _consistency(case: Case) -> StepOutcome:
    """Outcome, coverage and findings do not contradict one another (a no-match with a gap does)."""
    if case.report is None:
        return (Result.NOT_DONE, Why.REPORT_NOT_READ)
    if (derived := outcome_of(case.report)) is not case.report.outcome:
        return (Result.FAILED, Why.OUTCOME_CONTRADICTS, derived.value)
    gaps = sum(module.state.is_gap for module in case.report.modules)
    told = [dict(limit.values).get("modules") for limit in case.report.limits if limit.id is LimitId.COVERAGE_GAPS]
    demo = any(limit.id is LimitId.DEMO for limit in case.report.limits)
    if told != ([gaps] if gaps else []) or demo is not case.report.demo:
        return (Result.FAILED, Why.LIMITS_CONTRADICT)
    return GOOD


def outcome_of(report: Report) -> Outcome:
    """Return the outcome that findings and coverage call for: the rule of docs/reference/outcomes.md, applied anew."""
    if any(finding.indicators and finding.rule and not finding.rule.is_loose for finding in report.findings):
        return Outcome.MATCH
    if any(f.trace is Trace.ANOMALY and f.level.rank >= Level.MEDIUM.rank for f in report.findings):
        return Outcome.SUSPICIOUS
    looked = any(m.state is CoverageState.CHECKED and artefact_of(m.name).carries_indicators for m in report.modules)
    if not looked or any(module.state.is_gap for module in report.modules):
        return Outcome.INCONCLUSIVE
    return Outcome.NO_MATCH


def outcome_of_addendum(addendum: Addendum) -> Outcome:
    """Return the outcome that a check with the newer sets would have had, as far as what was kept can tell."""
    without = tuple(finding for finding in addendum.report.findings if not finding.indicators)
    outcome = outcome_of(replace(addendum.report, findings=(*addendum.new, *addendum.still_there, *without)))
    if outcome is Outcome.NO_MATCH and (addendum.left_out or addendum.depth is Depth.REPORT):
        return Outcome.INCONCLUSIVE
    return outcome


# In the order of StepId; True: when the step fails, the files are not those that were handed over.
_STEPS: Mapping[StepId, tuple[Callable[[Case], StepOutcome], bool]] = {
    StepId.FILES: (look_at_files, True),
    StepId.HASHES: (look_at_hashes, True),
    StepId.CUSTODY: (_custody, True),
    StepId.SIGNATURE: (look_at_signature, True),
    StepId.SCHEMA: (_schema, True),
    StepId.RENDERINGS: (_renderings, False),
    StepId.INDICATOR_SETS: (_indicator_sets, False),
    StepId.SEALED_EVIDENCE: (_sealed_evidence, False),
    StepId.TOOL: (_tool, False),
    StepId.CLOCK: (_clock, False),
    StepId.CONSISTENCY: (_consistency, False),
}
