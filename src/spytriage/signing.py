"""Signatures in minisign's format: Ed25519, so that a reviewer can check them with minisign alone.

py-minisign does the work (its authors include minisign's own). What is ours: errors with a next step, and strictness.
A signature file must be written exactly as minisign and we write it, since minisign's format leaves a comment and some
bits of base64 that no signature covers.

Source of the format: https://jedisct1.github.io/minisign/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.atomic import write_new_file
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.text import printable

if TYPE_CHECKING:
    import minisign

SIGNATURE_SUFFIX = ".minisig"
_UNTRUSTED = b"untrusted comment: signature from minisign secret key\n"
_LARGEST_FILE = 64 * 1024  # bytes, of a key file or a list of keys
_PUBLIC_KEY = re.compile(r"(RW[A-Za-z0-9+/]{54})(?:\s+(\S.*))?")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key that the user gave, and what they call it."""

    key: minisign.PublicKey
    label: str

    @property
    def id(self) -> str:
        """Return the key's id as minisign shows it."""
        return _key_id(self.key.to_base64())


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret key that is ready to sign."""

    secret: minisign.SecretKey

    @property
    def id(self) -> str:
        """Return the key's id as minisign shows it."""
        return _key_id(self.secret.get_public_key().to_base64())

    def sign(self, data: bytes, comment: str) -> bytes:
        """Return the content of a .minisig file; the comment (ASCII, one line) is signed too."""
        return bytes(self.secret.sign(data, trusted_comment=comment)) + b"\n"


def generate(path: Path, password: str | None) -> Path:
    """Write a new secret key to `path` and its public key to `path`.pub.

    Returns:
        The path of the public key.

    Raises:
        SpytriageError: one of the two files exists already or cannot be written.
    """
    from minisign import KeyPair  # noqa: PLC0415 (brings cryptography)

    pair = KeyPair.generate()
    public = path.with_name(path.name + ".pub")
    key_id = _key_id(pair.public_key.to_base64())
    pair.public_key.untrusted_comment = f"minisign public key {key_id}"
    if password:
        pair.secret_key.encrypt(password)
    were_there = public.exists(), path.exists()
    try:
        write_new_file(public, bytes(pair.public_key) + b"\n", mode=0o644)
        write_new_file(path, bytes(pair.secret_key) + b"\n")
    except BaseException:  # also when it is stopped: a public key alone would look like a pair
        if (False, path.exists()) == were_there:
            public.unlink(missing_ok=True)
        raise
    return public


def load_signer(path: Path, password: Callable[[], str]) -> Signer:
    """Read a secret key in minisign's format.

    Args:
        path: the key file.
        password: called when the key is protected.

    Raises:
        SpytriageError: it is no secret key, or the password is not its password.
    """
    import minisign  # noqa: PLC0415

    try:
        secret = minisign.SecretKey.from_bytes(_read(path))
    except ValueError as error:
        raise SpytriageError(
            _("This is not a secret key in minisign's format."),
            path=path,
            hint=_("Make one with `spytriage keygen -o FILE`, and give the file whose name does not end in .pub."),
        ) from error
    if secret.is_encrypted():
        try:
            secret.decrypt(password())
        except ValueError as error:
            raise SpytriageError(
                _("This password does not open the signing key."), path=path, hint=_("Try again; nothing was written.")
            ) from error
    return Signer(secret)


def load_trusted(paths: Iterable[Path]) -> tuple[TrustedKey, ...]:
    """Read public keys: files as minisign writes them, or lists with a key and a name for it on each line.

    Raises:
        SpytriageError: a file cannot be read or holds no public key.
    """
    keys: list[TrustedKey] = []
    for path in paths:
        found = list(_keys_in(path))
        if not found:
            raise _not_public(path)
        keys += found
    return tuple(keys)


def _keys_in(path: Path) -> Iterable[TrustedKey]:
    import minisign  # noqa: PLC0415

    for line in _read(path).decode("utf-8", "replace").splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "untrusted comment:")):
            continue
        found = _PUBLIC_KEY.fullmatch(text)
        try:
            if found is None:
                raise _not_public(path)
            yield TrustedKey(minisign.PublicKey.from_base64(found[1]), printable(found[2] or path.name, 80))
        except ValueError as error:
            raise _not_public(path) from error


def _not_public(path: Path) -> SpytriageError:
    return SpytriageError(
        _("This is not a public key in minisign's format."),
        path=path,
        hint=_("Give the .pub file of whoever signed, or a list with one key and one name on each line."),
    )


def is_well_formed(signature: bytes) -> bool:
    """Return whether a signature file is written exactly as minisign writes it."""
    return _parse(signature) is not None


def key_id_of(signature: bytes) -> str | None:
    """Return the id of the key that a signature file names (anybody can write it there), or None."""
    parsed = _parse(signature)
    return _key_id(signature.splitlines()[1]) if parsed else None


def comment_of(signature: bytes) -> str:
    """Return the trusted comment of a well-formed signature; to be believed only after `verified_by`."""
    parsed = _parse(signature)
    return parsed.trusted_comment if parsed else ""


def verified_by(signature: bytes, data: bytes, keys: Iterable[TrustedKey]) -> TrustedKey | None:
    """Return the key among `keys` that signed these bytes and the signature's comment, or None."""
    parsed = _parse(signature)
    for trusted in keys if parsed else ():
        assert parsed
        try:
            trusted.key.verify(data, parsed)
        except ValueError:
            continue
        return trusted
    return None


def _parse(signature: bytes) -> minisign.Signature | None:
    import minisign  # noqa: PLC0415

    if len(signature) > _LARGEST_FILE:
        return None
    try:
        parsed = minisign.Signature.from_bytes(signature)
    except ValueError:
        return None
    exact = signature.startswith(_UNTRUSTED) and bytes(parsed) + b"\n" == signature
    return parsed if exact else None


def _key_id(encoded: bytes) -> str:
    # Two bytes name the algorithm; minisign shows the id as a little-endian number.
    return base64.b64decode(encoded)[2:10][::-1].hex().upper()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(_LARGEST_FILE)
    except OSError as error:
        raise SpytriageError(
            _("The key file cannot be read."), path=path, hint=_("Check the path and that you may read the file.")
        ) from error
