"""Locks the worker: no network, no child processes, no writing outside its workspace, bounded memory, time and files.

The lock is an audit hook of the interpreter (PEP 578), which cannot be removed again and works on every system that
Python runs on. It stops code that would do these things by mistake or on the phone's behalf through Python; it is no
wall against machine code. That is what `isolation` is for, where the system has the means.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import math
import os
import resource
import signal
import socket
import sqlite3
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
# Which arguments of an event name what is changed, each with the place of the folder that it is relative to (dir_fd).
# What a symbolic link points to is not changed by making it.
_CHANGED = {"os.remove": ((0, 1),), "os.rename": ((0, 2), (1, 3)), "os.rmdir": ((0, 1),), "os.mkdir": ((0, 2),),
            "os.link": ((0, 2), (1, 3)), "os.symlink": ((1, 2),), "os.truncate": ((0, None),), "os.chmod": ((0, 2),),
            "os.chown": ((0, 3),), "os.utime": ((0, 3),), "os.chflags": ((0, None),), "os.setxattr": ((0, None),),
            "os.removexattr": ((0, None),)}  # fmt: skip
# What CPython raises no audit event for (it does for what calls it: subprocess.Popen). Where it is kept by name.
_UNHEARD = {"mkfifo": ("os", "posix"), "mknod": ("os", "posix"), "chroot": ("os", "posix"),
            "fork_exec": ("_posixsubprocess",), "_fork_exec": ("subprocess",),
            "pidfd_send_signal": ("signal", "_signal")}  # fmt: skip
_NETWORK_EVENTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
                   "socket.gethostbyaddr", "socket.getnameinfo", "socket.sendto", "socket.sendmsg"}  # fmt: skip
_FORBIDDEN_EVENTS = {"os.chdir", "os.fchdir", "os.kill", "os.killpg", "sqlite3.enable_load_extension",
                     "sqlite3.load_extension", "ctypes.dlsym/handle"}  # fmt: skip
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
        for name, homes in _UNHEARD.items():
            for home in homes:
                if home in sys.modules and hasattr(sys.modules[home], name):
                    setattr(sys.modules[home], name, _refuse)
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = any(letter in "wax+" for letter in mode) if isinstance(mode, str) else flags & _WRITE_FLAGS
            if writes and not isinstance(path, int):  # a descriptor that is open already gains nothing
                self._require_inside(path, None)
        elif _is_network(event, args):
            self.network_attempts += 1
            raise RefusedError("a worker has no network")
        elif event in _CHILD_EVENTS or event in _FORBIDDEN_EVENTS:
            raise RefusedError("a worker starts no program and stays where it is")
        elif event == "sqlite3.connect":
            if not _is_read_only(args[0]):
                self._require_inside(args[0], None)
        elif event == "ctypes.dlopen":
            if not _is_ours(args[0]):
                raise RefusedError("a worker calls no library of the system by itself")
        else:
            for place, folder in _CHANGED.get(event, ()):
                self._require_inside(args[place], None if folder is None else args[folder])

    def _require_inside(self, path: Any, folder: int | None) -> None:
        """Refuse to change what lies elsewhere.

        Args:
            path: a path, or an open descriptor: times and modes can be changed through one that only reads.
            folder: the descriptor of what a relative path starts from; None or -1: the current folder.
        """
        name = _path_of(path) if isinstance(path, int) else os.fsdecode(path)
        if not name.startswith("/"):
            # What a worker opens for writing has an absolute path: of a relative one, the event does not say the rest.
            if folder in (None, -1):
                raise RefusedError("a worker writes to absolute paths only")
            name = f"{_path_of(folder)}/{name}"
        real = os.path.realpath(name)
        if real != os.devnull and not real.startswith(self._folders):
            raise RefusedError("a worker writes to its own folders only")


def _refuse(*_arguments: object, **_named: object) -> None:
    raise RefusedError("a worker starts no program and makes no special files")


def _path_of(descriptor: int) -> str:
    """Return where something that is open lies."""
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 (a string, also for a pipe)


def _is_ours(library: object) -> bool:
    """Return whether a library belongs to a package that Python finds by itself."""
    homes = tuple(os.path.realpath(home) + os.sep for home in sys.path if home)
    return isinstance(library, str) and library.startswith("/") and os.path.realpath(library).startswith(homes)


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


_SQLITE_LIMITS = {
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,  # no second database: ATTACH and VACUUM INTO open files unseen by the audit hook
    sqlite3.SQLITE_LIMIT_LENGTH: 256 << 20,  # bytes of one value or row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,  # also of what the database says of its own tables
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 5000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Stricter than SQLite's own, and far above what the queries of MVT and the tables of a phone need."""


def _is_immutable(database: object) -> bool:
    return _is_read_only(database) and "immutable=1" in str(database).partition("?")[2].split("&")


def defend_sqlite() -> None:
    """Make every connection of this process take the file for hostile (https://www.sqlite.org/security.html).

    MVT opens some databases by itself, so this stands in for `sqlite3.connect`.
    """
    connect = sqlite3.connect

    def defended(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(database, *arguments, **options)
        for limit, value in _SQLITE_LIMITS.items():
            connection.setlimit(limit, value)
        if sys.version_info >= (3, 12):
            # Defensive keeps SQL from damaging the file; in one that is immutable it would only keep a database that
            # is cut short from being opened at all (it forbids PRAGMA writable_schema).
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, not _is_immutable(database))
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    sqlite3.connect = defended  # type: ignore[assignment]


def limit_files(largest_bytes: int, most_open: int) -> None:
    """Limit the size of a file that this process writes (writing fails with EFBIG) and how many it has open."""
    for what, wanted in ((resource.RLIMIT_FSIZE, largest_bytes), (resource.RLIMIT_NOFILE, most_open)):
        _soft, hard = resource.getrlimit(what)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)  # the user's own may be stricter
        resource.setrlimit(what, (limit, limit))


def limit_cpu(seconds: float) -> None:
    """Let the system end this process (SIGXCPU) after so much more processor time, should nobody else end it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


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
