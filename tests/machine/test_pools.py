"""Commands that have other processes work for them: stopped at fixed moments, or with one of these processes killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spytriage import batch as many
from tests.machine.orders import DEMO_SET, TODAY
from tests.test_promises_evidence import everything

CASES = 40  # more than a process of the pool is given at a time

# The program, with a memory-backed folder of its own also in the checks of a batch. `when` is "1 begins" and so on.
PROGRAM = """
import multiprocessing, os, signal, sys
from pathlib import Path
from spytriage import atomic, batch, recheck
from spytriage.cli import main
from spytriage.scan import workspace

CHECK = (
    "import os, signal, sys\\n"
    "from pathlib import Path\\n"
    "from spytriage.cli import main\\n"
    "from spytriage.scan import workspace\\n"
    "workspace._MEMORY_BACKED = Path(sys.argv[1])\\n"
    "def hear(event, arguments):\\n"
    "    if event == 'os.mkdir' and '-unfinished-' in str(arguments[0]):\\n"
    "        os.kill(os.getpid(), signal.SIGKILL)\\n"
    "if sys.argv[2] == 'dies':\\n"
    "    sys.addaudithook(hear)\\n"
    "main(sys.argv[3:])\\n"
)
memory, when, what = sys.argv[1:4]
run, put, moments = batch._run, recheck.put_folder_in_place, iter(range(1000))


def happens(moment):
    if moment == when:
        if what == "dies":
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        else:
            os.kill(os.getpid(), int(what))


def checked(command, environment):
    number = next(moments)
    dies = "dies" if what == "dies" and number == 0 else "lives"
    happens(f"{number} begins")
    done = run([sys.executable, "-c", CHECK, memory, dies, *command[3:]], environment)
    happens(f"{number} ends")
    return done


def put_in_place(files, folder):
    number = next(moments)
    happens(f"{number} begins")
    put(files, folder)
    happens(f"{number} ends")


workspace._MEMORY_BACKED = Path(memory)
batch._run, recheck.put_folder_in_place = checked, put_in_place
main(sys.argv[4:])
"""


@pytest.fixture
def here(desk: Path, evidence: Path, tmp_path: Path) -> Path:
    shutil.copytree(desk, tmp_path / "here")
    for name in ("tmp", "memory"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(here: Path, when: str, what: int | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, here / "memory", when, str(what), *arguments],
        cwd=here / "here", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(here / "tmp"), "LANG": "C.UTF-8",
             "SOURCE_DATE_EPOCH": TODAY, "SPYTRIAGE_DATA_FOLDER": str(here / "data")},
    )  # fmt: skip


def left(here: Path) -> list[Path]:
    """What lies where nothing may be left, the locks of Python's own pools aside."""
    return [*(here / "tmp").iterdir(), *(here / "memory").iterdir(), *here.rglob(".spytriage-*")]


# --- Many phones --------------------------------------------------------------------------------------------------


def batch(here: Path, when: str, what: int | str, jobs: int) -> subprocess.CompletedProcess[str]:
    options = ("-o", "new", "-i", DEMO_SET, "--jobs", str(jobs), "-q")
    return start(here, when, what, "batch", "phones.yaml", *options)


def reports(here: Path) -> dict[str, dict[str, object]]:
    folders = [path for path in (here / "here" / "new").iterdir() if path.is_dir()]
    return {folder.name: everything(folder) for folder in folders}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "jobs", "how", "done"),
    [
        ("0 begins", 1, signal.SIGTERM, set()),
        ("0 ends", 1, signal.SIGINT, {"0001"}),
        ("1 begins", 2, signal.SIGTERM, set()),
    ],
)
def test_a_batch_that_is_stopped_goes_on_with_the_phones_that_it_had_not_done(
    here: Path, when: str, jobs: int, how: signal.Signals, done: set[str]
) -> None:
    stopped = batch(here, when, int(how), jobs)

    assert stopped.returncode == 128 + how, stopped.stderr
    assert stopped.stderr.strip() == "Stopped. Nothing is left half-written."
    assert left(here) == []
    before = reports(here)
    assert before.keys() >= done  # whatever else came to its end, stays too
    assert not (here / "here" / "new" / "summary.json").exists()

    again = batch(here, "never", 0, jobs)

    assert again.returncode == 3, again.stderr
    assert reports(here).keys() == {"0001", "0002"}
    assert {name: report for name, report in reports(here).items() if name in before} == before
    assert left(here) == []


def test_a_check_that_is_being_started_while_a_batch_is_stopped_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_stopped", threading.Event())
    many.stop()

    status, said = many._run([sys.executable, "-c", "import time; time.sleep(600)"], os.environ)

    assert (status, said) == (-signal.SIGTERM, b"")


@pytest.mark.slow
def test_a_check_that_is_killed_costs_a_batch_nothing(here: Path) -> None:
    ended = batch(here, "never", "dies", 1)

    assert ended.returncode == 3, ended.stderr
    states = json.loads((here / "here" / "new" / "summary.json").read_bytes())["phones"]
    assert [row["state"] for row in states] == ["checked", "checked"]
    assert left(here) == []


# --- Many cases ---------------------------------------------------------------------------------------------------


def recheck(here: Path, when: str, what: int | str) -> subprocess.CompletedProcess[str]:
    cases = here / "here" / "many"
    for number in range(CASES):
        if not (cases / f"{number:02}").exists():
            shutil.copytree(here / "here" / "cases" / "one", cases / f"{number:02}")
    options = ("-i", DEMO_SET, "--identity", "key.txt", "--jobs", "2", "-q", "-o", "new")
    return start(here, when, what, "recheck", "many", *options)


def is_whole(here: Path) -> bool:
    rows = json.loads((here / "here" / "new" / "summary.json").read_bytes())["cases"]
    addenda = list((here / "here" / "new").glob("*/addendum.json"))
    return {row["status"] for row in rows} == {"new"} and len(rows) == len(addenda) == CASES


@pytest.mark.slow
@pytest.mark.parametrize(("when", "how"), [("0 begins", signal.SIGINT), (f"{CASES - 1} ends", signal.SIGTERM)])
def test_a_recheck_that_is_stopped_leaves_nothing_that_passes_for_all_cases(
    here: Path, when: str, how: signal.Signals
) -> None:
    stopped = recheck(here, when, int(how))

    assert stopped.returncode == 128 + how, stopped.stderr
    assert stopped.stderr.strip() == "Stopped. Nothing is left half-written."
    assert not (here / "here" / "new").exists()
    assert left(here) == []
    assert recheck(here, "never", 0).returncode == 3
    assert is_whole(here)


@pytest.mark.slow
def test_a_process_of_a_recheck_that_is_killed_costs_no_case(here: Path) -> None:
    ended = recheck(here, "0 begins", "dies")

    assert ended.returncode == 3, ended.stderr
    assert is_whole(here)
    assert left(here) == []
