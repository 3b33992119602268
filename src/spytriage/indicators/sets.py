"""Load sets of indicators from files, folders and the embedded core set."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path, PurePosixPath

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.bundle import Bundle, Labels, merge, read_bundle, read_bytes
from spytriage.indicators.catalogue import entry_named, entry_of
from spytriage.indicators.data import data_file
from spytriage.models import IndicatorIndex

EMBEDDED = "pegasus-core"
"""Name of the set that ships with the program."""

FULL_PEGASUS = "pegasus"
"""Name in the catalogue of the full published Pegasus set."""

_EMBEDDED_LABELS = Labels(EMBEDDED, "Pegasus core set", "spytriage", embedded=True)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # no file of Windows is called so
_SUFFIXES = {".stix2", ".json"}


def load(paths: Sequence[Path], today: date | None = None) -> IndicatorIndex:
    """Return what the given bundles look for together.

    Args:
        paths: bundles, or folders whose `.stix2` and `.json` files are bundles (not their subfolders).
        today: the day on which indicators count as expired (default: today in UTC).

    Raises:
        SpytriageError: a path is missing or unreadable, is no bundle, or holds no indicators.
    """
    return merge(read_file(path, today) for path in bundle_files(paths))


def read_embedded(today: date | None = None) -> Bundle:
    """Return the embedded core set, which ships with the program."""
    path = data_file(f"{EMBEDDED}.stix2")
    return read_bundle(path, read_bytes(path), _EMBEDDED_LABELS, today)


def read_file(path: Path, today: date | None = None) -> Bundle:
    """Return one bundle, under the catalogue's labels when its bytes are pinned there."""
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    return read_bundle(path, data, labels_of(path, sha256), today)


def labels_of(path: Path, sha256: str) -> Labels:
    """Return what a bundle is called: the catalogue decides by its bytes, never by its file name."""
    entry = entry_of(sha256)
    if entry is not None:
        return Labels(entry.name, entry.title, entry.publisher, catalogued=True)
    if sha256 == hashlib.sha256(data_file(f"{EMBEDDED}.stix2").read_bytes()).hexdigest():
        return _EMBEDDED_LABELS
    return Labels(unlisted_name(path.stem))


def unlisted_name(text: str) -> str:
    """Return a short name for a set that the catalogue does not know, of characters that can stand anywhere.

    Such a set never takes the name of a set that is known, nor one that a system keeps for itself.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:60].strip("-.") or "unnamed"
    name = f"set-{name}" if _RESERVED.fullmatch(name) else name
    return f"{name}-unlisted" if name == EMBEDDED or entry_named(name) else name


def is_bundle_name(name: str) -> bool:
    """Return whether a file in a folder or zip is taken for a bundle.

    Hidden files are not: macOS leaves `._name.stix2` beside each file on a stick, and `__MACOSX/` in each zip.
    """
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not is_hidden and PurePosixPath(name).suffix.lower() in _SUFFIXES


def bundle_files(paths: Sequence[Path]) -> list[Path]:
    """Return the bundles that the given files and folders hold, in a fixed order.

    Raises:
        SpytriageError: a folder cannot be read, or holds no bundle.
    """
    return [file for path in paths for file in (_bundles_in(path) if path.is_dir() else [path])]


def _bundles_in(folder: Path) -> list[Path]:
    try:
        inside = sorted(child for child in folder.iterdir() if is_bundle_name(child.name) and child.is_file())
    except OSError as error:
        hint = _("Check that you may read it.")
        raise SpytriageError(_("The folder cannot be read."), path=folder, hint=hint) from error
    if not inside:
        hint = _("Put .stix2 or .json files into it.")
        raise SpytriageError(_("The folder holds no indicator bundle."), path=folder, hint=hint)
    return inside
