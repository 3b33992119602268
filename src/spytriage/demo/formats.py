"""SQLite files and property lists as bytes: the same ones for the same content, on any machine."""

from __future__ import annotations

import plistlib
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

Rows = Mapping[str, Iterable[Sequence[Any]]]

WRITER = slice(96, 100)  # the version of the SQLite library that wrote the file, which differs between machines


def database(name: str, rows: Rows) -> bytes:
    """Return the bytes of an SQLite file with a rollback journal.

    Args:
        name: which section of schemas.sql makes its tables.
        rows: for each "table (column, …)" the rows to put there.
    """
    connection = sqlite3.connect(":memory:")
    fill(connection, name, rows)
    data = bytearray(connection.serialize())
    connection.close()
    data[WRITER] = bytes(4)
    return bytes(data)


def fill(connection: sqlite3.Connection, name: str, rows: Rows) -> None:
    """Make the tables and put the rows there; see `database`."""
    connection.executescript(_schemas()[name])
    for columns, values in rows.items():
        marks = ", ".join("?" * (columns.count(",") + 1))
        connection.executemany(f"INSERT INTO {columns} VALUES ({marks})", values)  # noqa: S608 (our own names)
    connection.commit()


@cache
def _schemas() -> dict[str, str]:
    text = (files(__package__) / "schemas.sql").read_text("utf-8")
    return dict(re.findall(r"^--- (.+)\n((?:.|\n)*?)(?=^--- |\Z)", text, re.MULTILINE))


def binary_plist(value: Any) -> bytes:
    """Return a binary property list."""
    return plistlib.dumps(value, fmt=plistlib.FMT_BINARY)


def plist_date(at: datetime) -> datetime:
    """Return a time as property lists want it: UTC without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)
