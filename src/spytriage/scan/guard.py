"""Locks the worker: no network, no child processes, no writing outside its workspace, bounded memory.

The lock is an audit hook of the interpreter (PEP 578), which cannot be removed again and works on every system that
Python runs on. It stops code that would do these things by mistake or on the phone's behalf through Python; it is no
wall against machine code.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

OUT_OF_MEMORY_EXIT = 77
"""Exit status of a worker that grew past its memory limit."""

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHILD_EVENTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
                 "pty.spawn"}  # fmt: skip
# Which arguments of an event name what is changed. What a symbolic link points to is not changed by making it.
_CHANGED = {"os.remove": (0,), "os.rename": (0, 1), "os.rmdir": (0,), "os.mkdir": (0,), "os.link": (0, 1),
            "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "os.chown": (0,), "os.utime": (0,),
            "os.setxattr": (0,), "os.removexattr": (0,)}  # fmt: skip
_NETWORK_EVENTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
                   "socket.gethostbyaddr", "socket.getnameinfo", "socket.sendto", "socket.sendmsg"}  # fmt: skip
_FORBIDDEN_EVENTS = {"os.chdir", "os.fchdir", "os.kill", "os.killpg", "sqlite3.enable_load_extension",
                     "sqlite3.load_extension"}  # fmt: skip
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4  # <linux/prctl.h>


class RefusedError(PermissionError):
    """Something that a worker never does."""


class Guard:
    """The state of the lock. `network_attempts` counts refused connections since it was last set to 0."""

    def __init__(self, *folders: Path) -> None:
        """Prepare a lock that lets a worker write below these folders only."""
        self.network_attempts = 0
        self._folders = tuple(os.path.realpath(folder) + os.sep for folder in folders)

    def lock(self) -> None:
        """Lock this process for the rest of its life."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = any(letter in "wax+" for letter in mode) if isinstance(mode, str) else flags & _WRITE_FLAGS
            if writes:
                self._require_inside(path)
        elif _is_network(event, args):
            self.network_attempts += 1
            raise RefusedError("a worker has no network")
        elif event in _CHILD_EVENTS or event in _FORBIDDEN_EVENTS:
            raise RefusedError("a worker starts no program and stays where it is")
        elif event == "sqlite3.connect":
            if not _is_read_only(args[0]):
                self._require_inside(args[0])
        else:
            for place in _CHANGED.get(event, ()):
                self._require_inside(args[place])

    def _require_inside(self, path: object) -> None:
        if isinstance(path, int):
            return  # a descriptor that is open already
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if real != os.devnull and not real.startswith(self._folders):
            raise RefusedError("a worker writes to its own folders only")


def _is_read_only(database: object) -> bool:
    """Return whether a database is opened for reading only, or is in memory: SQLite opens files unseen by the hook."""
    return isinstance(database, str) and (database == ":memory:" or "mode=ro" in database.partition("?")[2].split("&"))


def _is_network(event: str, args: tuple[Any, ...]) -> bool:
    return event in _NETWORK_EVENTS or (event == "socket.__new__" and args[1] != socket.AF_UNIX)


def forbid_network() -> None:
    """Refuse every network socket in this process for the rest of its life: a check has no use for one.

    Libraries open some without being asked (to see whether the machine has IPv6) and cope when they cannot.
    """

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if _is_network(event, args):
            raise RefusedError("a check has no network")

    sys.addaudithook(hook)


def limit_memory(limit_bytes: int) -> None:
    """End this process with `OUT_OF_MEMORY_EXIT` when it grows past a limit.

    RLIMIT_AS makes an allocation fail at once where the system honours it (Linux). Elsewhere a thread watches the
    peak of the resident memory, which every system reports.
    """
    with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    threading.Thread(target=_watch_memory, args=(limit_bytes,), daemon=True).start()


def _watch_memory(limit_bytes: int) -> None:
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, kilobytes elsewhere
    while True:
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit > limit_bytes:
            os._exit(OUT_OF_MEMORY_EXIT)
        time.sleep(0.2)


def forbid_core_dumps() -> None:
    """Keep the memory of this process, which holds keys or records of a phone, out of core dumps for good.

    A limit of zero does not stop a kernel that hands dumps to a program; on Linux the process is marked as well, which
    also keeps other programs of the same user from reading its memory and its environment.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def end_with_parent() -> SimpleQueue[bytes]:
    """End this process when its parent is gone.

    Linux kills us at once. Elsewhere, and should the parent have gone before we asked for that, standard input tells:
    the parent never closes it while it lives.

    Returns:
        The lines that the parent writes to standard input, as they come.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    lines: SimpleQueue[bytes] = SimpleQueue()

    def watch() -> None:
        waiting = b""
        while read := os.read(0, 4096):
            *whole, waiting = (waiting + read).split(b"\n")
            for line in whole:
                lines.put(line)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    return lines
