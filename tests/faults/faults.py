"""What can be wrong with one file: damage to its bytes, something else in its place, another layout."""

from __future__ import annotations

import os
import plistlib
import re
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from zlib import crc32

Damage = Callable[[bytes], bytes]
"""Takes what a file holds, gives what it holds after the fault."""
Replacement = Callable[[Path], None]
"""Puts something else in the place of a file."""

_SQLITE = b"SQLite format 3\x00"
_PLANTED = ("demo", "track-parcel", "free-news-alert", "weather-updates")


def is_database(content: bytes) -> bool:
    return content.startswith(_SQLITE)


def is_plist(content: bytes) -> bool:
    return content.startswith((b"bplist00", b"<?xml"))


def _random(content: bytes) -> bytes:
    return Random(crc32(content)).randbytes(max(len(content), 4096))


def _of_another_kind(content: bytes) -> bytes:
    if is_database(content):
        return plistlib.dumps({"not": "a database"}, fmt=plistlib.FMT_BINARY)
    return _database_of("CREATE TABLE t (a)") if is_plist(content) else b"\x89PNG\r\n\x1a\n" + bytes(200)


def not_utf8(content: bytes) -> bytes:
    """Put bytes that are no UTF-8 before every planted value."""
    for word in _PLANTED:
        content = content.replace(word.encode(), b"\xff" + word.encode()[1:])
    return content


def _database_of(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return bytes(connection.serialize())


def hole(content: bytes) -> bytes:
    """Put zeros in the place of every planted value, as a disk does that lost a part of a file."""
    for word in _PLANTED:
        content = content.replace(word.encode(), bytes(len(word)))
    return content


BYTES: dict[str, Damage] = {
    "empty": lambda content: b"",
    "random bytes": _random,
    "zeros": lambda content: bytes(max(len(content), 512)),
    "cut to 1/4": lambda content: content[: len(content) // 4],
    "cut to 1/2": lambda content: content[: len(content) // 2],
    "cut to 3/4": lambda content: content[: len(content) * 3 // 4],
    "one byte short": lambda content: content[:-1],
    "another kind of file": _of_another_kind,
}


# --- Databases --------------------------------------------------------------------------------------------------


def page_size(database: bytes) -> int:
    size = int.from_bytes(database[16:18])
    return 65536 if size == 1 else size


def leaves(database: bytes) -> list[int]:
    """Return the offsets of pages that hold rows of tables."""
    size = page_size(database)
    return [
        place
        for place in range(size, len(database), size)
        if database[place] == 13 and any(database[place + 3 : place + 5])
    ]


def planted_leaf(database: bytes) -> int:
    """Return the offset of a page that holds a planted value."""
    size = page_size(database)
    for place in leaves(database):
        if any(word.encode() in database[place : place + size] for word in _PLANTED):
            return place
    return leaves(database)[-1]


def _changed(database: bytes, place: int, new: bytes) -> bytes:
    return database[:place] + new + database[place + len(new) :]


def _overwritten(database: bytes) -> bytes:
    size = page_size(database)
    return _changed(database, planted_leaf(database), Random(7).randbytes(size))


def _bad_pointer(database: bytes) -> bytes:
    """Let a page's first cell lie outside of the page.

    SQLite takes such a place modulo the page's size. Near the end it would read on into whatever memory lies behind the
    page, and what it reads there as a row is another thing in each run.
    """
    return _changed(database, planted_leaf(database) + 8, b"\xf0\x00")


def _no_cells(database: bytes) -> bytes:
    """Let a page say that it holds no rows: this still parses."""
    return _changed(database, planted_leaf(database) + 3, b"\x00\x00")


def _fewer_cells(database: bytes) -> bytes:
    place = planted_leaf(database)
    count = int.from_bytes(database[place + 3 : place + 5])
    return _changed(database, place + 3, (count // 2).to_bytes(2))


def _other_rows(database: bytes) -> bytes:
    """Overwrite the rows of a page, but not its directory of cells."""
    size, place = page_size(database), planted_leaf(database)
    start = int.from_bytes(database[place + 5 : place + 7])
    return _changed(database, place + start, Random(9).randbytes(size - start))


def _schema_gone(database: bytes) -> bytes:
    """Overwrite the first page behind its header of 100 bytes."""
    return _changed(database, 100, Random(8).randbytes(page_size(database) - 100))


def _as_wal(database: bytes) -> bytes:
    """Say that the newest rows lie in a write-ahead log, which is not there."""
    return _changed(database, 18, b"\x02\x02")


PAGES: dict[str, Damage] = {
    "page overwritten": _overwritten,
    "pointer out of the page": _bad_pointer,
    "page without its rows": _no_cells,
    "page with half of its rows": _fewer_cells,
    "rows overwritten": _other_rows,
    "schema overwritten": _schema_gone,
}


def tables(database: bytes) -> dict[str, list[str]]:
    """Return the tables that hold rows, with their columns."""
    with _open(database) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"
                                                        " AND name NOT LIKE 'sqlite_%'")]  # fmt: skip
        return {
            name: [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
            for name in names
            if connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
        }


def _open(database: bytes) -> closing[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database)
    return closing(connection)


def _after(database: bytes, *statements: str) -> bytes:
    with _open(database) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return bytes(connection.serialize())


def layouts(database: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the layouts of an older and a newer system."""
    found = tables(database)
    for table in found:
        yield f"table {table} renamed", _after(database, f'ALTER TABLE "{table}" RENAME TO "{table}_of_another_ios"')
    yield "more columns", _after(database, *(f'ALTER TABLE "{name}" ADD COLUMN of_a_later_ios' for name in found))
    for table, columns in found.items():
        for column in _with_planted(database, table, columns):
            yield (
                f"column {table}.{column} renamed",
                _after(database, f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_of_another_ios"'),
            )
    yield "text that is no UTF-8", _after(database, *(
        f'UPDATE "{table}" SET "{column}" = CAST(x\'ff\' || CAST("{column}" AS BLOB) AS TEXT)'
        for table, columns in found.items() for column in _with_planted(database, table, columns)
    ))  # fmt: skip
    for fault, text in _WITH_NULS.items():
        yield fault, _after(database, *(
            f'UPDATE "{table}" SET "{column}" = {text.format(column)} WHERE typeof("{column}") = \'text\''
            for table, columns in found.items() for column in _with_planted(database, table, columns)
        ))  # fmt: skip
    yield from _made_up(database)


_WITH_NULS = {
    "text behind a NUL": 'char(0) || "{}"',
    "text with a NUL in it": "replace(\"{}\", 'example', 'example' || char(0) || 'x')",
    "text with a hole of zeros": "replace(replace(\"{}\", 'demo', char(0, 0, 0, 0)), 'a', char(0))",
}


def _made_up(database: bytes) -> Iterator[tuple[str, bytes]]:
    """Give databases that work out what a table of the phone holds."""
    views, columns_made = [], []
    for table, columns in tables(database).items():
        if planted := _with_planted(database, table, columns):
            hidden = " OR ".join(
                f"CAST(\"{column}\" AS TEXT) LIKE '%{word}%'" for column in planted for word in _PLANTED
            )
            views += [
                f'ALTER TABLE "{table}" RENAME TO "{table}_behind_it"',
                f'CREATE VIEW "{table}" AS SELECT rowid, * FROM "{table}_behind_it" WHERE ({hidden}) IS NOT TRUE',
            ]
            for column in planted:
                columns_made += [
                    f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_behind_it"',
                    f'ALTER TABLE "{table}" ADD COLUMN "{column}" GENERATED ALWAYS AS (NULL) VIRTUAL',
                ]
    yield "tables that are views", _after(database, *views)
    yield "columns that are generated", _after(database, *columns_made)


def _with_planted(database: bytes, table: str, columns: list[str]) -> list[str]:
    with _open(database) as connection:
        likes = {
            column: " OR ".join(f"CAST(\"{column}\" AS TEXT) LIKE '%{word}%'" for word in _PLANTED)
            for column in columns
        }
        return [
            column
            for column, like in likes.items()
            if connection.execute(f'SELECT count(*) FROM "{table}" WHERE {like}').fetchone()[0]
        ]


# --- Property lists ---------------------------------------------------------------------------------------------


def other_keys(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Give a property list with each of its keys renamed, and with none."""
    value = plistlib.loads(content)
    fmt = plistlib.FMT_BINARY if content.startswith(b"bplist") else plistlib.FMT_XML
    yield "no keys", plistlib.dumps({}, fmt=fmt)
    yield "a list in its place", plistlib.dumps([value], fmt=fmt)
    renamed = {f"{key}OfAnotherIOS": part for key, part in value.items()}
    yield "every key renamed", plistlib.dumps(renamed, fmt=fmt)
    if content != (twice := _with_names_twice(content)):
        yield "a name that is there twice", twice
    for key, part in value.items():
        if any(word in repr(part) for word in _PLANTED):
            rest = {name: other for name, other in value.items() if name != key}
            yield f"key {key} renamed", plistlib.dumps(rest | {f"{key}OfAnotherIOS": part}, fmt=fmt)


_PLANTED_KEY = re.compile(
    r"(<key>[^<]*</key>)(\s*<string>[^<]*(?:" + "|".join(_PLANTED) + ")[^<]*</string>)", re.IGNORECASE
)


def _with_names_twice(content: bytes) -> bytes:
    text = plistlib.dumps(plistlib.loads(content)).decode()
    twice = _PLANTED_KEY.sub(r"\1\2\1<string>x</string>", text)
    return content if twice == text else twice.encode()


# --- JSON -------------------------------------------------------------------------------------------------------


def is_json(content: bytes) -> bool:
    return content.startswith((b"[", b'{"'))


_PLANTED_MEMBER = re.compile(rb'("[a-z_]+": )("[^"]*(?:' + "|".join(_PLANTED).encode() + rb')[^"]*")')


def other_json(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Give JSON that says a planted value's name twice, of which parsers take the last one; or has none."""
    twice = _PLANTED_MEMBER.sub(rb'\1\2, \1"x"', content)
    if twice != content:
        yield "a name that is there twice", twice
    if content.startswith(b"["):
        yield "no entries", b"[]"
        if twice != content:
            yield "no value for a name", _PLANTED_MEMBER.sub(rb"\1null", content)


# --- Something else in its place ----------------------------------------------------------------------------------


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: an endless file
    except OSError:
        path.symlink_to("/dev/zero")


PLACES: dict[str, Replacement] = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a device": _device,
    "a link out": lambda path: path.symlink_to("/etc/hosts"),
    "a link to nothing": lambda path: path.symlink_to(path.with_name("nothing-here")),
}


def _moved_out(folder: Path) -> None:
    """Leave a link in the place of a folder, which lies outside of the acquisition now."""
    outside = Path(tempfile.mkdtemp(dir=next(up for up in folder.parents if up.name == "a").parent)) / "b"
    folder.rename(outside)
    folder.symlink_to(outside)


FOLDERS: dict[str, Replacement] = {
    "folder not permitted": lambda path: path.chmod(0),
    "folder whose names cannot be had": lambda path: path.chmod(0o111),
    "folder whose files cannot be had": lambda path: path.chmod(0o444),
    "folder is a link out": _moved_out,
}
