"""Reads what can still be read of a damaged SQLite database, by SQLite's own means.

MVT 2026.10.26 starts a `sqlite3` program for that, and without one takes nothing from such a database. Here its rows
are copied into a new one: SQLite finds a row by its number without reading what lies before it, so each table is read
forwards until a page cannot be read, and again from the first number behind that page. Indexes are not used.

`PRAGMA writable_schema` (https://sqlite.org/pragma.html) lets SQLite open a database that is shorter than it says, or
whose schema it cannot read whole. Nothing is written: the damaged file is opened read-only.
"""

from __future__ import annotations

import codecs
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

_LAST_ROW = (1 << 63) - 1
_FIRST_ROW = -(1 << 63)
_MOST_COLLATIONS = 50
_MOST_GAPS = 10_000
"""Damaged places of one table that are stepped over; each costs up to 126 look-ups."""


def is_damaged(path: Path) -> bool:
    """Return whether SQLite finds a database's pages out of order, including such as would still parse.

    A check of 200,000 messages in 211 MB takes 0.17 s. Whether rows are in the indexes is not looked at: what is read
    for a module may come from either, and is the same.
    """
    try:
        with closing(opened(path)) as database:
            return bool(_quick_check(database) != "ok")
    except sqlite3.OperationalError as error:
        # What SQLite does not know, such as a function of Apple's own, is no damage.
        return "malformed" in str(error) or "disk image" in str(error)
    except sqlite3.DatabaseError as error:
        return "not a database" not in str(error)  # that is no damaged one


def _quick_check(database: sqlite3.Connection) -> Any:
    """Have SQLite check its pages, with a stand-in for orders of letters of Apple's own: it compares no letters."""
    for _collation in range(_MOST_COLLATIONS):
        try:
            return database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            unknown = re.fullmatch("no such collation sequence: (.+)", str(error), re.DOTALL)
            if not unknown:
                raise
            database.create_collation(unknown[1], lambda _one, _other: 0)
    return "too many orders of letters"


def opened(path: Path) -> sqlite3.Connection:
    """Open a database of somebody else's, read-only."""
    return sqlite3.connect(path.resolve().as_uri() + "?mode=ro&immutable=1", uri=True)


def recover(damaged: Path, target: Path) -> int:
    """Copy what can be read of a damaged database into a new one and return how many rows that is.

    Args:
        damaged: the database; nothing is written to it.
        target: the new database, which does not exist.

    Raises:
        sqlite3.Error: not even its tables are known, or the new database cannot be written.
    """
    with closing(opened(damaged)) as source, closing(sqlite3.connect(target, isolation_level=None)) as new:
        source.execute("PRAGMA writable_schema = ON")
        source.text_factory = partial(str, encoding="utf-8", errors="replace")
        new.execute("PRAGMA journal_mode = OFF")
        new.execute("BEGIN")
        rows = sum(_copy(source, new, table) for table in _tables(source))
        new.execute("COMMIT")
    return rows


def _tables(source: sqlite3.Connection) -> list[str]:
    """Return the tables whose rows lie in the file: no views, no virtual tables."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    found = [
        name for (name,) in _until_error(source, names) if isinstance(name, str) and not name.startswith("sqlite_")
    ]
    if not found:
        raise sqlite3.DatabaseError("no table is known")
    return found


def _copy(source: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    try:
        columns = source.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
        new.execute(f"CREATE TABLE {_quoted(table)} ({', '.join(_column(*column) for column in columns)})")
    except sqlite3.Error:
        return 0
    names = ", ".join(_quoted(column[1]) for column in columns)
    own = _number_of(columns)
    insert = f"INSERT OR IGNORE INTO {_quoted(table)} ({own}, {names}) VALUES (?{', ?' * len(columns)})"  # noqa: S608 (quoted)
    if own in {column[1] for column in columns}:
        insert = f"INSERT OR IGNORE INTO {_quoted(table)} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        return _insert(new, insert, (row[1:] for row in _rows(source, table, own, names)))
    return _insert(new, insert, _rows(source, table, own, names))


def _insert(new: sqlite3.Connection, statement: str, rows: Iterator[tuple[Any, ...]]) -> int:
    count = 0
    for row in rows:
        count += new.execute(statement, row).rowcount  # 0 for one that is there already
    return count


def _column(_place: int, name: str, kind: str, _not_null: int, _default: Any, key: int) -> str:
    """Return a column's definition: its name and type, and nothing that could be evaluated."""
    plain = kind if re.fullmatch(r"[A-Za-z][A-Za-z0-9_ ]{0,40}(\([0-9, ]{1,20}\))?", kind) else ""
    return f"{_quoted(name)} {plain}" + (" PRIMARY KEY" if key and plain.upper() == "INTEGER" else "")


def _number_of(columns: Sequence[tuple[Any, ...]]) -> str:
    """Return by which name SQLite gives the number of a row."""
    taken = {str(column[1]).lower() for column in columns if not (column[5] and str(column[2]).upper() == "INTEGER")}
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), "rowid")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rows(source: sqlite3.Connection, table: str, number: str, names: str) -> Iterator[tuple[Any, ...]]:
    """Give each row that can be read, after its number; some of them twice."""
    query = f"SELECT {number}, {names} FROM {_quoted(table)} NOT INDEXED"  # noqa: S608 (quoted)
    start = _FIRST_ROW
    for gap in range(_MOST_GAPS):
        try:
            for row in source.execute(f"{query} WHERE {number} >= ? ORDER BY {number}", (start,)):
                start = max(start, int(row[0]) + 1)
                yield row
        except sqlite3.Error:
            if gap == 0:  # a page out of order misleads who looks for a number: from the end it is met once more
                yield from _until_error(source, f"{query} ORDER BY {number} DESC")
            if (next_start := _behind(source, f"{query} WHERE {number} >= ? ORDER BY {number} LIMIT 1", start)) is None:
                return
            start = next_start
        else:
            return


def _until_error(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    with suppress(sqlite3.Error):
        yield from source.execute(query)


def _behind(source: sqlite3.Connection, probe: str, start: int) -> int | None:
    """Return the first number from which a table can be read again, None when there is none.

    The probe reads whole rows: of one that cannot be read, the number often can.
    """

    def found(place: int) -> int | None:
        try:
            row = source.execute(probe, (place,)).fetchone()
        except sqlite3.Error:
            return None
        return row and int(row[0])

    step = 1
    while start + step <= _LAST_ROW:
        if found(start + step) is not None:
            return _earliest(found, start + step // 2, start + step)
        step *= 2
    return None


def _earliest(found: Callable[[int], int | None], bad: int, good: int) -> int:
    while good - bad > 1:
        middle = (bad + good) // 2
        if found(middle) is None:
            bad = middle
        else:
            good = middle
    return good


class LenientText:
    """Reads text that is no UTF-8 as far as it is, and tells that there was some.

    Python refuses a whole row for one such text. The decoder is C code: reading 200,000 messages takes a third longer,
    0.09 s.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        """Prepare to call `tell` at each text that is no UTF-8."""
        self._tell = tell
        codecs.register_error("spytriage-told", self._replace)

    def read_text_of(self, connection: sqlite3.Connection) -> None:
        """Let a connection read text so."""
        connection.text_factory = partial(str, encoding="utf-8", errors="spytriage-told")

    def _replace(self, error: UnicodeError) -> tuple[str, int]:
        self._tell()
        return "\ufffd", error.end if isinstance(error, UnicodeDecodeError) else 0
