"""What all readers of archives share."""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

MAX_DIRECTORY_BYTES = 256 << 20
"""The list of entries at the end of a zip that is opened at all."""
_LONGEST_END = 70_000  # bytes, with the longest comment
# In a look-ahead: one may begin inside of what looks like another.
_END, _END_64 = (re.compile(mark, re.DOTALL) for mark in (rb"(?=PK\x05\x06.{8}(.{4}))", rb"(?=PK\x06\x06.{36}(.{8}))"))
_SEE_LONG = 0xFFFFFFFF  # what the short form says where the long one counts
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OverflowError,
           RuntimeError, ValueError)  # fmt: skip
"""What Python's library raises on bytes that are no archive, or a damaged one, beside `OSError`.

`RuntimeError`: an entry wants a password; its heir `NotImplementedError`: it is packed in a way that Python lacks.
"""


def is_zip(path: Path) -> bool:
    """Return whether a file begins as a zip does (`zipfile.is_zipfile` looks at its end, and raises on some).

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def directory_bytes(path: Path) -> int:
    """Return the size of a zip's list of entries, which Python holds in memory whole, as its end says.

    The end may say it in several places (APPNOTE.TXT, 4.3.14 and 4.3.16), and a comment may look like one more: the
    largest counts.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_END))
        end = file.read()
    long = {int.from_bytes(found[1], "little") for found in _END_64.finditer(end)}
    short = {int.from_bytes(found[1], "little") for found in _END.finditer(end)}
    return max(long | (short - {_SEE_LONG} if long else short), default=0)
