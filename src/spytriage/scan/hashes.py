"""Compares the files of an AndroidQF acquisition with the list of digests that AndroidQF made of them.

The list is hashes.csv, with a line for each file: its path on the computer that AndroidQF ran on, and its SHA-256
(AndroidQF, acquisition.go). It is not signed, so it tells what was damaged or lost since, not what was forged.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from spytriage.models import Reason

LIST = "hashes.csv"
MAX_BYTES = 64 << 20
"""Size of a list that is looked at."""
_WRITTEN_LATER = {"acquisition.json", "command.log", LIST}
_NOT_READ = ("apks/", "tmp/", "logs/")  # apps and logs of the phone: large, and no module reads them


def not_as_listed(folder: Path) -> Mapping[str, Reason]:
    """Return the files that are missing or not what they were, by name relative to the acquisition, and which of both.

    An acquisition without a list, or with one that does not parse, has none.
    """
    found: dict[str, Reason] = {}
    for name, digest in _listed(folder / LIST):
        if name in _WRITTEN_LATER or name.startswith(_NOT_READ):
            continue
        if not os.path.lexists(folder / name):
            found[name] = Reason.ARTEFACT_MISSING
        elif _digest(folder, name) not in (digest, None):  # why one cannot be had is told when a module asks for it
            found[name] = Reason.DAMAGED
    return found


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > MAX_BYTES:
            return
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = [(row[0].replace("\\", "/"), row[1].lower()) for row in csv.reader(file) if len(row) >= 2]
    except (OSError, csv.Error):
        return
    folders = [name.split("/")[:-1] for name, _digest in rows]
    depth = next((n for n, names in enumerate(zip(*folders, strict=False)) if len(set(names)) > 1), None)
    shared = min(map(len, folders), default=0) if depth is None else depth
    for name, digest in rows:
        parts = name.split("/")[shared:]
        if not {"..", ""} & set(parts):
            yield "/".join(parts), digest


def _digest(folder: Path, name: str) -> str | None:
    """Return the SHA-256 of a file, None when it cannot be had."""
    path = folder / name
    try:
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
