"""Brings every packing of an acquisition into one form: folders of a known shape, which MVT then reads.

A folder is read where it lies. Of an archive, what modules read is unpacked into the worker's private folder; so the
same acquisition gives the same findings, however it is packed (MVT 2026.10.26 finds nothing in an AndroidQF zip whose
entries have no folder above them).
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from spytriage.archives import is_zip
from spytriage.models import Reason
from spytriage.scan import android_backup
from spytriage.scan.hashes import not_as_listed
from spytriage.scan.refusals import Refusal, RefusedError
from spytriage.scan.sysdiagnose import PATTERNS
from spytriage.scan.unpack import Unpacker, Want, Wanted, opened_zip
from spytriage.scan.wal import SIDECARS

# What MVT's modules ask for, as they ask for it (MVT 2026.10.26); a contract test holds these lists.
ANDROIDQF = ("*/packages.json", "*/ps.txt", "*/getprop.txt", "*/settings_*.txt", "*/files.json", "*/mounts.json",
             "*/root_binaries.json", "*/acquisition.json", "*/adb_host_key.pub", "*/dumpsys.txt", "*/backup.ab",
             "*/bugreport.zip", "*/intrusion_logs/*", "*/hashes.csv")  # fmt: skip
ANDROIDQF_NAMES = ("*/logs/*",)  # only their times
BUGREPORT = ("main_entry.txt", "dumpState_*.log", "*/dumpsys.txt", "*.txt", "*/tombstone_*", "*/proc/*/mountinfo")
BUGREPORT_NAMES = ("FS/*",)
BACKUP = ("apps/com.android.providers.telephony/d_f/*_sms_backup",
          "apps/com.android.providers.telephony/d_f/*_mms_backup")  # fmt: skip
ENTRY_POINTS = ("main_entry.txt", "dumpState_*.log", "*/dumpsys.txt")
_LOGS = "intrusion_logs"


@dataclass(frozen=True, slots=True)
class Laid:
    """One folder of known shape.

    Attributes:
        folder: what MVT reads.
        failed: what should be in it and could not be had.
        broken: why there is nothing to read, or nothing to rely on: an archive could not be opened, or was altered.
        incomplete: whether the archive broke off.
        listing: name and time of every entry of an archive, where a module wants them all.
        hidden: folders below it that nobody can look into, by name relative to it.
    """

    folder: Path
    failed: Mapping[str, Reason] = field(default_factory=dict)
    broken: Reason | None = None
    incomplete: bool = False
    listing: Sequence[tuple[str, float]] | None = None
    hidden: Mapping[str, Reason] = field(default_factory=dict)


class Layouts:
    """Lays out the acquisition of one job in a private folder.

    A later worker of the same job finds the folders there and makes them anew: what a lost worker left may be half.
    """

    def __init__(
        self, path: Path, root: str, workspace: Path, password: str, master_key: android_backup.MasterKey
    ) -> None:
        self._path, self._root, self._password, self._master_key = path, root, password, master_key
        self._space = workspace / "laid"
        shutil.rmtree(self._space, ignore_errors=True)
        self._space.mkdir()

    # --- Kinds -------------------------------------------------------------------------------------------------

    def androidqf(self) -> dict[str, Laid]:
        """Lay out an AndroidQF acquisition and what is nested in it."""
        main = self._folder_or_archive("androidqf", _wanted(ANDROIDQF, ANDROIDQF_NAMES, below_folder=True))
        main = replace(main, failed={**not_as_listed(main.folder), **main.failed})
        logs = self.logs_from(main.folder / _LOGS)
        lost = {name: reason for name, reason in main.failed.items() if name.startswith(f"{_LOGS}/")}
        return {
            "androidqf": main,
            "bugreport": self._nested_bugreport(main),
            "backup": self._nested(main, "backup.ab", self.backup_from),
            "intrusion-logs": replace(logs, failed={**lost, **logs.failed}),
        }

    def bugreport(self) -> dict[str, Laid]:
        """Lay out a bug report: zip, folder, or the dumpstate file alone."""
        return {"bugreport": self.bugreport_from(self._path)}

    def backup(self) -> dict[str, Laid]:
        """Lay out an Android backup: .ab, or the folder of an unpacked one."""
        return {"backup": in_place(self._path) if self._path.is_dir() else self.backup_from(self._path)}

    def intrusion_logs(self) -> dict[str, Laid]:
        """Lay out intrusion logs: a folder, a zip, or zips in a folder."""
        return {"intrusion-logs": self.logs_from(self._path)}

    def filesystem(self, patterns: Sequence[str]) -> dict[str, Laid]:
        """Lay out a dump of an iPhone's file system; `patterns` say what modules open."""
        below = (f"{pattern}{ending}" for pattern in patterns for ending in ("/*", *SIDECARS))
        wanted = _wanted((*patterns, *below, "*Cache.db", *(f"*Cache.db{ending}" for ending in SIDECARS)), ())
        return {"filesystem": self._folder_or_archive("filesystem", wanted, keep_listing=True)}

    def sysdiagnose(self) -> dict[str, Laid]:
        """Lay out a sysdiagnose archive."""
        return {"sysdiagnose": self._folder_or_archive("sysdiagnose", _wanted(PATTERNS, ()), keep_listing=True)}

    # --- Pieces ------------------------------------------------------------------------------------------------

    def bugreport_from(self, path: Path) -> Laid:
        """Lay out a bug report; some makers put the real one into a zip of their own, one level down."""
        if path.is_dir():
            return _told_without_entry_point(in_place(path))
        target = self._space / "bugreport"
        if not is_zip(path):
            unpacker = Unpacker(target, lambda _name: Want.CONTENT)
            unpacker.file(path, "dumpstate.txt")
            (target / "main_entry.txt").write_text("dumpstate.txt")
            return _laid(target, unpacker)
        inner = self._inner_bugreport(path)
        unpacker = Unpacker(target, _wanted(BUGREPORT, BUGREPORT_NAMES), "" if inner else self._root_of_bugreport(path))
        unpacker.zip(inner or path)
        return _told_without_entry_point(_laid(target, unpacker))

    def _root_of_bugreport(self, path: Path) -> str:
        return self._root if path == self._path else ""

    def _inner_bugreport(self, path: Path) -> Path | None:
        with opened_zip(path) as archive:
            names = archive.namelist()
        root = self._root_of_bugreport(path)
        inside = [name.removeprefix(root) for name in names if name.startswith(root)]
        if any(fnmatch.filter(inside, pattern) for pattern in ENTRY_POINTS):
            return None
        nested = sorted((name for name in inside if name.lower().endswith(".zip")), key=_unlike_bugreport)
        for number, name in enumerate(nested[:8]):
            unpacker = Unpacker(self._space / f"nested-{number}", lambda n, name=name: _only(n, name), root)  # type: ignore[misc]
            unpacker.zip(path)
            found = self._space / f"nested-{number}" / name
            if found.is_file() and _has_entry_point(found):
                return found
        return None

    def _nested_bugreport(self, main: Laid) -> Laid:
        if _first_named(main, "bugreport.zip"):
            return self._nested(main, "bugreport.zip", self.bugreport_from)
        # Older AndroidQF wrote `dumpsys` to a file instead of a bug report; MVT 2026.10.26 no longer reads it, but its
        # modules for bug reports can.
        target = self._space / "bugreport" / "dumpsys"
        if dumpsys := _first_named(main, "dumpsys.txt"):
            unpacker = Unpacker(target, lambda _name: Want.CONTENT)
            unpacker.file(main.folder / dumpsys, "dumpsys.txt")
            return _laid(target.parent, unpacker)
        target.mkdir(parents=True)
        return Laid(target, broken=_reason_for(main, "bugreport.zip") or _reason_for(main, "dumpsys.txt"))

    def _nested(self, main: Laid, name: str, lay_out: Callable[[Path], Laid]) -> Laid:
        found = _first_named(main, name)
        empty = self._space / f"no-{name}"
        empty.mkdir()
        if found is None:
            return Laid(empty, broken=_reason_for(main, name))
        if not _is_inside(main.folder, main.folder / found):
            return Laid(empty, broken=Reason.NOT_A_REGULAR_FILE)
        try:
            laid = lay_out(main.folder / found)
            return replace(laid, broken=laid.broken or main.failed.get(found))
        except RefusedError as error:
            if error.why in {Refusal.NO_SPACE, Refusal.OUT_OF_MEMORY}:
                raise
            return Laid(empty, broken=_REASONS.get(error.why, Reason.DAMAGED))
        except OSError:
            return Laid(empty, broken=Reason.PERMISSION_DENIED)

    def backup_from(self, path: Path) -> Laid:
        """Unpack an .ab file."""
        target = self._space / "backup"
        unpacker = Unpacker(target, _wanted(BACKUP, ()))
        android_backup.unpack(path, unpacker, self._password, self._master_key)
        return _laid(target, unpacker)

    def logs_from(self, path: Path) -> Laid:
        """Gather text files, also those in zips (in the folder, or in a zip), so that MVT has no zip to open."""
        target = self._space / "intrusion-logs"
        unpacker = Unpacker(target, _text_or_zip, self._root if path == self._path and path.is_file() else "")
        if path.is_file():
            unpacker.zip(path)
        for file, name in _walk(path):
            unpacker.file(file, name) if _text_or_zip(name) is Want.CONTENT else None
        failed, incomplete = {**hidden_in(path, links=True), **unpacker.failed}, unpacker.incomplete
        failed |= {name: Reason.NOT_A_REGULAR_FILE for name in folders_in(path) if name.lower().endswith(".txt")}
        for number, inner in enumerate(sorted(target.rglob("*.[zZ][iI][pP]"))):
            deeper = Unpacker(target / f"unzipped-{number}", _text)
            try:
                deeper.zip(inner)
            except RefusedError as error:
                failed[inner.name] = _REASONS.get(error.why, Reason.DAMAGED)
            failed |= deeper.failed
            inner.unlink()
        return Laid(target, failed, incomplete=incomplete)

    def _folder_or_archive(self, name: str, wanted: Wanted, *, keep_listing: bool = False) -> Laid:
        if self._path.is_dir():
            # A dump of a file system holds the links of the phone, and what they point to has a place of its own.
            return in_place(self._path, links=name != "filesystem")
        unpacker = Unpacker(self._space / name, wanted, self._root, keep_listing=keep_listing)
        if is_zip(self._path):
            unpacker.zip(self._path)
        else:
            unpacker.tar(self._path)
        return _laid(self._space / name, unpacker, listing=keep_listing)


_REASONS = {
    Refusal.TOO_LARGE: Reason.TOO_LARGE,
    Refusal.LOCKED: Reason.LOCKED,
    Refusal.PASSWORD_NEEDED: Reason.LOCKED,
    Refusal.WRONG_PASSWORD: Reason.LOCKED,
    Refusal.UNKNOWN_FORMAT: Reason.UNKNOWN_LAYOUT,
}


def _laid(folder: Path, unpacker: Unpacker, *, listing: bool = False) -> Laid:
    entries = unpacker.listing if listing else None
    broken = Reason.DAMAGED if unpacker.altered else None
    return Laid(folder, unpacker.failed, broken, incomplete=unpacker.incomplete, listing=entries)


def _wanted(contents: Sequence[str], names: Sequence[str], *, below_folder: bool = False) -> Wanted:
    """Return what decides by MVT's patterns; those of AndroidQF begin with the acquisition's own folder."""

    def decide(name: str) -> Want:
        asked = f"x/{name}" if below_folder else name
        if any(fnmatch.fnmatchcase(asked, pattern) for pattern in contents):
            return Want.CONTENT
        return Want.NAME if any(fnmatch.fnmatchcase(asked, pattern) for pattern in names) else Want.NOTHING

    return decide


def _only(name: str, wanted: str) -> Want:
    return Want.CONTENT if name == wanted else Want.NOTHING


def _text(name: str) -> Want:
    return Want.CONTENT if name.lower().endswith(".txt") else Want.NOTHING


def _text_or_zip(name: str) -> Want:
    return Want.CONTENT if name.lower().endswith((".txt", ".zip")) else Want.NOTHING


def _unlike_bugreport(name: str) -> tuple[bool, str]:
    return "bugreport" not in name.lower() and "dumpstate" not in name.lower(), name


def _has_entry_point(path: Path) -> bool:
    try:
        with opened_zip(path) as archive:
            return any(fnmatch.filter(archive.namelist(), pattern) for pattern in ENTRY_POINTS)
    except RefusedError:
        return False


def _told_without_entry_point(laid: Laid) -> Laid:
    """Make the lack of every entry point a gap: MVT takes a bug report without one for a phone without services."""
    names = {name for _file, name in _walk(laid.folder)}
    if any(fnmatch.filter(names, pattern) for pattern in ENTRY_POINTS):
        return laid
    return replace(laid, failed={ENTRY_POINTS[0]: Reason.ARTEFACT_MISSING, **laid.failed})


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give the files below a folder and their names relative to it, without following links."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            yield file, file.relative_to(folder).as_posix()


def in_place(folder: Path, *, links: bool = True) -> Laid:
    """Return a folder that is read where it lies."""
    return Laid(folder, hidden=hidden_in(folder, links=links))


def hidden_in(root: Path, *, links: bool) -> dict[str, Reason]:
    """Return the folders below a folder that cannot be looked into, by name relative to it: MVT passes over them.

    Args:
        root: a folder; one that is not there hides nothing.
        links: whether links that lead out of it count.
    """
    hidden: dict[str, Reason] = {}

    def cannot(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            hidden[Path(error.filename).relative_to(root).as_posix()] = Reason.PERMISSION_DENIED

    for parent, folders, _names in os.walk(root, onerror=cannot):
        if not os.access(parent, os.X_OK):  # its names can be had, and none of its files
            hidden[Path(parent).relative_to(root).as_posix()] = Reason.PERMISSION_DENIED
        for folder in (Path(parent, name) for name in folders if links):
            if folder.is_symlink() and not folder.resolve().is_relative_to(root.resolve()):
                hidden[folder.relative_to(root).as_posix()] = Reason.NOT_A_REGULAR_FILE
    return hidden


def folders_in(root: Path) -> Iterator[str]:
    """Give the names of folders: one may stand where a module looks for a file, and MVT passes over it."""
    for parent, folders, _files in os.walk(root):
        yield from (Path(parent, name).relative_to(root).as_posix() for name in folders)


def may_lie_in(folder: str, pattern: str) -> bool:
    """Return whether a pattern of MVT's, in which `*` stands for slashes too, could match something in a folder.

    >>> may_lie_in("FS/data", "*/tombstone_*"), may_lie_in("FS/data", "FS/proc/*"), may_lie_in("FS", "FS/proc/*")
    (True, False, True)
    """
    start = f"{folder}/"
    return any(
        fnmatch.fnmatchcase(start, pattern[:end] + ("*" if pattern[end : end + 1] == "*" else ""))
        for end in range(len(pattern) + 1)
    )


def _first_named(main: Laid, name: str) -> str | None:
    return next((relative for _file, relative in _walk(main.folder) if relative.rpartition("/")[2] == name), None)


def _reason_for(main: Laid, name: str) -> Reason | None:
    """Return why something nested is not there, None when it simply is not."""
    if any(path.is_dir() for path in (main.folder / name, *main.folder.glob(f"*/{name}"))):
        return Reason.NOT_A_REGULAR_FILE  # a folder of that name is no sign that there was none
    failed = (reason for relative, reason in main.failed.items() if relative.rpartition("/")[2] == name)
    return next(chain(failed, main.hidden.values()), Reason.DAMAGED if main.incomplete else None)


def _is_inside(folder: Path, file: Path) -> bool:
    return file.resolve().is_relative_to(folder.resolve()) and file.is_file()
