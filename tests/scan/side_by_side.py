"""Databases of the modules that have a sieve, filled with rows that a sieve must judge as MVT would."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from spytriage.models import Attribution, Indicator, IndicatorType, RawAlert
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


def database_of(backup: Path, place: tuple[str, str]) -> Path:
    return backup / "Manifest.db" if place[1] == "Manifest.db" else stored(backup, place)


def fill(database: Path, drawn: Rows) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for into, found in drawn.items():
            marks = ",".join("?" * (into.count(",") + 1))
            for row in found:  # a constraint may refuse some
                connection.execute(f"INSERT OR IGNORE INTO {into} VALUES ({marks})", row)
        connection.commit()


def told(alert: RawAlert) -> tuple[Any, ...]:
    return alert.module, alert.level, alert.message, alert.event_time, alert.match, alert.event
