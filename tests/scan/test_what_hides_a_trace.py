"""Ways to hide a file or a row from MVT without damage: each leaves a gap, or the trace is found all the same."""

from __future__ import annotations

import hashlib
import plistlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from spytriage.models import CoverageState, Outcome, Reason, Report, ScanResult
from spytriage.scan.hashes import not_as_listed
from spytriage.scan.manifest_check import disagrees
from spytriage.scan.protocol import MAX_LINE_BYTES
from spytriage.scan.records import bounded
from tests.acquisitions import dns_event, write
from tests.tools import CALENDAR, SMS, edited, file_id, state_of, stored

Scan = Callable[..., ScanResult]
CHROME = ("AppDomain-com.google.chrome.ios", "Library/Application Support/Google/Chrome/Default/History")
ICONS = ("AppDomain-com.google.chrome.ios", "Library/Application Support/Google/Chrome/Default/Favicons")
FIREFOX = ("AppDomainGroup-group.org.mozilla.ios.Firefox", "profile.profile/browser.db")
CONTACTS = ("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb")
INTERACTIONS = ("HomeDomain", "Library/CoreDuet/People/interactionC.db")
WHATSAPP = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
EMAIL = "demo.operator@example.org"
LINK = "https://free-news-alert.example/x"


def met(result: ScanResult) -> set[str]:
    return {alert.module for alert in result.alerts if alert.match}


class TestTheManifest:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM Files WHERE fileID = ?",
            "UPDATE Files SET relativePath = 'elsewhere' WHERE fileID = ?",
            "UPDATE Files SET domain = 'HomeDomain2' WHERE fileID = ?",
            "UPDATE Files SET fileID = upper(fileID) WHERE fileID = ?",
            "UPDATE Files SET fileID = 'x' || fileID WHERE fileID = ?",
            "UPDATE Files SET relativePath = NULL WHERE fileID = ?",
        ],
    )
    def test_a_row_that_does_not_agree_with_the_files_is_told(
        self, run_scan: Scan, unplanted: Path, statement: str
    ) -> None:
        with closing(sqlite3.connect(unplanted / "Manifest.db")) as manifest, manifest:
            manifest.execute(statement, (file_id(*CALENDAR),))

        line = state_of(run_scan(unplanted), "Manifest")

        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.MANIFEST_DISAGREES)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"\xff\xd8\xff\xe1\x00\x18Exif", False),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", False),
            (b"\x00\x00\x00\x18ftypheic", False),
            (b"SQLite format 3\x00", True),
            (b"7\x7f\x06\x82", True),  # of a write-ahead log
            (b"bplist00", True),
            (b"<?xml version", True),
            (b"words", True),
            (b"", True),
        ],
    )
    def test_a_file_that_nobody_names_is_told_unless_it_is_a_picture(
        self, run_scan: Scan, unplanted: Path, content: bytes, *, told: bool
    ) -> None:
        stray = unplanted / "ab" / ("ab" * 20)
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(content)

        assert state_of(run_scan(unplanted), "Manifest").state is (
            CoverageState.UNREADABLE if told else CoverageState.CHECKED
        )

    def test_a_picture_that_nobody_names_is_told_where_nobody_can_look_into_it(self, unplanted: Path) -> None:
        stray = unplanted / "ab" / ("ab" * 20)
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"\xff\xd8\xff\xe1")

        manifest = unplanted / "Manifest.db"
        assert not disagrees(manifest, unplanted, is_encrypted=False)
        assert disagrees(manifest, unplanted, is_encrypted=True)

    def test_a_link_to_a_picture_is_no_picture(self, unplanted: Path, tmp_path: Path) -> None:
        picture = tmp_path / "picture"
        picture.write_bytes(b"\xff\xd8\xff\xe1")
        stray = unplanted / "ab" / ("ab" * 20)
        stray.parent.mkdir(exist_ok=True)
        stray.symlink_to(picture)

        assert disagrees(unplanted / "Manifest.db", unplanted, is_encrypted=False)

    def test_a_property_list_that_is_shorter_than_the_manifest_says_is_told(
        self, run_scan: Scan, unplanted: Path
    ) -> None:
        place = ("HomeDomain", "Library/Preferences/com.apple.identityservices.idstatuscache.plist")
        stored(unplanted, place).write_bytes(plistlib.dumps({}, fmt=plistlib.FMT_BINARY))

        assert state_of(run_scan(unplanted), "IDStatusCache").state is CoverageState.UNREADABLE


class TestRowsWithoutAPartner:
    def test_a_page_of_chrome_without_a_visit(self, run_scan: Scan, unplanted: Path) -> None:
        with edited(unplanted, CHROME) as database:
            database.execute("UPDATE urls SET url = ?", (LINK,))
            database.execute("DELETE FROM visits")

        assert "ChromeHistory" in met(run_scan(unplanted))

    @pytest.mark.parametrize("table", ["favicon_bitmaps", "favicons", "icon_mapping"])
    def test_an_icon_of_chrome(self, run_scan: Scan, unplanted: Path, table: str) -> None:
        with edited(unplanted, ICONS) as database:
            database.execute("UPDATE favicons SET url = ?", (LINK,))
            database.execute("UPDATE icon_mapping SET page_url = ?", (LINK,))
            database.execute(f"DELETE FROM {table}")

        assert "ChromeFavicon" in met(run_scan(unplanted))

    @pytest.mark.parametrize(("table", "module"), [("visits", "FirefoxHistory"), ("favicon_sites", "FirefoxFavicon")])
    def test_a_page_and_an_icon_of_firefox(self, run_scan: Scan, unplanted: Path, table: str, module: str) -> None:
        with edited(unplanted, FIREFOX) as database:
            database.execute("UPDATE history SET url = ? || id", (LINK,))
            database.execute("UPDATE favicons SET url = ? || id", (LINK,))
            database.execute(f"DELETE FROM {table}")

        assert module in met(run_scan(unplanted))

    def test_an_address_without_its_person(self, run_scan: Scan, unplanted: Path) -> None:
        with edited(unplanted, CONTACTS) as database:
            database.execute("UPDATE ABMultiValue SET value = ?", (f"mailto:{EMAIL}",))
            database.execute("DELETE FROM ABPerson")

        assert "Contacts" in met(run_scan(unplanted))


@pytest.mark.parametrize("form", ["CAST({} AS BLOB)", "{} || char(0)"])
@pytest.mark.parametrize(
    ("module", "place", "update", "value"),
    [
        ("Contacts", CONTACTS, "ABMultiValue SET value", EMAIL),
        ("Calls", ("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata"), "ZCALLRECORD SET ZADDRESS", EMAIL),
        ("InteractionC", INTERACTIONS, "ZINTERACTIONS SET ZBUNDLEID", "org.example.demospy"),
        ("InteractionC", INTERACTIONS, "ZCONTACTS SET ZIDENTIFIER", EMAIL),
        ("WhatsappContacts", (WHATSAPP, "ContactsV2.sqlite"), "ZWAADDRESSBOOKCONTACT SET ZABOUTTEXT", EMAIL),
    ],
)
def test_text_in_the_form_of_bytes_is_read_by_our_own_comparisons_too(
    run_scan: Scan, unplanted: Path, form: str, module: str, place: tuple[str, str], update: str, value: str
) -> None:
    with edited(unplanted, place) as database:
        database.execute(f"UPDATE {update} = {form.format('?')}", (value,))

    assert module in met(run_scan(unplanted))


class TestColumns:
    def test_a_second_column_of_a_name_that_a_sieve_looks_at_holds_nothing_back(
        self, run_scan: Scan, unplanted: Path
    ) -> None:
        with edited(unplanted, (WHATSAPP, "ChatStorage.sqlite")) as database:
            database.execute("ALTER TABLE ZWAMESSAGE ADD COLUMN ZMATCHEDTEXT")  # MVT takes the last one of that name
            database.execute("INSERT INTO ZWAMESSAGEDATAITEM (Z_PK, ZMESSAGE, ZMATCHEDTEXT)"
                             " SELECT 9000 + Z_PK, Z_PK, ? FROM ZWAMESSAGE", (LINK,))  # fmt: skip

        assert "Whatsapp" in met(run_scan(unplanted))

    def test_messages_without_the_column_of_rich_text_have_a_gap_and_their_plain_text_is_checked(
        self, run_scan: Scan, unplanted: Path
    ) -> None:
        with edited(unplanted, SMS) as database:
            database.execute("UPDATE message SET text = ?", (LINK,))
            database.execute("ALTER TABLE message RENAME COLUMN attributedBody TO of_a_later_ios")

        result = run_scan(unplanted)

        line = state_of(result, "SMS")
        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.UNKNOWN_LAYOUT)
        assert "SMS" in met(result)


class TestAndroid:
    def test_an_acquisition_without_what_each_one_holds_is_cut_short(
        self, run_check: Callable[..., Report], tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "a", {"acquisition.json": "{}", "getprop.txt": "[a]: [b]\n"})

        report = run_check(folder)

        states = {module.name: module.state for module in report.modules}
        assert states["AQFPackages"] is CoverageState.UNREADABLE
        assert states["AQFGetProp"] is CoverageState.CHECKED
        assert report.outcome is Outcome.INCONCLUSIVE

    def test_what_is_not_as_androidqf_listed_it_is_told(
        self, run_check: Callable[..., Report], android_phone: tuple[Path, object], tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "a"))
        files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
        rows = [f"C:\\acq\\{name},{hashlib.sha256((folder / name).read_bytes()).hexdigest()}" for name in files]
        (folder / "hashes.csv").write_text("\n".join(row.replace("/", "\\") for row in rows))
        assert not_as_listed(folder) == {}
        text = (folder / "ps.txt").read_text()
        (folder / "ps.txt").write_text(text[: text.rindex("\n", 0, -1) + 1])
        (folder / "files.json").unlink()

        assert not_as_listed(folder) == {"ps.txt": Reason.DAMAGED, "files.json": Reason.ARTEFACT_MISSING}
        states = {module.name: (module.state, module.reason) for module in run_check(folder).modules}
        assert states["AQFProcesses"][0] is CoverageState.UNREADABLE
        assert states["AQFFiles"] == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)

    @pytest.mark.parametrize("time", ['"yesterday"', "1e400", "[]"])
    def test_an_event_that_mvt_passes_over_is_told(
        self, run_check: Callable[..., Report], tmp_path: Path, time: str
    ) -> None:
        event = dns_event("track-parcel.example").replace("1726128000000", time)
        report = run_check(write(tmp_path / "l", {"a.txt": dns_event("www.example.com") + event}))

        line = next(module for module in report.modules if module.name == "DnsEvent")
        assert line.state is CoverageState.UNREADABLE or report.outcome is Outcome.MATCH

    def test_an_event_of_a_kind_that_nobody_knows_is_told(
        self, run_check: Callable[..., Report], tmp_path: Path
    ) -> None:
        other = dns_event("track-parcel.example").replace("dns_event", "name_event")
        report = run_check(write(tmp_path / "l", {"a.txt": dns_event("www.example.com") + other}))

        assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("text", ["\U0001f4a9" * 60_000, "\x01" * 60_000, "é" * 60_000])
def test_a_record_of_wide_characters_fits_through_the_pipe(text: str) -> None:
    import json

    record, _message = bounded({f"{text[:40]}{n}": text for n in range(300)}, "")

    assert len(json.dumps(record)) < MAX_LINE_BYTES // 2
    assert any("$cut" in value for value in record.values() if isinstance(value, dict))
