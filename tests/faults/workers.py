"""Workers that start in a moment: one process loads MVT once, and each check gets a copy of it (fork).

A fault corpus of hundreds of checks would spend nine tenths of its time importing. What a worker does, its guard and
its limits are those of `spytriage.worker.main`; only its birth differs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spytriage.scan.supervisor import _environment
from spytriage.scan.workspace import Workspace

_NUMBER = 8  # bytes of a number on the way


class Nursery:
    """The process that has MVT loaded. Use `worker` in the place of `spytriage.scan.supervisor._process`."""

    def __init__(self, home: Path) -> None:
        self._socket, other = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.faults.workers", str(other.fileno())],
            env=_environment(home) | {"PYTHONPATH": str(Path(__file__).parents[2])},
            pass_fds=[other.fileno()],
            stderr=subprocess.DEVNULL,
        )
        other.close()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    @contextmanager
    def worker(self, _command: object, place: Workspace) -> Iterator[_Worker]:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        home = os.fsencode(place.folder)
        socket.send_fds(self._socket, [len(home).to_bytes(_NUMBER) + home], [theirs_in, theirs_out])
        os.close(theirs_in)
        os.close(theirs_out)
        child = _Worker(self._socket, os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb"))
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    pipe.close()


class _Worker:
    """What `spytriage.scan.supervisor` needs of a process."""

    def __init__(self, parent: socket.socket, stdin: Any, stdout: Any) -> None:
        self._parent, self.stdin, self.stdout = parent, stdin, stdout
        self._pid = int.from_bytes(_exactly(parent, _NUMBER))
        self._status: int | None = None

    def kill(self) -> None:
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._status is None:
            self._status = int.from_bytes(_exactly(self._parent, _NUMBER), signed=True)
        return self._status


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise RuntimeError("the process that makes workers is gone")
        data += more
    return data


def _serve(connection: socket.socket) -> None:
    """Make a worker for each request, one after the other."""
    import spytriage.indicators.matcher
    import spytriage.scan.mvt_engine  # noqa: F401

    while True:
        data, pipes, _flags, _address = socket.recv_fds(connection, _NUMBER, 2)
        if not data:
            return
        home = os.fsdecode(_exactly(connection, int.from_bytes(data)))
        if not (pid := os.fork()):
            _become_worker(home, *pipes)
        for pipe in pipes:
            os.close(pipe)
        connection.sendall(pid.to_bytes(_NUMBER))
        _pid, status = os.waitpid(pid, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(_NUMBER, signed=True))


def _become_worker(home: str, stdin: int, stdout: int) -> None:
    from spytriage.worker import main

    status = 1
    try:
        os.setsid()
        os.umask(0o077)
        for theirs, ours in ((stdin, 0), (stdout, 1)):
            os.dup2(theirs, ours)
            os.close(theirs)
        os.environ |= _for(home)
        _give_up_rights()
        main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def _give_up_rights() -> None:
    """Let a worker of root be refused like anybody else's: file modes mean nothing to root (capset, Linux only)."""
    if os.geteuid() == 0 and sys.platform == "linux":
        header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        ctypes.CDLL(None).capset(header, none)


def _for(home: str) -> Mapping[str, str]:
    return {name: value for name, value in _environment(Path(home)).items() if name in {"HOME", "TMPDIR"}}


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as to_parent:
        _serve(to_parent)
