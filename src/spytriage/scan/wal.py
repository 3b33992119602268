"""What lies beside a database: its write-ahead log, applied to a copy of it, and its rollback journal."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

SIDECARS = ("-wal", "-journal")
_JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"  # https://sqlite.org/fileformat2.html, section 3


def is_hot(journal: Path) -> bool:
    """Return whether a rollback journal is one of a change that did not end: it holds rows that the database lost.

    Nobody can tell what of the database is of the old state and what of the new one; it is read as it is. A journal
    that has been used is empty, or begins with zeros.

    Raises:
        OSError: it cannot be read.
    """
    with journal.open("rb") as file:
        return file.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC


def join(database: Path, wal: Path, target: Path) -> bool:
    """Write a database with its WAL applied.

    Returns:
        Whether all of the WAL could be applied. SQLite stops at a frame that is damaged, and says nothing.

    Raises:
        sqlite3.Error: SQLite takes nothing from the WAL, or the database is none.
        OSError: there is no room, or a file cannot be read.
    """
    shutil.copyfile(database, target)
    shutil.copyfile(wal, target.with_name(target.name + "-wal"))
    with closing(sqlite3.connect(target)) as connection:
        _busy, frames, moved = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    if frames < 1:
        raise sqlite3.DatabaseError("no frame of the write-ahead log is valid")
    if moved < frames:
        raise OSError(errno.ENOSPC, "the write-ahead log was not applied whole")
    return not _has_more(wal, frames)


def _has_more(wal: Path, applied: int) -> bool:
    """Return whether a WAL has more frames of its own than were applied.

    Frames that an earlier round left behind have other salts than the header (https://sqlite.org/fileformat2.html).
    """
    with wal.open("rb") as file:
        header = file.read(32)
        frame = 24 + int.from_bytes(header[8:12])
        for place in range(32 + applied * frame, wal.stat().st_size, frame):
            file.seek(place + 8)
            if file.read(8) == header[16:24]:
                return True
    return False
