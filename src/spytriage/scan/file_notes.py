"""Notes what a module of MVT reads in a folder of files, as `reading` does for an iOS backup.

MVT's modules for Android find their files by patterns and swallow many failures: a section that a dump lacks, JSON
that does not parse, a crash record that cannot be read. Each of these leaves a note here.
"""

from __future__ import annotations

import fnmatch
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spytriage.models import Reason
from spytriage.scan.layouts import Laid, folders_in, may_lie_in
from spytriage.scan.unpack import MAX_ENTRY_BYTES


class FileNotes:
    """What one module has read so far, in a folder of files.

    Attributes:
        found: artefacts that were there.
        problems: why artefacts, or parts of them, could not be read.
    """

    def __init__(self, laid: Laid, *, below_folder: bool = False) -> None:
        """Prepare for the modules that read one folder; `below_folder`: MVT names files with that folder's own name."""
        self._laid, self._root = laid, laid.folder.resolve()
        self._prefix = "x/" if below_folder else ""
        self._names: set[str] = set()  # files that the module found, by MVT's name
        self._sections: list[bool] = []  # parts of a dump that it asked for, and whether each was there
        self._folders = dict.fromkeys(folders_in(self._root), Reason.NOT_A_REGULAR_FILE)
        self._helping = False
        self._extra = 0  # artefacts noted by hand
        self._standing: tuple[int, list[Reason]] = (0, [laid.broken] if laid.broken else [])
        self.problems: list[Reason] = []

    def begin(self, *, uses_embedded_plists: bool = True, module: str = "") -> None:  # noqa: ARG002 (as for an iOS backup)
        """Start on the next module."""
        self._names, self._sections = set(), []
        self._extra, self.problems = self._standing[0], list(self._standing[1])

    def keep(self, found: int) -> None:
        """Hold for every module what was read before the first one, of which all partake, and what was noted of it."""
        problems = [*self._laid.failed.values(), *self.problems[:1]]
        self._standing = (found + len(problems), problems)

    def settle(self) -> None:
        """Work out what the module could not read, now that it has ended."""
        if self._laid.incomplete:
            self.note(Reason.DAMAGED)

    @property
    def found(self) -> int:
        """Return how many artefacts were there; a dump without the part that was asked for is none."""
        if self._sections and not any(self._sections):
            return 0
        return len(self._names) + self._extra

    @found.setter
    def found(self, value: int) -> None:
        self._extra = value - len(self._names)

    @property
    def readable(self) -> int:
        """Return how many of them could be read."""
        return max(0, self.found - len(self.problems))

    def gap(self) -> tuple[Reason, str] | None:
        """Return why not all could be read, and how much could."""
        if not self.problems:
            return None
        if self.readable:
            return Reason.PARTLY_READ, f"read {self.readable} of {self.readable + len(self.problems)}"
        return self.problems[0], ""

    def note(self, problem: Reason) -> None:
        """Note that something could not be read."""
        self.problems.append(problem)

    def note_plist(self) -> None:
        """Note that a property list did not parse."""
        self.note(Reason.DAMAGED)

    # --- What the module asks for ------------------------------------------------------------------------------

    @contextmanager
    def helping(self) -> Iterator[None]:
        """Mark reading that is not of the module's own artefact, such as the phone's time zone."""
        self._helping = True
        try:
            yield
        finally:
            self._helping = False

    def matched(self, pattern: str, names: Sequence[str]) -> Sequence[str]:
        """Take note of the files that a pattern matched, and of those that it would have matched."""
        if not self._helping:
            self._names.update(names)
            folders = () if pattern.endswith("/*") else self._folders.items()  # such a pattern means anything there is
            for name, reason in (*self._laid.failed.items(), *folders):
                if fnmatch.fnmatch(self._prefix + name, pattern):
                    self.note(reason)
            for name, reason in self._laid.hidden.items():
                if may_lie_in(self._prefix + name, pattern):
                    self.note(reason)
        return names

    def readable_file(self, path: Path) -> Path:
        """Return a path that may be opened.

        Raises:
            OSError: it is no regular file in the folder, or too large; a note is taken.
        """
        try:
            status = path.stat()
        except OSError as error:
            reason = Reason.ARTEFACT_MISSING if isinstance(error, FileNotFoundError) else Reason.PERMISSION_DENIED
            self._note_own(reason)
            raise NotOpenedError(path) from error
        if not stat.S_ISREG(status.st_mode) or not path.resolve().is_relative_to(self._root):
            self._note_own(Reason.NOT_A_REGULAR_FILE)
            raise NotOpenedError(path)
        if status.st_size > MAX_ENTRY_BYTES:
            self._note_own(Reason.TOO_LARGE)
            raise NotOpenedError(path)
        if not os.access(path, os.R_OK):
            self._note_own(Reason.PERMISSION_DENIED)
            raise NotOpenedError(path)
        return path

    def as_text(self, path: Path) -> bytes:
        """Return what a file holds as UTF-8, and take note when it was none: MVT leaves out what it cannot decode.

        In a dump only the part counts that a module reads: there are logs in it, which may hold anything.
        """
        content = path.read_bytes()
        if path.suffix == ".pb":
            return content
        if b"\0" in content and b"DUMP OF SERVICE " not in content:  # a disk reads what it lost as zeros
            self._note_own(Reason.DAMAGED)
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            if b"DUMP OF SERVICE " not in content:
                self._note_own(Reason.DAMAGED)
            return content.decode("utf-8", "replace").replace("\ufffd", _NO_UTF8).encode()
        return content

    def section(self, text: str, dump: str, heading: str, *, is_binary: bool = False) -> None:
        """Take note of a part of a dump that was asked for.

        Args:
            text: the part; nothing when the dump lacks it.
            dump: all of the dump. One of Android 8 or later begins with a list of the services that run, and each of
                these has a part, which ends with the time that it took; so one that was cut shows.
            heading: the line that stands before the part.
            is_binary: whether its module takes bytes: since Android 12 the keys of adb are binary XML.
        """
        missing = not text.strip() or text.lstrip().startswith("Can't find service")
        self._sections.append(not missing)
        service = heading.removeprefix("DUMP OF SERVICE ").rstrip(":")
        if missing and service != heading and service in _running_services(dump):
            self.note(Reason.ARTEFACT_MISSING)
        if _NO_UTF8 in text and not is_binary:
            self.note(Reason.DAMAGED)
        if not missing and _END_OF_SECTION not in text[-400:] and dump.rstrip().endswith(text.rstrip()[-400:]):
            self.note(Reason.DAMAGED)

    def _note_own(self, reason: Reason) -> None:
        if not self._helping:
            self.note(reason)


_NO_UTF8 = "\ufdd0"
"""Stands for bytes that are no UTF-8, and for no character: U+FFFD is in dumps that phones wrote so."""
_END_OF_SECTION = "was the duration of dumpsys"
_SERVICES = "Currently running services:"


def _running_services(dump: str) -> set[str]:
    _before, _heading, after = dump.partition(_SERVICES)
    listed: set[str] = set()
    for line in after.splitlines()[1:]:
        if not line.startswith("  "):
            break
        listed.add(line.strip())
    return listed


class NotOpenedError(OSError):
    """A file that is not opened; the note says why."""


@contextmanager
def json_failures_noted(
    notes: FileNotes, expected: Mapping[str, Callable[[Any], bool]], current: Callable[[], str]
) -> Iterator[None]:
    """Note JSON that does not parse, or is not what it should be, while the block runs.

    MVT 2026.10.26 logs such files of AndroidQF and goes on as if they were empty. Of a name that an object has twice,
    Python keeps the last value and says nothing of the others.

    Args:
        notes: takes the notes.
        expected: by module, tells whether a value is what its file should hold.
        current: says which module runs.
    """
    original = json.loads

    def of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            notes.note(Reason.DAMAGED)
        return content

    def loads(text: Any, *args: Any, **options: Any) -> Any:
        options.setdefault("object_pairs_hook", of_pairs)
        wanted = expected.get(current())
        try:
            value = original(text, *args, **options)
        except ValueError:
            if wanted:
                notes.note(Reason.DAMAGED)
            raise
        if wanted and not wanted(value):
            notes.note(Reason.UNKNOWN_LAYOUT)
        return value

    json.loads = loads  # type: ignore[assignment]
    try:
        yield
    finally:
        json.loads = original
