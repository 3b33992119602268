"""The files of an iOS backup, in clear, wherever they lie: as they are, decrypted, or with their write-ahead log.

A file of an encrypted backup is decrypted when a module asks for it, into a copy that `Copies.forget` deletes.

A backup stores a database's write-ahead log (WAL) as a file of its own, under the hash of its own path. MVT 2026.10.26
looks for it under the name of the database with "-wal" and never finds it: rows that only the WAL holds are not seen.
Here it is applied to a copy of the database.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spytriage.models import BackupKeys, Reason
from spytriage.scan.copies import Copies, UnavailableError
from spytriage.scan.manifest_check import disagrees
from spytriage.scan.wal import is_hot, join

_FILE_ID = re.compile(r"[0-9a-f]{40}")
_SQLITE_MAGIC = b"SQLite format 3\x00"
_NOT_FILES = {2, 4}  # column `flags` of Manifest.db: a folder, a symbolic link; a file has 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as the manifest lists it."""

    domain: Any  # text, unless somebody forged it
    path: Any
    flags: Any
    metadata: Any  # an archived MBFile

    @property
    def has_content(self) -> bool:
        """Return whether the folder should have it: a file without content is not stored."""
        return self.flags not in _NOT_FILES and _size(self.metadata) != 0

    def id_with(self, ending: str) -> str:
        """Return the file id of a file beside this one: its WAL or journal."""
        name = f"{self.domain}-{self.path}{ending}".encode(errors="surrogatepass")
        return hashlib.sha1(name, usedforsecurity=False).hexdigest()


class BackupFiles:
    """The files of one backup.

    Attributes:
        root: a folder that MVT can take for a backup in clear.
        problem: why the manifest of an encrypted backup could not be decrypted, and nothing can be read.
    """

    def __init__(self, backup: Path, keys: BackupKeys | None, copies: Copies) -> None:
        """Prepare a backup (its absolute path); `keys` are those of an encrypted one."""
        self.backup = backup.resolve()
        self.root = copies.view if keys else self.backup
        self.problem: Reason | None = None
        self._keys, self._copies = keys, copies
        self._ids: dict[Path, str] = {}  # what was handed out
        self._with_wal: dict[Path, Path] = {}
        if keys:
            self._show_front(keys)

    def get(self, file_id: str) -> Path | None:
        """Return where a file lies in clear; None when the backup does not hold it.

        Raises:
            UnavailableError: it is there, or should be, and must not or cannot be opened.
        """
        stored = self._stored(file_id)
        if stored is None:
            return None
        path = self._decrypted(file_id, stored) if self._keys else stored
        self._ids[path] = file_id
        return path

    def shortfall(self, path: Path) -> Reason | None:
        """Return why a file that `get` handed out is not the whole one, when the manifest says that it was longer.

        A database tells by itself, and better: it may be backed up at another size than the manifest says.
        """
        try:
            entry = self._entry(self._ids[path])
        except (sqlite3.Error, KeyError):
            return None
        size = _size(entry.metadata) if entry else None
        if size is None or path.stat().st_size >= size or _is_database(path):
            return None
        return Reason.DAMAGED

    def database(self, path: Path) -> tuple[Path, Reason | None]:
        """Return where to open a file that `get` handed out as a database, with its WAL applied.

        Returns:
            The path, and why a WAL that is there could not be applied.
        """
        if path not in self._ids or path in self._with_wal:
            return self._with_wal.get(path, path), None
        self._with_wal[path] = path
        try:
            wal = self._wal(self._ids[path])
            if self._has_hot_journal(self._ids[path]):
                return path, Reason.PARTLY_READ
            if wal is None:
                return path, None
            self._with_wal[path], breaks_off = self._applied(path, *wal)
        except UnavailableError as error:
            return path, error.reason
        return self._with_wal[path], Reason.DAMAGED if breaks_off else None

    def scratch(self, path: Path, write: Callable[[Path], object]) -> Path:
        """Return what `write` makes of a database, in a place of its own until the module ends.

        Raises:
            UnavailableError: there is no room for it.
        """
        return self._copies.make(f"recovered/{path.name}", 2 * path.stat().st_size, write).resolve()

    def doubt(self) -> Reason | None:
        """Return why the manifest cannot be relied on to list all files, None when nothing speaks against it."""
        if self._is_unfinished():
            return Reason.PARTLY_READ
        manifest, is_encrypted = self.root / "Manifest.db", self._keys is not None
        return Reason.MANIFEST_DISAGREES if disagrees(manifest, self.backup, is_encrypted=is_encrypted) else None

    def _is_unfinished(self) -> bool:
        """Return whether the backup says of itself that it was not completed."""
        try:
            status = plistlib.loads((self.backup / "Status.plist").read_bytes())
            return str(status["SnapshotState"]) != "finished"
        except Exception:  # noqa: BLE001 (old backups have none, and made-up bytes can raise anything)
            return False

    def forget(self) -> None:
        """Delete what was copied for the module that has ended."""
        self._ids, self._with_wal = {}, {}
        self._copies.forget()

    # --- Finding -----------------------------------------------------------------------------------------------

    def _stored(self, file_id: str) -> Path | None:
        if not isinstance(file_id, str) or not _FILE_ID.fullmatch(file_id):
            raise UnavailableError(Reason.DAMAGED)
        path = self.backup / file_id[:2] / file_id
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if self._is_missed(file_id):
                raise UnavailableError(self.problem or Reason.ARTEFACT_MISSING) from None
            return None
        except OSError as error:
            raise UnavailableError(Reason.PERMISSION_DENIED) from error
        if not stat.S_ISREG(mode) or not path.resolve().is_relative_to(self.backup):
            raise UnavailableError(Reason.NOT_A_REGULAR_FILE)
        if not os.access(path, os.R_OK):
            raise UnavailableError(Reason.PERMISSION_DENIED)
        return path

    def _is_missed(self, file_id: str) -> bool:
        """Return whether the manifest names a file with content: then the folder should have it."""
        try:
            entry = self._entry(file_id)
        except sqlite3.Error:
            return True  # nobody can tell: do not call it absent
        return entry is not None and entry.has_content

    def _entry(self, file_id: str) -> _Entry | None:
        uri = (self.root / "Manifest.db").as_uri() + "?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as manifest:
            query = "SELECT domain, relativePath, flags, file FROM Files WHERE fileID = ?"
            row = manifest.execute(query, (file_id,)).fetchone()
        return row and _Entry(*row)

    # --- Decrypting --------------------------------------------------------------------------------------------

    def _show_front(self, keys: BackupKeys) -> None:
        """Put Info.plist and Manifest.db where MVT looks for them."""
        (self.root / "Info.plist").symlink_to(self.backup / "Info.plist")
        manifest = self.backup / "Manifest.db"
        if keys.manifest is None:
            (self.root / "Manifest.db").symlink_to(manifest)
            return
        try:
            self._copy_decrypted("Manifest.db", manifest, keys.manifest, keep=True)
        except UnavailableError as error:
            self.problem = error.reason

    def _decrypted(self, file_id: str, stored: Path) -> Path:
        from iphone_backup_decrypt.utils import FilePlist

        try:
            entry = self._entry(file_id)
        except sqlite3.Error as error:
            raise UnavailableError(self.problem or Reason.DAMAGED) from error
        if entry is None:
            raise UnavailableError(Reason.KEY_MISSING)
        try:
            facts = FilePlist(entry.metadata)
        except Exception as error:
            raise UnavailableError(Reason.DAMAGED) from error
        if facts.encryption_key is None:
            return stored  # an empty file, or one that is stored in clear
        copy = self._copy_decrypted(f"{file_id[:2]}/{file_id}", stored, self._file_key(facts))
        if facts.filesize and not copy.stat().st_size:
            raise UnavailableError(Reason.DAMAGED)
        return copy

    def _file_key(self, facts: Any) -> bytes:
        from Crypto.Cipher import AES

        class_key = self._keys.classes.get(facts.protection_class) if self._keys else None
        if class_key is None:
            raise UnavailableError(Reason.KEY_MISSING)
        try:
            key: bytes = AES.new(class_key, AES.MODE_KW).unseal(facts.encryption_key)
        except (TypeError, ValueError) as error:
            raise UnavailableError(Reason.DAMAGED) from error
        return key

    def _copy_decrypted(self, name: str, stored: Path, key: bytes, *, keep: bool = False) -> Path:
        from iphone_backup_decrypt.utils import aes_decrypt_chunked

        def write(target: Path) -> None:
            aes_decrypt_chunked(in_filename=str(stored), out_filepath=str(target), key=key)

        try:
            return self._copies.make(name, stored.stat().st_size, write, keep=keep)
        except ValueError as error:  # its length or padding is not that of an encrypted file
            raise UnavailableError(Reason.DAMAGED) from error
        except OSError as error:
            raise UnavailableError(Reason.EXCEPTION) from error

    # --- Write-ahead logs --------------------------------------------------------------------------------------

    def _wal(self, file_id: str) -> tuple[str, Path] | None:
        """Return the file id of a database's WAL and where it is stored, if it has content."""
        return self._beside(file_id, "-wal")

    def _has_hot_journal(self, file_id: str) -> bool:
        found = self._beside(file_id, "-journal")
        return found is not None and is_hot(self._decrypted(*found) if self._keys else found[1])

    def _beside(self, file_id: str, ending: str) -> tuple[str, Path] | None:
        """Return the id of a file beside another and where it is stored; whatever its entry says, it may be there."""
        try:
            entry = self._entry(file_id)
        except sqlite3.Error:
            return None  # the ledger tells of the manifest elsewhere
        if not entry:
            return None
        beside = entry.id_with(ending)
        stored = self._stored(beside)
        return (beside, stored) if stored and stored.stat().st_size else None

    def _applied(self, path: Path, wal_id: str, stored_wal: Path) -> tuple[Path, bool]:
        """Apply a WAL to a copy of its database; tell whether it breaks off."""
        whole: list[bool] = []
        wal = self._decrypted(wal_id, stored_wal) if self._keys else stored_wal
        size = path.stat().st_size + 2 * wal.stat().st_size
        try:
            copy = self._copies.make(f"with-wal/{path.name}", size, lambda copy: whole.append(join(path, wal, copy)))
        except sqlite3.Error as error:
            raise UnavailableError(Reason.DAMAGED) from error
        except OSError as error:
            raise UnavailableError(Reason.EXCEPTION) from error
        return copy.resolve(), not whole[-1]


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def _size(metadata: object) -> int | None:
    """Return how many bytes a file has by its entry in the manifest, None when that is not told."""
    if not isinstance(metadata, bytes):
        return None
    try:
        size = plistlib.loads(metadata)["$objects"][1]["Size"]
        return size if isinstance(size, int) else None
    except Exception:  # noqa: BLE001 (made-up bytes can raise anything)
        return None
