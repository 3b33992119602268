"""Holding rows back changes no alert and no line of the ledger: each module runs with its sieve and as MVT has it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.demo import DemoPhone
from spytriage.findings import time_of, was_sent
from spytriage.indicators.kept import reduced
from spytriage.indicators.matcher import SetMatcher
from spytriage.models import Attribution, CoverageState, Indicator, IndicatorType, ModuleCoverage, Observable, RawAlert
from spytriage.scan import observing, sieves
from spytriage.scan.guard import Guard
from spytriage.scan.observing import Recorder
from spytriage.scan.protocol import Job, Message, Observed, Run
from tests.tools import stored

INDICATORS = tuple(
    Indicator(kind, value, (Attribution("set", "family", "0" * 64, f"indicator--{number}"),))
    for number, (kind, value) in enumerate(
        [
            (IndicatorType.DOMAIN, "evil-invented.com"),
            (IndicatorType.DOMAIN, "deep.invented-host.co.uk"),
            (IndicatorType.IP_ADDRESS, "203.0.113.7"),
            (IndicatorType.URL, "https://innocent.example.org/kit"),
            (IndicatorType.FILE_PATH, "/Library/Caches/evild"),
            (IndicatorType.FILE_NAME, "evil.plist"),
            (IndicatorType.EMAIL, "evil@invented.example"),
            (IndicatorType.APP_ID, "com.evil.app"),
            (IndicatorType.PROCESS, "evild"),
        ]
    )
)
PIECES = st.sampled_from(
    [
        "https://", "http://", "HTTPS://", "evil-invented.com", "www.evil-invented.com", "xevil-invented.com",
        "deep.invented-host.co.uk", "203.0.113.7", "innocent.example.org/kit", "example.org", "bit.ly/x", "bit.ly",
        "mmg.whatsapp.net/", "/", "_", ".", " ", "\n", "\x00", ":", "@", "?", "#", "%2e", "a", "é", "。", "jpg", "mov",
        "Library/Caches/evild", "evil.plist", "/var/tmp/", "-1", "mailto:", "evil@invented.example", "com.evil.app",
        "ALERT: State-sponsored attackers may be targeting your iPhone", "evild", "12", "\ufffd", '"', "<",
    ]
)  # fmt: skip
# Made of pieces alone, few texts would match.
WHOLE = (
    "https://evil-invented.com/a", "http://www.deep.invented-host.co.uk", "Documents/x_evil-invented.com_y.jpg",
    "evil-invented.com_settings.plist", "Library/Caches/evild/x", "mailto:evil@invented.example", "com.evil.app",
    "https://bit.ly/a https://bit.ly/b", "bit.ly_x", "/var/tmp/x-1", "https://innocent.example.org/kit",
    "ALERT: Apple detected a targeted mercenary spyware attack against your iPhone", "http://example.org/",
)  # fmt: skip
TELLING = st.sampled_from(WHOLE)
TEXTS = st.lists(PIECES, max_size=7).map("".join) | TELLING | st.tuples(PIECES, TELLING, PIECES).map("".join)
BYTES = TEXTS.map(lambda text: b"\x04\x0bstreamtyped" + text.encode())
ODD = st.integers(-1, 9) | st.floats(0, 9) | BYTES
VALUES = TEXTS | st.none() | TEXTS | ODD
SECONDS = st.floats(0, 4) | st.just(500_000_000)
Rows = dict[str, list[tuple[Any, ...]]]
"""By the beginning of an INSERT statement: what to insert."""


def rows(into: str, *columns: st.SearchStrategy[Any], size: int = 5) -> st.SearchStrategy[Rows]:
    """Rows of a table, whose first column counts from 1000."""
    return st.lists(st.tuples(*columns), max_size=size).map(
        lambda drawn: {into: [(1000 + number, *row) for number, row in enumerate(drawn)]}
    )


def both(*parts: st.SearchStrategy[Rows]) -> st.SearchStrategy[Rows]:
    return st.tuples(*parts).map(lambda drawn: {into: found for part in drawn for into, found in part.items()})


FEW = st.integers(1000, 1004)
CHROME = ("AppDomain-com.google.chrome.ios", "Library/Application Support/Google/Chrome/Default")
FIREFOX = ("AppDomainGroup-group.org.mozilla.ios.Firefox", "profile.profile/browser.db")
# By module: the database, and what may stand in it.
CASES: dict[str, tuple[tuple[str, str], st.SearchStrategy[Rows]]] = {
    "SMS": (
        ("HomeDomain", "Library/SMS/sms.db"),
        rows("message(rowid, guid, text, attributedBody, date, handle_id)", st.uuids().map(str), VALUES,
             BYTES | st.none() | ODD, st.just(600_000_000), st.integers(0, 2)),
    ),
    "SMSAttachments": (
        ("HomeDomain", "Library/SMS/sms.db"),
        rows("attachment(rowid, guid, filename, is_outgoing)", st.uuids().map(str), VALUES, st.integers(0, 1)),
    ),
    "Whatsapp": (
        ("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite"),
        both(
            rows("ZWAMESSAGE(Z_PK, ZTEXT)", VALUES),
            rows("ZWAMEDIAITEM(Z_PK, ZMESSAGE, ZMEDIAURL)", FEW, VALUES),
            rows("ZWAMESSAGEDATAITEM(Z_PK, ZMESSAGE, ZCONTENT1, ZCONTENT2, ZMATCHEDTEXT)", FEW, VALUES, VALUES, VALUES),
        ),
    ),
    "SafariHistory": (
        ("HomeDomain", "Library/Safari/History.db"),
        both(
            rows("history_items(id, url)", VALUES),
            rows("history_visits(id, history_item, visit_time, redirect_destination)", FEW, SECONDS,
                 FEW | st.none() | FEW.map(float), size=8),
        ),
    ),
    "ChromeHistory": (
        (CHROME[0], f"{CHROME[1]}/History"),
        both(
            rows("urls(id, url, last_visit_time)", VALUES, st.just(0)),
            rows("visits(id, url, visit_time)", FEW, st.integers(1, 9)),
        ),
    ),
    "ChromeFavicon": (
        (CHROME[0], f"{CHROME[1]}/Favicons"),
        both(
            rows("favicons(id, url)", VALUES),
            rows("favicon_bitmaps(id, icon_id, last_updated)", FEW, st.integers(0, 9)),
            rows("icon_mapping(id, page_url, icon_id)", VALUES, FEW),
        ),
    ),
    "FirefoxHistory": (
        FIREFOX,
        both(
            rows("history(id, guid, url, title)", st.uuids().map(str), VALUES, st.just("")),
            rows("visits(id, siteID, date)", FEW, st.integers(0, 9)),
        ),
    ),
    "FirefoxFavicon": (
        FIREFOX,
        both(
            rows("history(id, guid, url, title)", st.uuids().map(str), VALUES, st.just("")),
            rows("favicons(id, url, date)", VALUES, st.just(0)),
            rows("favicon_sites(id, siteID, faviconID)", FEW, FEW),
        ),
    ),
    "InteractionC": (
        ("HomeDomain", "Library/CoreDuet/People/interactionC.db"),
        both(
            rows("ZINTERACTIONS(Z_PK, ZSENDER, ZACCOUNT, ZDOMAINIDENTIFIER, ZBUNDLEID, ZTARGETBUNDLEID, ZCONTENTURL)",
                 FEW, VALUES, VALUES, VALUES, VALUES, VALUES),
            rows("ZCONTACTS(Z_PK, ZIDENTIFIER, ZCUSTOMIDENTIFIER)", VALUES, VALUES),
            rows("Z_2INTERACTIONRECIPIENT(Z_3INTERACTIONRECIPIENT, Z_2RECIPIENTS)", FEW),
        ),
    ),
    "Calls": (
        ("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata"),
        rows("ZCALLRECORD(Z_PK, ZADDRESS)", VALUES),
    ),
    "Contacts": (
        ("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb"),
        rows("ABMultiValue(UID, value, record_id)", VALUES, st.integers(1, 3)),
    ),
    "Manifest": (
        ("", "Manifest.db"),
        rows("Files(fileID, relativePath, domain, flags, file)", VALUES, TEXTS, st.integers(0, 2), BYTES | st.none()),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The engine in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MVT_CONFIG_FOLDER", "MVT_DATA_FOLDER"):
            patch.setenv(name, str(tmp_path_factory.mktemp("mvt")))
        patch.setenv("MVT_NETWORK_ACCESS_ALLOWED", "false")
        from spytriage.scan import mvt_engine

        yield mvt_engine
    logging.disable(logging.NOTSET)


Ran = tuple[list[RawAlert], ModuleCoverage]


@pytest.fixture
def seen() -> list[Observable]:
    """What the modules that `ran` looked up."""
    return []


@pytest.fixture
def ran(engine: ModuleType, tmp_path: Path, seen: list[Observable]) -> Callable[..., Ran]:
    """Runs one module over a backup, with the sieves and seams of ours or as MVT has it."""

    def run(backup: Path, module: str, *, ours: bool, recorder: Recorder | None = None) -> Ran:
        said: list[Message] = []
        place = tmp_path / "workspace"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        job = Job("ios-backup", str(backup), str(place), str(place), 1 << 40, INDICATORS)
        with pytest.MonkeyPatch.context() as patch:
            if not ours:
                patch.setattr(sieves, "SIEVES", {})
                patch.setattr(engine, "_redirects_seam", nullcontext)
                patch.setattr(engine, "_stored_files_seam", lambda files: nullcontext())
            worker = engine.Engine(job, SetMatcher(INDICATORS), Guard(place), said.append, recorder)
            assert worker.prepare()
            worker.run(Run(module))
        alerts = [message for message in said if isinstance(message, RawAlert)]
        seen.extend(one for message in said if isinstance(message, Observed) for one in message.observables)
        line = next(message for message in said if isinstance(message, ModuleCoverage))
        # MVT looks nothing up in a module that broke; a sieve had begun to.
        return alerts, replace(line, shortened_links=0) if line.state is CoverageState.FAILED else line

    return run


def database_of(backup: Path, place: tuple[str, str]) -> Path:
    return backup / "Manifest.db" if place[1] == "Manifest.db" else stored(backup, place)


def fill(database: Path, drawn: Rows) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for into, found in drawn.items():
            marks = ",".join("?" * (into.count(",") + 1))
            for row in found:  # a constraint may refuse some
                connection.execute(f"INSERT OR IGNORE INTO {into} VALUES ({marks})", row)
        connection.commit()


def test_every_sieve_is_compared() -> None:
    assert set(CASES) == set(sieves.SIEVES)


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sieve_holds_back_nothing_that_mvt_has_an_alert_for(
    ran: Callable[..., Ran], phone: Path, written_phone: tuple[Path, DemoPhone], module: str, data: st.DataObject
) -> None:
    place, strategy = CASES[module]
    database = database_of(phone, place)
    shutil.copyfile(database_of(written_phone[0], place), database)
    fill(database, data.draw(strategy))

    ours, theirs = ran(phone, module, ours=True), ran(phone, module, ours=False)

    assert [_told(alert) for alert in ours[0]] == [_told(alert) for alert in theirs[0]]
    assert ours[1] == theirs[1]


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_looked_up_is_taken_down_of_rows_that_are_let_go_of_too(
    ran: Callable[..., Ran],
    seen: list[Observable],
    phone: Path,
    written_phone: tuple[Path, DemoPhone],
    module: str,
    data: st.DataObject,
) -> None:
    place, strategy = CASES[module]
    database = database_of(phone, place)
    shutil.copyfile(database_of(written_phone[0], place), database)
    fill(database, data.draw(strategy))

    found = {}
    for ours in (True, False):
        seen.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(observing, "_RECORDS_AT_A_TIME", 2)
            alerts, line = ran(phone, module, ours=ours, recorder=Recorder(reduced, time_of, was_sent))
        found[ours] = [_told(alert) for alert in alerts], line, {_kept(one) for one in seen}

    assert found[True][:2] == found[False][:2]
    if found[True][1].state is not CoverageState.FAILED:
        assert found[True][2] == found[False][2]


def _kept(one: Observable) -> tuple[Any, ...]:
    return one.look_up, one.value, one.day, one.count, one.sent


def test_records_that_only_later_checks_need_are_not_held(
    ran: Callable[..., Ran], seen: list[Observable], phone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "_RECORDS_AT_A_TIME", 100)
    paths = [(10_000 + number, "HomeDomain", f"Media/{number}.heic", 1, None) for number in range(1_000)]
    fill(phone / "Manifest.db", {"Files(fileID, domain, relativePath, flags, file)": paths})
    held: list[int] = []
    looks_at = observing.Aside.look_at_rest

    def look_at_rest(aside: observing.Aside) -> None:
        held.append(len(aside._records))
        looks_at(aside)

    monkeypatch.setattr(observing.Aside, "look_at_rest", look_at_rest)
    _alerts, line = ran(phone, "Manifest", ours=True, recorder=Recorder(reduced, time_of, was_sent))

    assert max(held) == 100
    assert line.records is not None
    assert line.records > 1_000
    assert {"/Media/0.heic", "/Media/999.heic"} <= {one.value for one in seen}


def test_a_path_in_the_manifest_may_hold_a_host(ran: Callable[..., Ran], phone: Path) -> None:
    paths = [(1000 + number, "HomeDomain", path, 1, None) for number, path in enumerate(WHOLE)]
    fill(phone / "Manifest.db", {"Files(fileID, domain, relativePath, flags, file)": paths})

    ours, theirs = ran(phone, "Manifest", ours=True), ran(phone, "Manifest", ours=False)

    assert [_told(alert) for alert in ours[0]] == [_told(alert) for alert in theirs[0]]
    assert len(ours[0]) >= 3
    assert ours[1] == theirs[1]


def _told(alert: RawAlert) -> tuple[Any, ...]:
    return alert.module, alert.level, alert.message, alert.event_time, alert.match, alert.event


def test_the_rows_that_were_read_are_told_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieves, "_TOLD_EVERY_SECONDS", 0)
    told: list[int] = []
    with closing(sqlite3.connect(":memory:")) as database:
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000) SELECT * FROM n"
        cursor = database.execute(numbers)
        rows_read = sieves.Rows("TCC", SetMatcher(INDICATORS), told.append)

        assert len(list(rows_read.flow(cursor, cursor.__next__))) == 5000

    assert told == [2048, 4096]
    assert rows_read.held_back == 0


def test_a_query_without_the_columns_that_a_sieve_looks_at_is_not_sieved() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        cursor = database.execute("SELECT 'nothing of note' AS body")
        rows_read = sieves.Rows("SMS", SetMatcher(INDICATORS), print)

        assert list(rows_read.flow(cursor, cursor.__next__)) == [("nothing of note",)]
