"""Stage 1, what we were given: recognise an acquisition and read what identifies it.

Recognition goes by content, never by name. Each kind of source is one module with a `recognise(folder)` function;
`_KINDS` is the explicit registry, in the order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.source import ios_backup
from spytriage.source.interface import Device, Source
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.source.ios_keybag import Lock

__all__ = ["Device", "Source", "read_lock", "recognise"]

_KINDS: tuple[Callable[[Path], Source | None], ...] = (ios_backup.recognise,)


def recognise(path: Path) -> Source:
    """Say what the acquisition at a path is.

    Args:
        path: the acquisition, or a folder that holds exactly one.

    Raises:
        SpytriageError: nothing is there, nothing is recognised, several are there, or it cannot be read.
    """
    try:
        if not path.exists():
            raise SpytriageError(
                _("There is nothing at this path."),
                path=path,
                hint=_("Check the spelling, or drag the folder here."),
            )
        candidates = [path, *sorted(child for child in path.iterdir() if child.is_dir())] if path.is_dir() else []
    except PermissionError as error:
        raise SpytriageError(
            _("This folder may not be read."),
            path=path,
            hint=_("Give yourself permission to read it, or copy it to a folder of yours."),
        ) from error
    except OSError as error:
        raise SpytriageError(
            _("This path cannot be used."), path=path, hint=_("Check the spelling, or drag the folder here.")
        ) from error
    for kind in _KINDS:
        if candidates and (source := kind(candidates[0])):
            return source
    found = [folder for folder in candidates[1:] if any(_is_kind(kind, folder) for kind in _KINDS)]
    if len(found) > 1:
        raise SpytriageError(
            _("This folder holds several backups: {names}").format(names=", ".join(printable(f.name) for f in found)),
            path=path,
            hint=_("Name one of them."),
        )
    for kind in _KINDS:
        if found and (source := kind(found[0])):
            return source
    raise SpytriageError(
        _("This is not a phone backup that spytriage knows: there is no Manifest.db here or one folder below."),
        path=path,
        hint=_("Name the folder that Finder, iTunes or idevicebackup2 wrote; its name is usually 24 to 40 characters."),
    )


def read_lock(source: Source) -> Lock:
    """Return what stands between us and an encrypted acquisition.

    Raises:
        SpytriageError: it is too damaged to be opened with any password.
    """
    from spytriage.source.ios_keybag import Lock  # noqa: PLC0415 (loads the ciphers, for encrypted backups only)

    return Lock(source.path)


def _is_kind(kind: Callable[[Path], Source | None], folder: Path) -> bool:
    try:
        return kind(folder) is not None
    except SpytriageError:
        return True  # it is of this kind, and broken: naming it alone will say how
