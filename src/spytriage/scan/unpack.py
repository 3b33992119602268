"""Unpacks archives that somebody else made into the worker's private folder: what modules read, and no more.

Archives are hostile. An entry becomes a new regular file below the target folder or nothing at all; what is wanted and
cannot be had is remembered with the reason, so that the module that would read it is `unreadable`, not `no-data`.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any, Protocol, Self

from spytriage.archives import DAMAGED, MAX_DIRECTORY_BYTES, directory_bytes
from spytriage.models import Reason
from spytriage.scan.refusals import Refusal, RefusedError

MAX_ENTRIES = 1_000_000
"""Entries of one archive, wanted or not."""
MAX_ENTRY_BYTES = 1 << 30
"""Size of one file, unpacked."""
MAX_TOTAL_BYTES = 8 << 30
"""All files that are unpacked from one archive."""
MAX_RATIO = 250
"""Unpacked size by packed size; text of phones stays under 40, deflate can reach 1032."""
MAX_NAME = 1000
"""Characters of an entry's name."""

_RATIO_FROM = 16 << 20  # small files may be packed as tightly as they like
_CHUNK = 1 << 20
_BROKEN = (*DAMAGED, OSError)


class Want(Enum):
    """What is to become of an entry."""

    NOTHING = 0
    NAME = 1  # modules look at its name and time only: an empty file stands in for it
    CONTENT = 2


Wanted = Callable[[str], Want]
"""Decides by the entry's name, relative to the acquisition."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _TooLargeError(Exception):
    pass


class Unpacker:
    """Unpacks one archive.

    Attributes:
        failed: wanted entries that could not be had, by name relative to the acquisition, and why.
        incomplete: whether the archive broke off, so that nobody knows what else it held.
        altered: whether its checksum tells that something in it is not what it was, and nobody knows what.
        listing: name and time (seconds since 1970) of every entry, when asked for.
    """

    def __init__(self, target: Path, wanted: Wanted, root: str = "", *, keep_listing: bool = False) -> None:
        """Prepare to unpack below `target` what lies below `root` ("" or "a/b/") in the archive."""
        target.mkdir(parents=True, exist_ok=True)
        self.failed: dict[str, Reason] = {}
        self.incomplete = self.altered = False
        self.listing: list[tuple[str, float]] = []
        self._target, self._wanted, self._root = target, wanted, root
        self._keep_listing = keep_listing
        self._entries = self._total = 0

    def zip(self, path: Path) -> None:
        """Unpack a zip.

        Raises:
            RefusedError: it is no zip, is locked, or breaks a limit.
        """
        with opened_zip(path) as archive:
            self.altered |= _holds_more(archive)
            for info in archive.infolist():
                self.altered |= not _is_as_listed(archive, info)
                if info.filename.endswith("/"):  # is_dir() of Python 3.11 fails on an empty name
                    continue
                if info.flag_bits & 1:
                    raise RefusedError(Refusal.LOCKED)
                kind = info.external_attr >> 16
                is_regular = stat.S_IFMT(kind) in (0, stat.S_IFREG)
                self._take(
                    info.filename,
                    is_regular=is_regular,
                    time=_zip_time(info),
                    open_entry=lambda info=info: archive.open(info),  # type: ignore[misc]
                    packed=info.compress_size,
                )

    def tar(self, path: Path) -> None:
        """Unpack a tar, plain or compressed with gzip, bzip2 or xz.

        Raises:
            RefusedError: it is no tar at all, or breaks a limit.
        """
        with path.open("rb") as raw:
            stream = _decompressed(raw)
            self.tar_stream(raw if stream is None else Measured(stream, raw), seekable=stream is None)

    def tar_stream(self, stream: Any, *, seekable: bool = False) -> None:
        """Unpack a tar from a stream."""
        try:
            archive = tarfile.open(fileobj=stream, mode="r:" if seekable else "r|", tarinfo=_Member)  # noqa: SIM115 (closed with the stream)
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # or it keeps a record of every entry
                if not member.isdir():
                    self._take(
                        member.name,
                        is_regular=member.isreg(),
                        time=float(member.mtime),
                        open_entry=lambda member=member: _data_of(archive, member),  # type: ignore[misc]
                        packed=None,
                    )
            # Python ends at a header that is damaged or not there as it does at the mark of the end, and says nothing.
            self.incomplete |= not getattr(archive, "has_ended", False)
            self._read_to_end(archive.fileobj)
        except _BROKEN as error:
            _pass_on_full_disk(error)
            if not self._entries:
                raise RefusedError(Refusal.DAMAGED) from error
            self.incomplete = True

    def _read_to_end(self, stream: Any) -> None:
        """Read what is left behind a tar: zeros, and the checksum of all that was unpacked."""
        try:
            while chunk := stream.read(_CHUNK):
                self.altered |= bool(chunk.strip(b"\0"))  # another tar, or what lay behind a damaged header
        except _BROKEN:
            self.altered = True

    def file(self, path: Path, name: str) -> None:
        """Take one file that lies unpacked already."""
        try:
            status = path.lstat()
        except OSError:
            self.failed[name] = Reason.PERMISSION_DENIED
            return
        self._take(
            name,
            is_regular=stat.S_ISREG(status.st_mode),
            time=status.st_mtime,
            open_entry=lambda: path.open("rb"),
            packed=None,
        )

    def _take(
        self,
        name: str,
        *,
        is_regular: bool,
        time: float,
        open_entry: Callable[[], IO[bytes] | None],
        packed: int | None,
    ) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise RefusedError(Refusal.TOO_LARGE)
        relative, is_honest = plain_name(name)
        if not relative.startswith(self._root):
            return
        relative = relative.removeprefix(self._root)
        if self._keep_listing:
            self.listing.append((relative, time))
        want = self._wanted(relative)
        if want is Want.NOTHING:
            return
        if not is_honest:
            self.failed[relative] = Reason.DAMAGED
        elif not is_regular:
            self.failed[relative] = Reason.NOT_A_REGULAR_FILE
        else:
            self._write(relative, time, open_entry if want is Want.CONTENT else lambda: None, packed)

    def _write(
        self, relative: str, time: float, open_entry: Callable[[], IO[bytes] | None], packed: int | None
    ) -> None:
        target = self._target / relative
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:  # x: of two entries with one name the second is not believed
                if (entry := open_entry()) is not None:
                    with entry:
                        self._copy(entry, out, packed)
        except _TooLargeError:
            self.failed[relative] = Reason.TOO_LARGE
        except FileExistsError:
            self.failed[relative] = Reason.DAMAGED
            return  # the first one stays
        except _BROKEN as error:
            _pass_on_full_disk(error)
            self.failed[relative] = Reason.DAMAGED
        else:
            with suppress(OSError, OverflowError, ValueError):
                os.utime(target, (time, time))
            return
        with suppress(OSError):
            target.unlink()

    def _copy(self, entry: _Readable, out: IO[bytes], packed: int | None) -> None:
        written = 0
        while chunk := entry.read(_CHUNK):
            written += len(chunk)
            self._total += len(chunk)
            if self._total > MAX_TOTAL_BYTES:
                raise RefusedError(Refusal.TOO_LARGE)
            if written > MAX_ENTRY_BYTES or (packed is not None and _is_bomb(written, packed)):
                raise _TooLargeError
            out.write(chunk)


def plain_name(name: str) -> tuple[str, bool]:
    r"""Return a name with forward slashes, relative, and whether it was meant honestly.

    Windows programs write backslashes, and dumps of file systems begin with a slash: both are fine.

    >>> plain_name("./a\\b"), plain_name("/private/var/x"), plain_name("a/../../b")
    (('a/b', True), ('private/var/x', True), ('a/b', False))
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    kept = [part for part in parts if part != ".."]
    relative = "/".join(kept)[:MAX_NAME].replace("\x00", "")
    is_drive = bool(parts) and re.fullmatch(r"[A-Za-z]:", parts[0]) is not None
    return relative, bool(relative) and len(kept) == len(parts) and "\x00" not in name and not is_drive and len(
        name
    ) <= MAX_NAME  # fmt: skip


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose list of entries is of a bearable size.

    Raises:
        RefusedError: it is not.
    """
    try:
        if directory_bytes(path) > MAX_DIRECTORY_BYTES:
            raise RefusedError(Refusal.TOO_LARGE)
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise RefusedError(Refusal.DAMAGED) from error
    with archive:
        if len(archive.filelist) > MAX_ENTRIES:
            raise RefusedError(Refusal.TOO_LARGE)
        yield archive


def _is_as_listed(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    """Return whether a zip calls an entry the same in its list and before its data: names have no checksum.

    Python looks at this when it opens an entry. One whose name was damaged would not be asked for.
    """
    header = _bytes_at(archive, info.header_offset, 30)
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        return False
    (length,) = struct.unpack_from("<H", header, 26)
    coding = "utf-8" if int.from_bytes(header[6:8], "little") & 0x800 else "cp437"
    return _bytes_at(archive, info.header_offset + 30, length).decode(coding, "replace") == info.orig_filename


def _holds_more(archive: zipfile.ZipFile) -> bool:
    """Return whether a zip has an entry that its list leaves out: it begins where another one ends, or the file does.

    Programs that read a zip from its beginning find it; Python and most others do not.
    """
    listed = {info.header_offset for info in archive.filelist}
    ends = {0} | {end for info in archive.filelist if (end := _end_of(archive, info)) is not None}
    return any(_begins_entry(archive, end + gap) for end in ends - listed for gap in _DESCRIPTORS
               if end + gap not in listed)  # fmt: skip


_DESCRIPTORS = (0, 12, 16, 20, 24)
"""Sizes of what may follow the data of an entry (APPNOTE.TXT, 4.3.9)."""


def _end_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int | None:
    header = _bytes_at(archive, info.header_offset, 30)
    if len(header) < 30:
        return None
    name, extra = struct.unpack_from("<HH", header, 26)
    return int(info.header_offset + 30 + name + extra + info.compress_size)


def _begins_entry(archive: zipfile.ZipFile, place: int) -> bool:
    return _bytes_at(archive, place, 4) == b"PK\x03\x04"


def _bytes_at(archive: zipfile.ZipFile, place: int, size: int) -> bytes:
    """Return bytes of the file; none where the list names a place before the file or past all files."""
    if archive.fp is None:
        return b""
    try:
        archive.fp.seek(place)
        return archive.fp.read(size)
    except (OSError, OverflowError, ValueError):
        return b""


def _zip_time(info: zipfile.ZipInfo) -> float:
    try:
        return datetime(*info.date_time, tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


class _Member(tarfile.TarInfo):
    """A header of a tar; tells the archive that its mark of the end was met."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            archive.has_ended = True  # type: ignore[attr-defined]
            raise


def _data_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    return archive.extractfile(member) if member.isreg() else None


def _decompressed(raw: IO[bytes]) -> Any:
    """Return a stream of the unpacked bytes, or None when the file is not compressed."""
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if magic == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(raw)
    return None


class Measured:
    """A stream that refuses to grow out of proportion to what it is read from."""

    def __init__(self, stream: _Readable, raw: IO[bytes]) -> None:
        self._stream, self._raw, self._given = stream, raw, 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes.

        Raises:
            RefusedError: what is read grows out of proportion.
        """
        data = self._stream.read(size)
        self._given += len(data)
        if _is_bomb(self._given, self._raw.tell()):
            raise RefusedError(Refusal.TOO_LARGE)
        return data


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > _RATIO_FROM and unpacked > MAX_RATIO * max(1, packed)


def _pass_on_full_disk(error: BaseException) -> None:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise RefusedError(Refusal.NO_SPACE) from error
