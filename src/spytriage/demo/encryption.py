"""Encrypts an invented backup as iOS does: a keybag, a key for each protection class, a key for each file.

Everything is derived from the password and a seed, so that one seed is one phone; a real phone draws its keys at
random.
Format: Apple Platform Security guide, "Keybags", and the reader `iphone_backup_decrypt`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from spytriage.demo.backup_format import PROTECTION_CLASS

_MANIFEST_CLASS = 4  # readable always
_FILE_CLASSES = range(1, 5)
_KEYCHAIN_CLASSES = range(6, 12)
_WRAPPED_BY_PASSWORD = 2


class Keybag:
    """The keys of one backup; a `backup_format.Seal`.

    Attributes:
        derived: the key that the password is stretched into, as a key file holds it.
    """

    def __init__(
        self, password: str, seed: str, rounds: tuple[int, int] = (100_000, 10_000), *, old: bool = False
    ) -> None:
        """Make the keys of a backup.

        Args:
            password: what opens it.
            seed: the same one gives the same keys.
            rounds: of PBKDF2, with SHA-256 and with SHA-1. iPhones use 10,000,000 and 10,000.
            old: as before iOS 10.2: only the second round, and Manifest.db is not encrypted.
        """
        self._seed, self._rounds, self._old = seed, rounds, old
        key = password.encode()
        if not old:
            key = hashlib.pbkdf2_hmac("sha256", key, self._made("DPSL", 20), rounds[0], 32)
        self.derived = hashlib.pbkdf2_hmac("sha1", key, self._made("SALT", 20), rounds[1], 32)

    def file_key(self, file_id: str) -> bytes:
        """Return the key of a file, wrapped, as its manifest entry holds it."""
        return self._wrapped(PROTECTION_CLASS, self.key(file_id))

    def file(self, file_id: str, content: bytes) -> bytes:
        """Return a file's content, encrypted."""
        return _encrypted(self.key(file_id), content)

    def manifest(self, content: bytes) -> bytes:
        """Return Manifest.db, encrypted if its key is in `manifest_plist`."""
        return content if self._old else _encrypted(self.key("Manifest.db"), content)

    def manifest_plist(self) -> Mapping[str, Any]:
        """Return what Manifest.plist holds beside what it holds anyway."""
        added = {"IsEncrypted": True, "BackupKeyBag": self.blob}
        if not self._old:
            added["ManifestKey"] = self._wrapped(_MANIFEST_CLASS, self.key("Manifest.db"))
        return added

    @cached_property
    def blob(self) -> bytes:
        """The keybag as Manifest.plist holds it: tags of four letters, lengths, values."""
        fields: list[tuple[bytes, int | bytes]] = [
            (b"VERS", 5), (b"TYPE", 1), (b"UUID", self._made("UUID", 16)), (b"HMCK", self._made("HMCK", 40)),
            (b"WRAP", 0), (b"SALT", self._made("SALT", 20)), (b"ITER", self._rounds[1]),
        ]  # fmt: skip
        if not self._old:
            fields += [(b"DPWT", 1), (b"DPIC", self._rounds[0]), (b"DPSL", self._made("DPSL", 20))]
        for number in (*_FILE_CLASSES, *_KEYCHAIN_CLASSES):
            wrapped = AES.new(self.derived, AES.MODE_KW).seal(self._class_key(number))
            fields += [
                (b"UUID", self._made(f"UUID {number}", 16)), (b"CLAS", number), (b"WRAP", _WRAPPED_BY_PASSWORD),
                (b"KTYP", 0), (b"WPKY", wrapped),
            ]  # fmt: skip
        return b"".join(_tagged(tag, value) for tag, value in fields)

    def key(self, name: str) -> bytes:
        """Return the key of a file, by its file id, or of Manifest.db."""
        return self._made(f"file {name}")

    def _wrapped(self, protection_class: int, key: bytes) -> bytes:
        sealed = AES.new(self._class_key(protection_class), AES.MODE_KW).seal(key)
        return struct.pack("<l", protection_class) + sealed

    def _class_key(self, number: int) -> bytes:
        return self._made(f"class {number}")

    def _made(self, purpose: str, size: int = 32) -> bytes:
        return hashlib.shake_256(f"{self._seed} {purpose}".encode()).digest(size)


def _tagged(tag: bytes, value: int | bytes) -> bytes:
    content = struct.pack(">L", value) if isinstance(value, int) else value
    return tag + struct.pack(">L", len(content)) + content


def _encrypted(key: bytes, content: bytes) -> bytes:
    return AES.new(key, AES.MODE_CBC, iv=bytes(16)).encrypt(pad(content, AES.block_size))
