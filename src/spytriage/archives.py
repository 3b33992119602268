"""What all readers of archives share."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

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
