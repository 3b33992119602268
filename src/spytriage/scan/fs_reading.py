"""Notes what a module of MVT reads of a dump of an iPhone's file system."""

from __future__ import annotations

import fnmatch
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from spytriage.models import Reason
from spytriage.scan.layouts import Laid
from spytriage.scan.reading import Reading
from spytriage.scan.unpack import MAX_ENTRY_BYTES
from spytriage.scan.wal import SIDECARS, is_hot, join

_WALKERS = {"CacheFiles", "Filesystem"}
"""Modules that look through all of a dump."""


class FsReading(Reading):
    """What one module has read so far, in a file system dump."""

    def __init__(self, laid: Laid, scratch: Path) -> None:
        """Prepare for the modules of one dump; `scratch` takes copies of databases that have a write-ahead log."""
        super().__init__(_FsFiles(laid, scratch))
        self._laid, self._root, self._scratch = laid, laid.folder.resolve(), scratch
        self._counted: set[str] = set()
        self._walks = False

    def begin(self, *, uses_embedded_plists: bool, module: str = "") -> None:
        """Start on the next module."""
        super().begin(uses_embedded_plists=uses_embedded_plists, module=module)
        self._counted = set()
        self._walks = module in _WALKERS
        shutil.rmtree(self._scratch, ignore_errors=True)

    def settle(self) -> None:
        """Work out what the module could not read, now that it has ended."""
        if self._laid.broken or self._laid.incomplete:
            self.note(self._laid.broken or Reason.DAMAGED)
        if self._walks:
            self._own_problems += self._laid.hidden.values()
        super().settle()

    def matched(self, pattern: str, paths: Iterable[str]) -> Iterator[str]:
        """Give the paths that a pattern matched and that may be opened, and note those that may not."""
        for name, reason in self._laid.failed.items():
            if fnmatch.fnmatch(name, pattern):
                self.note(reason)
        for name, reason in self._laid.hidden.items():
            if all(map(fnmatch.fnmatch, name.split("/"), pattern.split("/"))):  # it lies above, or below
                self.note(reason)
        for path in sorted(paths):
            if hindrance := self._hindrance(Path(path)):
                self.note(hindrance)
            else:
                self._count(path)
                yield path

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a database, with the rows that only its write-ahead log holds, and watch what comes of it.

        Raises:
            OSError: it may not be opened; a note is taken.
        """
        self._count(str(path))
        if reason := self._hindrance(path):
            self.note(reason)
            raise OSError(f"not opened: {reason}")
        return super().connect(path)

    def _count(self, path: str) -> None:
        if path not in self._counted:
            self._counted.add(path)
            self.found += 1

    def _hindrance(self, path: Path) -> Reason | None:
        try:
            status = path.stat()
        except OSError:
            return Reason.PERMISSION_DENIED
        is_known = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if not is_known or not path.resolve().is_relative_to(self._root):
            return Reason.NOT_A_REGULAR_FILE
        if stat.S_ISREG(status.st_mode) and status.st_size > MAX_ENTRY_BYTES:
            return Reason.TOO_LARGE
        return None if os.access(path, os.R_OK) else Reason.PERMISSION_DENIED


class _FsFiles:
    """Databases of a dump, as `Reading` asks for those of a backup."""

    problem: Reason | None = None

    def __init__(self, laid: Laid, scratch: Path) -> None:
        self._laid, self._scratch = laid, scratch

    def database(self, path: Path) -> tuple[Path, Reason | None]:
        """Return where a database lies with its write-ahead log applied, and what went wrong with that."""
        log, journal = (Path(f"{path}{ending}") for ending in SIDECARS)
        for beside in (log, journal):
            if reason := self._hindrance(beside):
                return path, reason
        if _is_there(journal) and is_hot(journal):
            return path, Reason.PARTLY_READ
        if not _is_there(log):
            return path, None
        self._scratch.mkdir(exist_ok=True)
        copy = self._scratch / f"{len(list(self._scratch.iterdir()))}.db"
        try:
            is_whole = join(path, log, copy)
        except (OSError, sqlite3.Error):
            return path, Reason.PARTLY_READ
        return copy, None if is_whole else Reason.PARTLY_READ

    def _hindrance(self, beside: Path) -> Reason | None:
        """Return why what lies beside a database cannot be read, None also when there is nothing."""
        try:
            name = beside.relative_to(self._laid.folder.resolve()).as_posix()
        except ValueError:
            name = ""
        if name in self._laid.failed:
            return self._laid.failed[name]
        if not os.path.lexists(beside):
            return None
        if beside.is_symlink() or not beside.is_file():
            return Reason.NOT_A_REGULAR_FILE
        if beside.stat().st_size > MAX_ENTRY_BYTES:
            return Reason.TOO_LARGE
        return None if os.access(beside, os.R_OK) else Reason.PERMISSION_DENIED

    def shortfall(self, path: Path) -> Reason | None:  # noqa: ARG002 (a dump has no list of sizes)
        """Return nothing: a dump does not say how long its files were."""
        return None

    def scratch(self, path: Path, write: Callable[[Path], object]) -> Path:  # noqa: ARG002 (as BackupFiles)
        """Return what `write` makes of a database, in a place of its own until the module ends."""
        self._scratch.mkdir(exist_ok=True)
        target = self._scratch / f"{len(list(self._scratch.iterdir()))}.db"
        write(target)
        return target

    def get(self, file_id: str) -> Path | None:  # noqa: ARG002 (a dump has no ids)
        """Return nothing: a dump has no file ids."""
        return None


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
