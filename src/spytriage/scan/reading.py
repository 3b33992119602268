"""Notes what a module of MVT reads of an acquisition, and what it could not read.

MVT's modules swallow many failures (a table that is not there, a property list that does not parse, a file that the
manifest names and the folder lacks) and then look as if they had checked something. Here, where every module gets
its files, each of these leaves a note.
"""

from __future__ import annotations

import plistlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from spytriage.models import Reason
from spytriage.scan.copies import UnavailableError
from spytriage.scan.sieves import Rows


class Files(Protocol):
    """What gives files in clear: `backup_files.BackupFiles`, or a dump of a file system."""

    @property
    def problem(self) -> Reason | None: ...  # noqa: D102 (as BackupFiles)

    def get(self, file_id: str) -> Path | None: ...  # noqa: D102

    def database(self, path: Path) -> tuple[Path, Reason | None]: ...  # noqa: D102


class Reading:
    """What one module has read so far, in an iOS backup.

    Attributes:
        found: artefacts that were there.
        problems: why artefacts, or parts of them, could not be read.
        rows: what becomes of the rows of the module's queries; all of them reach it when there is none.
    """

    def __init__(self, files: Files) -> None:
        """Prepare for the modules of one backup."""
        self._files = files
        self._databases: dict[Path, _Database] = {}
        self.found = 0
        self.problems: list[Reason] = []
        self.rows: Rows | None = None
        self._own_problems: list[Reason] = []
        self._uses_embedded_plists = True
        self._looking_up = False

    def begin(self, *, uses_embedded_plists: bool) -> None:
        """Start on the next module.

        Args:
            uses_embedded_plists: whether property lists inside its records carry what it matches. They do not in
                Manifest.db, where they hold only the times and sizes of files.
        """
        self._databases = {}
        self.rows = None
        self.found = 0
        self._own_problems = []
        self.problems = []
        self._uses_embedded_plists = uses_embedded_plists

    def settle(self) -> None:
        """Work out what the module could not read, now that it has ended."""
        unread = [database.problem for database in self._databases.values()]
        self.problems = self._own_problems + [problem for problem in unread if problem]

    @property
    def readable(self) -> int:
        """Return how many of the artefacts that were there could be read."""
        return max(0, self.found - sum(1 for database in self._databases.values() if database.problem))

    def proportion(self) -> str:
        """Say how much of what there was could be read."""
        return f"read {self.readable} of {self.readable + len(self.problems)}"

    # --- What the module asks for ------------------------------------------------------------------------------

    def file(self, file_id: str) -> Path | None:
        """Return where a file of the backup lies in clear, None when it is not there or cannot be opened."""
        with self._own_plists():
            try:
                path = self._files.get(file_id)
            except UnavailableError as error:
                self.note(error.reason)
                return None
        if path is not None:
            self.found += 1
        return path

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a database of the backup, read-only, with its write-ahead log, and watch what comes of it."""
        with self._own_plists():
            place, problem = self._files.database(path)
        if problem:
            self.note(problem)
        uri = place.resolve().as_uri() + "?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, factory=TrackedConnection)
        if not self._looking_up:
            connection.database = self._databases.setdefault(path, _Database())
            connection.rows = self.rows
        return connection

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
        if self._uses_embedded_plists:
            self.note(Reason.DAMAGED)

    @contextmanager
    def _own_plists(self) -> Iterator[None]:
        """Mark that we read the manifest's entries for ourselves: a broken one is no broken record of the module."""
        before, self._uses_embedded_plists = self._uses_embedded_plists, False
        try:
            yield
        finally:
            self._uses_embedded_plists = before


class _Database:
    """Whether a database gave what was asked of it."""

    def __init__(self) -> None:
        self.asked = False  # a module asked for more than which tables there are
        self.answered = False  # a query of its tables went through
        self.broke = False  # rows could not be read
        self.last_error: sqlite3.Error | None = None

    @property
    def problem(self) -> Reason | None:
        if self.broke:
            return Reason.DAMAGED
        if self.answered or not self.asked:
            # A module tries the layouts of several versions of iOS: one that went through is enough. And MVT looks
            # for tables in whatever file it finds, property lists too, to see whether a database needs repair.
            return None
        if isinstance(self.last_error, sqlite3.OperationalError) or self.last_error is None:
            return Reason.UNKNOWN_LAYOUT
        return Reason.DAMAGED


class TrackedConnection(sqlite3.Connection):
    """A connection whose cursors tell whether queries went through."""

    database: _Database | None = None
    rows: Rows | None = None

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that takes notes."""
        cursor = super().cursor(factory or _TrackedCursor)
        if isinstance(cursor, _TrackedCursor):
            cursor.database = self.database or _Database()
            cursor.rows = self.rows
        return cursor


# Queries of MVT 2026.10.26 that pass over rows without a partner in another table: a message whose sender's row is
# gone, a tab without a session, a visited page without a visit, all processes as soon as one usage record names none.
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
    )
)
# A query for all columns succeeds without the one that carries what is matched.
_NEEDED_COLUMNS = (("message.*,", "text"),)


class _TrackedCursor(sqlite3.Cursor):
    database: _Database
    rows: Rows | None = None

    def execute(self, sql: str, *parameters: Any) -> _TrackedCursor:
        for narrow, wide in WIDER_QUERIES:
            sql = narrow.sub(wide, sql)
        self.database.asked |= "sqlite_master" not in sql
        try:
            super().execute(sql, *parameters)
        except sqlite3.Error as error:
            self.database.last_error = error
            self.database.broke |= "malformed" in str(error)  # MVT may look for tables, see this, and go on
            raise
        columns = {column[0] for column in self.description or ()}
        if any(marker in sql and column not in columns for marker, column in _NEEDED_COLUMNS):
            raise sqlite3.OperationalError("no such column: the one that carries what is matched")
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


@contextmanager
def plist_failures_noted(reading: Reading) -> Iterator[None]:
    """Note every property list that does not parse while the block runs.

    MVT 2026.10.26 treats a configuration profile that does not parse as an empty one, and passes over tab sessions
    that do not.
    """
    original = plistlib.load

    def load(fp: BinaryIO, **options: Any) -> Any:
        start = fp.read(1)
        fp.seek(-len(start), 1)
        try:
            content = original(fp, **options)
        except Exception:
            if start or not isinstance(fp, BytesIO):  # a record that holds nothing misses nothing; a file does
                reading.note_plist()
            raise
        if not isinstance(content, dict) and not isinstance(fp, BytesIO):
            reading.note_plist()  # every property list that MVT reads from a file is a dictionary
        return content

    plistlib.load = load  # type: ignore[assignment]
    try:
        yield
    finally:
        plistlib.load = original
