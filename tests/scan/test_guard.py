"""The lock of a worker: what it refuses, tried in a process of its own."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

_LOCKED = """
import _posixsubprocess, ctypes, os, signal, socket, sqlite3, subprocess, sys
from pathlib import Path
from spytriage.scan.guard import Guard, defend_sqlite
evidence, own = Path(sys.argv[1]), Path(sys.argv[2])
(own / "file").write_text("planted")
there = os.open(evidence, os.O_RDONLY)
held = os.open(evidence / "file", os.O_RDONLY)
defend_sqlite()
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
        "os.mkdir('new', dir_fd=there)",
        "os.mkdir(str(own / 'new')[1:], dir_fd=there)",
        "os.rename(own / 'file', 'new', dst_dir_fd=there)",
        "os.rename('file', own / 'new', src_dir_fd=there)",
        "os.link(own / 'file', 'new', dst_dir_fd=there)",
        "os.symlink(own / 'file', 'new', dir_fd=there)",
        "os.remove('file', dir_fd=there)",
        "os.chmod('file', 0o777, dir_fd=there)",
        "os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=there)",
        "os.open(str(own / 'new')[1:], os.O_CREAT | os.O_WRONLY, dir_fd=there)",
        "os.fchmod(held, 0o777)",
        "os.utime(held)",
        "os.mkfifo(evidence / 'new')",
        "os.mknod(evidence / 'new')",
        "_posixsubprocess.fork_exec()",
        "subprocess._fork_exec()",
        "ctypes.CDLL(None)",
        "ctypes.CDLL('libc.so.6')",
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
        "import shutil; (own / 'deep').mkdir(); (own / 'deep' / 'f').touch(); shutil.rmtree(own / 'deep')",
        "os.mkdir('new', dir_fd=os.open(own, os.O_RDONLY))",
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


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{evidence}/new.db' AS other",
        "ATTACH DATABASE ':memory:' AS other",
        "VACUUM INTO '{evidence}/new.db'",
        "SELECT " + "(" * 500 + "1" + ")" * 500,
        "SELECT zeroblob(300000000)",
    ],
)
def test_a_database_may_not(tmp_path: Path, statement: str) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "evidence" / "file").write_text("")
    sql = statement.format(evidence=tmp_path / "evidence")
    action = (
        f"c = sqlite3.connect(':memory:')\ntry: c.execute({sql!r})\nexcept sqlite3.Error as e: raise PermissionError(e)"
    )

    done = subprocess.run(
        [sys.executable, "-c", _LOCKED, tmp_path / "evidence", tmp_path / "own", action],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr.startswith("refused:"), done.stderr
    assert not (tmp_path / "evidence" / "new.db").exists()


@pytest.mark.parametrize(("asked", "defensive"), [("?mode=ro&immutable=1", False), ("", True)])
def test_what_can_be_written_to_is_defended_from_its_own_tables(tmp_path: Path, asked: str, defensive: bool) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("Python sets these from 3.12 on")
    script = (
        "import sqlite3, sys\nfrom spytriage.scan.guard import defend_sqlite\n"
        "sqlite3.connect(sys.argv[1]).execute('CREATE TABLE t (a)')\ndefend_sqlite()\n"
        "c = sqlite3.connect(f'file:{sys.argv[1]}{sys.argv[2]}', uri=True)\n"
        "print(c.getconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE), c.getconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.db", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{defensive} False\n"


def test_a_function_that_a_forged_table_calls_is_not_run(tmp_path: Path) -> None:
    database = tmp_path / "forged.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE message (text)")
        connection.execute("INSERT INTO message VALUES ('hola')")
        connection.execute("CREATE VIEW forged AS SELECT acted(text) FROM message")
        connection.commit()
    script = (
        "import sqlite3, sys\nfrom spytriage.scan.guard import defend_sqlite\ndefend_sqlite()\n"
        "c = sqlite3.connect(sys.argv[1])\nc.create_function('acted', 1, print)\n"
        "c.execute('SELECT acted(1)').fetchall()\nc.execute('SELECT * FROM forged').fetchall()"
    )

    done = subprocess.run([sys.executable, "-c", script, database], capture_output=True, text=True, check=False)

    assert done.stdout == "1\n"
    assert "unsafe use of acted()" in done.stderr


@pytest.mark.parametrize(
    ("limit", "action", "met"),
    [
        (
            "limit_files(1000, 50)",
            "os.write(os.open(sys.argv[1] + '/big', 65), bytes(1000)); os.write(3, b'x')",
            "File too large",
        ),
        ("limit_files(1000, 50)", "kept = [open(os.devnull) for _ in range(60)]", "Too many open files"),
        ("limit_cpu(0.2)", "while True: pass", ""),
    ],
)
def test_a_worker_that_takes_too_much_is_stopped(tmp_path: Path, limit: str, action: str, met: str) -> None:
    script = f"import os, sys\nfrom spytriage.scan.guard import limit_cpu, limit_files\n{limit}\n{action}"

    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)

    assert met in done.stderr
    assert done.returncode == (1 if met else -signal.SIGXCPU)
