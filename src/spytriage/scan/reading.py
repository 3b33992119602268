"""Notes what a module of MVT reads of an acquisition, and what it could not read.

MVT's modules swallow many failures (a table that is not there, a property list that does not parse, a file that the
manifest names and the folder lacks) and then look as if they had checked something. Here, where every module gets
its files, each of these leaves a note.
"""

from __future__ import annotations

import os
import plistlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from spytriage.models import Reason
from spytriage.scan.copies import UnavailableError
from spytriage.scan.recover import LenientText, is_damaged, recover
from spytriage.scan.sieves import Rows

Wider = tuple[tuple[re.Pattern[str], str], ...]
"""Parts of queries, and what to ask instead."""

_OF_WHAT_WAS_FOUND = {Reason.MANIFEST_DISAGREES, Reason.UNKNOWN_LAYOUT}
"""What is noted of a file that could be opened and read."""


class Files(Protocol):
    """What gives files in clear: `backup_files.BackupFiles`, or a dump of a file system."""

    @property
    def problem(self) -> Reason | None: ...  # noqa: D102 (as BackupFiles)

    def get(self, file_id: str) -> Path | None: ...  # noqa: D102

    def database(self, path: Path) -> tuple[Path, Reason | None]: ...  # noqa: D102

    def shortfall(self, path: Path) -> Reason | None: ...  # noqa: D102

    def scratch(self, path: Path, write: Callable[[Path], object]) -> Path: ...  # noqa: D102


class Reading:
    """What one module has read so far, in an iOS backup.

    Attributes:
        found: artefacts that were there.
        problems: why artefacts, or parts of them, could not be read.
        rows: what becomes of the rows of the module's queries; all of them reach it when there is none.
        uses_embedded_plists: whether property lists inside the module's records carry what it matches.
        reads_whole: whether the module reads a file before it parses it, so that its property list looks embedded.
    """

    def __init__(self, files: Files) -> None:
        """Prepare for the modules of one backup."""
        self._files = files
        self._databases: dict[Path, _Database] = {}
        self.found = 0
        self.problems: list[Reason] = []
        self.rows: Rows | None = None
        self._own_problems: list[Reason] = []
        self.uses_embedded_plists = True
        self._looking_up = False
        self._places: dict[Path, Path] = {}  # where to open what was asked for: itself, or what was recovered of it
        self._manifest: Path | None = None
        self._recovered = 0  # rows
        self._wider = WIDER_QUERIES
        self._is_known: Callable[[dict[str, Any]], bool] | None = None
        self.reads_whole = False
        self._lenient = LenientText(lambda: self.note(Reason.DAMAGED))

    def begin(self, *, uses_embedded_plists: bool, module: str = "") -> None:
        """Start on the next module.

        Args:
            uses_embedded_plists: whether property lists inside its records carry what it matches. They do not in
                Manifest.db, where they hold only the times and sizes of files.
            module: its name.
        """
        self._databases = {}
        self.rows = None
        # Manifest.db is looked into for nearly every module: that it is sound need not be found out each time.
        self._places = {path: place for path, place in self._places.items() if path == place and path == self._manifest}
        self._recovered = 0
        self._is_known = KNOWN_LAYOUTS.get(module)
        self.reads_whole = module == "ProfileEvents"
        self.found = 0
        self._own_problems = []
        self.problems = []
        self.uses_embedded_plists = uses_embedded_plists

    def settle(self) -> None:
        """Work out what the module could not read, now that it has ended."""
        unread = [database.problem for database in self._databases.values()]
        holes = [Reason.DAMAGED] if self.rows and self.rows.holes else []
        self.problems = self._own_problems + holes + [problem for problem in unread if problem]

    @property
    def widened(self) -> bool:
        """Return whether a query was asked in a wider form than MVT's."""
        return any(database.widened for database in self._databases.values())

    @contextmanager
    def as_mvt_asks(self) -> Iterator[None]:
        """Ask queries as MVT has them while the block runs."""
        self._wider = ()
        try:
            yield
        finally:
            self._wider = WIDER_QUERIES

    @property
    def readable(self) -> int:
        """Return how many of the artefacts that were there could be read."""
        return max(0, self.found - sum(1 for database in self._databases.values() if database.problem))

    def gap(self) -> tuple[Reason, str] | None:
        """Return why not all could be read, and how much could."""
        problems = set(self.problems)
        if not problems:
            return None
        if problems == {Reason.PARTLY_RECOVERED}:
            return Reason.PARTLY_RECOVERED, f"recovered {self._recovered} rows"
        if len(problems) == 1 and problems <= _OF_WHAT_WAS_FOUND and self.found <= len(self.problems):
            return self.problems[0], ""
        if self.readable:
            return Reason.PARTLY_READ, f"read {self.readable} of {self.readable + len(self.problems)}"
        return self.problems[0], ""

    # --- What the module asks for ------------------------------------------------------------------------------

    def file(self, file_id: str) -> Path | None:
        """Return where a file of the backup lies in clear, None when it is not there or cannot be opened."""
        with self._own_plists():
            try:
                path = self._files.get(file_id)
            except UnavailableError as error:
                self.note(error.reason)
                return None
            problem = path and self._files.shortfall(path)
        if problem:
            self.note(problem)
        if path is not None:
            self.found += 1
        return path

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a database of the backup, read-only, with its write-ahead log, and watch what comes of it."""
        with self._own_plists():
            place, problem = self._files.database(path)
        if problem:
            self.note(problem)
        place = self._sound(path, place)
        uri = place.resolve().as_uri() + "?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, factory=TrackedConnection)
        self._lenient.read_text_of(connection)
        if not self._looking_up:
            connection.database = self._databases.setdefault(path, _Database())
            connection.rows = self.rows
            connection.wider = self._wider
            connection.watch_for_made_up(connection.database)
        return connection

    def _sound(self, path: Path, place: Path) -> Path:
        """Return where to open a database: where it lies, or a new one with what can be read of a damaged one."""
        if path not in self._places:
            self._places[path] = place
            self._manifest = path if path.name == "Manifest.db" else self._manifest
            if is_damaged(place):
                try:
                    self._places[path] = self._files.scratch(place, lambda target: self._recover(path, place, target))
                except UnavailableError as error:
                    self.note(error.reason)
                except OSError:
                    self.note(Reason.DAMAGED)
        return self._places[path]

    def _recover(self, path: Path, place: Path, target: Path) -> None:
        """Write what can be read of a damaged database, or an empty one: most modules go on behind that to the next."""
        try:
            self._recovered += recover(place, target)
            self.note(Reason.PARTLY_RECOVERED)
        except sqlite3.Error:
            self._databases.setdefault(path, _Database()).broke = True
            target.write_bytes(b"")

    @contextmanager
    def looking_up(self) -> Iterator[None]:
        """Mark the search of Manifest.db for a file: it is no artefact of the module, but must not fail unseen."""
        self._looking_up = True
        try:
            yield
        except Exception:
            self.note(self._files.problem or Reason.DAMAGED)
            raise
        finally:
            self._looking_up = False

    def note(self, problem: Reason) -> None:
        """Note that something could not be read."""
        self._own_problems.append(problem)

    def note_plist(self) -> None:
        """Note that a property list did not parse."""
        if self.uses_embedded_plists:
            self.note(Reason.DAMAGED)

    def look_at(self, content: Any) -> None:
        """Note the property list of a file that has nothing of what the module reads: a later iOS may have renamed it.

        Every property list that MVT reads from a file is a dictionary.
        """
        if not isinstance(content, dict):
            self.note_plist()
        elif self.uses_embedded_plists and self._is_known and not self._is_known(content):
            self.note(Reason.UNKNOWN_LAYOUT)

    @contextmanager
    def _own_plists(self) -> Iterator[None]:
        """Mark that we read the manifest's entries for ourselves: a broken one is no broken record of the module."""
        before, self.uses_embedded_plists = self.uses_embedded_plists, False
        try:
            yield
        finally:
            self.uses_embedded_plists = before


class _Database:
    """Whether a database gave what was asked of it."""

    def __init__(self) -> None:
        self.asked = False  # a module asked for more than which tables there are
        self.answered = False  # a query of its tables went through
        self.broke = False  # rows could not be read
        self.lacks = False  # a column that carries what is matched
        self.widened = False  # a query was asked in a wider form than MVT's
        self.last_error: sqlite3.Error | None = None

    @property
    def problem(self) -> Reason | None:
        if self.broke:
            return Reason.DAMAGED
        if self.lacks:
            return Reason.UNKNOWN_LAYOUT
        if self.answered or not self.asked:
            # A module tries the layouts of several versions of iOS: one that went through is enough. And MVT looks
            # for tables in whatever file it finds, property lists too, to see whether a database needs repair.
            return None
        if isinstance(self.last_error, sqlite3.OperationalError) or self.last_error is None:
            return Reason.UNKNOWN_LAYOUT
        return Reason.DAMAGED


_MADE_UP = """
    SELECT name, NULL FROM sqlite_master
    WHERE type = 'view' OR (coalesce(rootpage, 0) = 0 AND sql NOT LIKE 'CREATE TRIGGER%')
    UNION ALL SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_xinfo(tables.name) AS columns
    WHERE tables.type = 'table' AND tables.rootpage > 0 AND columns.hidden IN (2, 3)
"""


class TrackedConnection(sqlite3.Connection):
    """A connection whose cursors tell whether queries went through."""

    database: _Database | None = None
    rows: Rows | None = None
    wider: Wider = ()

    def watch_for_made_up(self, database: _Database) -> None:
        """Note when a query reads what the database works out itself: the rows of the phone may be other ones.

        Where a phone has a table, a view or a virtual table can leave rows out, and a generated column can say what
        it likes.
        """
        try:
            made_up = set(map(tuple, super().cursor().execute(_MADE_UP)))
        except sqlite3.Error:
            return  # a damaged schema is told of by whoever queries it

        def reads(action: int, table: str | None, column: str | None, *_: object) -> int:
            if action == sqlite3.SQLITE_READ and {(table, None), (table, column)} & made_up:
                database.lacks = True
            return sqlite3.SQLITE_OK

        self.set_authorizer(reads if made_up else None)

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that takes notes."""
        cursor = super().cursor(factory or _TrackedCursor)
        if isinstance(cursor, _TrackedCursor):
            cursor.database = self.database or _Database()
            cursor.rows = self.rows
            cursor.wider = self.wider
        return cursor


# Queries of MVT 2026.10.26 that pass over rows without a partner in another table: a message whose sender's row is
# gone, an address without a person, a tab without a session, a visited page without a visit, all processes as soon as
# one usage record names none.
WIDER_QUERIES = tuple(
    (re.compile(narrow), wide)
    for narrow, wide in (
        (
            r"FROM message, handle\s+WHERE handle\.rowid = message\.handle_id",
            "FROM message LEFT JOIN handle ON handle.rowid = message.handle_id",
        ),
        (r"FROM tabs\s+JOIN tab_sessions", "FROM tabs LEFT JOIN tab_sessions"),
        (r"FROM history_items\s+JOIN history_visits", "FROM history_items LEFT JOIN history_visits"),
        (
            r"\(SELECT ZHASPROCESS FROM ZLIVEUSAGE\)",
            "(SELECT ZHASPROCESS FROM ZLIVEUSAGE WHERE ZHASPROCESS IS NOT NULL)",
        ),
        # Chrome: MVT cannot bear a visit without a time, so that of the page's last visit stands in for it.
        (
            r"visits\.visit_time,\s+visits\.from_visit\s+FROM urls\s+JOIN visits",
            "COALESCE(visits.visit_time, urls.last_visit_time, 0), visits.from_visit FROM urls LEFT JOIN visits",
        ),
        (
            r"favicon_bitmaps\.last_updated,\s+favicon_bitmaps\.last_requested\s+FROM icon_mapping\s+"
            r"JOIN favicon_bitmaps ON icon_mapping\.icon_id = favicon_bitmaps\.icon_id\s+"
            r"JOIN favicons ON icon_mapping\.icon_id = favicons\.id\s+ORDER BY icon_mapping\.id",
            "COALESCE(favicon_bitmaps.last_updated, 0), COALESCE(favicon_bitmaps.last_requested, 0) FROM icon_mapping"
            " LEFT JOIN favicon_bitmaps ON icon_mapping.icon_id = favicon_bitmaps.icon_id"
            " LEFT JOIN favicons ON icon_mapping.icon_id = favicons.id"
            " UNION ALL SELECT NULL, url, 0, 0 FROM favicons WHERE id NOT IN"
            " (SELECT icon_id FROM icon_mapping WHERE icon_id IS NOT NULL)",
        ),
        # Firefox.
        (
            r"FROM visits, history\s+WHERE visits\.siteID = history\.id",
            "FROM history LEFT JOIN visits ON visits.siteID = history.id",
        ),
        (
            r"FROM favicons\s+INNER JOIN favicon_sites ON favicon_sites\.faviconID = favicons\.id\s+INNER JOIN history",
            "FROM favicons LEFT JOIN favicon_sites ON favicon_sites.faviconID = favicons.id LEFT JOIN history",
        ),
        (
            r"FROM ABPerson person, ABMultiValue multi\s+WHERE person\.rowid = multi\.record_id and",
            "FROM ABMultiValue multi LEFT JOIN ABPerson person ON person.rowid = multi.record_id WHERE",
        ),
        # Safari's icons, in a dump of a file system.
        (
            r"icon_info\.timestamp\s+FROM page_url\s+JOIN icon_info",
            "COALESCE(icon_info.timestamp, 0) FROM page_url LEFT JOIN icon_info",
        ),
    )
)


def _has(*keys: str) -> Callable[[dict[str, Any]], bool]:
    return lambda content: any(key in content for key in keys)


def _inner(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [inner for inner in content.values() if isinstance(inner, dict)]


def _has_clients(content: dict[str, Any]) -> bool:
    """On every phone some service of the system asks where it is."""
    return any(_has("BundleId", "BundlePath", "Executable", "Registered")(client) for client in _inner(content))


def _has_lookups(content: dict[str, Any]) -> bool:
    """Since iOS 14.7 this list is empty, which is no other layout."""
    entries = [entry for app in _inner(content) for entry in _inner(app)]
    return not entries or any("LookupDate" in entry and "IDStatus" in entry for entry in entries)


def _lists_apps(content: dict[str, Any]) -> bool:
    """Backups of libimobiledevice may have the names of apps only; in a dump each app has a file of its own."""
    return isinstance(content.get("Applications", content.get("Installed Applications")), dict | list) or (
        "softwareVersionBundleId" in content
    )


# What the property list of a module must have, or it is of a layout that nobody knows. By the ledger's name.
KNOWN_LAYOUTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "OSAnalyticsADDaily": _has("netUsageBaseline"),
    "ProfileEvents": _has("ProfileEvents"),
    "WebkitSessionResourceLog": _has("browsingStatistics"),
    "ConfigurationProfiles": _has("PayloadUUID"),
    "IDStatusCache": _has_lookups,
    "LocationdClients": _has_clients,
    "BackupInfo": lambda content: "Installed Applications" in content and "Product Version" in content,
    "Applications": _lists_apps,
}

# A query for all columns, or for those that are there, succeeds without one that carries what is matched.
_NEEDED_COLUMNS = (
    ("message.*,", "text"),
    ("message.*,", "attributedBody"),  # of many messages the only text; as old as Manifest.db, and older
    ("FROM ZWAADDRESSBOOKCONTACT", "ZWHATSAPPID"),
    ("FROM ZWAADDRESSBOOKCONTACT", "ZABOUTTEXT"),
)


class _TrackedCursor(sqlite3.Cursor):
    database: _Database
    rows: Rows | None = None
    wider: Wider = ()

    def execute(self, sql: str, *parameters: Any) -> _TrackedCursor:
        for narrow, wide in self.wider:
            sql, changes = narrow.subn(wide, sql)
            self.database.widened |= changes > 0
        self.database.asked |= "sqlite_master" not in sql
        try:
            super().execute(sql, *parameters)
        except sqlite3.Error as error:
            self.database.last_error = error
            self.database.broke |= "malformed" in str(error)  # MVT may look for tables, see this, and go on
            raise
        columns = {column[0] for column in self.description or ()}
        self.database.lacks |= any(marker in sql and column not in columns for marker, column in _NEEDED_COLUMNS)
        # Asking which tables or columns there are is no reading of them.
        self.database.answered |= sql.lstrip()[:6].upper() == "SELECT" and "sqlite_master" not in sql
        return self

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.Error:
            self.database.broke = True
            raise

    def __iter__(self) -> Any:
        if self.rows is None:
            return self
        return self._watched(self.rows.flow(self, super().__next__))

    def _watched(self, rows: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from rows
        except sqlite3.Error:
            self.database.broke = True
            raise

    def fetchall(self) -> list[Any]:
        return list(self)


def _require_sound_trailer(fp: BinaryIO) -> None:
    """Refuse a binary property list that says that it holds more objects than it has bytes: plistlib makes room first.

    Raises:
        plistlib.InvalidFileException: it does.
    """
    place = fp.tell()
    if fp.read(8) == b"bplist00":
        size = fp.seek(0, os.SEEK_END)
        fp.seek(max(0, size - 24))
        objects = int.from_bytes(fp.read(8), "big")
        if objects > size:
            raise plistlib.InvalidFileException
    fp.seek(place)


def _has_hole(content: Any) -> bool:
    """Return whether a text in a property list has a NUL in it: a disk that lost a part of a file reads it as zeros."""
    waiting, seen = [content], set[int]()  # one may hold itself
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            return True
        if isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value, *value.values()] if isinstance(value, dict) else value
    return False


@contextmanager
def plist_failures_noted(reading: Reading) -> Iterator[None]:
    """Note every property list that does not parse while the block runs.

    MVT 2026.10.26 treats a configuration profile that does not parse as an empty one, and passes over tab sessions
    that do not.
    """
    original = plistlib.load
    parsing: list[BinaryIO] = []

    class Once(dict[Any, Any]):
        """Notes a key that is there twice: plistlib keeps the last value, and others may keep the first."""

        def __setitem__(self, key: Any, value: Any) -> None:
            if parsing and key in self:  # modules put values of their own in, later
                reading.note_plist()
            super().__setitem__(key, value)

    def load(fp: BinaryIO, **options: Any) -> Any:
        if reading.uses_embedded_plists:  # the manifest has one for each file of the phone, and they take longer so
            options["dict_type"] = Once
        start = fp.read(1)
        fp.seek(-len(start), 1)
        try:
            _require_sound_trailer(fp)
            parsing.append(fp)
            content = original(fp, **options)
        except Exception:
            if start or not isinstance(fp, BytesIO):  # a record that holds nothing misses nothing; a file does
                reading.note_plist()
            raise
        finally:
            parsing.clear()
        if not isinstance(fp, BytesIO) or reading.reads_whole:
            reading.look_at(content)
        if _has_hole(content):
            reading.note_plist()
        return content

    plistlib.load = load  # type: ignore[assignment]
    try:
        yield
    finally:
        plistlib.load = original
