"""Stage 1, what we were given: recognise an acquisition and read what identifies it.

Recognition goes by content, never by name. `ios_backup` is the first kind that is tried; the others stand in `kinds`,
the explicit registry, in the order in which they are tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.source import ios_backup
from spytriage.source.age import decrypted, is_age
from spytriage.source.interface import Device, Source
from spytriage.source.kinds import KINDS, Kind
from spytriage.source.listing import Listing, look
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.source.ios_keybag import Lock

__all__ = ["Device", "Source", "opened", "read_lock", "recognise"]

_SHOWN = 8  # names in an error


def recognise(path: Path) -> Source:
    """Say what the acquisition at a path is.

    Args:
        path: the acquisition, or a folder that holds exactly one.

    Raises:
        SpytriageError: nothing is there, nothing is recognised, several are there, or it cannot be read.
    """
    children = _children(path)
    if source := _recognised(path):
        return source
    found = [child for child in children if _is_known(child)]
    if len(found) > 1:
        raise SpytriageError(
            _("This folder holds several backups: {names}").format(names=", ".join(printable(f.name) for f in found)),
            path=path,
            hint=_("Name one of them, or check them all: `spytriage batch`."),
        )
    if found and (source := _recognised(found[0])):
        return source
    raise _unknown(path)


@contextmanager
def opened(
    path: Path, identity: Path | None, private_folder: Callable[[], AbstractContextManager[Path]]
) -> Iterator[Source]:
    """Recognise an acquisition; one that is encrypted with age lies decrypted in a private folder until the end.

    Args:
        path: the acquisition, or a folder that holds exactly one.
        identity: file with the key of an acquisition that is encrypted with age.
        private_folder: gives a folder that is removed at the end.

    Raises:
        SpytriageError: as `recognise`, or the key does not open it.
    """
    if identity is None or not is_age(path):
        yield recognise(path)
        return
    with private_folder() as folder:
        yield replace(recognise(decrypted(path, identity, folder)), encrypted=True, locked=True)


def _children(path: Path) -> list[Path]:
    """Return what may be an acquisition inside a folder.

    Raises:
        SpytriageError: the path cannot be used.
    """
    try:
        if not path.exists():
            raise SpytriageError(
                _("There is nothing at this path."),
                path=path,
                hint=_("Check the spelling, or drag the folder here."),
            )
        if not path.is_dir():
            if path.is_file():  # opening a pipe may never end; it is no acquisition
                path.open("rb").close()
            return []
        return sorted(path.iterdir())
    except PermissionError as error:
        raise SpytriageError(
            _("This path may not be read."),
            path=path,
            hint=_("Give yourself permission to read it, or copy it to a folder of yours."),
        ) from error
    except OSError as error:
        raise SpytriageError(
            _("This path cannot be used."), path=path, hint=_("Check the spelling, or drag the folder here.")
        ) from error


def _recognised(path: Path) -> Source | None:
    """Return the acquisition that begins here.

    Raises:
        SpytriageError: there is one that cannot be checked.
    """
    if path.is_dir() and (source := ios_backup.recognise(path)):
        return source
    if is_age(path):
        raise SpytriageError(
            _("This acquisition is encrypted with age."),
            path=path,
            hint=_("Give the file with the key that opens it: `--identity FILE`."),
        )
    listing = _look(path)
    if listing.damaged:
        raise SpytriageError(
            _("This archive is damaged or incomplete: it cannot be unpacked."),
            path=path,
            hint=_("Copy it again from where it was made and compare the sizes, or make it anew."),
        )
    for kind in KINDS:
        root = kind.detect(listing)
        if root is not None and (root.count("/") == 0 or listing.form != "folder"):
            return _source(kind, listing, root)
    return None


def _look(path: Path) -> Listing:
    try:
        return look(path)
    except OSError as error:
        raise SpytriageError(
            _("This path may not be read."),
            path=path,
            hint=_("Give yourself permission to read it, or copy it to a folder of yours."),
        ) from error


def _source(kind: Kind, listing: Listing, root: str) -> Source:
    encrypted = kind.name == "android-backup" and listing.head(size=64).split(b"\n")[3:4] == [b"AES-256"]
    return Source(
        kind=kind.name,
        path=listing.path.resolve(),
        encrypted=encrypted,
        locked=encrypted,
        device=kind.device(listing, root),
        digest=_digest(kind, listing),
        root=root,
        limits=kind.limits,
    )


def read_lock(source: Source) -> Lock:
    """Return what stands between us and an encrypted iOS backup.

    Raises:
        SpytriageError: it is too damaged to be opened with any password.
    """
    from spytriage.source.ios_keybag import Lock  # noqa: PLC0415 (loads the ciphers, for encrypted backups only)

    return Lock(source.path)


def _digest(kind: Kind, listing: Listing) -> bytes:
    if listing.form != "folder":
        with listing.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    digest = hashlib.sha256("\n".join(sorted(listing.names)).encode("utf-8", "surrogateescape"))
    for name in kind.facts:
        digest.update(hashlib.sha256(listing.head(name, 64 << 20)).digest())
    return digest.digest()


def _is_known(path: Path) -> bool:
    try:
        return _recognised(path) is not None
    except SpytriageError:
        # Of this kind, and broken: naming it alone will say how. Not so for any damaged zip that lies about.
        return path.is_dir() or is_age(path)


def _unknown(path: Path) -> SpytriageError:
    names: Sequence[str] = _look(path).names
    shown = ", ".join(printable(name, 60) for name in sorted(names, key=lambda name: name.count("/"))[:_SHOWN])
    known = [_("an iPhone backup (Manifest.db)"), *(_(kind.looked_for) for kind in KINDS)]
    return SpytriageError(
        _("This is not an acquisition that spytriage knows. Looked for: {known}. Seen: {seen}.").format(
            known="; ".join(known), seen=shown or _("nothing that can be listed")
        ),
        path=path,
        hint=_("Name the backup, acquisition or archive itself, as the program that made it wrote it."),
    )
