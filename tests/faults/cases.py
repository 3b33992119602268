"""The cases of the corpus: kind of source, artefact, fault."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from spytriage.demo.backup_format import BackupFile
from tests.acquisitions import SMS_ENTRY, android_backup, tarred, zipped
from tests.faults import others
from tests.faults.faults import BYTES, PAGES, PLACES, is_database, is_plist, layouts, other_keys
from tests.faults.faults import _not_utf8 as not_utf8
from tests.faults.phones import AT, Artefact, files_of_iphone, iphone, seal

Build = Callable[[Path], Path]
"""Makes the faulty acquisition below a folder and returns where it is."""


@dataclass(frozen=True)
class Case:
    """One fault."""

    kind: str  # of source, such as "ios-backup (encrypted)"
    artefact: str
    fault: str
    build: Build

    @property
    def id(self) -> str:
        return f"{self.kind} | {self.artefact} | {self.fault}"


class Bases:
    """The undamaged acquisitions of one run, made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def copy(self, name: str, make: Build, target: Path) -> Path:
        """Copy an acquisition to a target; files are shared until one is replaced."""
        if name not in self._made:
            self._made[name] = make(self._folder / name.replace(" ", "-"))
        base = self._made[name]
        if base.is_file():
            shutil.copy(base, target)
            return target
        shutil.copytree(base, target, copy_function=os.link)
        return target


def replaced(path: Path, content: bytes) -> None:
    """Replace a file, not the one that other acquisitions share."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _put_in_place(path: Path, replacement: Callable[[Path], None]) -> None:
    path.unlink()
    replacement(path)


def _unreadable(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    path.chmod(0)


# --- Folders of files -------------------------------------------------------------------------------------------


def _of_bytes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Give what a file may hold after a fault, by the fault's name."""
    for name, damage in BYTES.items():
        yield name, damage(content)
    if is_database(content):
        for name, damage in PAGES.items():
            yield name, damage(content)
        yield from layouts(content)
    elif is_plist(content):
        yield from other_keys(content)
    elif content != (changed := not_utf8(content)):
        yield "text that is no UTF-8", changed


_FEW = frozenset({*BYTES, "missing", "a pipe", "a link out", "page overwritten", "page without its rows"})
"""For files whose other faults are tried in a backup."""


def _of_folder(
    kind: str, base: Callable[[], others.Files], bases: Bases, entry: str = "", few: frozenset[str] | None = None
) -> Iterator[Case]:
    """Give every fault of every file of an acquisition that is a folder (or, with `entry`, that one file of it)."""

    def copy(target: Path) -> Path:
        return bases.copy(kind, lambda folder: others.laid(folder, base()), target / "a")

    def wrote(name: str, content: bytes) -> Build:
        def build(target: Path) -> Path:
            root = copy(target)
            replaced(root / name, content)
            return root / entry

        return build

    def put(name: str, replacement: Callable[[Path], None]) -> Build:
        def build(target: Path) -> Path:
            root = copy(target)
            _put_in_place(root / name, replacement)
            return root / entry

        return build

    def forbidden(name: str) -> Build:
        def build(target: Path) -> Path:
            root = copy(target)
            _unreadable(root / name)
            return root / entry

        return build

    for name, content in base().items():
        if not content:
            continue
        for fault, changed in _of_bytes(content):
            if few is None or fault in few:
                yield Case(kind, name, fault, wrote(name, changed))
        for fault, replacement in PLACES.items():
            if few is None or fault in few:
                yield Case(kind, name, fault, put(name, replacement))
        yield Case(kind, name, "not permitted", forbidden(name))


# --- iPhone backups -----------------------------------------------------------------------------------------------


def _stored(root: Path, artefact: Artefact) -> Path:
    identifier = BackupFile(*artefact, b"", AT).file_id
    return root / identifier[:2] / identifier


def _artefacts() -> dict[Artefact, bytes]:
    """Return the files of the phone that modules read."""
    unread = ("CameraRollDomain", "MediaDomain", "AppDomain-org.example.recorder")
    return {
        artefact: content
        for artefact, content in files_of_iphone().items()
        if artefact[0] not in unread and content not in (b"", b"demo")
    }


def _of_backup(kind: str, bases: Bases, *, encrypted: bool) -> Iterator[Case]:
    def copy(target: Path) -> Path:
        return bases.copy(kind, lambda folder: iphone(folder, encrypted=encrypted), target / "a")

    def put(artefact: Artefact, replacement: Callable[[Path], None]) -> Build:
        def build(target: Path) -> Path:
            root = copy(target)
            _put_in_place(_stored(root, artefact), replacement)
            return root

        return build

    def stored_as(artefact: Artefact, damage: Callable[[bytes], bytes]) -> Build:
        def build(target: Path) -> Path:
            path = _stored(root := copy(target), artefact)
            replaced(path, damage(path.read_bytes()))
            return root

        return build

    def held(artefact: Artefact, content: bytes) -> Build:
        """A file that was so when it was backed up: the manifest agrees."""

        def build(target: Path) -> Path:
            return iphone(target / "a", encrypted=encrypted, change=lambda a, old: content if a == artefact else old)

        return build

    for artefact, content in _artefacts().items():
        name = artefact[1].rpartition("/")[2]
        name = f"{artefact[0].rpartition('.')[2]} {name}" if name == "observations.db" else name
        for fault, damage in BYTES.items():
            yield Case(kind, name, fault, stored_as(artefact, damage))
        for fault, replacement in PLACES.items():
            if not encrypted or fault == "missing":
                yield Case(kind, name, fault, put(artefact, replacement))
        if not encrypted:
            yield Case(kind, name, "not permitted", put_unreadable(copy, artefact))
        for fault, changed in _of_bytes(content):
            if fault in PAGES or not encrypted:  # layouts and keys are the same in clear
                yield Case(kind, name, f"{fault}, as backed up", held(artefact, changed))
    for fault, damage in BYTES.items():
        yield Case(kind, "Info.plist", fault, front(copy, "Info.plist", damage))
    for fault, damage in {**BYTES, **({} if encrypted else PAGES)}.items():
        yield Case(kind, "Manifest.db", fault, front(copy, "Manifest.db", damage))


def put_unreadable(copy: Build, artefact: Artefact) -> Build:
    def build(target: Path) -> Path:
        root = copy(target)
        _unreadable(_stored(root, artefact))
        return root

    return build


def front(copy: Build, name: str, damage: Callable[[bytes], bytes]) -> Build:
    def build(target: Path) -> Path:
        path = (root := copy(target)) / name
        replaced(path, damage(path.read_bytes()))
        return root

    return build


# --- All of them --------------------------------------------------------------------------------------------------


def packed_report(files: others.Files) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return zipped(others.laid(Path(folder) / "r", files), Path(folder) / "r.zip").read_bytes()


def _of_nested(bases: Bases) -> Iterator[Case]:
    """Give faults inside of what an AndroidQF acquisition holds packed, which its list of digests agrees with."""
    kind = "androidqf (nested)"
    inside = {"bugreport.zip": (others.bugreport(), packed_report)}
    for outer, (files, pack) in inside.items():
        for name, content in files.items():
            for fault, changed in _of_bytes(content):
                yield Case(kind, f"{outer}: {name}", fault, _qf(outer, pack(files | {name: changed})))
            yield Case(kind, f"{outer}: {name}", "missing", _qf(outer, pack({n: c for n, c in files.items() if n != name})))


def _qf(name: str, content: bytes) -> Build:
    return lambda target: others.laid(
        target / "a", others.androidqf(packed_report, lambda n, old: content if n == name else old)
    )


def _of_archive(kind: str, make: Build, bases: Bases) -> Iterator[Case]:
    """Give the faults of an acquisition that is one file."""

    def faulty(damage: Callable[[bytes], bytes]) -> Build:
        def build(target: Path) -> Path:
            path = bases.copy(kind, make, target / "archive")
            replaced(path, damage(path.read_bytes()))
            return path

        return build

    for fault, damage in BYTES.items():
        yield Case(kind, "the archive", fault, faulty(damage))
    for place in range(1, 8):
        yield Case(kind, "the archive", f"a byte changed at {place}/8", faulty(_flipped(place)))


def _flipped(place: int) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        at = len(content) * place // 8
        return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]

    return damage


def qf() -> others.Files:
    return others.androidqf(packed_report)


def all_cases(bases: Bases) -> dict[str, Case]:
    """Return every case by its id."""

    def archive(files: Callable[[], others.Files], pack: Callable[[Path, Path], Path]) -> Build:
        def make(target: Path) -> Path:
            return pack(others.laid(target.with_name(f"{target.name}-files"), files()), target)

        return make

    found: list[Case] = [
        *_of_backup("ios-backup", bases, encrypted=False),
        *_of_backup("ios-backup (encrypted)", bases, encrypted=True),
        *_of_folder("androidqf", qf, bases),
        *_of_nested(bases),
        *_of_archive("androidqf (zip)", archive(qf, zipped), bases),
        *_of_folder("android-bugreport", others.bugreport, bases),
        *_of_archive("android-bugreport (zip)", archive(others.bugreport, zipped), bases),
        *_of_folder("android-backup", others.android_backup_files, bases, "backup.ab"),
        *_of_folder("android-intrusion-logs", others.intrusion_logs, bases),
        *_of_archive("android-intrusion-logs (zip)", archive(others.intrusion_logs, zipped), bases),
        *_of_folder("ios-sysdiagnose", others.sysdiagnose, bases),
        *_of_archive("ios-sysdiagnose (tar.gz)", archive(others.sysdiagnose, tarred), bases),
        *_of_folder("ios-filesystem", others.filesystem, bases, few=_FEW),
        *_of_archive("ios-filesystem (tar.gz)", archive(others.filesystem, tarred), bases),
    ]
    return {case.id: case for case in found}
