"""A check that is killed, whatever it was doing: the next start leaves nothing of the phone behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from spytriage.cli.password import VARIABLE
from spytriage.demo import DEMO_PASSWORD
from spytriage.indicators.data import data_file
from tests.conftest import consent
from tests.tools import SMS, Opened, edited_copy

MARKER = "marcador-inventado-7f3a91"
# The program, with a memory-backed folder that no other run on this machine uses, nor sweeps.
PROGRAM = """
import sys
from pathlib import Path
from spytriage.cli import main
from spytriage.scan import workspace
workspace._MEMORY_BACKED = Path(sys.argv[1])
main(sys.argv[2:])
"""


@pytest.fixture
def marked(sealed: Opened, tmp_path: Path) -> Opened:
    """The encrypted phone with a string that is on no other phone: in many messages and in the manifest."""
    content = edited_copy(sealed.read(SMS), tmp_path, f"UPDATE message SET text = '{MARKER}'")
    sealed.write(SMS, content)
    sealed.write(("CameraRollDomain", f"Media/DCIM/{MARKER}.HEIC"), b"picture")
    return sealed


def start(here: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, here / "memory", "check", *arguments, "--consent", "consent.yaml", "-q"],
        cwd=here, stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(here / "tmp"), VARIABLE: DEMO_PASSWORD},
    )  # fmt: skip


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def leftovers(here: Path) -> list[Path]:
    """Every file in a place for temporary files that holds the marker."""
    files = [path for name in ("memory", "tmp") for path in (here / name).rglob("*")]
    return [path for path in files if path.is_file() and not path.is_symlink() and MARKER.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the worker in /proc")
@pytest.mark.parametrize("victim", ["parent", "worker"])
def test_kill_at_ten_random_moments_leaves_nothing_after_the_next_start(
    marked: Opened, tmp_path: Path, victim: str
) -> None:
    here = tmp_path / "here"
    for name in ("tmp", "memory"):
        (here / name).mkdir(parents=True)
    consent().write(here / "consent.yaml")
    arguments = (marked.folder, "-i", data_file("demo.stix2"))
    begin = time.monotonic()
    first = start(here, *arguments, "-o", "whole")
    first.communicate()
    assert first.returncode == 3
    whole, moments = time.monotonic() - begin, random.Random(2021)
    seen = 0

    for number in range(10):
        process = start(here, *arguments, "-o", f"killed-{number}")
        if number % 2:  # every other time while copies are there
            while process.poll() is None and not list(here.glob("memory/*/backup/Manifest.db")):
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.3) * whole)
        else:
            time.sleep(moments.uniform(0, 1) * whole)
        workers = children(process.pid)
        for pid in [process.pid] if victim == "parent" else workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if victim == "worker":
            process.communicate()
            assert not leftovers(here), "the parent lives on and has cleaned up"
            continue
        process.communicate()
        wait_until_gone(workers)
        seen += bool(leftovers(here))
        start(here, here / "there-is-no-backup").communicate()
        assert not leftovers(here)
        assert not [*(here / "tmp").iterdir(), *(here / "memory").iterdir()]

    assert seen or victim == "worker", "no kill came while there was anything to leave behind"


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a worker outlives its parent"
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_stopped_leaves_nothing_at_once(marked: Opened, tmp_path: Path, how: signal.Signals) -> None:
    here = tmp_path / "here"
    for name in ("tmp", "memory"):
        (here / name).mkdir(parents=True)
    consent().write(here / "consent.yaml")
    process = start(here, marked.folder, "-i", data_file("demo.stix2"), "-o", "report")
    while process.poll() is None and not list(here.glob("memory/*/backup/Manifest.db")):
        time.sleep(0.005)

    process.send_signal(how)
    _out, said = process.communicate(timeout=120)

    assert process.returncode == 128 + how, said
    assert b"Traceback" not in said
    assert not [*(here / "tmp").iterdir(), *(here / "memory").iterdir()]
    assert not (here / "report").exists()
