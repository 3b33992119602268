"""The lock of an encrypted iOS backup: the keybag in its Manifest.plist, and how a password opens it.

A password is stretched into one key (PBKDF2; two rounds since iOS 10.2, one before), that key unwraps a key for each
protection class (RFC 3394), and these unwrap the key of each file. Format: Apple Platform Security guide, "Keybags";
parsed by `iphone_backup_decrypt`. What it leaves to us: the older keybags, the bound on the work that a keybag may ask
for, and telling a wrong password from a class whose key is missing.
"""

from __future__ import annotations

import io
import struct
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES
from Crypto.Hash import SHA1, SHA256
from Crypto.Protocol.KDF import PBKDF2
from iphone_backup_decrypt.google_iphone_dataprotection import Keybag

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import BackupKeys
from spytriage.source.ios_backup import SQLITE_MAGIC, damaged_manifest, open_file, read_plist

KEY_BYTES = 32
MOST_ROUNDS = {SHA256: 20_000_000, SHA1: 1_000_000}
"""The most rounds of PBKDF2 that a keybag may ask for: some seconds of work. iPhones use 10,000,000 and 10,000."""

_Round = tuple[Any, bytes, int]  # hash, salt, count
_WRAPPED_BYTES = KEY_BYTES + 8
_WRAPPED_BY_PASSWORD = 2  # bit of WRAP; the other one means a key that never leaves the phone


class Lock:
    """The keybag of one backup, read and found usable."""

    def __init__(self, folder: Path) -> None:
        """Read the keybag of the backup in a folder.

        Raises:
            SpytriageError: it is missing, damaged, or asks for more work than `MOST_ROUNDS`.
        """
        manifest = read_plist(folder / "Manifest.plist")
        self._folder, self._manifest_key = folder, manifest.get("ManifestKey")
        self._rounds, self._wrapped = _parse(manifest.get("BackupKeyBag"), folder)
        for hashing, _salt, rounds in self._rounds:
            if rounds > (most := MOST_ROUNDS[hashing]):
                raise SpytriageError(
                    _("This backup asks for {rounds} rounds of key derivation; at most {most} are done.").format(
                        rounds=rounds, most=most
                    ),
                    path=folder / "Manifest.plist",
                    hint=_("No iPhone asks for so many: the backup was tampered with or damaged. Make a new one."),
                )

    def derive(self, password: bytes) -> bytes:
        """Stretch a password into the key that unwraps the others: up to some seconds of work.

        pycryptodome does it three times as fast as hashlib.
        """
        for hashing, salt, rounds in self._rounds:
            password = PBKDF2(password, salt, KEY_BYTES, rounds, hmac_hash_module=hashing)
        return password

    def open(self, derived: bytes) -> BackupKeys | None:
        """Return the keys of the backup; None when the derived key (32 bytes) is not the right one.

        Raises:
            SpytriageError: it is right, but the manifest cannot be opened with what it unlocks.
        """
        classes = {}
        for protection_class, wrapped in self._wrapped.items():
            try:
                classes[protection_class] = AES.new(derived, AES.MODE_KW).unseal(wrapped)
            except ValueError:
                continue  # a damaged one; if none opens, the key is wrong
        if not classes:
            return None
        keys = BackupKeys(classes, self._unwrap_manifest_key(classes))
        self._require_database(keys)
        return keys

    def _unwrap_manifest_key(self, classes: dict[int, bytes]) -> bytes | None:
        if self._manifest_key is None:
            return None
        try:
            protection_class = struct.unpack("<l", self._manifest_key[:4])[0]
            unwrapped: bytes = AES.new(classes[protection_class], AES.MODE_KW).unseal(self._manifest_key[4:])
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise _damaged_lock(self._folder) from error
        return unwrapped

    def _require_database(self, keys: BackupKeys) -> None:
        with open_file(self._folder / "Manifest.db") as handle:
            head = handle.read(len(SQLITE_MAGIC))
        if keys.manifest and len(head) == len(SQLITE_MAGIC):
            head = AES.new(keys.manifest, AES.MODE_CBC, iv=bytes(16)).decrypt(head)
        if head != SQLITE_MAGIC:
            raise damaged_manifest(self._folder)


def _parse(blob: object, folder: Path) -> tuple[list[_Round], dict[int, bytes]]:
    """Return how a keybag stretches a password, and the wrapped key of each class.

    Raises:
        SpytriageError: something that is needed is missing or of another type.
    """
    try:
        with redirect_stdout(io.StringIO()):  # the parser prints what it finds odd
            keybag = Keybag(blob)
    except Exception as error:
        raise _damaged_lock(folder) from error
    attributes = keybag.attrs
    rounds = [(SHA1, attributes.get(b"SALT"), attributes.get(b"ITER"))]
    if b"DPIC" in attributes or b"DPSL" in attributes:
        rounds.insert(0, (SHA256, attributes.get(b"DPSL"), attributes.get(b"DPIC")))
    wrapped = {
        number: entry[b"WPKY"]
        for number, entry in keybag.classKeys.items()
        if isinstance(entry.get(b"WPKY"), bytes)
        and len(entry[b"WPKY"]) == _WRAPPED_BYTES
        and isinstance(entry.get(b"WRAP"), int)
        and entry[b"WRAP"] & _WRAPPED_BY_PASSWORD
    }
    usable = all(isinstance(salt, bytes) and isinstance(count, int) and count for _hash, salt, count in rounds)
    if not usable or not wrapped:
        raise _damaged_lock(folder)
    return rounds, wrapped


def _damaged_lock(folder: Path) -> SpytriageError:
    return SpytriageError(
        _("The keys of this encrypted backup are damaged or incomplete: no password can open it."),
        path=folder / "Manifest.plist",
        hint=_("Copy the whole folder again, or make a new backup."),
    )
