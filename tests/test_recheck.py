"""A recheck says what a check of the phone with the newer sets would have said, and opens no more than that needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pyrage
import pytest

from spytriage.consent import Grant
from spytriage.demo import DemoPhone
from spytriage.evidence import parse_recipients
from spytriage.models import (
    Attribution,
    Indicator,
    IndicatorIndex,
    IndicatorSet,
    IndicatorType,
    Kept,
    LookUp,
)
from spytriage.pipeline import Check, Examined, check
from spytriage.recheck import Request, Row, Status, find_cases, recheck
from spytriage.release import _sealed
from spytriage.report import write_report
from tests.conftest import consent
from tests.tools import DAY, KEY, Recorder

TO_KEEP = (Grant.ANALYSE, Grant.SHARE_REDACTED, Grant.KEEP_OBSERVABLES)
IDENTITY = pyrage.x25519.Identity.generate()
_TYPES: Mapping[LookUp, tuple[IndicatorType, ...]] = {
    LookUp.PROCESS: (IndicatorType.PROCESS,),
    LookUp.EMAIL: (IndicatorType.EMAIL,),
    LookUp.FILE_NAME: (IndicatorType.FILE_NAME,),
    LookUp.FILE_PATH: (IndicatorType.FILE_PATH, IndicatorType.FILE_NAME),
    LookUp.FILE_PATH_PROCESS: (IndicatorType.PROCESS,),
    LookUp.PROFILE: (IndicatorType.CONFIGURATION_PROFILE,),
    LookUp.FILE_HASH: (IndicatorType.FILE_SHA256,),
    LookUp.APP_CERTIFICATE: (IndicatorType.APP_CERTIFICATE,),
    LookUp.APP_ID: (IndicatorType.APP_ID,),
    LookUp.ANDROID_PROPERTY: (IndicatorType.ANDROID_PROPERTY,),
}


def index_of(name: str, values: Iterable[tuple[IndicatorType, str]]) -> IndicatorIndex:
    """A set of these indicators, of a SHA-256 that its name makes up."""
    sha256 = name.encode().hex().ljust(64, "0")
    indicators = tuple(
        Indicator(kind, value, (Attribution(name, "Invented", sha256, f"indicator--{place}"),))
        for place, (kind, value) in enumerate(dict.fromkeys(values))
    )
    count = len(indicators)
    one = IndicatorSet(name, name, "spytriage", ("Invented",), sha256, count, count, ())
    return IndicatorIndex((one,), indicators)


NOTHING = index_of("nothing", [(IndicatorType.PROCESS, "no-phone-has-this")])


def examine(path: Path, index: IndicatorIndex, *, keep_until: date | None = None) -> tuple[Check, Examined]:
    request = Check(
        path, index, consent(*TO_KEEP, keep_until=keep_until), DAY, KEY,
        recipients=parse_recipients([str(IDENTITY.to_public())]), keep_observables=True,
    )  # fmt: skip
    return request, check(request, Recorder())


def write(request: Check, examined: Examined, folder: Path) -> None:
    """Write a report past the tripwire: sets that are made of a phone's own values look like leaks to it."""
    report, seal = _sealed(request, examined)
    write_report(report, request.index.objects, folder, seal=seal)


def request_for(index: IndicatorIndex, *earlier: IndicatorIndex, identity: Any = IDENTITY) -> Request:
    return Request.make(index, earlier, str(identity).encode(), DAY, None)


def rows_of(paths: list[Path], request: Request, output: Path, jobs: int = 1) -> dict[str, Row]:
    output.mkdir(exist_ok=True)
    cases, rows = find_cases(paths)
    return {row.case: row for row in [*rows, *recheck(cases, request, output, None, jobs)]}


Sightings = dict[tuple[str, str, str, str], str | None]


def sightings(findings: Iterable[Mapping[str, Any]]) -> Sightings:
    """The first day of every indicator in every module, by firm rules."""
    found: Sightings = {}
    for finding in findings:
        if finding["indicators"] and not finding["rule"].startswith("loose"):
            for one in finding["indicators"]:
                key = (finding["id"], finding["module"], one["type"], one["value"])
                days = [day for day in (found.get(key), finding["day"]) if day]
                found[key] = min(days) if days else None
    return found


# --- The same findings as a fresh check ---------------------------------------------------------------------------


def published(kept: Kept, urls: Iterable[str]) -> list[tuple[IndicatorType, str]]:
    """Indicators of every kind that the phone meets: a part of what it holds, and its parents."""
    values: list[tuple[IndicatorType, str]] = []
    for place, seen in enumerate(kept.observables):
        if seen.look_up is LookUp.URL or place % 3 == 0:
            values += [(kind, _of(kind, seen.value)) for kind in _TYPES.get(seen.look_up, ())]
    for place, url in enumerate(urls):
        host = url.split("/")[2]
        values.append((IndicatorType.URL, url) if place % 2 else (IndicatorType.DOMAIN, host))
        values.append((IndicatorType.DOMAIN, "/".join(url.split("/")[2:4])))
    return values


def _of(kind: IndicatorType, value: str) -> str:
    return value.rpartition("/")[2] if kind in {IndicatorType.FILE_NAME, IndicatorType.PROCESS} else value


@pytest.fixture(scope="module", params=["ios", "android"])
def phone_and_sets(
    request: pytest.FixtureRequest, written_phone: tuple[Path, DemoPhone], android_phone: tuple[Path, DemoPhone]
) -> tuple[Path, IndicatorIndex, IndicatorIndex]:
    """A phone, the sets that it is checked with first, and newer ones."""
    path = (written_phone if request.param == "ios" else android_phone)[0]
    _request, examined = examine(path, NOTHING)
    assert examined.kept is not None
    urls = URLS[request.param]
    values = published(examined.kept, urls)
    older = index_of("older", [*values[::2], (IndicatorType.DOMAIN, "withdrawn.example")])
    return path, older, index_of("newer", values[: len(values) // 4] + values[1::2])


URLS = {"ios": ["https://archive.example.net/inicio"], "android": ["https://free-news-alert.example/"]}


def test_a_recheck_finds_what_a_check_with_the_newer_sets_finds(
    phone_and_sets: tuple[Path, IndicatorIndex, IndicatorIndex], tmp_path: Path
) -> None:
    path, older, newer = phone_and_sets
    (tmp_path / "cases").mkdir()
    write(*examine(path, older), tmp_path / "cases" / "first")
    write(*examine(path, newer), tmp_path / "fresh")

    row = rows_of([tmp_path / "cases"], request_for(newer, older), tmp_path / "out")["first"]

    addendum = json.loads((tmp_path / "out" / "first" / "addendum.json").read_text())
    fresh = sightings(json.loads((tmp_path / "fresh" / "report.json").read_text())["findings"])
    again = sightings([*addendum["new"], *addendum["still_there"]])
    assert len(fresh) > 15
    assert row.status is Status.NEW
    assert fresh.items() <= again.items()
    # MVT names one match of a record, and a recheck names all: each that it names beside them is one by itself.
    for key in again.keys() - fresh.keys():
        (found,) = (i for i in newer.indicators if i.key == key[2:])
        _one, alone = examine(path, IndicatorIndex(newer.sets, (found,)))
        assert (key[1], found.key) in {(f.module, i.key) for f in alone.report.findings for i in f.indicators}
