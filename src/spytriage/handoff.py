"""The hand-off: which files belong to it, and the same files as one zip.

`report` makes it, `review` takes it in. The zip is written so that its bytes follow from its files alone: nothing is
compressed, the order is fixed, there is no time and no comment. Whoever gets one packs the files again and compares,
so a changed byte anywhere in it, or anything hidden beside the files, is noticed; and there is nothing to unpack
that could grow or land elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from spytriage.errors import SpytriageError
from spytriage.i18n import _

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.minisig"
CUSTODY = "custody.jsonl"
EVIDENCE = "evidence.age"
REQUIRED = ("report.json", "report.html", "report.stix2", CUSTODY, MANIFEST)
OBSERVABLES = "observables.age"
SKETCH = "observables-keys.age"
SEALED = (EVIDENCE, OBSERVABLES, SKETCH)
OPTIONAL = (SIGNATURE, *SEALED)
KNOWN = (*REQUIRED, *OPTIONAL)  # also their order in the zip

ADDENDUM = "addendum.json"
ADDENDUM_PAGE = "addendum.html"
ADDENDUM_TEXT = "addendum.md"
ADDENDUM_FILES = (ADDENDUM, ADDENDUM_PAGE, ADDENDUM_TEXT, MANIFEST)  # of `spytriage recheck`, in a folder of their own
_KNOWN_OF_ADDENDUM = (*ADDENDUM_FILES, SIGNATURE)
_ORDER = tuple(dict.fromkeys((*KNOWN, *_KNOWN_OF_ADDENDUM)))

LARGEST = 256 * 1024 * 1024  # bytes, all files together
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
_UNIX = 3


class UnsafeHandOffError(SpytriageError):
    """A folder or zip that no hand-off looks like: nothing in it was read any further."""


def signed_comment(manifest: bytes, day: date) -> str:
    """Return the comment that is signed with a manifest: it names these bytes, so it fits no other report."""
    return f"spytriage manifest.json sha256:{hashlib.sha256(manifest).hexdigest()} day:{day.isoformat()}"


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return what a manifest says of its files."""
    return [
        {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in sorted(files.items())
    ]


def read_handoff(path: Path) -> dict[str, bytes]:
    """Return the files of a hand-off by name, from its folder or its zip.

    Raises:
        UnsafeHandOffError: it holds what no hand-off holds, or is too large.
        SpytriageError: it cannot be read.
    """
    try:
        return _read(path, KNOWN)
    except OSError as error:
        raise SpytriageError(
            _("The hand-off cannot be read."),
            path=path,
            hint=_("Give the folder that `spytriage check` wrote, or the zip that `spytriage pack` made of it."),
        ) from error


def read_addendum(path: Path) -> dict[str, bytes]:
    """Return the files of an addendum by name, from its folder or its zip.

    Raises:
        UnsafeHandOffError: it holds what no addendum holds, or is too large.
        SpytriageError: it cannot be read.
    """
    try:
        return _read(path, _KNOWN_OF_ADDENDUM)
    except OSError as error:
        raise SpytriageError(
            _("The addendum cannot be read."),
            path=path,
            hint=_(
                "Give the folder of the case that `spytriage recheck` wrote, or the zip that `spytriage pack` made of "
                "it."
            ),
        ) from error


def _read(path: Path, known: Sequence[str]) -> dict[str, bytes]:
    if path.is_dir():
        return _read_folder(path, known)
    with path.open("rb") as handle:
        data = _read_limited(handle, LARGEST, path)
    return read_zip(data, path, known)


def _read_folder(folder: Path, known: Sequence[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = LARGEST
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in known:
            raise _unknown(folder / name, known)
        # Links and devices are not followed: a hand-off is plain files.
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as handle:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unknown(folder / name, known)
            files[name] = _read_limited(handle, left, folder)
        left -= len(files[name])
    return files


def _read_limited(handle: BinaryIO, most: int, path: Path) -> bytes:
    data = handle.read(most + 1)
    if len(data) > most:
        raise UnsafeHandOffError(
            _("This is larger than a hand-off can be ({megabytes} MB).").format(megabytes=LARGEST // 1024**2),
            path=path,
            hint=_("Do not open it. Ask whoever sent it what it is."),
        )
    return data


def _unknown(path: Path, known: Sequence[str]) -> UnsafeHandOffError:
    return UnsafeHandOffError(
        _("This does not belong to a hand-off."),
        path=path,
        hint=_("A hand-off holds only these files: {names}").format(names=", ".join(known)),
    )


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the zip of the files of a hand-off or an addendum: the same files, the same bytes, with every Python."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in _ORDER:
            if name in files:
                entry = zipfile.ZipInfo(name, _EARLIEST)
                entry.create_system = _UNIX
                entry.external_attr = (stat.S_IFREG | 0o600) << 16
                archive.writestr(entry, files[name])
    return buffer.getvalue()


def read_zip(data: bytes, path: Path, known: Sequence[str] = KNOWN) -> dict[str, bytes]:
    """Return the files of a zip that `pack` wrote, of which it may hold the known ones.

    Raises:
        UnsafeHandOffError: `pack` did not write these bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            plain = (
                len({entry.filename for entry in entries}) == len(entries) <= len(known)
                and all(entry.filename in known for entry in entries)
                # Stored and not compressed: no file can be larger than the zip.
                and all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
                and sum(entry.file_size for entry in entries) <= len(data)
            )
            files = {entry.filename: archive.read(entry) for entry in entries} if plain else {}
    except Exception:  # noqa: BLE001 (zipfile raises nearly anything on hostile bytes; all of it means no)
        files = {}
    if not files or pack(files) != data:
        raise UnsafeHandOffError(
            _("This zip is not one that `spytriage pack` writes."),
            path=path,
            hint=_(
                "It was changed, or packed by another program, or it is an addendum where a report was expected, or the"
                " other way round. Ask for one made with `spytriage pack`, or unpack it into a new folder yourself and"
                " verify that folder."
            ),
        )
    return files
