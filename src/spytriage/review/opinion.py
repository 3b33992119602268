"""review.json: what a reviewer thinks of a report, as a whole and finding by finding, and what they ask for.

The report is never altered: a review is a file of its own that names the report by its SHA-256. Whatever a review says
in closed words can be counted and set side by side; the note is for people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from spytriage import custody
from spytriage.custody import Event, Role
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import Benign
from spytriage.handoff import CUSTODY, MANIFEST
from spytriage.i18n import _
from spytriage.jsontext import readable, typed
from spytriage.models import RedactedFinding, Report
from spytriage.review.verify import Overall
from spytriage.text import printable

REVIEW = "review.json"
REVIEW_STIX = "review.stix2"
REVIEW_SIGNATURE = "review.json.minisig"
REVIEW_VERSION = 1
LARGEST_REVIEW = 4 * 1024 * 1024  # bytes
LONGEST_NOTE = 4000  # characters


class Verdict(StrEnum):
    """What a reviewer thinks of a report or a finding."""

    AGREE = "agree"
    DISAGREE = "disagree"
    NEEDS_MORE = "needs-more"  # cannot say without more


class Ground(StrEnum):
    """Why, beside the harmless explanations (`Benign`), which are grounds too."""

    SPECIFIC_INDICATOR = "specific-indicator"  # nothing but spyware has that name or address
    CORROBORATED = "corroborated"  # several traces that do not depend on one another
    SEEN_IN_OTHER_CASES = "seen-in-other-cases"
    WEAK_INDICATOR = "weak-indicator"  # much else has that name or address
    WRONG_GRADE = "wrong-grade"
    COVERAGE_TOO_LOW = "coverage-too-low"
    NEEDS_SEALED_EVIDENCE = "needs-sealed-evidence"
    NEEDS_BACKUP = "needs-backup"
    NEEDS_CONTEXT = "needs-context"  # what the person remembers, what else happened


GROUNDS: tuple[str, ...] = (*(ground.value for ground in Ground), *(benign.value for benign in Benign))
"""The fixed list of reasons."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One verdict with its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()  # of GROUNDS
    note: str = ""

    def __post_init__(self) -> None:
        if unknown := [reason for reason in self.reasons if reason not in GROUNDS]:
            raise SpytriageError(
                _("This is not one of the reasons: {reason}").format(reason=ascii(unknown[0][:40])),
                hint=_("The reasons are: {list}").format(list=", ".join(GROUNDS)),
            )
        if len(self.note) > LONGEST_NOTE:
            raise SpytriageError(
                _("A note has at most {count} characters.").format(count=LONGEST_NOTE), hint=_("Shorten it.")
            )


@dataclass(frozen=True, slots=True)
class Question:
    """A field that the reviewer asks to be unsealed."""

    finding: str  # its reference, such as F1
    field: str  # as its `withheld` names it


@dataclass(frozen=True, slots=True)
class Review:
    """A whole review."""

    report_sha256: str
    manifest_sha256: str
    day: date  # UTC
    version: str  # of spytriage
    verification: Overall  # what `verify` came to when the review was written
    opinion: Opinion
    findings: Mapping[str, Opinion] = field(default_factory=dict)  # by reference, such as F1
    questions: tuple[Question, ...] = ()
    signer: str | None = None
    custody: bytes = b""  # the lines that this review adds to the chain of custody


def by_reference(report: Report) -> dict[str, RedactedFinding]:
    """Return the findings of a report by the reference under which a review speaks of them, in the report's order."""
    return {f"F{finding.ref}": finding for finding in report.findings}


def write_review(
    files: Mapping[str, bytes],
    report: Report,
    *,
    day: date,
    version: str,
    verification: Overall,
    opinion: Opinion,
    findings: Mapping[str, Opinion],
    questions: tuple[Question, ...],
    signer: str | None,
) -> Review:
    """Return a review of the hand-off with these files.

    Raises:
        SpytriageError: it speaks of a finding or field that the report does not have.
    """
    known = by_reference(report)
    for reference in (*findings, *(question.finding for question in questions)):
        if reference not in known:
            raise SpytriageError(
                _("The report has no finding {finding}.").format(finding=printable(reference, 20)),
                hint=_("Its findings are: {list}").format(list=", ".join(known) or "–"),
            )
    for question in questions:
        withheld = known[question.finding].withheld
        if question.field not in withheld:
            raise SpytriageError(
                _("Finding {finding} withholds no field of that name.").format(finding=question.finding),
                hint=_("It withholds: {list}").format(list=", ".join(withheld) or "–"),
            )
    log = files[CUSTODY]
    for event in (Event.VERIFIED, Event.REVIEWED):
        log = custody.extend(log, event, Role.REVIEWER, day)
    return Review(
        report_sha256=_digest(files["report.json"]),
        manifest_sha256=_digest(files[MANIFEST]),
        day=day,
        version=version,
        verification=verification,
        opinion=opinion,
        findings={reference: findings[reference] for reference in known if reference in findings},
        questions=questions,
        signer=signer,
        custody=log[len(files[CUSTODY]) :],
    )


def to_json(review: Review) -> bytes:
    """Return review.json."""
    return readable({
        "review_version": REVIEW_VERSION,
        "report": {"sha256": review.report_sha256, "manifest_sha256": review.manifest_sha256},
        "day": review.day.isoformat(),
        "version": review.version,
        "verification": review.verification.value,
        "opinion": _opinion(review.opinion),
        "findings": [{"finding": name, **_opinion(opinion)} for name, opinion in review.findings.items()],
        "questions": [{"finding": question.finding, "field": question.field} for question in review.questions],
        "signer": review.signer,
        "custody": review.custody.decode().splitlines(),
    })  # fmt: skip


def _opinion(opinion: Opinion) -> dict[str, Any]:
    return {"verdict": opinion.verdict.value, "reasons": list(opinion.reasons), "note": opinion.note}


def read_review(data: bytes, files: Mapping[str, bytes], report: Report) -> Review:
    """Return the review that a review.json holds, of the hand-off with these files.

    Raises:
        SpytriageError: it is no review.json, or one of another report.
    """
    try:
        review = _review(json.loads(data))
        exact = to_json(review) == data
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SpytriageError) as error:
        raise _not_a_review() from error
    if not exact:
        raise _not_a_review()
    if review.report_sha256 != _digest(files["report.json"]) or review.manifest_sha256 != _digest(files[MANIFEST]):
        raise SpytriageError(
            _("This review is about another report."), hint=_("Give the hand-off that it was written for.")
        )
    spoken_of = {*review.findings, *(question.finding for question in review.questions)}
    if not spoken_of <= set(by_reference(report)) or not _goes_on(review, files[CUSTODY]):
        raise _not_a_review()
    return review


def _goes_on(review: Review, log: bytes) -> bool:
    """Return whether the review's lines go on from the hand-off's chain, which may have grown since."""
    lines = log.splitlines(keepends=True)
    for end in range(len(lines), 0, -1):
        try:
            events = custody.read(b"".join(lines[:end]) + review.custody)
        except ValueError:
            continue
        return len(events) > end and events[-1].event is Event.REVIEWED
    return False


def _not_a_review() -> SpytriageError:
    return SpytriageError(
        _("This is not a review.json of spytriage, or it was changed."),
        hint=_("Ask the reviewer to send it again."),
    )


def _review(content: Any) -> Review:
    if content["review_version"] != REVIEW_VERSION:
        raise ValueError("another version")
    return Review(
        report_sha256=typed(str, content["report"]["sha256"]),
        manifest_sha256=typed(str, content["report"]["manifest_sha256"]),
        day=date.fromisoformat(content["day"]),
        version=typed(str, content["version"]),
        verification=Overall(content["verification"]),
        opinion=_read_opinion(content["opinion"]),
        findings={typed(str, entry["finding"]): _read_opinion(entry) for entry in content["findings"]},
        questions=tuple(
            Question(typed(str, entry["finding"]), typed(str, entry["field"])) for entry in content["questions"]
        ),
        signer=None if content["signer"] is None else typed(str, content["signer"]),
        custody="".join(f"{typed(str, line)}\n" for line in content["custody"]).encode(),
    )


def _read_opinion(entry: Any) -> Opinion:
    return Opinion(
        Verdict(entry["verdict"]), tuple(typed(str, reason) for reason in entry["reasons"]), typed(str, entry["note"])
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
