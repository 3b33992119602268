"""Opens an acquisition that AndroidQF encrypted with age (https://age-encryption.org/v1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.evidence import identities_in
from spytriage.i18n import _

_MAGIC = b"age-encryption.org/v1\n"
_MAX_KEY_FILE = 64 * 1024


def is_age(path: Path) -> bool:
    """Return whether a file is encrypted with age."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def decrypted(path: Path, identity_file: Path, folder: Path) -> Path:
    """Decrypt a file into a private folder and return where.

    Args:
        path: the encrypted acquisition.
        identity_file: an age identity (AGE-SECRET-KEY-1...) or an OpenSSH private key.
        folder: takes the decrypted file.

    Raises:
        SpytriageError: the key cannot be read or does not open it, or there is no room.
    """
    import pyrage  # noqa: PLC0415 (start-up stays fast)

    identities = _identities(identity_file)
    target = folder / "acquisition"
    try:
        with path.open("rb") as source, target.open("wb") as out:
            pyrage.decrypt_io(source, out, identities)
    except pyrage.DecryptError as error:
        raise SpytriageError(
            _("This key does not open the acquisition, or the file is damaged."),
            path=path,
            hint=_("Use the key that belongs to the recipient that AndroidQF was given."),
        ) from error
    except OSError as error:
        raise SpytriageError(
            _("The acquisition could not be decrypted: there is not enough room, or it cannot be read."),
            path=path,
            hint=_("Free some space on this computer and try again."),
        ) from error
    return target


def _identities(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            found = identities_in(file.read(_MAX_KEY_FILE))
    except OSError:
        found = ()
    if not found:
        raise SpytriageError(
            _("There is no usable key in this file."),
            path=path,
            hint=_(
                "It should hold a line that begins with AGE-SECRET-KEY-1, or an OpenSSH private key without password."
            ),
        )
    return list(found)
