"""An iOS backup folder, as Finder, iTunes or idevicebackup2 write it.

Layout (since iOS 10): Manifest.db lists every file; Manifest.plist says whether the backup is encrypted; Info.plist
describes the device; each file lies at <first two digits of its id>/<id>.
"""

from __future__ import annotations

import hashlib
import plistlib
import stat
import struct
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import LimitId
from spytriage.source.interface import Device, Source

SQLITE_MAGIC = b"SQLite format 3\x00"
_MAX_PLIST_BYTES = 256 * 1024 * 1024  # Info.plist carries the icon of every app; real ones stay under 100 MB
# Everything that plistlib raises on bytes that somebody made up.
_UNPARSEABLE = (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, LookupError, AttributeError,
                OverflowError, RecursionError, MemoryError, struct.error)  # fmt: skip


def recognise(folder: Path) -> Source | None:
    """Return the iOS backup in a folder, or None when the folder is none.

    Raises:
        SpytriageError: it is an iOS backup that cannot be checked: incomplete, too old, not readable.
    """
    manifest = folder / "Manifest.db"
    if not manifest.exists():
        if (folder / "Manifest.mbdb").is_file():
            raise SpytriageError(
                _("This backup is from before iOS 10 and cannot be read."),
                path=folder,
                hint=_("Make a new backup of the phone with a current computer."),
            )
        if (folder / "Manifest.plist").is_file() or (folder / "Status.plist").is_file():
            raise SpytriageError(
                _("This looks like an iPhone backup, but its Manifest.db is missing."),
                path=folder,
                hint=_("The copy is incomplete. Copy the whole folder again, or make a new backup."),
            )
        return None
    digest = hashlib.sha256()
    for name in ("Manifest.db", "Info.plist"):
        digest.update(_file_digest(folder / name))
    info = read_plist(folder / "Info.plist")
    encrypted, locked = _encryption(folder)
    return Source(
        kind="ios-backup",
        path=folder.resolve(),
        encrypted=encrypted,
        locked=locked,
        device=Device(
            product_type=_text(info, "Product Type"),
            os_version=_text(info, "Product Version"),
            identifier=_text(info, "Unique Identifier") or _text(info, "Target Identifier"),
        ),
        digest=digest.digest(),
        limits=(LimitId.NO_SHUTDOWN_LOG, LimitId.NO_WIFI_FIGURES, LimitId.IDSTATUSCACHE_EMPTY),
    )


def _encryption(folder: Path) -> tuple[bool, bool]:
    """Return whether the backup was made encrypted, and whether it still is.

    A copy made by `mvt-ios decrypt-backup` keeps the Manifest.plist that says `IsEncrypted`; its Manifest.db is in
    clear. Since iOS 10.2, when ManifestKey came, that of an encrypted backup never is.

    Raises:
        SpytriageError: Manifest.db is neither a database nor encrypted.
    """
    manifest = read_plist(folder / "Manifest.plist")
    encrypted = manifest.get("IsEncrypted") is True
    with open_file(folder / "Manifest.db") as handle:
        in_clear = handle.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    if not encrypted and not in_clear:
        raise damaged_manifest(folder)
    return encrypted, encrypted and not (in_clear and "ManifestKey" in manifest)


def damaged_manifest(folder: Path) -> SpytriageError:
    """Say that Manifest.db is no database, neither as it is nor decrypted."""
    return SpytriageError(
        _("The Manifest.db of this backup is damaged: it is not a database."),
        path=folder,
        hint=_("If the backup is encrypted, its Manifest.plist is missing or damaged too. Make a new backup."),
    )


def open_file(path: Path) -> Any:
    """Open a file of the backup for reading.

    Raises:
        SpytriageError: it cannot be read, is not a regular file (a FIFO would hang us), or is a link out of the backup.
    """
    try:
        inside = path.resolve().is_relative_to(path.parent.resolve())
        if not inside or not stat.S_ISREG(path.stat().st_mode):
            raise SpytriageError(
                _("This should be a file, and is something else."),
                path=path,
                hint=_("The backup was tampered with or damaged. Make a new one."),
            )
        return path.open("rb")
    except OSError as error:
        raise SpytriageError(
            _("This file of the backup cannot be read."),
            path=path,
            hint=_("Give yourself permission to read it, or copy the whole backup to a folder of yours."),
        ) from error


def _file_digest(path: Path) -> bytes:
    if not path.exists():
        return b"absent"
    with open_file(path) as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def read_plist(path: Path) -> dict[str, Any]:
    """Return a property list's top dictionary; {} when it is missing or unusable (the ledger will say so)."""
    if not path.exists():
        return {}
    with open_file(path) as handle:
        data = handle.read(_MAX_PLIST_BYTES + 1)
    if len(data) > _MAX_PLIST_BYTES:
        return {}
    try:
        content = plistlib.loads(data)
    except _UNPARSEABLE:
        return {}
    return content if isinstance(content, dict) else {}


def _text(info: dict[str, Any], key: str) -> str:
    value = info.get(key)
    return value if isinstance(value, str) else ""
