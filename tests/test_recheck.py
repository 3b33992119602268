"""A recheck says what a check of the phone with the newer sets would have said, and opens no more than that needs."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from spytriage.atomic import put_folder_in_place
from spytriage.consent import Grant
from spytriage.demo import DemoPhone
from spytriage.errors import SpytriageError
from spytriage.evidence import parse_recipients
from spytriage.handoff import pack, read_handoff
from spytriage.indicators.kept import NOT_KEPT_FOR
from spytriage.models import (
    Attribution,
    Depth,
    Indicator,
    IndicatorIndex,
    IndicatorSet,
    IndicatorType,
    Kept,
    LookUp,
    Outcome,
)
from spytriage.observables import fingerprint, open_observables
from spytriage.pipeline import Check, Examined, check
from spytriage.recheck import Request, Row, Status, exit_code, find_cases, recheck
from spytriage.release import _sealed, release
from spytriage.report import write_report
from spytriage.review import Result, StepId, verify
from spytriage.verification import knowledge
from tests.canaries import Canaries
from tests.conftest import consent
from tests.test_leaks import plant_in_databases
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
    """The first day of every indicator in every module, by each rule that what is kept can be compared by."""
    found: Sightings = {}
    for finding in findings:
        if finding["indicators"] and finding["rule"] != NOT_KEPT_FOR:
            for one in finding["indicators"]:
                key = (finding["id"], finding["module"], one["type"], one["value"])
                days = [day for day in (found.get(key), finding["day"]) if day]
                found[key] = min(days) if days else None
    return found


# --- The same findings as a fresh check ---------------------------------------------------------------------------


def published(kept: Kept, urls: Iterable[str]) -> list[tuple[IndicatorType, str]]:
    """Indicators of every kind that the phone meets: a part of what it holds, and its parents."""
    values: list[tuple[IndicatorType, str]] = []
    places = {look_up: itertools.count() for look_up in LookUp}
    for seen in kept.observables:
        place = next(places[seen.look_up])
        if seen.look_up is LookUp.URL or place % 3 == 0:
            values += [(kind, _of(kind, seen.value)) for kind in _TYPES.get(seen.look_up, ())]
        if place % 3 == 1:
            values += _resembling(seen.look_up, seen.value)
    for place, url in enumerate(urls):
        host = url.split("/")[2]
        values.append((IndicatorType.URL, url) if place % 2 else (IndicatorType.DOMAIN, host))
        values.append((IndicatorType.DOMAIN, "/".join(url.split("/")[2:4])))
    return values


def _resembling(look_up: LookUp, value: str) -> list[tuple[IndicatorType, str]]:
    """Indicators that a value meets by a loose rule only."""
    folders = [name for name in value.split("/")[:-1] if name]
    if look_up is LookUp.FILE_PATH and len(value) > 6:
        return [(IndicatorType.FILE_PATH, value[:-2])]
    if look_up is LookUp.FILE_PATH_PROCESS and folders:
        return [(IndicatorType.PROCESS, folders[-1])]
    return [(IndicatorType.CONFIGURATION_PROFILE, f"xx{value}yy")] if look_up is LookUp.PROFILE else []


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
    assert any(finding["rule"].startswith("loose-path") for finding in addendum["new"])
    assert row.status is Status.NEW
    assert fresh.items() <= again.items()
    # MVT names one match of a record, and a recheck names all: each that it names beside them is one by itself.
    for key in again.keys() - fresh.keys():
        (found,) = (i for i in newer.indicators if i.key == key[2:])
        _one, alone = examine(path, IndicatorIndex(newer.sets, (found,)))
        assert (key[1], found.key) in {(f.module, i.key) for f in alone.report.findings for i in f.indicators}


# --- One case in a hundred ways -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept_case(written_phone: tuple[Path, DemoPhone], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that was checked with a set that matches nothing, and kept: not to be changed."""
    folder = tmp_path_factory.mktemp("kept") / "case"
    release(*examine(written_phone[0], NOTHING), folder)
    return folder


@pytest.fixture
def case(kept_case: Path, tmp_path: Path) -> Path:
    (tmp_path / "cases").mkdir()
    return Path(shutil.copytree(kept_case, tmp_path / "cases" / "one"))


NEWS = index_of("news", [(IndicatorType.DOMAIN, "free-news-alert.example")])
UNSEEN = index_of("unseen", [(IndicatorType.DOMAIN, "nobody-went-there.example")])


def status_of(case: Path, request: Request, output: Path) -> Row:
    (row,) = rows_of([case], request, output).values()
    return row


class TestACase:
    def test_that_newer_indicators_match_gets_an_addendum(self, case: Path, tmp_path: Path) -> None:
        row = status_of(case, request_for(NEWS, NOTHING), tmp_path / "out")

        assert (row.status, row.depth) == (Status.NEW, Depth.OBSERVABLES)
        addendum = json.loads((tmp_path / "out" / "one" / "addendum.json").read_text())
        assert addendum["outcome"] == "match"
        assert addendum["report"]["sha256"] == hashlib.sha256((case / "report.json").read_bytes()).hexdigest()
        assert {finding["id"] for finding in addendum["new"]} == {"link-received", "link-sent", "site-visited"}
        assert (tmp_path / "out" / "one").stat().st_mode & 0o777 == 0o700

    def test_that_cannot_match_is_not_opened(self, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("spytriage.recheck.open_observables", None)
        (case / "observables.age").unlink()
        row = status_of(case, request_for(UNSEEN, NOTHING), tmp_path / "out")
        assert (row.status, row.depth) == (Status.UNCHANGED, Depth.KEYS)
        assert list((tmp_path / "out").iterdir()) == []

    def test_that_was_checked_with_these_sets_is_not_opened_at_all(self, case: Path, tmp_path: Path) -> None:
        for name in ("observables.age", "observables-keys.age"):
            (case / name).unlink()
        row = status_of(case, request_for(NOTHING), tmp_path / "out")
        assert (row.status, row.depth) == (Status.UNCHANGED, Depth.SETS)

    def test_whose_earlier_set_is_unknown_is_looked_up_in_full(self, case: Path, tmp_path: Path) -> None:
        assert status_of(case, request_for(NEWS), tmp_path / "out").status is Status.NEW

    def test_of_which_nothing_was_kept_says_so(self, case: Path, tmp_path: Path) -> None:
        for name in ("observables.age", "observables-keys.age"):
            (case / name).unlink()
        row = status_of(case, request_for(NEWS), tmp_path / "out")
        assert (row.status, row.depth, row.outcome) == (Status.REPORT_ONLY, Depth.REPORT, Outcome.INCONCLUSIVE)

    def test_may_be_a_zip(self, case: Path, tmp_path: Path) -> None:
        packed = tmp_path / "cases" / "packed.zip"
        packed.write_bytes(pack(read_handoff(case)))
        rows = rows_of([tmp_path / "cases"], request_for(NEWS), tmp_path / "out")
        assert {name: row.status for name, row in rows.items()} == {"one": Status.NEW, "packed": Status.NEW}

    def test_whose_own_zip_lies_beside_it_is_one_case(self, case: Path, tmp_path: Path) -> None:
        (tmp_path / "cases" / "one.zip").write_bytes(pack(read_handoff(case)))
        assert list(rows_of([tmp_path / "cases"], request_for(NEWS), tmp_path / "out")) == ["one"]


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def later_schema(case: Path) -> None:
    report = json.loads((case / "report.json").read_text())
    (case / "report.json").write_text(json.dumps({**report, "schema_version": 99}))


def of_another_report(case: Path) -> None:
    data = (case / "report.json").read_text().replace('"tlp": "amber+strict"', '"tlp": "green"')
    (case / "report.json").write_text(data)


def keys_alone(case: Path) -> None:
    (case / "observables.age").unlink()


def sealed_nonsense(case: Path) -> None:
    digest = hashlib.sha256((case / "report.json").read_bytes()).hexdigest()
    facts = {"observables_version": 1, "report_sha256": digest, "left_out": {}}
    key = fingerprint("host:free-news-alert.example")
    sketch = json.dumps(facts).encode() + b"\n" + array("I", [key]).tobytes()
    (case / "observables-keys.age").write_bytes(pyrage.encrypt(sketch, [IDENTITY.to_public()]))
    (case / "observables.age").write_bytes(pyrage.encrypt(b"PAR1 this is none PAR1", [IDENTITY.to_public()]))


def a_later_form(case: Path) -> None:
    (case / "observables-keys.age").write_bytes(
        pyrage.encrypt(b'{"observables_version": 7, "report_sha256": ""}\n', [IDENTITY.to_public()])
    )


BAD: dict[str, tuple[Callable[[Path], None], Status]] = {
    "a report that is cut short": (
        lambda case: (case / "report.json").write_bytes(b'{"schema_version": 1') and None, Status.DAMAGED,
    ),
    "a changed byte in the keys": (lambda case: spoil(case / "observables-keys.age"), Status.DAMAGED),
    "a changed byte in the observables": (lambda case: spoil(case / "observables.age"), Status.DAMAGED),
    "a report of a later version": (later_schema, Status.OTHER_VERSION),
    "observables of a later version": (a_later_form, Status.OTHER_VERSION),
    "observables of another report": (of_another_report, Status.DAMAGED),
    "keys without observables": (keys_alone, Status.DAMAGED),
    "something else that was sealed": (sealed_nonsense, Status.DAMAGED),
    "no report": (lambda case: (case / "report.json").unlink(), Status.NOT_A_CASE),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_case_is_a_row_and_the_rest_completes(case: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(case, tmp_path / "cases" / "two")
    change, status = BAD[name]
    change(case)

    rows = rows_of([case, tmp_path / "cases" / "two"], request_for(NEWS), tmp_path / "out")

    assert {name: row.status for name, row in rows.items()} == {"one": status, "two": Status.NEW}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["two"]


def test_a_case_that_lost_its_report_is_not_passed_over_and_a_deleted_one_is(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case, tmp_path / "cases" / "two")
    (tmp_path / "cases" / "deleted").mkdir()
    (case / "custody.jsonl").rename(tmp_path / "cases" / "deleted" / "custody.jsonl")
    (case / "report.json").unlink()

    rows = rows_of([tmp_path / "cases"], request_for(NEWS), tmp_path / "out")

    assert {name: row.status for name, row in rows.items()} == {"one": Status.DAMAGED, "two": Status.NEW}


SIMILAR = index_of("similar", [(IndicatorType.FILE_PATH, "/Library/SM")])


def test_a_case_that_only_resembles_newer_indicators_is_no_match(case: Path, tmp_path: Path) -> None:
    row = status_of(case, request_for(SIMILAR, NOTHING), tmp_path / "out")

    assert (row.status, row.depth) == (Status.SIMILAR, Depth.OBSERVABLES)
    assert row.outcome is not Outcome.MATCH
    addendum = json.loads((tmp_path / "out" / "one" / "addendum.json").read_text())
    assert {finding["rule"] for finding in addendum["new"]} == {"loose-path-prefix"}
    assert addendum["not_rechecked"]["rules"] == ["loose-url-text"]
    assert "add no match" in (tmp_path / "out" / "one" / "addendum.html").read_text()


def test_an_identity_of_somebody_else_opens_nothing(case: Path, tmp_path: Path) -> None:
    request = request_for(NEWS, identity=pyrage.x25519.Identity.generate())
    assert status_of(case, request, tmp_path / "out").status is Status.WRONG_IDENTITY


def test_a_second_case_of_a_name_is_not_taken_for_the_first(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case, tmp_path / "elsewhere" / "one")
    cases, rows = find_cases([case, tmp_path / "elsewhere" / "one"])
    assert [name for name, _path in cases] == ["one"]
    assert rows == [Row("one", Status.DUPLICATE)]


def test_cases_of_several_folders_are_told_apart(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case, tmp_path / "elsewhere" / "one")
    cases, rows = find_cases([tmp_path / "cases", tmp_path / "elsewhere", tmp_path / "nowhere"])
    assert [name for name, _path in cases] == ["cases-one", "elsewhere-one"]
    assert rows == [Row("nowhere", Status.NOT_A_CASE)]


def test_a_case_whose_consent_has_run_out_is_not_opened(
    written_phone: tuple[Path, DemoPhone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(*examine(written_phone[0], NOTHING, keep_until=DAY), tmp_path / "one")
    request = replace(request_for(NEWS), today=DAY + timedelta(days=1))
    monkeypatch.setattr("spytriage.recheck.open_sketch", None)
    assert status_of(tmp_path / "one", request, tmp_path / "out").status is Status.OVERDUE


def test_a_full_disk_costs_the_addenda_that_do_not_fit(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(case, tmp_path / "cases" / "two")
    original = put_folder_in_place

    def full(outputs: Mapping[str, bytes], folder: Path) -> None:
        if folder.name == "one":
            raise OSError(errno.ENOSPC, "No space left on device")
        original(outputs, folder)

    monkeypatch.setattr("spytriage.recheck.put_folder_in_place", full)
    rows = rows_of([tmp_path / "cases"], request_for(NEWS), tmp_path / "out")
    assert {name: row.status for name, row in rows.items()} == {"one": Status.NOT_WRITTEN, "two": Status.NEW}
    assert rows["one"].new > 0


class _Bomb:
    """Stands for a case that takes down the process that looks at it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


@pytest.mark.slow
def test_a_case_that_takes_its_process_down_costs_itself_only(case: Path, tmp_path: Path) -> None:
    cases: list[Any] = [(f"case-{number:02}", case) for number in range(40)]
    cases[11] = ("bomb", _Bomb())
    (tmp_path / "out").mkdir()

    rows = {row.case: row.status for row in recheck(cases, request_for(NEWS), tmp_path / "out", None, 2)}

    assert rows.pop("bomb") is Status.CRASHED
    assert set(rows.values()) == {Status.NEW}
    assert len(rows) == 39


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([Status.UNCHANGED], 0),
        ([Status.UNCHANGED, Status.WITHDRAWN], 0),
        ([Status.UNCHANGED, Status.DAMAGED], 5),
        ([Status.REPORT_ONLY], 5),
        ([Status.DUPLICATE, Status.NEW], 3),
        ([], 0),
    ],
)
def test_the_exit_code_tells(statuses: list[Status], code: int) -> None:
    assert exit_code([Row(str(place), status) for place, status in enumerate(statuses)]) == code


# --- From the outside ---------------------------------------------------------------------------------------------

_WATCHED = """
import os, sys
sys.addaudithook(lambda event, args: event == "open" and isinstance(args[0], (str, bytes)) and (
    (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and os.write(2, b"WROTE " + os.fsencode(args[0]) + b"\\n")))
from spytriage.cli import main
main(sys.argv[1:])
"""


def stix(path: Path, *patterns: str) -> None:
    objects = [
        {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{place:08d}-0000-4000-8000-000000000000",
         "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "pattern": pattern,
         "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z", "indicator_types": ["malicious-activity"]}
        for place, pattern in enumerate(patterns)
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{'0' * 8}-0000-4000-8000-{'0' * 12}",
                                "objects": objects}))  # fmt: skip


@pytest.mark.slow
def test_nothing_that_was_kept_lies_anywhere_in_clear(phone: Path, tmp_path: Path) -> None:
    canaries = Canaries(11)
    plant_in_databases(phone, canaries)
    here = tmp_path / "here"
    for name in (here, tmp_path / "TMP", tmp_path / "HOME"):
        name.mkdir()
    consent(*TO_KEEP).write(here / "consent.yaml")
    (tmp_path / "key.txt").write_text(f"{IDENTITY}\n")
    stix(here / "a.stix2", "[process:name='no-phone-has-this']")
    stix(here / "b.stix2", "[domain-name:value='free-news-alert.example']")
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(tmp_path / "TMP"),
                   "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path / "HOME")}  # fmt: skip

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", _WATCHED, *map(str, arguments)]
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, check=False)

    checked = run("check", phone, "--consent", "consent.yaml", "-i", "a.stix2", "-o", "case", "--keep-observables",
                  "--seal-to", str(IDENTITY.to_public()))  # fmt: skip
    again = run("recheck", "case", "-i", "b.stix2", "--identity", tmp_path / "key.txt", "-o", "out")

    assert (checked.returncode, again.returncode) == (0, 3), checked.stderr + again.stderr
    identity = [IDENTITY]
    sealed = open_observables(
        (here / "case" / "observables.age").read_bytes(), identity,
        hashlib.sha256((here / "case" / "report.json").read_bytes()).hexdigest(),
    )  # fmt: skip
    values = {"kept": "\n".join(seen.value for seen in sealed.observables)}
    assert canaries.found_in(values), "no canary was kept, so that the test would show nothing"
    said = {
        **{f"{name} {stream}": getattr(done, stream).decode("utf-8", "replace")
           for name, done in {"check": checked, "recheck": again}.items() for stream in ("stdout", "stderr")},
        **{str(path): path.read_bytes().decode("latin-1" if path.suffix == ".age" else "utf-8")
           for folder in (here, tmp_path / "TMP", tmp_path / "HOME") for path in folder.rglob("*") if path.is_file()},
    }  # fmt: skip
    assert canaries.found_in(said) == []
    wrote = [line.removeprefix(b"WROTE ") for line in again.stderr.splitlines() if line.startswith(b"WROTE ")]
    assert wrote
    for path in wrote:
        assert path == b"/dev/null" or b"/.spytriage-" in b"/" + path or path.startswith(b"out"), path


def test_without_a_recipient_nothing_is_kept_and_nothing_is_checked(phone: Path, tmp_path: Path) -> None:
    request = Check(phone, NEWS, consent(*TO_KEEP), DAY, KEY, keep_observables=True)
    with pytest.raises(SpytriageError, match="nobody was named who can open them"):
        check(request, Recorder())


def test_without_the_persons_consent_nothing_is_kept(phone: Path) -> None:
    request = Check(phone, NEWS, consent(Grant.ANALYSE, Grant.SHARE_SEALED), DAY, KEY, keep_observables=True,
                    recipients=parse_recipients([str(IDENTITY.to_public())]))  # fmt: skip
    with pytest.raises(SpytriageError, match="does not allow what was looked at to be kept"):
        check(request, Recorder())


def test_who_agreed_to_keeping_has_not_agreed_to_sealed_records(kept_case: Path) -> None:
    names = {path.name for path in kept_case.iterdir()}
    assert {"observables.age", "observables-keys.age"} <= names
    assert "evidence.age" not in names


def test_a_hand_off_with_observables_verifies_and_whoever_can_open_them_compares(
    kept_case: Path, tmp_path: Path
) -> None:
    (tmp_path / "key.txt").write_text(f"{IDENTITY}\n")
    found = {step.id: step.result for step in verify(kept_case, knowledge(DAY, tmp_path / "key.txt")).steps}
    assert Result.FAILED not in found.values()
    assert found[StepId.SEALED_EVIDENCE] is Result.PASSED
    (tmp_path / "other.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    found = {step.id: step.result for step in verify(kept_case, knowledge(DAY, tmp_path / "other.txt")).steps}
    assert found[StepId.SEALED_EVIDENCE] is Result.FAILED
