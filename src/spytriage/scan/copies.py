"""Copies in clear of a backup's files, kept for as long as the module that asked for them runs.

They lie in memory-backed storage while it has room, else on disk, which the report then says.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from spytriage.models import Reason

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RESERVE_BYTES = 8 << 20  # of memory-backed storage, for the small files of MVT and SQLite
_SQLITE_SIDECARS = ("", "-wal", "-shm", "-journal")


class UnavailableError(Exception):
    """A file of the backup cannot be had, and why."""

    def __init__(self, reason: Reason) -> None:
        """Keep the reason for the ledger."""
        self.reason = reason
        super().__init__(reason)


class Copies:
    """The copies of one worker.

    Attributes:
        view: a folder that looks like a backup in clear, as far as copies were made.
    """

    def __init__(self, folder: Path, disk: Path, on_disk: Callable[[], None]) -> None:
        """Prepare to copy.

        Args:
            folder: the worker's own folder, in memory-backed storage unless it is the same as `disk`.
            disk: where copies go that do not fit into `folder`.
            on_disk: called before the first copy is written to disk.
        """
        self.view = folder / "backup"
        self.view.mkdir(mode=0o700)
        self._in_memory = folder != disk
        self._disk = disk / "overflow"
        self._on_disk: Callable[[], None] | None = on_disk
        self._made: list[Path] = []

    def make(self, name: str, size: int, write: Callable[[Path], object], *, keep: bool = False) -> Path:
        """Make a copy and return its path, below `view`.

        Args:
            name: relative path of the file in the backup.
            size: bytes that are needed.
            write: writes the copy to the path that it is given.
            keep: whether `forget` leaves it.

        Raises:
            UnavailableError: there is no room for it.
            OSError: reading the original failed, or writing for another reason than room.
        """
        shown = self.view / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        for home in self._homes(size):
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not keep:
                self._made += [target, shown]
            try:
                write(target)
                if target != shown:
                    shown.symlink_to(target)
            except OSError as error:
                _remove(target)
                if error.errno not in _FULL:
                    raise
            except BaseException:
                _remove(target)
                raise
            else:
                return shown
        raise UnavailableError(Reason.NO_SPACE)

    def forget(self) -> None:
        """Delete every copy that is not to be kept."""
        for path in self._made:
            _remove(path)
        self._made = []

    def _homes(self, size: int) -> Iterator[Path]:
        """Yield the folders to try, the best one first."""
        if self._in_memory and _memory_room(self.view) >= size + _RESERVE_BYTES:
            yield self.view
        if shutil.disk_usage(self._disk.parent).free < size:
            return
        if self._on_disk:
            self._on_disk()
            self._on_disk = None
        yield self._disk


def _memory_room(folder: Path) -> int:
    """Return how many bytes fit into memory-backed storage without pushing it out to swap."""
    room = shutil.disk_usage(folder).free
    with suppress(OSError):
        available = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
        if available:
            room = min(room, int(available[1]) * 1024)
    return room


def _remove(path: Path) -> None:
    for suffix in _SQLITE_SIDECARS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
