"""A private folder for the worker, in memory-backed storage where the system has it, gone when the scan ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "spytriage-"
_MEMORY_BACKED = Path("/dev/shm")  # noqa: S108 (a tmpfs on Linux; macOS has none)


def _parents() -> list[Path]:
    usable = [_MEMORY_BACKED] if _MEMORY_BACKED.is_dir() and os.access(_MEMORY_BACKED, os.W_OK) else []
    return [*usable, Path(tempfile.gettempdir())]


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a new folder (mode 700) that is removed at the end, whatever happens.

    A lock inside it is held as long as this process lives, so that `sweep` can tell what a killed run left behind.
    """
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_parents()[0]))
    lock = os.open(folder / "lock.new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "lock.new").rename(folder / "lock")  # a sweep never sees it without its owner
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep() -> None:
    """Remove the folders of runs that are no more: ours, and nobody holds their lock."""
    for parent in _parents():
        for folder in parent.glob(f"{_PREFIX}*"):
            try:
                if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                    continue
                lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW)
            except OSError:
                continue  # not a folder of ours, or gone meanwhile
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                pass  # its run is alive
            finally:
                os.close(lock)
