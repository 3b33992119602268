"""Reads reports for statistics: only those whose consent allows it, each phone once."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.finding_kinds import Trace
from spytriage.handoff import MANIFEST, read_handoff
from spytriage.i18n import _
from spytriage.models import Outcome, Report
from spytriage.report import from_json
from spytriage.yamltext import texts_in

NOT_GIVEN = "not-given"
_PLACES = ("period", "region", "sector")
_CODES = ("phone", "person")
_WORDS = re.compile(r"[\w .,()/+-]{1,60}")
_MOST_BYTES = 10_000


class LeftOut(StrEnum):
    """Why a report is not counted."""

    NO_CONSENT = "no-consent"  # to be counted
    UNREADABLE = "unreadable"  # no report, or not as it was written
    DEMO = "demo"  # an invented phone
    SAME_PHONE = "same-phone"  # another report of it is counted


@dataclass(frozen=True, slots=True)
class Case:
    """What is counted of one report.

    Attributes:
        period, region, sector: as the file beside the report gives them; the quarter of the check stands in for a
            missing period, `NOT_GIVEN` for the others.
        phone, person: codes by which reports of one phone, and phones of one person, are known; "" when not given.
        outcome: of the check.
        traces: kinds of trace with a published indicator.
        families: that these indicators are published for.
        checked_on: day of the check, to tell the latest report of a phone.
    """

    period: str
    region: str
    sector: str
    phone: str
    person: str
    outcome: Outcome
    traces: frozenset[Trace]
    families: frozenset[str]
    checked_on: str

    def place(self, dimension: str) -> str:
        """Return its period, region or sector."""
        return str(getattr(self, dimension))


@dataclass(frozen=True, slots=True)
class Collected:
    """The cases to count, and how many reports were left out, by reason."""

    cases: tuple[Case, ...]
    left_out: Mapping[LeftOut, int]


def collect(paths: Iterable[Path]) -> Collected:
    """Read hand-offs (folders, zips), and those in folders of them.

    Beside a hand-off `K-014` or `K-014.zip` there may be `K-014.yaml` with any of: period, region, sector, phone,
    person.

    Raises:
        SpytriageError: a path is not there, or a file beside a report is not understood: what it says would be
            missing in the counts.
    """
    left_out: Counter[LeftOut] = Counter()
    cases: dict[str, Case] = {}
    for number, path in enumerate(_hand_offs(paths)):
        found = _case(path)
        if isinstance(found, LeftOut):
            left_out[found] += 1
            continue
        key = found.phone or f"\0{number}"
        if key in cases:
            left_out[LeftOut.SAME_PHONE] += 1
        if key not in cases or cases[key].checked_on <= found.checked_on:
            cases[key] = found  # the latest report of a phone knows most
    return Collected(tuple(cases.values()), left_out)


def _hand_offs(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise SpytriageError(_("There is nothing here."), path=path, hint=_("Check the path."))
        if path.is_file() or _is_hand_off(path):
            yield path
        else:
            yield from sorted(_below(path))


def _is_hand_off(folder: Path) -> bool:
    """Return whether a folder is a hand-off, be it one that is not whole: it is left out, and said to be."""
    return any((folder / name).is_file() for name in (MANIFEST, "report.json"))


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix == ".zip" or (path.is_dir() and _is_hand_off(path)):
            yield path


def _case(path: Path) -> Case | LeftOut:
    try:
        files = read_handoff(path)
        report = from_json(files["report.json"])
        if not _is_as_written(files):
            return LeftOut.UNREADABLE
    except (SpytriageError, KeyError):
        return LeftOut.UNREADABLE
    if report.demo:
        return LeftOut.DEMO
    if not report.consent.aggregate:
        return LeftOut.NO_CONSENT
    return _counted(report, beside(path))


def _is_as_written(files: Mapping[str, bytes]) -> bool:
    """Return whether the manifest names this report.json; `spytriage verify` looks further, and at signatures."""
    try:
        listed = {entry["name"]: entry["sha256"] for entry in json.loads(files[MANIFEST])["files"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return bool(listed.get("report.json") == hashlib.sha256(files["report.json"]).hexdigest())


def _counted(report: Report, beside: Mapping[str, str]) -> Case:
    matched = [finding for finding in report.findings if finding.indicators and finding.trace is not Trace.ANOMALY]
    day = report.tool.checked_on
    return Case(
        period=beside.get("period") or f"{day.year}-Q{(day.month + 2) // 3}",
        region=beside.get("region") or NOT_GIVEN,
        sector=beside.get("sector") or NOT_GIVEN,
        phone=beside.get("phone", ""),
        person=beside.get("person", ""),
        outcome=report.outcome,
        traces=frozenset(finding.trace for finding in matched),
        families=frozenset(
            claim.family
            for finding in matched
            for indicator in finding.indicators
            for claim in indicator.attributions
            if claim.family
        ),
        checked_on=day.isoformat(),
    )


def beside(path: Path) -> Mapping[str, str]:
    """Return what the file beside a hand-off says.

    Raises:
        SpytriageError: it is not understood.
    """
    file = path.with_name(f"{path.name.removesuffix('.zip')}.yaml")
    if not file.exists():
        return {}
    try:
        data: Any = texts_in(file, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise _not_understood(file) from error
    if not isinstance(data, dict) or not set(data) <= {*_PLACES, *_CODES}:
        raise _not_understood(file)
    if not all(isinstance(value, str) and _WORDS.fullmatch(value) for value in data.values()):
        raise _not_understood(file)
    return data


def _not_understood(file: Path) -> SpytriageError:
    return SpytriageError(
        _("This file does not say where a report belongs."),
        path=file,
        hint=_("Write lines such as `region: North`, with period, region, sector, phone or person, up to 60 letters."),
    )
