"""What goes wrong with our own machine, for the commands that work on many cases: each file is whole, or not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from spytriage import batch, scan
from spytriage.demo import DemoPhone
from spytriage.handoff import read_handoff
from spytriage.indicators.data import data_file
from spytriage.models import Report
from spytriage.release import release
from spytriage.report import write_report
from tests.conftest import consent
from tests.report import samples
from tests.review.handoffs import SMALL
from tests.test_promises_faults import said_by
from tests.test_recheck import IDENTITY, NOTHING, examine

DEMO_SET = str(data_file("demo.stix2"))
COUNTED: Report = replace(SMALL, demo=False, consent=replace(SMALL.consent, aggregate=True))


@pytest.fixture(scope="module")
def desk(written_phone: tuple[Path, DemoPhone], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a defender has: a case with observables, one to be counted, a batch that was done, a phone. Not changed."""
    desk = tmp_path_factory.mktemp("desk")
    for name in ("cases", "counted"):
        (desk / name).mkdir()
    release(*examine(written_phone[0], NOTHING), desk / "cases" / "one")
    (desk / "key.txt").write_text(f"{IDENTITY}\n")
    write_report(COUNTED, samples.OBJECTS, desk / "counted" / "K-014")
    phone = desk / "phones" / "ñandú"
    shutil.copytree(written_phone[0], phone / "backup")
    consent().write(phone / "consent.yaml")
    batch.numbered(batch.phones_of(desk / "phones"), desk / "reports")
    shutil.copytree(desk / "counted" / "K-014", desk / "reports" / "0001")
    return desk


COMMANDS: Mapping[str, tuple[str, ...]] = {
    "aggregate": ("aggregate", "counted", "-o", "new"),
    "batch": ("batch", "phones", "-o", "reports", "-i", DEMO_SET),
    "recheck": ("recheck", "cases", "-i", DEMO_SET, "--identity", "key.txt", "--jobs", "1", "-o", "new"),
    "forget": ("forget", "counted/K-014", "--now", "--yes"),
    "verify": ("verify", "counted/K-014"),
    "unseal": ("unseal", "cases/one/evidence.age", "--identity", "key.txt"),
    "review show": ("review", "show", "counted/K-014", "review"),
}


@pytest.fixture
def fresh(desk: Path, tmp_path: Path) -> Callable[[], Path]:
    """Give a copy of the desk, as often as it is asked for."""
    numbers = iter(range(1000))
    return lambda: Path(shutil.copytree(desk, tmp_path / f"desk-{next(numbers)}"))


def start(here: Path, name: str, shell: str = '"$@"', **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "spytriage", *COMMANDS[name]],
        cwd=here, capture_output=True, stdin=subprocess.DEVNULL, check=False,
        env={"PATH": os.environ["PATH"], "SPYTRIAGE_DATA_FOLDER": str(here / "data"), **environment},
    )  # fmt: skip


def _prepared(here: Path, name: str) -> Path:
    if name == "batch":  # a phone is really checked
        shutil.rmtree(here / "reports")
    if name == "review show":
        done = subprocess.run(
            [sys.executable, "-m", "spytriage", "review", "counted/K-014", "--opinion", "agree", "-o", "review"],
            cwd=here, check=False, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return here


_STRANGE = {"LC_ALL": "POSIX", "TZ": "Nowhere/Nothing", "TERM": "dumb", "HOME": "/nonexistent", "COLUMNS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_strange_environment_changes_no_outcome(fresh: Callable[[], Path], name: str) -> None:
    ends = [
        start(_prepared(fresh(), name), name, SOURCE_DATE_EPOCH="1780000000", **environment)
        for environment in ({"LANG": "C.UTF-8", "HOME": "/tmp"}, _STRANGE, {"LANG": "C", "TZ": "Pacific/Kiritimati"})
    ]
    assert len({done.returncode for done in ends}) == 1, [done.stderr for done in ends]
    assert not [done.stderr for done in ends if b"Traceback" in done.stderr]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" <&- >&- 2>&-', '"$@" > /dev/full', '"$@" | true'])
def test_an_output_that_nobody_takes_is_no_traceback_and_leaves_whole_files(
    fresh: Callable[[], Path], name: str, shell: str
) -> None:
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    here = fresh() if name == "batch" else _prepared(fresh(), name)
    done = start(here, name, shell)

    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert not [path for path in here.rglob("*") if "unfinished" in path.name]
    if name == "aggregate":
        assert {path.name for path in (here / "new").iterdir()} == {f"aggregate.{kind}" for kind in
                                                                    ("json", "csv", "html")}  # fmt: skip
    if name == "batch":
        assert json.loads((here / "reports" / "summary.json").read_bytes())["phones"]
    if name == "recheck":
        assert json.loads((here / "new" / "summary.json").read_bytes())["cases"]
    if name == "forget":
        assert not (here / "counted" / "K-014" / "report.json").exists()
    else:
        assert read_handoff(here / "counted" / "K-014")


@pytest.mark.slow
@pytest.mark.parametrize("epoch", ["0", "978307199", "-1", "253402300799", "9999999999999999", "soon"])
@pytest.mark.parametrize("name", ["aggregate", "batch", "forget", "recheck", "verify"])
def test_a_clock_that_is_set_to_anything_is_an_outcome_or_one_message(
    fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, epoch: str,
) -> None:  # fmt: skip
    for held in ("forbid_network", "forbid_core_dumps"):
        monkeypatch.setattr(scan, held, lambda: None)
    here = fresh()
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(here / "data"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)

    code = said_by(list(COMMANDS[name]), here)

    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert code in {0, 1, 3, 4, 5}
    assert code != 1 or said.startswith("Error: ") or name == "verify", said


@pytest.mark.slow
def test_a_folder_of_a_batch_that_goes_away_meanwhile_is_one_message(
    fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = fresh()

    def away(task: batch.Task) -> batch.Result:
        shutil.rmtree(task.output, ignore_errors=True)
        return batch.Result(task.phone, batch.State.FAILED, why="The report could not be written")

    monkeypatch.setattr(batch, "check_one", away)
    monkeypatch.setattr(batch, "finished", lambda _output, _phone: None)
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(here / "data"))

    assert said_by(list(COMMANDS["batch"]), here) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: "), said
    assert not (here / "reports").exists()
