"""One acquisition gives the same findings, however it is packed; and what cannot be opened says why."""

from __future__ import annotations

import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyrage
import pytest

from spytriage.demo import DemoPhone
from spytriage.errors import SpytriageError
from spytriage.models import CoverageState, Outcome, Reason, Report
from tests.acquisitions import (
    SMS_ENTRY,
    android_backup,
    bugreport_files,
    dns_event,
    filesystem,
    sysdiagnose_files,
    tarred,
    text_messages,
    write,
    zipped,
)
from tests.tools import edited

Check = Callable[..., Report]
Phones = tuple[Path, DemoPhone]


def met(report: Report) -> set[tuple[str, str]]:
    return {(finding.module, indicator.value) for finding in report.findings for indicator in finding.indicators}


def line(report: Report, module: str) -> tuple[CoverageState, Reason | None]:
    found = next(module_ for module_ in report.modules if module_.name == module)
    return found.state, found.reason


class TestAndroidQF:
    def test_folder_both_zips_and_age_give_the_same_findings(
        self, run_check: Check, android_phone: Phones, tmp_path: Path
    ) -> None:
        folder, planted = android_phone
        identity = pyrage.x25519.Identity.generate()
        (tmp_path / "key.txt").write_text(f"# created for a test\n{identity}\n")
        flat, below = zipped(folder, tmp_path / "flat.zip"), zipped(folder, tmp_path / "below.zip", "phone/")
        encrypted = tmp_path / "phone.zip.age"
        encrypted.write_bytes(pyrage.encrypt(flat.read_bytes(), [identity.to_public()]))

        reports = [run_check(folder), run_check(flat), run_check(below),
                   run_check(encrypted, identity=tmp_path / "key.txt")]  # fmt: skip

        assert met(reports[0]) == {(trace.module, trace.value) for trace in planted.planted}
        for report in reports[1:]:
            assert report.findings == reports[0].findings
            assert report.modules == reports[0].modules

    def test_another_key_does_not_open_it(self, run_check: Check, tmp_path: Path) -> None:
        (tmp_path / "key.txt").write_text(str(pyrage.x25519.Identity.generate()))
        (tmp_path / "a.age").write_bytes(pyrage.encrypt(b"x", [pyrage.x25519.Identity.generate().to_public()]))

        with pytest.raises(SpytriageError, match="does not open"):
            run_check(tmp_path / "a.age", identity=tmp_path / "key.txt")
        with pytest.raises(SpytriageError, match="encrypted with age") as caught:
            run_check(tmp_path / "a.age")
        assert "--identity" in caught.value.hint
        (tmp_path / "key.txt").write_text("no key")
        with pytest.raises(SpytriageError, match="no usable key"):
            run_check(tmp_path / "a.age", identity=tmp_path / "key.txt")

    def test_a_damaged_backup_inside_costs_its_own_module_only(
        self, run_check: Check, android_phone: Phones, tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "copy"))
        (folder / "backup.ab").write_bytes(b"ANDROID BACKUP\n5\n1\nnone\nnot zlib")
        (folder / "bugreport.zip").write_bytes(b"PK\x03\x04")

        report = run_check(folder)

        assert line(report, "AndroidSMS") == (CoverageState.UNREADABLE, Reason.DAMAGED)
        assert line(report, "DumpsysPackages") == (CoverageState.UNREADABLE, Reason.DAMAGED)
        assert line(report, "AQFPackages")[0] is CoverageState.CHECKED

    def test_an_encrypted_backup_inside_is_locked_until_the_password_is_given(
        self, run_check: Check, android_phone: Phones, tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "copy"))
        content = text_messages("https://free-news-alert.example/x")
        (folder / "backup.ab").write_bytes(android_backup({SMS_ENTRY: content}, password="demo"))

        assert line(run_check(folder), "AndroidSMS") == (CoverageState.UNREADABLE, Reason.LOCKED)
        assert line(run_check(folder, password=lambda _: "demo"), "AndroidSMS")[0] is CoverageState.CHECKED

    @pytest.mark.parametrize(
        ("name", "content", "module", "state"),
        [
            ("packages.json", b"{", "AQFPackages", CoverageState.UNREADABLE),
            ("packages.json", b"[" * 1_000_000, "AQFPackages", CoverageState.FAILED),
            ("packages.json", b'{"a": 1}', "AQFPackages", CoverageState.FAILED),
            ("files.json", b'{"path": "/x"\n{', "AQFFiles", CoverageState.UNREADABLE),
            ("root_binaries.json", b"{", "RootBinaries", CoverageState.UNREADABLE),
            ("root_binaries.json", b"{}", "RootBinaries", CoverageState.UNREADABLE),
            ("mounts.json", b'"/"', "Mounts", CoverageState.UNREADABLE),
            ("getprop.txt", b"\xff\xfe\x00", "AQFGetProp", CoverageState.UNREADABLE),
            ("ps.txt", b"nothing here", "AQFProcesses", CoverageState.UNREADABLE),
            ("ps.txt", b"x" * 20_000_000, "AQFProcesses", CoverageState.UNREADABLE),
            ("ps.txt", b"", "AQFProcesses", CoverageState.UNREADABLE),
        ],
    )
    def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(
        self, run_check: Check, android_phone: Phones, tmp_path: Path, name: str, content: bytes, module: str,
        state: CoverageState,
    ) -> None:  # fmt: skip
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "copy"))
        (folder / name).write_bytes(content)

        assert line(run_check(folder), module)[0] is state

    def test_a_link_out_of_the_acquisition_is_not_followed(
        self, run_check: Check, android_phone: Phones, tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "copy"))
        outside = (folder / "ps.txt").rename(tmp_path / "elsewhere.txt")
        (folder / "ps.txt").symlink_to(outside)

        assert line(run_check(folder), "AQFProcesses") == (CoverageState.UNREADABLE, Reason.NOT_A_REGULAR_FILE)

    def test_what_is_not_there_is_no_data(self, run_check: Check, android_phone: Phones, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(android_phone[0], tmp_path / "copy"))
        for name in ("ps.txt", "files.json", "backup.ab", "bugreport.zip"):
            (folder / name).unlink()

        report = run_check(folder)

        for module in ("AndroidSMS", "Tombstones"):
            assert line(report, module) == (CoverageState.NO_DATA, Reason.NOT_IN_SOURCE)
        for module in ("AQFProcesses", "AQFFiles", "DumpsysPackages"):  # every acquisition has these
            assert line(report, module) == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)


class TestAndroidBackup:
    @pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("compressed", [True, False])
    @pytest.mark.parametrize("password", ["", "contraseña"])
    def test_every_form_gives_the_same_messages(
        self, run_check: Check, tmp_path: Path, version: int, compressed: bool, password: str
    ) -> None:
        content = text_messages("hola", "https://free-news-alert.example/x")
        path = tmp_path / "backup.ab"
        files = {"apps/com.android.chrome/f/x": b"y" * 70_000, SMS_ENTRY: content}
        path.write_bytes(android_backup(files, version=version, compressed=compressed, password=password))

        report = run_check(path, password=lambda _: password)

        assert met(report) == {("AndroidSMS", "free-news-alert.example")}
        assert [(module.name, module.records) for module in report.modules] == [("AndroidSMS", 2)]
        # MVT takes a received message of Android for a sent one.
        assert [finding.id for finding in report.findings] == ["link-received"]

    @pytest.mark.parametrize(
        ("content", "password", "message"),
        [
            (android_backup({SMS_ENTRY: b""}, password="one"), "", "no password was given"),
            (android_backup({SMS_ENTRY: b""}, password="one"), "two", "does not open"),
            (android_backup({SMS_ENTRY: b""}, version=6), "", "version or encryption"),
            (b"ANDROID BACKUP\n5\n1\nROT-13\n", "", "version or encryption"),
            (b"ANDROID BACKUP\n5\n1\nAES-256\n00\n00\n999999999999\n00\n00\n", "x", "version or encryption"),
            (b"ANDROID BACKUP\n5\n1\nAES-256\nzz\n", "x", "damaged"),
            (b"ANDROID BACKUP\n5\n", "", "damaged"),
            (b"ANDROID BACKUP\n5\n1\nnone\nnot zlib", "", "damaged"),
        ],
    )
    def test_what_cannot_be_opened_says_why(
        self, run_check: Check, tmp_path: Path, content: bytes, password: str, message: str
    ) -> None:
        (tmp_path / "backup.ab").write_bytes(content)

        with pytest.raises(SpytriageError, match=message) as caught:
            run_check(tmp_path / "backup.ab", password=lambda _: password)

        assert caught.value.hint

    def test_one_that_breaks_off_is_not_taken_for_whole(self, run_check: Check, tmp_path: Path) -> None:
        files = {"apps/com.android.chrome/f/x": os.urandom(200_000), SMS_ENTRY: text_messages("hola")}
        whole = android_backup(files)
        (tmp_path / "backup.ab").write_bytes(whole[: len(whole) // 2])

        report = run_check(tmp_path / "backup.ab")

        assert line(report, "AndroidSMS") == (CoverageState.UNREADABLE, Reason.DAMAGED)
        assert report.outcome is Outcome.INCONCLUSIVE

    @pytest.mark.parametrize("password", ["", "demo"])
    def test_what_lies_behind_the_end_of_one_is_told(self, run_check: Check, tmp_path: Path, password: str) -> None:
        content = android_backup({SMS_ENTRY: text_messages("https://free-news-alert.example/x")}, password=password)
        other = android_backup({SMS_ENTRY: text_messages("https://track-parcel.example/x")}, password=password)
        seen = {}
        for behind in (b"", other):
            (tmp_path / "backup.ab").write_bytes(content + behind)
            report = run_check(tmp_path / "backup.ab", password=lambda _: password)
            assert ("AndroidSMS", "free-news-alert.example") in met(report)
            seen[behind] = line(report, "AndroidSMS")[0]

        assert seen == {b"": CoverageState.CHECKED, other: CoverageState.UNREADABLE}

    def test_messages_that_do_not_unpack_are_unreadable(self, run_check: Check, tmp_path: Path) -> None:
        (tmp_path / "backup.ab").write_bytes(android_backup({SMS_ENTRY: b"not zlib"}))

        assert line(run_check(tmp_path / "backup.ab"), "AndroidSMS")[0].is_gap


class TestBugreport:
    def test_every_packing_gives_the_same_findings(self, run_check: Check, tmp_path: Path) -> None:
        folder = write(tmp_path / "report", bugreport_files())
        oem = write(tmp_path / "oem", {"app.log": "x"})
        zipped(folder, oem / "bugreport-x.zip")
        alone = tmp_path / "dump.txt"
        shutil.copy(folder / "bugreport-demo.txt", alone)

        reports = [run_check(path) for path in (
            folder, zipped(folder, tmp_path / "a.zip"), zipped(folder, tmp_path / "b.zip", "b/"),
            zipped(oem, tmp_path / "c.zip"), alone,
        )]  # fmt: skip

        assert met(reports[0]) == {("DumpsysPackages", "org.example.demospy")}
        assert all(report.findings == reports[0].findings for report in reports)

    def test_a_part_that_the_dump_lacks_is_no_data_and_one_without_entries_is_unknown(
        self, run_check: Check, tmp_path: Path
    ) -> None:
        dump = f"== dumpstate: x\n{'-' * 78}\nDUMP OF SERVICE package:\nNew kind of list:\n  a\n{'-' * 78}\n"
        report = run_check(write(tmp_path / "report", bugreport_files(dump)))

        assert line(report, "DumpsysAppops")[0] is CoverageState.NO_DATA
        assert line(report, "DumpsysPackages") == (CoverageState.UNREADABLE, Reason.UNKNOWN_LAYOUT)

    @pytest.mark.parametrize("mark", ["\ufffd".encode(), b"\xff\xfe"])
    def test_keys_of_adb_in_binary_are_no_damage_and_bytes_among_packages_are(
        self, run_check: Check, tmp_path: Path, mark: bytes
    ) -> None:
        rule, end = "-" * 78, "--------- 0.001s was the duration of dumpsys x, ending at: 2024-09-12 08:00:00"
        keys = f"ADB MANAGER STATE (dumpsys adb):\n{{\n  debugging_manager={{\n    keystore=ABX@\n  }}\n}}\n{end}\n"
        packages = f"Packages:\n  Package [org.example.@app] (a1):\n    versionName=1.0\n{end}\n"
        dump = f"{rule}\nDUMP OF SERVICE adb:\n{keys}{rule}\nDUMP OF SERVICE package:\n{packages}{rule}\n"
        folder = write(tmp_path / "report", bugreport_files("x"))
        (folder / "bugreport-demo.txt").write_bytes(dump.encode().replace(b"@", mark))

        report = run_check(folder)

        assert line(report, "DumpsysADBState")[0] is CoverageState.CHECKED
        is_text = mark == "\ufffd".encode()  # a phone wrote that into its dump
        assert line(report, "DumpsysPackages")[0] is (CoverageState.CHECKED if is_text else CoverageState.UNREADABLE)

    @pytest.mark.parametrize("entry", ["../../../../etc/passwd", "not-there.txt", "/etc/passwd"])
    def test_an_entry_point_that_leads_elsewhere_is_not_followed(
        self, run_check: Check, tmp_path: Path, entry: str
    ) -> None:
        report = run_check(write(tmp_path / "report", bugreport_files() | {"main_entry.txt": entry}))

        assert line(report, "DumpsysPackages")[0] is CoverageState.UNREADABLE

    def test_without_its_entry_point_the_dump_is_read_all_the_same_and_each_part_of_it_is_a_gap(
        self, run_check: Check, tmp_path: Path
    ) -> None:
        files = bugreport_files() | {"FS/proc/100/mountinfo": "20 1 8:1 / /data rw - ext4 /dev/block/dm-0 rw\n"}
        del files["main_entry.txt"]
        folder = write(tmp_path / "r", files | {"notes.txt": "no dump"})

        packings = (folder, zipped(folder, tmp_path / "a.zip"), zipped(folder, tmp_path / "b.zip", "b/"))
        for report in map(run_check, packings):
            assert met(report) == {("DumpsysPackages", "org.example.demospy")}
            assert line(report, "DumpsysPackages") == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)
            assert line(report, "BugreportMounts")[0] is CoverageState.CHECKED

    def test_with_neither_entry_point_nor_dump_what_is_left_is_checked_and_nothing_is_called_checked_that_was_not(
        self, run_check: Check, tmp_path: Path
    ) -> None:
        report = run_check(write(tmp_path / "r", {"FS/proc/100/mountinfo": "20 1 8:1 / / rw - ext4 /dev/a rw\n"}))

        assert report.outcome is Outcome.INCONCLUSIVE
        assert line(report, "DumpsysPackages") == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)
        assert line(report, "DumpsysAppops") == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)
        assert line(report, "BugreportMounts")[0] is CoverageState.CHECKED

    def test_a_crash_record_that_does_not_parse_is_noted(self, run_check: Check, tmp_path: Path) -> None:
        folder = write(tmp_path / "r", bugreport_files() | {"FS/data/tombstones/tombstone_00.pb": b"\xff\xff\xff"})

        assert line(run_check(folder), "Tombstones")[0] is CoverageState.UNREADABLE


class TestIntrusionLogs:
    def test_every_packing_gives_the_same_findings(self, run_check: Check, tmp_path: Path) -> None:
        folder = write(tmp_path / "logs", {"a.txt": dns_event("track-parcel.example") + dns_event("www.example.com")})
        nested = tmp_path / "nested"
        nested.mkdir()
        zipped(folder, nested / "intrusion-logs.zip")

        reports = [run_check(path) for path in (folder, zipped(folder, tmp_path / "l.zip"), nested)]

        assert met(reports[0]) == {("DnsEvent", "track-parcel.example")}
        assert all(report.findings == reports[0].findings for report in reports)

    def test_a_line_that_does_not_parse_is_noted(self, run_check: Check, tmp_path: Path) -> None:
        text = dns_event("www.example.com") + '{"dns_event": \n'
        report = run_check(write(tmp_path / "logs", {"a.txt": text}))

        assert line(report, "DnsEvent") == (CoverageState.UNREADABLE, Reason.PARTLY_READ)


class TestSysdiagnose:
    def test_folder_and_archive_give_the_same_findings(self, run_check: Check, tmp_path: Path) -> None:
        folder = write(tmp_path / "s", sysdiagnose_files())

        reports = [run_check(folder), run_check(tarred(folder, tmp_path / "s.tar.gz", "sysdiagnose_2024/"))]

        assert met(reports[0]) == {
            ("SysdiagnoseShutdown", "/private/var/db/demospy/stage2"),
            ("SysdiagnoseProcesses", "demospyd"),
            ("SysdiagnoseCrashes", "demobridged"),
        }
        assert reports[0].findings == reports[1].findings
        assert {finding.trace for finding in reports[0].findings} == {"ran"}

    def test_unified_logs_are_named_as_not_examined(self, run_check: Check, tmp_path: Path) -> None:
        report = run_check(
            write(tmp_path / "s", sysdiagnose_files() | {"ps.txt": "USER COMMAND\nroot /sbin/launchd\n"})
        )

        assert line(report, "UnifiedLogs") == (CoverageState.NOT_RUN, Reason.NOT_SUPPORTED)

    @pytest.mark.parametrize(
        ("name", "content", "module"),
        [
            ("ps.txt", "no header at all", "SysdiagnoseProcesses"),
            ("crashes_and_spins/x.ips", "neither JSON nor a report", "SysdiagnoseCrashes"),
            ("crashes_and_spins/x.ips", "[" * 1_000_000, "SysdiagnoseCrashes"),
        ],
    )
    def test_a_malformed_file_is_noted(
        self, run_check: Check, tmp_path: Path, name: str, content: str, module: str
    ) -> None:
        report = run_check(write(tmp_path / "s", sysdiagnose_files() | {name: content}))

        assert line(report, module)[0] is CoverageState.UNREADABLE


class TestFilesystem:
    def test_a_write_ahead_log_that_cannot_be_applied_is_told(self, run_check: Check, tmp_path: Path) -> None:
        folder = filesystem(tmp_path / "dump")
        database = next(path for path in folder.rglob("Cache.db"))
        database.with_name("Cache.db-wal").write_bytes(bytes(5000))

        report = run_check(folder)

        assert line(report, "CacheFiles") == (CoverageState.UNREADABLE, Reason.PARTLY_READ)
        assert ("CacheFiles", "free-news-alert.example") in met(report)

    def test_a_link_that_only_the_log_of_a_packed_dump_holds_is_met(self, run_check: Check, tmp_path: Path) -> None:
        folder = filesystem(tmp_path / "dump")
        place = folder / "private/var/mobile/Library/SMS/sms.db"
        place.parent.mkdir(parents=True)
        with closing(sqlite3.connect(tmp_path / "sms.db")) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE handle (id)")
            database.execute("CREATE TABLE message (handle_id, text, attributedBody, date, date_read, is_from_me)")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            shutil.copy(tmp_path / "sms.db", place)
            database.execute("INSERT INTO message VALUES (1, 'https://track-parcel.example/x', NULL, 0, 0, 0)")
            database.commit()
            shutil.copy(tmp_path / "sms.db-wal", place.with_name("sms.db-wal"))

        for path in (folder, tarred(folder, tmp_path / "d.tgz"), zipped(folder, tmp_path / "d.zip")):
            report = run_check(path)
            assert ("SMS", "track-parcel.example") in met(report)
            assert line(report, "SMS") == (CoverageState.CHECKED, None)

    @pytest.mark.parametrize("instead", ["a folder", "a link", "a hot journal"])
    def test_what_lies_beside_a_database_and_cannot_be_read_is_told(
        self, run_check: Check, tmp_path: Path, instead: str
    ) -> None:
        folder = filesystem(tmp_path / "dump")
        database = next(path for path in folder.rglob("Cache.db"))
        match instead:
            case "a folder":
                database.with_name("Cache.db-wal").mkdir()
            case "a link":
                database.with_name("Cache.db-wal").symlink_to(database)
            case _:
                database.with_name("Cache.db-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(504))

        for path in (folder, tarred(folder, tmp_path / "d.tgz")):
            if instead != "a folder" or path == folder:  # an archive may leave out an empty folder
                assert line(run_check(path), "CacheFiles")[0] is CoverageState.UNREADABLE

    def test_every_packing_gives_the_same_findings(self, run_check: Check, tmp_path: Path) -> None:
        folder = filesystem(tmp_path / "dump")

        reports = [run_check(path) for path in (
            folder, tarred(folder, tmp_path / "d.tar", mode="w"), tarred(folder, tmp_path / "d.tgz", "dump/"),
            zipped(folder, tmp_path / "d.zip"),
        )]  # fmt: skip

        # MVT compares paths relative to the dump, and asks its own list for processes: it finds the Cache.db only.
        assert met(reports[0]) == {
            ("Filesystem", "/private/var/db/demospy/stage2"),
            ("Filesystem", "demospyd.plist"),
            ("ShutdownLog", "/private/var/db/demospy/stage2"),
            ("CacheFiles", "free-news-alert.example"),
        }
        for report in reports[1:]:
            assert met(report) == met(reports[0])
            assert [(m.name, m.state) for m in report.modules] == [(m.name, m.state) for m in reports[0].modules]


def test_a_folder_is_never_changed(run_check: Check, android_phone: Phones) -> None:
    before = {path: path.read_bytes() for path in android_phone[0].rglob("*") if path.is_file()}

    run_check(android_phone[0])

    assert before == {path: path.read_bytes() for path in android_phone[0].rglob("*") if path.is_file()}


def test_a_zip_with_a_password_of_its_own_says_so(run_check: Check, tmp_path: Path, android_phone: Phones) -> None:
    path = zipped(android_phone[0], tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    content[directory + 8] |= 1  # the flag "encrypted" of the first entry of the list
    path.write_bytes(content)

    with pytest.raises(SpytriageError, match="password of its own"):
        run_check(path)


def test_records_of_an_iphone_that_mvt_compares_with_nothing_are_compared(run_check: Check, unplanted: Path) -> None:
    calls, contacts = ("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata"), (
        "HomeDomain", "Library/AddressBook/AddressBook.sqlitedb")  # fmt: skip
    with edited(unplanted, calls) as database:
        database.execute("UPDATE ZCALLRECORD SET ZADDRESS = 'demo.operator@example.org'")
    with edited(unplanted, contacts) as database:
        database.execute("UPDATE ABMultiValue SET value = 'mailto:Demo.Operator@example.org'")

    report = run_check(unplanted)

    assert {finding.module for finding in report.findings if finding.indicators} >= {"Calls", "Contacts"}
    assert {finding.id for finding in report.findings if finding.indicators} == {"account-in-touch"}
    assert report.outcome is Outcome.MATCH
