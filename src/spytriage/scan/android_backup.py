"""Opens an Android backup (.ab) as a stream: `adb backup` writes a short text header, then a tar.

The tar may be compressed (zlib) and, in whole, encrypted (AES-256-CBC) with a key that the header holds, itself
encrypted under a password. Source: BackupManagerService of the Android Open Source Project, versions 1 to 5.
MVT 2026.10.26 reads the whole backup into memory three times; this takes it in pieces.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from spytriage.scan.refusals import Refusal, RefusedError
from spytriage.scan.unpack import Measured, Unpacker

MAX_ROUNDS = 10_000_000
"""Rounds of the key derivation; Android uses 10,000. A forged header may not keep us busy for years."""
_MAX_HEADER_LINE = 4096
_CHUNK = 1 << 20
_PADDING = 16

MasterKey = Callable[..., tuple[bytes, bytes]]
"""MVT's `decrypt_master_key`: the key and the initialisation vector, or an exception when the password is wrong."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first four lines."""

    version: int
    compressed: bool
    encryption: str  # "none" or "AES-256"


def read_header(file: IO[bytes]) -> Header:
    """Read the header of a backup.

    Raises:
        RefusedError: it is not one of the versions that are known.
    """
    magic, version, compressed, encryption = (_line(file) for _unused in range(4))
    if magic != b"ANDROID BACKUP":
        raise RefusedError(Refusal.DAMAGED)
    if version not in {b"1", b"2", b"3", b"4", b"5"} or encryption not in {b"none", b"AES-256"}:
        raise RefusedError(Refusal.UNKNOWN_FORMAT)
    return Header(int(version), compressed == b"1", encryption.decode())


def unpack(path: Path, unpacker: Unpacker, password: str, master_key: MasterKey) -> None:
    """Unpack what is wanted of a backup.

    Raises:
        RefusedError: the password is missing or wrong, or the backup is damaged or of an unknown kind.
    """
    with path.open("rb") as file:
        header = read_header(file)
        decrypt = _cipher(file, header, password, master_key) if header.encryption != "none" else None
        unpacker.tar_stream(Measured(_Stream(file, decrypt, compressed=header.compressed), file))


def _cipher(file: IO[bytes], header: Header, password: str, master_key: MasterKey) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if not password:
        raise RefusedError(Refusal.PASSWORD_NEEDED)
    lines = [_line(file) for _unused in range(5)]
    try:
        user_salt, checksum_salt, user_iv, blob = (bytes.fromhex(lines[n].decode("ascii")) for n in (0, 1, 3, 4))
        rounds = int(lines[2])
        if not 0 < rounds <= MAX_ROUNDS:
            raise RefusedError(Refusal.UNKNOWN_FORMAT)
    except ValueError as error:
        raise RefusedError(Refusal.DAMAGED) from error
    try:
        key, iv = master_key(
            password=password,
            user_salt=user_salt,
            user_iv=user_iv,
            pbkdf2_rounds=rounds,
            master_key_blob=blob,
            format_version=header.version,
            checksum_salt=checksum_salt,
        )
        return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update
    except Exception as error:  # (a wrong key opens to noise, which can raise anything)
        raise RefusedError(Refusal.WRONG_PASSWORD) from error


class _Stream:
    """The tar inside a backup, read forward only."""

    def __init__(self, file: IO[bytes], decrypt: Callable[[bytes], bytes] | None, *, compressed: bool) -> None:
        self._file, self._decrypt = file, decrypt
        self._inflate = zlib.decompressobj() if compressed else None
        self._packed = b""  # decrypted, not inflated yet
        self._ready = bytearray()
        self._ended = False
        self._goes_on = False  # behind the end of what is packed

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes.

        Raises:
            EOFError: the backup breaks off.
            zlib.error: it is not what its header says.
        """
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._ready += self._more()
        if self._goes_on and not self._ready:
            raise zlib.error("there is more behind the end")
        data = bytes(self._ready) if size < 0 else bytes(self._ready[:size])
        del self._ready[: len(data)]
        return data

    def _more(self) -> bytes:
        if not self._packed:
            raw = self._file.read(_CHUNK)
            if not raw:
                if self._inflate is not None and not self._inflate.eof:
                    raise EOFError("the backup breaks off")
                self._ended = True
                return b""
            # AES works on whole blocks of 16 bytes: an incomplete one stays in the cipher.
            self._packed = self._decrypt(raw) if self._decrypt else raw
        if self._inflate is None:
            data, self._packed = self._packed, b""
            return data
        data = self._inflate.decompress(self._packed, _CHUNK)  # bounded, however tightly it is packed
        self._packed = self._inflate.unconsumed_tail
        self._ended = self._inflate.eof
        if self._ended:  # of an encrypted backup, up to a block of padding is left
            self._goes_on = len(self._inflate.unused_data) + len(self._file.read(_PADDING + 1)) > _PADDING
        return data


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(_MAX_HEADER_LINE)
    if not line.endswith(b"\n"):
        raise RefusedError(Refusal.DAMAGED)
    return line[:-1]
