"""A disk of our own that fails, or a moment at which somebody stops the program: at the n-th call that writes.

What is counted is what this process does below certain folders: opening for writing, writing, flushing, syncing,
making folders, giving names and modes. Python's own audit events (PEP 578) tell most of it, whoever calls; what they do
not tell is stood in for.
"""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Which arguments of an event name what is written.
_EVENTS = {"open": (0,), "os.mkdir": (0,), "os.rename": (0, 1), "os.link": (0, 1), "os.symlink": (1,), "os.chmod": (0,)}
_CALLS = {"write", "writelines", "flush", "truncate"}

Act = Callable[[], object]


def failing(number: int) -> Act:
    """Return what fails with an error of the system, such as ENOSPC."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


def killing(number: int) -> Act:
    """Return what sends this process a signal."""
    return lambda: os.kill(os.getpid(), number)


class Disk:
    """Counts the calls that write below some folders, and has one of them fail (or also all that follow).

    Attributes:
        calls: each call, for whoever reads that it failed.
    """

    def __init__(self, roots: Sequence[Path], at: int, act: Act, *, stays: bool = False) -> None:
        self._roots = tuple(f"{root.resolve()}{os.sep}" for root in roots)
        self._at, self._act, self._stays, self._waits = at, act, stays, False
        self.calls: list[str] = []

    def listen(self) -> None:
        """Begin; it ends with the process."""
        original = io.open
        fsync = os.fsync

        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            found = original(file, mode, *arguments, **options)
            written = set(mode) & set("wax+") and self._is_ours(place := _place_of(file))
            return _File(found, self, place) if written else found

        def synced(descriptor: Any) -> None:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            self._call("fsync", number)
            fsync(number)

        sys.addaudithook(self._hear)
        io.open = builtins.open = opened
        os.fsync = synced

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let what another process would do pass."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def happens(self, what: str, place: str) -> None:
        """Count a call, and have it fail when it is its turn."""
        if self._waits:
            return
        self.calls.append(f"{what} {place}")
        if len(self.calls) == self._at or (self._stays and len(self.calls) > self._at > 0):
            self._act()

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        places = _EVENTS.get(event)
        if places is None:
            return
        if event == "open" and (isinstance(arguments[0], int) or not (arguments[2] or 0) & _WRITING):
            return  # a descriptor that is open already was counted when it was opened
        self._call(event.removeprefix("os."), *(arguments[place] for place in places))

    def _call(self, what: str, *files: Any) -> None:
        places = [_place_of(file) for file in files]
        if any(self._is_ours(place) for place in places):
            self.happens(what, places[-1])

    def _is_ours(self, place: str) -> bool:
        return f"{place}{os.sep}".startswith(self._roots)


def _place_of(file: Any) -> str:
    if not isinstance(file, int):
        path = Path(os.fsdecode(file))
        return str(path.parent.resolve() / path.name)
    try:
        if hasattr(fcntl, "F_GETPATH"):  # macOS
            return os.fsdecode(fcntl.fcntl(file, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return str(Path(f"/proc/self/fd/{file}").readlink())
    except OSError:
        return ""


class _File:
    """A file object on such a disk; a write that fails has written half."""

    def __init__(self, file: Any, disk: Disk, place: str) -> None:
        self._file, self._disk, self._place = file, disk, place

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        if name not in _CALLS:
            return found

        def call(*arguments: Any) -> Any:
            try:
                self._disk.happens(name, self._place)
            except OSError:
                if name == "write":
                    self._file.write(arguments[0][: len(arguments[0]) // 2])
                raise
            return found(*arguments)

        return call

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
