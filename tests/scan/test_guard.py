"""The lock of a worker: what it refuses, tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_LOCKED = """
import os, socket, sqlite3, subprocess, sys
from pathlib import Path
from spytriage.scan.guard import Guard
evidence, own = Path(sys.argv[1]), Path(sys.argv[2])
(own / "file").write_text("planted")
Guard(own).lock()
try:
    exec(sys.argv[3])
except PermissionError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize(
    "action",
    [
        "(evidence / 'new').write_text('x')",
        "(evidence / 'file').open('r+')",
        "os.open(evidence / 'new', os.O_CREAT | os.O_WRONLY)",
        "os.rename(own / 'file', evidence / 'file')",
        "os.replace(own / 'file', evidence / 'file')",
        "os.link(own / 'file', evidence / 'new')",
        "os.symlink(own / 'file', evidence / 'new')",
        "os.symlink(evidence, own / 'way'); (own / 'way' / 'file').write_text('x')",
        "(own.parent / 'own-not').mkdir()",
        "os.rename(evidence / 'file', own / 'new')",
        "os.remove(evidence / 'file')",
        "os.mkdir(evidence / 'new')",
        "os.chmod(evidence / 'file', 0o777)",
        "os.utime(evidence / 'file')",
        "os.truncate(evidence / 'file', 0)",
        "os.chdir(evidence)",
        "sqlite3.connect(evidence / 'new.db').execute('create table t(a)')",
        "sqlite3.connect(f'file:{evidence}/new.db?mode=rwc', uri=True)",
        "sqlite3.connect(f'file:{evidence}/new.db?x=mode=ro', uri=True)",
        "subprocess.run(['/bin/true'])",
        "os.system('true')",
        "os.fork()",
        "os.kill(os.getppid(), 0)",
        "socket.socket()",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('example.org', 80)",
        "socket.getnameinfo(('192.0.2.1', 53), 0)",
    ],
)
def test_a_worker_may_not(tmp_path: Path, action: str) -> None:
    evidence, own = tmp_path / "evidence", tmp_path / "own"
    for folder in (evidence, own):
        folder.mkdir()
    (evidence / "file").write_text("evidence")

    done = subprocess.run(
        [sys.executable, "-c", _LOCKED, evidence, own, action], capture_output=True, text=True, check=False
    )

    assert done.stderr.startswith("refused:"), done.stderr
    assert [(path.name, path.read_text()) for path in evidence.iterdir()] == [("file", "evidence")]


@pytest.mark.parametrize(
    "action",
    [
        "(own / 'new').write_text('x')",
        "(evidence / 'file').read_text()",
        "os.remove(own / 'file')",
        "os.symlink(evidence / 'file', own / 'new'); (own / 'new').read_text()",
        "sqlite3.connect(own / 'new.db').execute('create table t(a)')",
        "sqlite3.connect(f'file:{evidence}/file?mode=ro&immutable=1', uri=True)",
        "socket.socketpair()",
    ],
)
def test_a_worker_may(tmp_path: Path, action: str) -> None:
    evidence, own = tmp_path / "evidence", tmp_path / "own"
    for folder in (evidence, own):
        folder.mkdir()
    (evidence / "file").write_text("evidence")

    done = subprocess.run(
        [sys.executable, "-c", _LOCKED, evidence, own, action], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
