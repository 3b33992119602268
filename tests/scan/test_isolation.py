"""What the kernel refuses a worker, tried past Python's own lock: by calls of the C library, as machine code would."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from spytriage.scan import isolation
from spytriage.scan.isolation import Held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the means of Linux")
TOO_OLD = 3  # before that version, Landlock lets a file be cut short

_CUT_OFF = """
import ctypes, json, os, sys
from pathlib import Path
from spytriage.scan.isolation import isolate
evidence, own, elsewhere, port = *map(Path, sys.argv[1:4]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
def tcp():
    there = bytes([2, 0]) + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    return libc.connect(libc.socket(2, 1, 0), there, 16)
def udp():
    there = bytes([2, 0, 0, 9, 127, 0, 0, 1]) + bytes(8)
    return libc.sendto(libc.socket(2, 2, 0), b"x", 1, 0, there, 16)
def write(path):
    return libc.open(os.fsencode(path), 1)
def make(path):
    return libc.open(os.fsencode(path), 0o101, 0o600)
def run():
    return libc.execv(b"/bin/true", (ctypes.c_char_p * 2)(b"/bin/true", None))
held = isolate(evidence, (own,))
path = os.fsencode(evidence / "file")
made = eval(sys.argv[5])
print(json.dumps([held.network, held.evidence, held.landlock, made]))
"""


@cache
def held() -> Held:
    done = subprocess.run(
        [sys.executable, "-m", "spytriage.scan.isolation"], capture_output=True, text=True, check=True
    )
    return Held(**json.loads(done.stdout))


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / name for name in ("evidence", "own", "elsewhere")]
    for folder in folders:
        folder.mkdir()
        (folder / "file").write_text("content")
    return folders


def attempt(folders: list[Path], action: str, port: int = 9) -> int:
    """Return what a call gave: -1 when it was refused."""
    done = subprocess.run(
        [sys.executable, "-c", _CUT_OFF, *folders, str(port), action], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)[3])


@pytest.mark.parametrize("action", ["tcp()", "udp()"])
def test_no_network_can_be_reached_not_even_this_machine(folders: list[Path], listening: int, action: str) -> None:
    if not held().network:
        pytest.skip("this machine does not let a worker leave the network")
    assert attempt(folders, action, listening) == -1


@pytest.mark.parametrize(
    "action",
    ["write(path)", "make(path + b'-new')", "libc.truncate(path, 0)", "libc.chmod(path, 0o777)", "libc.unlink(path)",
     "libc.utimes(path, None)", "libc.mkfifo(path + b'-new', 0o600)", "libc.rename(path, os.fsencode(own / 'x'))",
     "libc.umount2(os.fsencode(evidence), 2)"],
)  # fmt: skip
def test_the_evidence_cannot_be_changed(folders: list[Path], action: str) -> None:
    if not held().evidence:
        pytest.skip("this machine does not let a worker mount the evidence read-only")
    before = (folders[0] / "file").stat()

    assert attempt(folders, action) == -1

    assert [path.name for path in folders[0].iterdir()] == ["file"]
    after = (folders[0] / "file").stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_size) == (before.st_mode, before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize(
    "action",
    ["write(elsewhere / 'file')", "make(elsewhere / 'new')", "libc.unlink(os.fsencode(elsewhere / 'file'))",
     "libc.mkfifo(os.fsencode(own / 'new'), 0o600)", "run()", "libc.truncate(os.fsencode(elsewhere / 'file'), 0)"],
)  # fmt: skip
def test_nothing_is_written_elsewhere_and_no_program_starts(folders: list[Path], action: str) -> None:
    if held().landlock < TOO_OLD:
        pytest.skip("the kernel of this machine has no Landlock, or an old one")
    assert attempt(folders, action) == -1
    assert (folders[2] / "file").read_text() == "content"


@pytest.mark.parametrize(
    "action",
    ["write(own / 'file')", "make(own / 'new')", "write(os.devnull)", "libc.open(path, 0)",
     "libc.mkdir(bytes(own / 'new'), 0o700) or libc.rename(bytes(own / 'file'), bytes(own / 'new/x'))"],
)  # fmt: skip
def test_its_own_folder_stays_open_and_the_evidence_readable(folders: list[Path], action: str) -> None:
    assert attempt(folders, action) >= 0


def test_no_mount_is_left_on_this_machine(folders: list[Path]) -> None:
    attempt(folders, "0")
    assert str(folders[0]) not in Path("/proc/self/mountinfo").read_text()
    (folders[0] / "new").write_text("the evidence of others is theirs to write")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to be somebody else")
def test_a_user_without_privileges_is_held_as_well(tmp_path: Path) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("there is no interpreter that every user may start")
    script = Path(isolation.__file__).read_text()  # it needs nothing but the standard library
    done = subprocess.run(
        [python, "-c", script.replace("Path(__file__)", "Path('/usr/lib')")],
        capture_output=True, text=True, check=True, user=54321, group=54321, extra_groups=[],
    )  # fmt: skip

    if Held(**json.loads(done.stdout)) == Held():
        pytest.skip("this machine gives nothing of it to users without privileges")
    assert Held(**json.loads(done.stdout)) == held()
