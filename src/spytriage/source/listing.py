"""Looks into a folder, an archive or a file without unpacking it: the names it holds, and the beginning of each file.

Archives are hostile, and this runs in the main process: names and beginnings only, within stated bounds.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from spytriage.archives import DAMAGED, MAX_DIRECTORY_BYTES, directory_bytes

MAX_NAMES = 50_000
"""Names of a folder or of the beginning of a tar that are looked at."""
MAX_DEPTH = 6
"""Folders below the one that was given."""
MAX_TAR_BYTES = 256 << 20
"""Unpacked bytes of a tar that are looked at."""
_MAGIC_BYTES = 600
_UNUSABLE = (*DAMAGED, OSError)


@dataclass(frozen=True, slots=True)
class Listing:
    """What was given, from outside.

    Attributes:
        path: the folder or file.
        form: "folder", "zip", "tar" or "file".
        names: of the files in it, relative, with forward slashes (of a folder also the folders in it); none of a file.
        damaged: whether it looks like an archive and cannot be listed.
    """

    path: Path
    form: str
    names: Sequence[str] = ()
    damaged: bool = False

    def head(self, name: str = "", size: int = 65536) -> bytes:
        """Return the first bytes of a file in it (or of the file itself); none when it cannot be read."""
        try:
            if self.form == "file":
                with self.path.open("rb") as file:
                    return file.read(size)
            if self.form == "folder":
                file_path = self.path / name
                if not file_path.is_file():
                    return b""
                with file_path.open("rb") as file:
                    return file.read(size)
            if self.form == "zip":
                with zipfile.ZipFile(self.path) as archive:
                    return _zip_head(archive, name, size)
        except _UNUSABLE:
            pass
        return b""


def look(path: Path) -> Listing:
    """Look at a path that exists.

    Raises:
        OSError: it cannot be read.
    """
    if path.is_dir():
        return Listing(path, "folder", tuple(islice(_walk(path), MAX_NAMES)))
    if not path.is_file():
        return Listing(path, "file", damaged=True)  # a pipe would hang us
    with path.open("rb") as file:
        magic = file.read(_MAGIC_BYTES)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    if magic[257:262] == b"ustar" or _unpacker(magic):
        return _tar(path, magic)
    return Listing(path, "file")


def _walk(folder: Path) -> Iterator[str]:
    """Give files, and folders with a slash at the end, the outermost first: a dump's first folder may be endless."""
    waiting = [(folder, "", 0)]
    while waiting:
        deeper: list[tuple[Path, str, int]] = []
        for parent, prefix, depth in waiting:
            try:
                entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield f"{prefix}{entry.name}/"
                    if depth < MAX_DEPTH:
                        deeper.append((parent / entry.name, f"{prefix}{entry.name}/", depth + 1))
                else:
                    yield f"{prefix}{entry.name}"
        waiting = deeper


def _zip(path: Path) -> Listing:
    try:
        if directory_bytes(path) > MAX_DIRECTORY_BYTES:
            return Listing(path, "zip", damaged=True)
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.filename.endswith("/")]
            return Listing(path, "zip", tuple(map(_plain, names)))
    except _UNUSABLE:
        return Listing(path, "zip", damaged=True)


def _zip_head(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    found = next((info for info in archive.infolist() if _plain(info.filename) == name), None)
    if found is None:
        return b""
    with archive.open(found) as entry:
        return entry.read(size)


def _tar(path: Path, magic: bytes) -> Listing:
    names: list[str] = []
    opener = _unpacker(magic)
    try:
        with path.open("rb") as raw:
            stream: Any = raw if opener is None else _Bounded(opener(raw))
            with tarfile.open(fileobj=stream, mode="r:" if opener is None else "r|") as archive:
                while len(names) < MAX_NAMES and (member := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # or it keeps a record of every entry
                    if not member.isdir():
                        names.append(_plain(member.name))
    except _UNUSABLE:
        return Listing(path, "tar", tuple(names), damaged=not names)
    return Listing(path, "tar", tuple(names))


def _unpacker(magic: bytes) -> Any:
    if magic.startswith(b"\x1f\x8b"):
        return lambda raw: gzip.GzipFile(fileobj=raw)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File
    return lzma.LZMAFile if magic.startswith(b"\xfd7zXZ\x00") else None


class _Bounded:
    """A stream that ends after `MAX_TAR_BYTES`: sysdiagnose and file system archives show what they are long before."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, MAX_TAR_BYTES

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        data = self._stream.read(min(self._left, size if size >= 0 else self._left))
        self._left -= len(data)
        return data


def _plain(name: str) -> str:
    """Write a name with forward slashes, without "./" and leading slashes."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
