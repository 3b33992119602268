"""Private folders for what a run must not leave behind, in memory-backed storage where the system has it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.undo import undone

_PREFIX = "spytriage-"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{16}}")
_LOCK = "lock"
_MODE = 0o700
_LONG_AGO = 3600  # seconds
MVT_SETTINGS = "mvt-config"
"""Folder in which a worker has MVT look for its settings."""
_MEMORY_BACKED = Path("/dev/shm")  # noqa: S108 (a tmpfs on Linux; macOS has none)


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one worker may write."""

    folder: Path  # in memory-backed storage, unless there is none
    disk: Path  # for what does not fit there; the same folder when there is no memory-backed storage
    locks: tuple[int, ...]
    """Descriptors of the folders' locks. A worker inherits them: a folder is locked until both processes are gone."""


@contextmanager
def workspace() -> Iterator[Workspace]:
    """Give a worker its folders (mode 700), which are removed at the end, whatever happens."""
    sweep()
    with _locked_folder(_parents()) as (folder, lock):
        if folder.parent != _MEMORY_BACKED:
            yield Workspace(folder, folder, (lock,))
            return
        with _locked_folder(_parents()[1:]) as (disk, other_lock):
            yield Workspace(folder, disk, (lock, other_lock))


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a new folder (mode 700) that is removed at the end, whatever happens."""
    sweep()
    with _locked_folder(_parents()) as (folder, _lock):
        yield folder


def sweep() -> None:
    """Remove the folders of runs that are no more."""
    for folder in _abandoned():
        _remove(folder)


def left_behind() -> int:
    """Return how many folders `sweep` would remove."""
    return sum(1 for _folder in _abandoned())


def _abandoned() -> Iterator[Path]:
    """Give the folders of runs that are no more: ours, and nobody holds their lock (which is held meanwhile)."""
    for parent in _parents():
        for folder in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError), ExitStack() as end:  # not a folder of ours, gone meanwhile, or its run is alive
                status = folder.lstat()
                if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                    continue
                try:
                    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
                except FileNotFoundError:
                    if not _is_without_a_run(folder, status):
                        continue
                else:
                    end.callback(os.close, lock)
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder


def _is_without_a_run(folder: Path, status: os.stat_result) -> bool:
    """Return whether a folder without a lock is left of a run that was killed before it had one, or after.

    A living run is without one for a moment only. Reports have names that begin alike, so ours must have a name that
    only a run gives, or hold MVT's settings, as folders of versions did that named them otherwise.
    """
    ours = _NAME.fullmatch(folder.name) or (folder / MVT_SETTINGS).is_dir()
    return bool(ours) and stat.S_IMODE(status.st_mode) == _MODE and time.time() - status.st_ctime > _LONG_AGO


def _parents() -> list[Path]:
    usable = [_MEMORY_BACKED] if _MEMORY_BACKED.is_dir() and os.access(_MEMORY_BACKED, os.W_OK) else []
    return [*usable, Path(tempfile.gettempdir())]


@contextmanager
def _locked_folder(parents: list[Path]) -> Iterator[tuple[Path, int]]:
    """Give a folder and the descriptor of its lock, by which `sweep` tells whether its run is alive."""
    with ExitStack() as end:
        yield _new_folder(parents, end)


def _new_folder(parents: list[Path], end: ExitStack) -> tuple[Path, int]:
    for parent in parents:
        with ExitStack() as failing:
            folder = parent / f"{_PREFIX}{os.urandom(8).hex()}"
            failing.enter_context(undone(partial(_remove, folder)))
            try:
                folder.mkdir(mode=_MODE)
                lock = os.open(folder / f"{_LOCK}.new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
                (folder / f"{_LOCK}.new").rename(folder / _LOCK)  # a sweep never sees it without its owner
            except OSError:
                continue
            end.callback(os.close, lock)
            end.enter_context(failing.pop_all())
            return folder, lock
    raise SpytriageError(
        _("There is no folder for temporary files with room in it."),
        path=parents[-1],
        hint=_("Free some space on this computer and try again."),
    )


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last: should that fail on the way, the next run still knows what it is."""
    for _attempt in range(2):  # Ctrl-C in rmtree (Python 3.11) has it close a descriptor twice, which fails
        with suppress(OSError):
            for child in folder.iterdir():
                if child.is_dir() and not child.is_symlink():
                    shutil.rmtree(child, ignore_errors=True)
                elif child.name != _LOCK:
                    child.unlink()
            if {child.name for child in folder.iterdir()} <= {_LOCK}:
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()
