"""The cases of the corpus: kind of source, artefact, fault."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spytriage.demo.backup_format import BackupFile
from tests.acquisitions import tarred, zipped
from tests.faults import others
from tests.faults.faults import (
    BYTES,
    FOLDERS,
    PAGES,
    PLACES,
    hole,
    is_database,
    is_json,
    is_plist,
    layouts,
    not_utf8,
    other_json,
    other_keys,
)
from tests.faults.phones import AT, Artefact, files_of_iphone, iphone

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


class _Bases:
    """The undamaged acquisitions of one run, each made once."""

    def __init__(self) -> None:
        self._folder = Path()
        self._made: dict[str, Path] = {}

    def begin(self, folder: Path) -> None:
        """Make them below this folder from now on."""
        self._folder, self._made = folder, {}

    def get(self, kind: str) -> Path:
        if kind not in self._made:
            place = self._folder / re.sub(r"[^a-z]+", "-", kind)
            self._made[kind] = _MAKERS[kind](place)
        return self._made[kind]

    def copy(self, kind: str, target: Path) -> Path:
        """Copy an acquisition into a folder; files are shared until one is replaced. Returns the copy's folder."""
        base = self.get(kind)
        if base.is_file():
            shutil.copy(base, target / base.name)
            return target
        return Path(shutil.copytree(base, target / "a", copy_function=os.link))


BASES = _Bases()


def where(kind: str, folder: Path) -> Path:
    """Return where an acquisition lies that was copied into a folder."""
    base = BASES.get(kind)
    return folder / base.name if base.is_file() else folder


def undamaged(kind: str) -> Path:
    """Return where the undamaged acquisition of a kind lies: not to be changed."""
    return BASES.get(kind)


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
        if content != (changed := hole(content)):
            yield "a hole of zeros", changed
    elif content != (changed := not_utf8(content)):
        yield "text that is no UTF-8", changed
        if is_json(content):
            yield from other_json(content)
        if b"DUMP OF SERVICE" not in content:  # may hold anything
            yield "a hole of zeros", hole(content)


_FEW = frozenset({"cut to 1/4", "cut to 1/2", "cut to 3/4", "empty", "missing", "a pipe", "a link out",
                  "page overwritten", "page without its rows", "a hole of zeros"})  # fmt: skip
"""For files whose other faults are tried in a backup in clear."""
_SAME = frozenset(BYTES) - {"empty", "cut to 1/2"}
"""What comes to the same before and after a backup is made."""


def _of_folder(kind: str, files: others.Files) -> Iterator[Case]:
    """Give every fault of every file of an acquisition."""
    for name, content in files.items():
        if content:
            for fault, changed in _of_bytes(content):
                yield Case(kind, name, fault, _changing(kind, name, partial(_write, content=changed)))
            for fault, replacement in PLACES.items():
                yield Case(kind, name, fault, _changing(kind, name, partial(_put, replacement=replacement)))
            yield Case(kind, name, "not permitted", _changing(kind, name, _forbid))


def _of_folders(kind: str, files: others.Files) -> Iterator[Case]:
    """Give what may befall the folders of an acquisition: others than whoever reads it may own them."""
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    for name in sorted(folders):
        for fault, replacement in FOLDERS.items():
            if kind != "ios-filesystem" or fault in _OF_A_DUMP:
                yield Case(kind, f"{name}/", fault, _changing(kind, name, replacement))


_OF_A_DUMP = {"folder not permitted"}
"""A dump holds the links of its phone; and two faults of each of its many folders would tell no more than one."""


def _changing(kind: str, name: str, change: Callable[[Path], None]) -> Build:
    def build(target: Path) -> Path:
        root = BASES.copy(kind, target)
        change(root / name)
        return root / name if BASES.get(kind).is_file() else root

    return build


def _write(path: Path, content: bytes) -> None:
    """Replace a file, not the one that other acquisitions share."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _damage(path: Path, damage: Callable[[bytes], bytes]) -> None:
    _write(path, damage(path.read_bytes()))


def _put(path: Path, replacement: Callable[[Path], None]) -> None:
    path.unlink()
    replacement(path)


def _forbid(path: Path) -> None:
    _write(path, path.read_bytes())
    path.chmod(0)


# --- iPhone backups -----------------------------------------------------------------------------------------------


def _stored(artefact: Artefact) -> str:
    identifier = BackupFile(*artefact, b"", AT).file_id
    return f"{identifier[:2]}/{identifier}"


def _artefacts() -> dict[Artefact, bytes]:
    """Return the files of the phone that modules read."""
    unread = ("CameraRollDomain", "MediaDomain", "AppDomain-org.example.recorder")
    return {
        artefact: content
        for artefact, content in files_of_iphone().items()
        if artefact[0] not in unread and content not in (b"", b"demo")
    }


def _of_stored(kind: str, name: str, place: str) -> Iterator[Case]:
    """Give what may befall a file of a backup after it was backed up."""
    for fault, damage in BYTES.items():
        yield Case(kind, name, fault, _changing(kind, place, partial(_damage, damage=damage)))
    for fault, replacement in PLACES.items():
        yield Case(kind, name, fault, _changing(kind, place, partial(_put, replacement=replacement)))
    yield Case(kind, name, "not permitted", _changing(kind, place, _forbid))


def _of_backup(kind: str, *, encrypted: bool) -> Iterator[Case]:
    def held(artefact: Artefact, content: bytes) -> Build:
        """A file that was so when it was backed up: the manifest agrees."""
        return lambda target: iphone(
            target / "a", encrypted=encrypted, change=lambda a, old: content if a == artefact else old
        )

    for artefact, content in _artefacts().items():
        name, place = artefact[1].rpartition("/")[2], _stored(artefact)
        name = f"{artefact[0].rpartition('.')[2]} {name}" if name == "observations.db" else name
        for case in _of_stored(kind, name, place):
            if not encrypted or case.fault in {*BYTES, "missing"}:
                yield case
        for fault, changed in _of_bytes(content):
            if fault in _FEW if encrypted else fault not in _SAME:  # layouts and keys are the same in clear
                yield Case(kind, name, f"{fault}, as backed up", held(artefact, changed))
    for name in ("Info.plist", "Manifest.db"):
        for fault, damage in {**BYTES, **(PAGES if name == "Manifest.db" and not encrypted else {})}.items():
            yield Case(kind, name, fault, _changing(kind, name, partial(_damage, damage=damage)))


# --- All of them --------------------------------------------------------------------------------------------------


def packed_report(files: others.Files) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return zipped(others.laid(Path(folder) / "r", files), Path(folder) / "r.zip").read_bytes()


def _of_nested(kind: str) -> Iterator[Case]:
    """Give faults inside of the bug report of an AndroidQF acquisition, whose list of digests agrees with them."""
    files = others.bugreport()
    for name, content in files.items():
        for fault, changed in _of_bytes(content):
            yield Case(kind, f"bugreport.zip: {name}", fault, _with_report(files | {name: changed}))
        rest = {other: held for other, held in files.items() if other != name}
        yield Case(kind, f"bugreport.zip: {name}", "missing", _with_report(rest))


def _as_acquired(kind: str) -> Iterator[Case]:
    """Give files of AndroidQF that were so when it made its list of digests, which agrees with them."""
    for name, content in _qf().items():
        if is_json(content):
            for fault, changed in other_json(content):
                yield Case(kind, name, f"{fault}, as acquired", _acquired(name, changed))


def _acquired(name: str, changed: bytes) -> Build:
    def change(other: str, content: bytes) -> bytes:
        return changed if other == name else content

    return lambda target: others.laid(target / "a", others.androidqf(packed_report, change))


def _with_report(files: others.Files) -> Build:
    return lambda target: others.laid(target / "a", others.androidqf(lambda _whole: packed_report(files)))


def _of_archive(kind: str) -> Iterator[Case]:
    """Give the faults of an acquisition that is one file."""
    for fault, damage in BYTES.items():
        yield Case(kind, "the archive", fault, _changing(kind, "archive", partial(_damage, damage=damage)))
    for place in range(1, 8):
        change = partial(_damage, damage=partial(_flipped, place=place))
        yield Case(kind, "the archive", f"a byte changed at {place}/8", _changing(kind, "archive", change))


def _flipped(content: bytes, place: int) -> bytes:
    at = len(content) * place // 8
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


def _archive(files: Callable[[], others.Files], pack: Callable[[Path, Path], Path]) -> Build:
    def make(target: Path) -> Path:
        target.mkdir()
        return pack(others.laid(target / "files", files()), target / "archive")

    return make


def _folder(files: Callable[[], others.Files]) -> Build:
    return lambda target: others.laid(target, files())


def _qf() -> others.Files:
    return others.androidqf(packed_report)


_MAKERS: dict[str, Build] = {
    "ios-backup": iphone,
    "ios-backup (encrypted)": partial(iphone, encrypted=True),
    "androidqf": _folder(_qf),
    "androidqf (nested)": _folder(_qf),
    "androidqf (zip)": _archive(_qf, zipped),
    "android-bugreport": _folder(others.bugreport),
    "android-bugreport (zip)": _archive(others.bugreport, zipped),
    "android-backup": lambda target: others.laid(target, others.android_backup_files()) / "backup.ab",
    "android-intrusion-logs": _folder(others.intrusion_logs),
    "android-intrusion-logs (zip)": _archive(others.intrusion_logs, zipped),
    "ios-sysdiagnose": _folder(others.sysdiagnose),
    "ios-sysdiagnose (tar.gz)": _archive(others.sysdiagnose, tarred),
    "ios-filesystem": _folder(others.filesystem),
    "ios-filesystem (tar.gz)": _archive(others.filesystem, tarred),
}


def all_cases() -> dict[str, Case]:
    """Return every case by its id."""
    found: list[Case] = [
        *_of_backup("ios-backup", encrypted=False),
        *_of_backup("ios-backup (encrypted)", encrypted=True),
        *_of_folder("androidqf", _qf()),
        *_as_acquired("androidqf"),
        *_of_nested("androidqf (nested)"),
        *_of_folder("android-bugreport", others.bugreport()),
        *_of_folder("android-backup", others.android_backup_files()),
        *_of_folders("androidqf", _qf()),
        *_of_folders("android-bugreport", others.bugreport()),
        *_of_folders("ios-sysdiagnose", others.sysdiagnose()),
        *_of_folders("ios-filesystem", others.filesystem()),
        *_of_folder("android-intrusion-logs", others.intrusion_logs()),
        *_of_folder("ios-sysdiagnose", others.sysdiagnose()),
        *(case for case in _of_folder("ios-filesystem", others.filesystem()) if case.fault in _FEW),
        *(case for kind in _MAKERS if kind.endswith(("(zip)", "(tar.gz)")) for case in _of_archive(kind)),
    ]
    return {case.id: case for case in found}
