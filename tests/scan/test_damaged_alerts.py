"""Over damaged databases too, whatever MVT's own module raises an alert for, ours does.

Each case is one database of a phone after some damage, read three times: by MVT with nothing of ours, by MVT through
our seams with no row held back, and as `spytriage check` does. Where MVT breaks off, ours may see more, never less; and
a row that nothing befell is seen, or the ledger says that the module has a gap.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.demo import DemoPhone
from spytriage.models import CoverageState, ModuleCoverage, RawAlert
from tests.faults.faults import BYTES, PAGES, layouts
from tests.outcomes import Row
from tests.scan.conftest import Ran
from tests.scan.mvt_itself import Ended, Mvt, Raised
from tests.scan.side_by_side import BYTES as ARCHIVED
from tests.scan.side_by_side import CASES, INDICATORS, TELLING, TEXTS, Rows, database_of, fill, told

_BROKEN = {CoverageState.FAILED, CoverageState.UNREADABLE}


# --- Damage -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NotUtf8:
    """Text that is no UTF-8; Python cannot bind it."""

    held: bytes


ODD = st.one_of(
    st.none(),
    st.sampled_from([0, -1, 1, 2**63 - 1, -(2**63), 700_000_000_000_000_000, 10**17, 1000, 1001]),
    st.sampled_from([float("inf"), float("-inf"), 1e308, -1e300, 0.5, -63_000_000_000.0, 5e11]),
    st.sampled_from(["", "x", "\x00", "a\x00b", "9" * 18, "1e400", "2024-01-01", "\x00https://evil-invented.com/a"]),
    st.sampled_from([b"", b"\xff\xfe\x00", b"bplist00\x00\xff", b"bplist00" + bytes(40), bytes(70_000)]),
    st.sampled_from([f"https://evil-invented.com/{'a' * 70_000}", "a" * 70_000, "https://evil-invented.com/a" * 3_000]),
    st.sampled_from([b"\xff", b"https://evil-invented.com/\xff", b"\xc3https://evil-invented.com/a"]).map(NotUtf8),
    ARCHIVED,
    TEXTS,
    TELLING,
    TELLING.map(str.encode),
)
# What MVT makes of a row, it makes of columns with such names: they are damaged first.
_READ = re.compile(
    r"date|time|last|redirect|visit|url|text|path|domain|file|flags|body|handle|id$|address", re.IGNORECASE
)
_FIRST = st.integers(0, 7)
_PLACES = (st.integers(0, 5), st.integers(0, 9))  # table, row
DAMAGE = st.one_of(
    st.tuples(st.just("a value"), *_PLACES, _FIRST, ODD),
    st.tuples(st.just("a value"), *_PLACES, _FIRST | st.integers(0, 40), ODD),
    st.tuples(st.just("a row of one value"), *_PLACES, _FIRST, ODD),
    st.tuples(st.sampled_from(["a row gone", "a row twice"]), *_PLACES, _FIRST, st.none()),
    st.tuples(
        st.sampled_from(["a table renamed", "a column renamed", "a column more", "a column of another table"]),
        *_PLACES,
        _FIRST,
        st.none(),
    ),
)
Damage = tuple[str, int, int, int, Any]


class Damaged:
    """A database that is being damaged."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def by(self, damage: Damage) -> None:
        """Do one kind of damage; a constraint of the database may refuse it."""
        kind, table_number, row, column_number, value = damage
        tables = self._tables()
        table = tables[table_number % len(tables)]
        columns = self._columns(table)
        column = columns[column_number % len(columns)]
        with suppress(sqlite3.IntegrityError, sqlite3.OperationalError):
            for statement in self._statements(kind, table, column, columns):
                values = [value.held if isinstance(value, NotUtf8) else value] * statement.count("VALUE")
                place = "CAST(? AS TEXT)" if isinstance(value, NotUtf8) else "?"
                at = f"rowid = (SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1 OFFSET {row})"
                self._connection.execute(statement.replace("VALUE", place).replace("HERE", at), values)

    def _statements(self, kind: str, table: str, column: str, columns: Sequence[str]) -> Iterator[str]:
        others = ", ".join(columns[1:])
        match kind:
            case "a value":
                yield f"UPDATE OR IGNORE {table} SET {column} = VALUE WHERE HERE"
            case "a row of one value":
                yield from (f"UPDATE OR IGNORE {table} SET {name} = VALUE WHERE HERE" for name in columns)
            case "a row gone":
                yield f"DELETE FROM {table} WHERE HERE"
            case "a row twice":
                yield f"INSERT OR IGNORE INTO {table} ({others}) SELECT {others} FROM {table} WHERE HERE"
                yield f"INSERT OR IGNORE INTO {table} SELECT * FROM {table} WHERE HERE"
            case "a table renamed":
                yield f"ALTER TABLE {table} RENAME TO {table}_of_another_ios"
            case "a column renamed":
                yield f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_of_another_ios"
            case "a column more":
                yield f"ALTER TABLE {table} ADD COLUMN of_a_later_ios DEFAULT 'https://evil-invented.com/a'"
            case "a column of another table":  # a query that joins both has two of the name
                names = ("ZTEXT", "ZMEDIAURL", "phone_number", "url", "filename", "service")
                yield from (f"ALTER TABLE {table} ADD COLUMN {name}" for name in names if name not in columns)

    def _tables(self) -> list[str]:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        found = [name for (name,) in self._connection.execute(names)]
        return [name for name in found if self._connection.execute(f"SELECT 1 FROM {name}").fetchone()] or found

    def _columns(self, table: str) -> list[str]:
        """Return the columns, the key first, then those of note."""
        found = [name for _place, name, *_rest in self._connection.execute(f"PRAGMA table_info({table})")]
        return [found[0], *sorted(found[1:], key=lambda name: not _READ.search(name))]


# --- Rows that nothing befalls ------------------------------------------------------------------------------------

LINK, PATH = "https://evil-invented.com/unharmed", "Library/Caches/evild/unharmed"
# By module: what to insert, of a number that no other row has, and of what stands in it.
ROWS: dict[str, Callable[[int, str], dict[str, tuple[Any, ...]]]] = {
    "SMS": lambda n, text: {
        "message(rowid, guid, text, date, date_read, handle_id)": (n, f"guid-{n}", text, 600_000_000, 0, 1),
    },
    "SMSAttachments": lambda n, text: {"attachment(rowid, guid, filename)": (n, f"guid-{n}", f"/{text}")},
    "Whatsapp": lambda n, text: {"ZWAMESSAGE(Z_PK, ZTEXT)": (n, text)},
    "SafariHistory": lambda n, text: {
        "history_items(id, url)": (n, text),
        "history_visits(id, history_item, visit_time)": (n, n, 600_000_000),
    },
    "ChromeHistory": lambda n, text: {
        "urls(id, url, last_visit_time)": (n, text, 0),
        "visits(id, url, visit_time)": (n, n, 1),
    },
    "ChromeFavicon": lambda n, text: {
        "favicons(id, url)": (n, text),
        "favicon_bitmaps(id, icon_id, last_updated, last_requested)": (n, n, 1, 1),
        "icon_mapping(id, page_url, icon_id)": (n, "https://example.org/", n),
    },
    "FirefoxHistory": lambda n, text: {
        "history(id, guid, url, title)": (n, f"guid-{n}", text, ""),
        "visits(id, siteID, date)": (n, n, 0),
    },
    "FirefoxFavicon": lambda n, text: {
        "favicons(id, url, date)": (n, text, 0),
        "favicon_sites(id, siteID, faviconID)": (n, 1, n),
    },
    "InteractionC": lambda n, text: {"ZINTERACTIONS(Z_PK, ZCONTENTURL)": (n, text)},
    "Calls": lambda n, text: {"ZCALLRECORD(Z_PK, ZADDRESS)": (n, text)},
    "Contacts": lambda n, text: {"ABMultiValue(UID, value, record_id)": (n, text, 1)},
    "Manifest": lambda n, text: {"Files(fileID, relativePath, domain, flags)": (f"{n:040x}", text, "HomeDomain", 2)},
}


def add(database: Path, module: str, rows: Iterable[tuple[int, str]]) -> bool:
    """Add rows by number and content; returns whether the layout still has a place for all of them."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            for number, text in rows:
                for into, values in ROWS[module](number, text).items():
                    connection.execute(f"INSERT INTO {into} VALUES ({','.join('?' * len(values))})", values)
            connection.commit()
        except sqlite3.Error:
            return False
    return True


def add_unharmed(database: Path, module: str) -> bool:
    """Add a row that the module has to raise an alert for."""
    return add(database, module, [(5000, PATH if module in {"Manifest", "SMSAttachments"} else LINK)])


def add_many(database: Path, module: str) -> None:
    """Add rows on several pages of each table; one in ten matters."""
    is_path = module in {"Manifest", "SMSAttachments"}
    ordinary = "Media/DCIM/IMG_0001.HEIC" if is_path else "https://example.org/an/ordinary/page?of=no-interest"
    telling = PATH if is_path else LINK
    assert add(database, module, ((n, f"{ordinary if n % 10 else telling}-{n}") for n in range(6000, 6400)))


# --- The comparison -----------------------------------------------------------------------------------------------

# What tells the records of a module apart.
RECORD = {
    "SMS": ("ROWID", "guid"),
    "SMSAttachments": ("attachment_id", "guid", "filename"),
    "Whatsapp": ("Z_PK", "ZTEXT"),
    "SafariHistory": ("id", "visit_id", "url", "redirect_destination"),
    "ChromeHistory": ("id", "visit_id", "url"),
    "ChromeFavicon": ("url", "icon_url"),
    "FirefoxHistory": ("id", "url"),
    "FirefoxFavicon": ("id", "history_id", "url", "history_url"),
    "Manifest": ("file_id", "domain", "relative_path"),
}
Key = tuple[str, str, str, str]


def key(module: str, level: str, value: str, message: str, event: Any) -> Key:
    record = json.dumps([event.get(name) for name in RECORD.get(module, ())], sort_keys=True)
    return level, value, message, record


def missed(module: str, mvt: Sequence[Raised], ours: Sequence[RawAlert]) -> Counter[Key]:
    """Return the alerts of MVT's, each as often as it raised it, that ours lack."""
    found: Counter[Key] = Counter()
    for alert in ours:
        values = [indicator.value for indicator in alert.match.indicators] if alert.match else [""]
        message = "" if alert.match else alert.message
        found.update(key(module, alert.level.name, value, message, alert.event) for value in values)
    return Counter(key(module, one.level, one.value, one.message, one.event) for one in mvt) - found


@pytest.fixture
def mvt(engine: ModuleType, tmp_path: Path) -> Mvt:
    return Mvt(engine, INDICATORS, tmp_path)


Compare = Callable[..., str]


@pytest.fixture
def compare(ran: Callable[..., Ran], mvt: Mvt) -> Compare:
    """Holds that ours see what MVT sees of a backup, and says in a few words how it went."""

    def compared(backup: Path, module: str, *, unharmed: bool) -> str:
        theirs, whole = mvt.run(backup, module), ran(backup, module, ours=False)
        ours = ran(backup, module, ours=True)
        assert not missed(module, theirs.alerts, ours[0]), (theirs.broke, whole[1], ours[1])
        assert not Counter(map(str, map(told, whole[0]))) - Counter(map(str, map(told, ours[0])))
        if whole[1].state not in _BROKEN:
            assert list(map(told, ours[0])) == list(map(told, whole[0]))
            assert ours[1] == whole[1]
        if unharmed:
            assert any("unharmed" in str(alert.event) for alert in ours[0]) or ours[1].state.is_gap
        return _said(theirs, ours, whole[1])

    return compared


def _said(theirs: Ended, ours: Ran, whole: ModuleCoverage) -> str:
    more = "more alerts" if len(ours[0]) > len(theirs.alerts) else "the same alerts"
    broke = "MVT broke off" if theirs.broke else "MVT went through"
    ledger = (
        ours[1].state.value if ours[1].state == whole.state else f"{ours[1].state.value} (held back what broke MVT)"
    )
    return f"{broke}; {more}; {ledger}"


# --- The cases ----------------------------------------------------------------------------------------------------


def test_every_module_with_a_sieve_has_a_row_that_nothing_befalls() -> None:
    assert set(ROWS) == set(CASES)


@pytest.mark.parametrize("module", sorted(CASES))
def test_of_a_sound_database_both_see_the_same(
    compare: Compare, mvt: Mvt, ran: Callable[..., Ran], phone: Path, module: str
) -> None:
    assert add_unharmed(database_of(phone, CASES[module][0]), module)

    assert compare(phone, module, unharmed=True).startswith("MVT went through")
    assert any("unharmed" in str(alert.event) for alert in ran(phone, module, ours=True)[0])


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("SMS", "INSERT INTO message (guid, text) VALUES ('odd', x'ff')"),
        ("SMS", "INSERT INTO message (guid, text, date) VALUES ('odd', 'https://evil-invented.com/', 'no date')"),
        ("SafariHistory", "INSERT INTO history_items (url) VALUES (x'ff')"),
        ("ChromeHistory", "ALTER TABLE urls RENAME COLUMN last_visit_time TO last_visit"),
        ("ChromeFavicon", "INSERT INTO icon_mapping (page_url, icon_id) VALUES (x'ff', 77)"),
    ],
)
def test_a_row_that_mvt_passes_over_hides_nothing_that_it_finds(
    compare: Compare, ran: Callable[..., Ran], phone: Path, module: str, statement: str
) -> None:
    database = database_of(phone, CASES[module][0])
    assert add_unharmed(database, module)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()

    assert compare(phone, module, unharmed=True).startswith("MVT went through")
    alerts = [str(alert.event) for alert in ran(phone, module, ours=True)[0]]
    assert any("unharmed" in alert for alert in alerts)
    assert len(set(alerts)) == len(alerts)  # none is sent twice


def test_a_page_that_only_resembles_an_indicator_hides_no_icon_that_is_one(
    compare: Compare, ran: Callable[..., Ran], phone: Path
) -> None:
    bitmaps, pages = "favicon_bitmaps(id, icon_id, last_updated)", "icon_mapping(id, page_url, icon_id)"
    fill(database_of(phone, CASES["ChromeFavicon"][0]), {
        "favicons(id, url)": [(1000, "http://www.deep.invented-host.co.uk")],
        bitmaps: [(1000, 1000, 0)],
        pages: [(1000, b"\x04\x0bstreamtypedhttps://evil-invented.com/a", 1000)],
    })  # fmt: skip

    compare(phone, "ChromeFavicon", unharmed=False)
    assert "deep.invented-host" in str(ran(phone, "ChromeFavicon", ours=True)[0])


def test_two_tables_with_a_column_of_one_name_hide_no_visit(compare: Compare, phone: Path) -> None:
    database = database_of(phone, CASES["SafariHistory"][0])
    assert add_unharmed(database, "SafariHistory")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE history_visits ADD COLUMN url")
        connection.commit()

    assert compare(phone, "SafariHistory", unharmed=True).startswith("MVT went through")


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_befell_its_rows(
    compare: Compare,
    record: list[Row],
    phone: Path,
    written_phone: tuple[Path, DemoPhone],
    module: str,
    data: st.DataObject,
) -> None:
    place, strategy = CASES[module]
    database = database_of(phone, place)
    shutil.copyfile(database_of(written_phone[0], place), database)
    rows: Rows = data.draw(strategy)
    damages: list[Damage] = data.draw(st.lists(DAMAGE, min_size=1, max_size=6))
    fill(database, rows)
    with closing(sqlite3.connect(database)) as connection:
        for damage in damages:
            Damaged(connection).by(damage)
        connection.commit()
    unharmed = add_unharmed(database, module)

    record.append([module, "rows", compare(phone, module, unharmed=unharmed)])


def _files(database: bytes) -> Iterator[tuple[str, bytes]]:
    for name, damage in {**BYTES, **PAGES}.items():
        yield name, damage(database)
    yield from layouts(database)


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
def test_whatever_befell_its_file(
    compare: Compare, record: list[Row], phone: Path, written_phone: tuple[Path, DemoPhone], module: str
) -> None:
    place, _strategy = CASES[module]
    database = database_of(phone, place)
    add_many(database, module)
    for fault, damaged in _files(database.read_bytes()):
        database.write_bytes(damaged)
        record.append([module, fault, compare(phone, module, unharmed=False)])
