"""What goes wrong with our own machine ends in one message or a complete result: nothing is ever half-written."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from spytriage import cli
from spytriage.atomic import put_folder_in_place, write_new_file
from spytriage.consent import Consent
from spytriage.demo.android import write_android_phone
from spytriage.demo.backup_format import write_all
from spytriage.errors import SpytriageError
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.pipeline import Check, check
from spytriage.release import release
from spytriage.report import write_report
from tests.conftest import consent
from tests.report import samples
from tests.review.handoffs import SMALL
from tests.test_promises_evidence import everything
from tests.tools import DAY, KEY, Recorder

DEMO_SET = data_file("demo.stix2")


class Disk:
    """A disk that is full, or refuses, from the n-th call that writes on (or at that call only)."""

    def __init__(self, fails_at: int, *, stays: bool) -> None:
        self.fails_at, self.stays, self.calls = fails_at, stays, 0

    def call(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at or (self.stays and self.calls > self.fails_at > 0):
            raise OSError(errno.ENOSPC, "No space left on device")

    @property
    def failed(self) -> bool:
        return self.calls >= self.fails_at

    def failing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.call()
            return original(*arguments, **options)

        return call


class File:
    """A file object on such a disk."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        return self._disk.failing(found) if name in {"write", "flush"} else found

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@contextmanager
def faulty(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the disk fail in every call by which files are written, made, synced and renamed."""
    fdopen, os_open = os.fdopen, os.open

    def opening(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            disk.call()
        return os_open(path, flags, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda *a, **o: File(fdopen(*a, **o), disk))
        patch.setattr(os, "open", opening)
        for name in ("fsync", "rename", "replace", "link", "fchmod", "mkdir"):
            patch.setattr(os, name, disk.failing(getattr(os, name)))
        yield


Write = Callable[[Path], object]


def said_by(arguments: list[str], folder: Path) -> int:
    """Run a command in this process, in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return cli._run(arguments)
    finally:
        os.chdir(before)


def _handoff(folder: Path) -> None:
    write_report(SMALL, samples.OBJECTS, folder / "handoff")


def contents(folder: Path) -> dict[str, object]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


WRITERS: Mapping[str, Write] = {
    "report": lambda folder: put_folder_in_place({"a.json": b"a" * 9000, "b.html": b"b" * 9000}, folder / "report"),
    "file": lambda folder: write_new_file(folder / "new", b"x" * 9000),
    "phone": lambda folder: write_all(folder / "phone", [("Manifest.db", b"m"), ("ab/abcdef", b"f")]),
}


@pytest.mark.parametrize("stays", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_for_all_leaves_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stays: bool
) -> None:
    for number in range(100):
        here, disk = tmp_path / f"run-{number}", Disk(number, stays=stays)
        here.mkdir()
        with faulty(disk, monkeypatch), suppress(OSError, SpytriageError):
            WRITERS[name](here)
        if number == 0:
            complete = contents(here)
        assert contents(here) in ({}, complete)
        if not disk.failed:
            break
    assert number > 3, "no call failed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("kilobytes", [4, 16, 4096])
def test_a_report_on_a_disk_that_is_too_small_is_not_there(tmp_path: Path, kilobytes: int) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine does not allow mounting")
    try:
        if kilobytes > 1000:
            write_report(SMALL, samples.OBJECTS, tmp_path / "report")
            return
        with pytest.raises(SpytriageError, match="could not be written"):
            write_report(SMALL, samples.OBJECTS, tmp_path / "report")
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=False)


def test_what_a_killed_run_left_is_removed_by_the_next_one_in_that_place(tmp_path: Path) -> None:
    script = (
        "import os, sys, signal\nfrom pathlib import Path\nfrom spytriage import atomic\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.fsync = kill\natomic.put_folder_in_place({'a': b'x'}, Path(sys.argv[1]) / 'report')"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
        assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".spytriage-unfinished-of-a-living-run").mkdir()
    alive = os.open(tmp_path / ".spytriage-unfinished-of-a-living-run", os.O_RDONLY)
    fcntl.flock(alive, fcntl.LOCK_EX)

    write_new_file(tmp_path / "new", b"x")

    os.close(alive)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".spytriage-unfinished-of-a-living-run", "new"]


# --- Whole checks -------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
from spytriage.cli import main
from spytriage.scan import workspace
workspace._MEMORY_BACKED = Path(sys.argv[1])
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def android(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("android") / "phone"
    write_android_phone(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("tmp", "memory"):
        (tmp_path / name).mkdir()
    consent().write(tmp_path / "consent.yaml")
    return tmp_path


def start(here: Path, source: Path, output: str, *more: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a check whose temporary folders no other run uses, nor sweeps."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, here / "memory", "check", source, "-i", DEMO_SET, "--consent", "consent.yaml",
         "-o", output, *more],
        cwd=here, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(here / "tmp"), "SOURCE_DATE_EPOCH": "1780000000"} | environment,
    )  # fmt: skip


def finished(here: Path, source: Path, output: str, **environment: str) -> tuple[int, bytes]:
    process = start(here, source, output, **environment)
    said = process.communicate()[1]
    return process.returncode, said


def nothing_left(here: Path) -> bool:
    places = [*(here / "tmp").iterdir(), *(here / "memory").iterdir()]
    return not places and not [path for path in here.iterdir() if "unfinished" in path.name]


@pytest.mark.slow
def test_a_signal_at_any_moment_leaves_a_whole_report_or_none(here: Path, android: Path) -> None:
    before, begin = everything(android), time.monotonic()
    assert finished(here, android, "whole") == (3, b"")
    whole, moments = time.monotonic() - begin, random.Random(1848)
    complete = sorted(path.name for path in (here / "whole").iterdir())

    for number in range(9):
        how = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3]
        process = start(here, android, f"stopped-{number}")
        wait_until_it_listens(process)
        time.sleep(moments.uniform(0, 1) * whole)
        process.send_signal(how)
        if number % 2:
            process.send_signal(signal.SIGINT)  # somebody is impatient
        _out, said = process.communicate(timeout=60)

        assert b"Traceback" not in said
        assert b"Exception" not in said
        output = here / f"stopped-{number}"
        if process.returncode == 3:
            assert output.exists()
        elif process.returncode not in {-how, -signal.SIGINT}:  # met the interpreter itself, as it started or ended
            assert process.returncode in {128 + how, 128 + signal.SIGINT}, said
            assert b"Stopped." in said
        assert not output.exists() or sorted(path.name for path in output.iterdir()) == complete
        assert nothing_left(here)
    assert everything(android) == before


def wait_until_it_listens(process: subprocess.Popen[bytes]) -> None:
    """Wait until a signal no longer meets the interpreter while it starts."""
    status, term = Path(f"/proc/{process.pid}/status"), 1 << (signal.SIGTERM - 1)
    if not status.exists():
        time.sleep(1)
        return
    while process.poll() is None:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) & term:
            return
        time.sleep(0.002)


@pytest.mark.slow
def test_two_checks_at_once_of_one_phone_into_one_folder_give_one_report_and_one_message(
    here: Path, android: Path
) -> None:
    both = [start(here, android, "report", "-q") for _ in range(2)]
    ends = [(process.communicate()[1], process.returncode) for process in both]

    assert sorted(code for _said, code in ends) == [1, 3], ends
    said = next(said for said, code in ends if code == 1)
    assert said.startswith(b"Error: "), said
    assert (here / "report" / "manifest.json").exists()
    assert nothing_left(here)


@pytest.mark.slow
def test_a_folder_that_goes_away_meanwhile_is_one_message(here: Path, android: Path) -> None:
    (here / "parent").mkdir()
    process = start(here, android, "parent/report", "-q")
    while process.poll() is None and not list((here / "memory").iterdir()):
        time.sleep(0.005)
    shutil.rmtree(here / "parent")
    _out, said = process.communicate()

    assert process.returncode == 1
    assert said.startswith(b"Error: The report could not be written")
    assert said.count(b"\n") == 2
    assert not (here / "parent").exists()
    assert nothing_left(here)


@pytest.mark.slow
def test_a_strange_environment_changes_no_byte(here: Path, android: Path) -> None:
    assert finished(here, android, "plain", LANG="C.UTF-8", HOME=str(here)) == (3, b"")
    strange = {"LC_ALL": "POSIX", "TZ": "Nowhere/Nothing", "TERM": "dumb", "HOME": "/nonexistent", "COLUMNS": "1"}
    assert finished(here, android, "strange", **strange) == (3, b"")
    assert finished(here, android, "bare", TZ="Pacific/Kiritimati", LANG="C") == (3, b"")  # and no HOME

    # The case key is random, so that two checks cannot be linked: compare what it does not reach.
    def coverage(name: str) -> object:
        import json

        report = json.loads((here / name / "report.json").read_bytes())
        return report["coverage"], report["outcome"], report["tool"], report["limits"]

    assert coverage("plain") == coverage("strange") == coverage("bare")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "codes"),
    [
        ('"$@" | head -1', {0}),
        ('"$@" >&-', {0}),
        ('"$@" 2>&-', {0}),
        ('"$@" <&- >&- 2>&-', {0}),
        ('"$@" --json | true', {0}),
        ('"$@" > /dev/full', {0, 1}),
        ('"$@" 2> /dev/full', {0}),
    ],
)
def test_an_output_that_nobody_takes_ends_in_the_whole_report(here: Path, shell: str, codes: set[int]) -> None:
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "spytriage", "demo", "--platform", "android", "-o", "r"],
        cwd=here, capture_output=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode in codes, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert {"report.json", "report.html", "manifest.json"} <= {path.name for path in (here / "r").iterdir()}


@pytest.mark.parametrize("arguments", [["indicators", "list"], ["--help"], ["consent", "show", "consent.yaml"]])
@pytest.mark.parametrize("shell", ['"$@" >&-', '"$@" > /dev/full', '"$@" 2>&-', '"$@" | true'])
def test_a_command_that_cannot_print_never_shows_a_traceback(here: Path, arguments: list[str], shell: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "spytriage", *arguments],
        cwd=here, capture_output=True, check=False, env={"PATH": os.environ["PATH"], "HOME": str(here)},
    )  # fmt: skip
    assert done.returncode in {0, 1}
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pwd

    def nobody(_number: int) -> object:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_DATA_HOME", "SPYTRIAGE_DATA_FOLDER"):
        monkeypatch.delenv(name, raising=False)

    assert cli._run(["indicators", "list"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "HOME" in said
    assert cli._run(["doctor"]) in {0, 1}


@pytest.mark.parametrize("day", [date(1, 1, 1), date(1970, 1, 1), date(2000, 12, 31), date(9999, 12, 31)])
def test_a_clock_that_is_wrong_still_gives_a_whole_report(tmp_path: Path, android: Path, day: date) -> None:
    request = Check(android, load([DEMO_SET]), replace(consent(), given_on=day), DAY, KEY)
    examined = _examined(request)
    report = replace(examined.report, tool=replace(examined.report.tool, checked_on=day))
    release(replace(request, checked_on=day), replace(examined, report=report), tmp_path / "report")
    assert (tmp_path / "report" / "manifest.json").exists()


_CHECKED: list[Any] = []


def _examined(request: Check) -> Any:
    if not _CHECKED:
        _CHECKED.append(check(request, Recorder()))
    return _CHECKED[0]


@pytest.mark.parametrize("epoch", ["0", "978307199", "-1", "253402300799", "9999999999999999", "soon"])
def test_a_clock_that_is_set_to_anything_is_a_day_or_one_message(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    _handoff(here)
    code = said_by(["custody", "add", "handoff", "--event", "deleted", "--role", "operator"], here)
    assert code in {0, 1}
    assert "Traceback" not in capsys.readouterr().err


def test_consent_is_the_same_in_every_zone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = []
    for zone in ("Pacific/Kiritimati", "Pacific/Niue", "Nowhere/Nothing"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        consent().write(tmp_path / zone.replace("/", "-"))
        made.append((tmp_path / zone.replace("/", "-")).read_bytes())
    monkeypatch.undo()
    time.tzset()
    assert len(set(made)) == 1
    assert isinstance(consent(), Consent)
