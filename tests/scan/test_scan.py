"""The scan: every module is accounted for, and one that breaks costs only itself."""

from __future__ import annotations

import os
import plistlib
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spytriage.demo import DemoPhone
from spytriage.errors import SpytriageError
from spytriage.models import CoverageState, IndicatorIndex, Reason, ScanResult
from spytriage.scan import Limits, scan
from tests.tools import (
    CALENDAR,
    DATA_USAGE,
    IOS_BACKUP_MODULES,
    SAFARI_HISTORY,
    SMS,
    WEBKIT,
    Recorder,
    digest_of,
    edited,
    file_id,
    state_of,
    states,
    stored,
)

Scan = Callable[..., ScanResult]
BAD_WORKER = (sys.executable, "-P", "-s", str(Path(__file__).parent / "bad_worker.py"))


def test_every_module_of_the_demo_phone_is_read(run_scan: Scan, written_phone: tuple[Path, DemoPhone]) -> None:
    result = run_scan(written_phone[0])

    assert set(states(result)) == IOS_BACKUP_MODULES
    assert set(states(result).values()) == {CoverageState.CHECKED}
    assert all(line.records for line in result.modules)


def test_progress_is_told_the_plan_then_each_module(
    written_phone: tuple[Path, DemoPhone], demo_index: IndicatorIndex
) -> None:
    progress = Recorder()

    result = scan("ios-backup", written_phone[0], demo_index.indicators, progress)

    assert progress.plan == tuple(line.name for line in result.modules)
    assert progress.running == [line.name for line in progress.coverage]
    assert sorted(progress.running) == sorted(progress.plan)


def test_planted_traces_come_back_as_alerts(run_scan: Scan, written_phone: tuple[Path, DemoPhone]) -> None:
    folder, phone = written_phone

    alerts = run_scan(folder).alerts

    met = {(a.module, i.type, i.value) for a in alerts if a.match for i in a.match.indicators}
    assert met == {(trace.module, trace.indicator_type, trace.value) for trace in phone.planted}


def test_the_same_scan_twice_gives_the_same_result(run_scan: Scan, written_phone: tuple[Path, DemoPhone]) -> None:
    assert run_scan(written_phone[0]) == run_scan(written_phone[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to what is read-only")
def test_a_read_only_backup_is_checked(run_scan: Scan, phone: Path) -> None:
    for path in [phone, *phone.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)

    assert not any(line.state.is_gap for line in run_scan(phone).modules)


def test_the_backup_is_never_changed(run_scan: Scan, phone: Path) -> None:
    before = digest_of(phone)

    run_scan(phone)

    assert digest_of(phone) == before


class TestWhatCannotBeRead:
    def test_random_bytes_for_a_database_are_unreadable(self, run_scan: Scan, phone: Path) -> None:
        stored(phone, SMS).write_bytes(os.urandom(20_000))

        result = run_scan(phone)

        assert state_of(result, "SMS").state is CoverageState.UNREADABLE
        assert state_of(result, "SMS").reason is Reason.DAMAGED
        assert state_of(result, "SMSAttachments").state is CoverageState.UNREADABLE

    def test_a_malformed_database_is_unreadable_with_or_without_a_sqlite3_program(
        self, run_scan: Scan, phone: Path
    ) -> None:
        database = stored(phone, SMS)
        content = bytearray(database.read_bytes())
        content[100:4000] = os.urandom(3900)
        database.write_bytes(content)

        assert state_of(run_scan(phone), "SMS").state is CoverageState.UNREADABLE

    def test_a_file_that_the_manifest_names_and_the_folder_lacks_is_unreadable(
        self, run_scan: Scan, phone: Path
    ) -> None:
        stored(phone, SAFARI_HISTORY).unlink()

        line = state_of(run_scan(phone), "SafariHistory")

        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)

    def remove(self, backup: Path, artefact: tuple[str, str]) -> None:
        """Take an artefact out of a backup and its manifest."""
        stored(backup, artefact).unlink()
        with closing(sqlite3.connect(backup / "Manifest.db")) as manifest, manifest:
            manifest.execute("DELETE FROM Files WHERE fileID = ?", (file_id(*artefact),))

    def test_a_file_that_nobody_names_is_no_data(self, run_scan: Scan, phone: Path) -> None:
        self.remove(phone, CALENDAR)

        line = state_of(run_scan(phone), "Calendar")

        assert (line.state, line.reason) == (CoverageState.NO_DATA, Reason.NOT_IN_SOURCE)

    def test_a_backup_without_the_messages_that_every_phone_has_is_cut_short(self, run_scan: Scan, phone: Path) -> None:
        self.remove(phone, SMS)

        line = state_of(run_scan(phone), "SMS")

        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)

    def test_a_backup_that_says_it_was_not_finished_has_a_gap(self, run_scan: Scan, phone: Path) -> None:
        status = plistlib.loads((phone / "Status.plist").read_bytes())
        (phone / "Status.plist").write_bytes(plistlib.dumps(status | {"SnapshotState": "uploading"}))

        assert state_of(run_scan(phone), "Manifest").state is CoverageState.UNREADABLE

    def test_an_empty_file_that_the_manifest_names_is_no_data(self, run_scan: Scan, phone: Path) -> None:
        stored(phone, CALENDAR).unlink()
        empty = plistlib.dumps({"$objects": ["$null", {"Size": 0}]}, fmt=plistlib.FMT_BINARY)
        with closing(sqlite3.connect(phone / "Manifest.db")) as manifest, manifest:
            manifest.execute("UPDATE Files SET file = ? WHERE fileID = ?", (empty, file_id(*CALENDAR)))

        assert state_of(run_scan(phone), "Calendar").state is CoverageState.NO_DATA

    @pytest.mark.parametrize("flags", [0, None, "x", 3])
    def test_odd_flags_in_the_manifest_do_not_excuse_a_missing_file(
        self, run_scan: Scan, phone: Path, flags: object
    ) -> None:
        stored(phone, CALENDAR).unlink()
        with closing(sqlite3.connect(phone / "Manifest.db")) as manifest, manifest:
            manifest.execute("UPDATE Files SET flags = ? WHERE fileID = ?", (flags, file_id(*CALENDAR)))

        assert state_of(run_scan(phone), "Calendar").state is CoverageState.UNREADABLE

    def test_an_exception_that_mvt_swallows_is_noticed(self, run_scan: Scan, phone: Path) -> None:
        with edited(phone, WEBKIT) as database:
            database.execute("UPDATE ObservedDomains SET mostRecentUserInteractionTime = 'abc'")

        assert state_of(run_scan(phone), "WebkitResourceLoadStatistics").state is CoverageState.UNREADABLE

    def test_messages_without_the_column_that_holds_their_text_are_not_checked(
        self, run_scan: Scan, phone: Path
    ) -> None:
        with edited(phone, SMS) as database:
            database.execute("ALTER TABLE message RENAME COLUMN text TO text_of_a_later_ios")

        line = state_of(run_scan(phone), "SMS")

        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.UNKNOWN_LAYOUT)

    @pytest.mark.parametrize("content", [[], "text", 5])
    def test_a_property_list_of_another_shape_is_not_checked(
        self, run_scan: Scan, phone: Path, content: object
    ) -> None:
        place = ("HomeDomain", "Library/Preferences/com.apple.identityservices.idstatuscache.plist")
        stored(phone, place).write_bytes(plistlib.dumps(content))

        assert state_of(run_scan(phone), "IDStatusCache").state.is_gap

    @pytest.mark.parametrize(
        ("artefact", "module", "table"),
        [
            (SMS, "SMS", "message"),
            (SMS, "SMSAttachments", "attachment"),
            (SAFARI_HISTORY, "SafariHistory", "history_visits"),
            (DATA_USAGE, "Datausage", "ZPROCESS"),
            (("HomeDomain", "Library/TCC/TCC.db"), "TCC", "access"),
            (("HomeDomain", "Library/Safari/BrowserState.db"), "SafariBrowserState", "tabs"),
            (("HomeDomain", "Library/Shortcuts/Shortcuts.sqlite"), "Shortcuts", "ZSHORTCUT"),
        ],
    )
    def test_a_database_without_the_tables_that_mvt_knows_is_unreadable(
        self, run_scan: Scan, phone: Path, artefact: tuple[str, str], module: str, table: str
    ) -> None:
        with edited(phone, artefact) as database:
            database.execute(f"ALTER TABLE {table} RENAME TO {table}_of_a_later_ios")

        line = state_of(run_scan(phone), module)

        assert line.state is CoverageState.UNREADABLE
        assert line.reason in {Reason.UNKNOWN_LAYOUT, Reason.PARTLY_READ}

    def test_one_unreadable_database_of_two_leaves_the_module_partly_read(self, run_scan: Scan, phone: Path) -> None:
        webkit = "Library/WebKit/WebsiteData/ResourceLoadStatistics/observations.db"
        with edited(phone, ("AppDomain-com.apple.mobilesafari", webkit)) as database:
            database.execute("ALTER TABLE ObservedDomains RENAME TO Other")

        line = state_of(run_scan(phone), "WebkitResourceLoadStatistics")

        assert (line.state, line.reason, line.detail) == (
            CoverageState.UNREADABLE, Reason.PARTLY_READ, "read 1 of 2",
        )  # fmt: skip

    def test_a_configuration_profile_that_does_not_parse_is_not_taken_for_an_empty_one(
        self, run_scan: Scan, phone: Path
    ) -> None:
        with sqlite3.connect(phone / "Manifest.db") as manifest:
            (identifier,) = manifest.execute(
                "SELECT fileID FROM Files WHERE relativePath LIKE '%/profile-%' AND flags = 1"
            ).fetchone()
        manifest.close()
        (phone / identifier[:2] / identifier).write_bytes(b"bplist00 but no more")

        assert state_of(run_scan(phone), "ConfigurationProfiles").state is CoverageState.UNREADABLE

    def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_not_opened(self, run_scan: Scan, phone: Path) -> None:
        stored(phone, SMS).unlink()
        os.mkfifo(stored(phone, SMS))
        stored(phone, SAFARI_HISTORY).unlink()
        stored(phone, SAFARI_HISTORY).mkdir()

        result = run_scan(phone, limits=Limits(seconds=60))

        assert state_of(result, "SMS").reason is Reason.NOT_A_REGULAR_FILE
        assert state_of(result, "SafariHistory").reason is Reason.NOT_A_REGULAR_FILE

    def test_a_link_out_of_the_backup_is_not_followed(self, run_scan: Scan, phone: Path, tmp_path: Path) -> None:
        outside = stored(phone, SMS).rename(tmp_path / "elsewhere.db")
        stored(phone, SMS).symlink_to(outside)

        line = state_of(run_scan(phone), "SMS")

        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.NOT_A_REGULAR_FILE)

    def test_a_missing_info_plist_is_no_excuse(self, run_scan: Scan, phone: Path) -> None:
        (phone / "Info.plist").unlink()

        result = run_scan(phone)

        assert state_of(result, "BackupInfo").state is CoverageState.UNREADABLE
        assert state_of(result, "Applications").state is CoverageState.UNREADABLE


class TestWhatMVTDoesNotSee:
    @pytest.fixture
    def domain(self, demo_index: IndicatorIndex) -> str:
        return next(indicator.value for indicator in demo_index.indicators if indicator.type == "domain")

    def met(self, result: ScanResult) -> list[tuple[str, str]]:
        return [(a.module, i.value) for a in result.alerts if a.match for i in a.match.indicators]

    @pytest.mark.parametrize("change", ["handle_id = 0", "handle_id = NULL", "handle_id = 9999"])
    def test_a_message_whose_sender_has_no_row_is_checked(
        self, run_scan: Scan, unplanted: Path, domain: str, change: str
    ) -> None:
        with edited(unplanted, SMS) as database:
            first = "ROWID = (SELECT MIN(ROWID) FROM message)"
            database.execute(f"UPDATE message SET text = 'https://{domain}/x', {change} WHERE {first}")

        assert self.met(run_scan(unplanted)) == [("SMS", domain)]

    def test_a_tab_without_a_session_is_checked(self, run_scan: Scan, unplanted: Path, domain: str) -> None:
        with edited(unplanted, ("HomeDomain", "Library/Safari/BrowserState.db")) as database:
            database.execute(f"UPDATE tabs SET url = 'https://{domain}/x' WHERE id = (SELECT MIN(id) FROM tabs)")
            database.execute("DELETE FROM tab_sessions")

        assert self.met(run_scan(unplanted)) == [("SafariBrowserState", domain)]

    def test_a_page_without_a_visit_is_checked(self, run_scan: Scan, unplanted: Path, domain: str) -> None:
        with edited(unplanted, SAFARI_HISTORY) as database:
            database.execute(
                f"UPDATE history_items SET url = 'https://{domain}/x' WHERE id = (SELECT MIN(id) FROM history_items)"
            )
            database.execute("DELETE FROM history_visits")

        assert self.met(run_scan(unplanted)) == [("SafariHistory", domain)]

    def test_a_usage_record_that_names_no_process_does_not_hide_the_others(
        self, run_scan: Scan, phone: Path, demo_index: IndicatorIndex
    ) -> None:
        with edited(phone, DATA_USAGE) as database:
            database.execute("DELETE FROM ZLIVEUSAGE")
            database.execute("INSERT INTO ZLIVEUSAGE (Z_PK, ZHASPROCESS, ZTIMESTAMP) VALUES (1, NULL, 650000000)")

        assert "Datausage" in {module for module, _ in self.met(run_scan(phone))}

    @pytest.mark.parametrize("value", ["CAST('https://{}/x' AS BLOB)", "'https://{}/x' || char(0)"])
    def test_text_that_is_stored_as_bytes_is_checked(
        self, run_scan: Scan, unplanted: Path, domain: str, value: str
    ) -> None:
        with edited(unplanted, ("HomeDomain", "Library/Safari/BrowserState.db")) as database:
            expression = value.format(domain)
            database.execute(f"UPDATE tabs SET url = {expression} WHERE id = (SELECT MIN(id) FROM tabs)")

        assert self.met(run_scan(unplanted)) == [("SafariBrowserState", domain)]

    def test_a_value_that_is_no_text_at_all_is_noticed(self, run_scan: Scan, unplanted: Path) -> None:
        place = ("RootDomain", "Library/Caches/locationd/clients.plist")
        content = plistlib.loads(stored(unplanted, place).read_bytes())
        content["com.example.app"] = {"BundleId": 5}
        stored(unplanted, place).write_bytes(plistlib.dumps(content))

        assert state_of(run_scan(unplanted), "LocationdClients").state is CoverageState.UNREADABLE

    @pytest.mark.parametrize("text", [None, "", "\ufffc", "see https://example.org"])
    def test_a_link_in_the_rich_text_of_a_message_is_found(
        self, run_scan: Scan, unplanted: Path, domain: str, text: str | None
    ) -> None:
        body = b"\x04\x0bstreamtyped\x84\x01+\x28Mira https://" + domain.encode() + b"/x?1 ya\x86\x84\x02iI"
        with edited(unplanted, SMS) as database:
            database.execute(
                "UPDATE message SET text = ?, attributedBody = ? WHERE ROWID = (SELECT MIN(ROWID) FROM message)",
                (text, body),
            )

        assert self.met(run_scan(unplanted)) == [("SMS", domain)]


class TestAWorkerThatBreaks:
    """bad_worker.py runs the real engine with one more module that misbehaves in the way it is told."""

    @pytest.mark.parametrize(
        ("module", "reason", "detail"),
        [
            ("Crashes", Reason.WORKER_DIED, "SIGSEGV"),
            ("Exits", Reason.WORKER_DIED, "exit 3"),
            ("Hangs", Reason.TIMED_OUT, "after 12 s"),
            ("EatsMemory", Reason.OUT_OF_MEMORY, ""),
            ("Chatters", Reason.TOO_MUCH_OUTPUT, ""),
            ("Lies", Reason.WORKER_DIED, "unreadable message"),
            ("Raises", Reason.EXCEPTION, "ZeroDivisionError"),
            ("OpensSocket", Reason.NETWORK_REFUSED, ""),
            ("LooksUpHost", Reason.NETWORK_REFUSED, ""),
            ("WritesOutside", Reason.PERMISSION_DENIED, ""),
            ("StartsProgram", Reason.PERMISSION_DENIED, ""),
        ],
    )
    def test_costs_one_module_and_the_scan_goes_on(
        self,
        run_scan: Scan,
        written_phone: tuple[Path, DemoPhone],
        monkeypatch: pytest.MonkeyPatch,
        module: str,
        reason: Reason,
        detail: str,
    ) -> None:
        folder, planted = written_phone
        seconds = 12 if module == "Hangs" else 60  # a busy machine is slow to eat its memory
        limits = Limits(seconds=seconds, memory_bytes=1 << 30, output_bytes=4 << 20)

        result = run_scan(folder, limits=limits, command=(*BAD_WORKER, module))

        line = state_of(result, module)
        assert line.state in {CoverageState.FAILED, CoverageState.UNREADABLE}
        assert (line.reason, line.detail) == (reason, detail)
        others = [other for other in result.modules if other.name != module]
        assert {other.name for other in others} == IOS_BACKUP_MODULES
        assert not any(other.state.is_gap for other in others)
        met = {(a.module, i.value) for a in result.alerts if a.match for i in a.match.indicators}
        assert met == {(trace.module, trace.value) for trace in planted.planted}

    def test_that_dies_in_a_module_others_depend_on_does_not_take_them_along(
        self, run_scan: Scan, written_phone: tuple[Path, DemoPhone]
    ) -> None:
        result = run_scan(written_phone[0], command=(*BAD_WORKER, "CrashesAfterContacts"))

        assert state_of(result, "WhatsappContacts").state is CoverageState.CHECKED
        assert state_of(result, "InteractionC").state is CoverageState.CHECKED

    def test_whose_module_hangs_is_not_run_again_for_the_sake_of_another(
        self, run_scan: Scan, phone: Path, demo_index: IndicatorIndex
    ) -> None:
        place = ("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ContactsV2.sqlite")
        with edited(phone, place) as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(ZWAADDRESSBOOKCONTACT)")]
            database.execute("DROP TABLE ZWAADDRESSBOOKCONTACT")
            database.execute(
                f"CREATE VIEW ZWAADDRESSBOOKCONTACT AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
                f" SELECT {', '.join(f'COUNT(x) AS {name}' for name in columns)} FROM n"
            )

        result = run_scan(phone, limits=Limits(seconds=12))

        assert state_of(result, "WhatsappContacts").reason is Reason.TIMED_OUT
        assert state_of(result, "InteractionC").state is CoverageState.CHECKED
        assert any(alert.match for alert in result.alerts)

    def test_that_dies_of_a_nameless_signal_is_a_line_of_the_ledger(
        self, run_scan: Scan, written_phone: tuple[Path, DemoPhone]
    ) -> None:
        result = run_scan(written_phone[0], command=(*BAD_WORKER, "DiesNamelessly"))

        assert state_of(result, "DiesNamelessly").detail == "signal 40"

    def test_that_writes_ledger_lines_of_other_modules_is_not_believed(
        self, run_scan: Scan, written_phone: tuple[Path, DemoPhone]
    ) -> None:
        result = run_scan(written_phone[0], command=(*BAD_WORKER, "ForgesTheLedger"))

        assert state_of(result, "ForgesTheLedger").reason is Reason.WORKER_DIED
        assert state_of(result, "SMS").records != 7

    def test_that_cannot_start_is_an_error(self, run_scan: Scan, written_phone: tuple[Path, DemoPhone]) -> None:
        with pytest.raises(SpytriageError, match="could not be started"):
            run_scan(written_phone[0], command=(sys.executable, "-c", "raise SystemExit(9)"))

    def test_ends_when_its_parent_is_killed(self, written_phone: tuple[Path, DemoPhone]) -> None:
        script = (
            "import sys; from pathlib import Path\n"
            "from spytriage.scan import scan; from tests.tools import Recorder\n"
            f"scan('ios-backup', Path({str(written_phone[0])!r}), (), Recorder(), command={(*BAD_WORKER, 'Hangs')!r})"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
        worker = _wait_for(lambda: _child_of(parent.pid))
        _wait_for(lambda: "Hangs" in Path(f"/proc/{worker}/cmdline").read_text() or None)

        parent.kill()
        parent.wait()

        assert _wait_for(lambda: not Path(f"/proc/{worker}").exists() or None)


def _child_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell the children of a process")
    names = children.read_text().split()
    return int(names[0]) if names else None


def _wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (value := condition()) is not None:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
