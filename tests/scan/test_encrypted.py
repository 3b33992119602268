"""An encrypted backup is read as the same phone in clear is, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.demo import DEMO_PASSWORD, DemoPhone, phone_files
from spytriage.demo.backup_format import write_backup
from spytriage.demo.encryption import Keybag
from spytriage.demo.story import tell
from spytriage.models import (
    BackupKeys,
    CoverageState,
    IndicatorIndex,
    LimitId,
    Outcome,
    Reason,
    Report,
    ScanResult,
)
from spytriage.pipeline import Check, check
from spytriage.report.wire import to_json
from spytriage.scan import Limits
from spytriage.scan.backup_files import BackupFiles
from spytriage.scan.copies import Copies, UnavailableError
from spytriage.scan.protocol import Job
from tests.conftest import consent
from tests.scan.test_scan import BAD_WORKER
from tests.tools import (
    CALENDAR,
    DAY,
    KEY,
    SAFARI_HISTORY,
    SMS,
    Opened,
    Recorder,
    digest_of,
    file_id,
    keys_of,
    state_of,
    states,
    stored,
)

Scan = Callable[..., ScanResult]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the memory-backed one, that only this test uses."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr("spytriage.scan.workspace._MEMORY_BACKED", folder)
    return folder


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that only this test uses."""
    folder = tmp_path / "disk"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def files(sealed: Opened, tmp_path: Path) -> BackupFiles:
    """The files of the encrypted phone, read in this process."""
    return files_of(sealed, tmp_path)


def files_of(sealed: Opened, private: Path) -> BackupFiles:
    for name in ("work", "overflow"):
        (private / name).mkdir()
    return BackupFiles(sealed.folder, keys_of(sealed.folder), Copies(private / "work", private / "overflow", _never))


def _never() -> None:
    raise AssertionError("nothing should go to disk")


class TestTheSamePhone:
    def test_gives_the_same_result(
        self,
        run_scan: Scan,
        written_phone: tuple[Path, DemoPhone],
        written_encrypted_phone: tuple[Path, DemoPhone],
    ) -> None:
        backup = written_encrypted_phone[0]

        assert run_scan(backup, keys=keys_of(backup)) == run_scan(written_phone[0])

    def test_from_before_ios_10_2_gives_the_same_result(
        self, run_scan: Scan, written_phone: tuple[Path, DemoPhone], tmp_path: Path
    ) -> None:
        story = tell(2021, planted=True)
        seal = Keybag(DEMO_PASSWORD, "seed", (1, 10_000), old=True)
        write_backup(tmp_path / "old", story.device, story.apps, phone_files(story), seal)

        assert (tmp_path / "old" / "Manifest.db").read_bytes().startswith(b"SQLite format 3")
        assert run_scan(tmp_path / "old", keys=keys_of(tmp_path / "old")) == run_scan(written_phone[0])

    def test_gives_a_report_that_differs_only_in_its_source(
        self,
        demo_index: IndicatorIndex,
        written_phone: tuple[Path, DemoPhone],
        written_encrypted_phone: tuple[Path, DemoPhone],
    ) -> None:
        reports = []
        for folder, _phone in (written_phone, written_encrypted_phone):
            request = Check(folder, demo_index, consent(), DAY, KEY, unlock=lambda source: keys_of(source.path))
            reports.append(json.loads(to_json(check(request, Recorder()).report)))

        plain, encrypted = reports
        differing = {key for key in plain if plain[key] != encrypted[key]}
        assert differing == {"source"}
        inside = {key for key in plain["source"] if plain["source"][key] != encrypted["source"][key]}
        assert inside == {"encrypted", "digest"}

    def test_tells_a_reader_that_it_was_not_encrypted_when_it_was_not(
        self, demo_index: IndicatorIndex, quiet_phone: Path, written_encrypted_phone: tuple[Path, DemoPhone]
    ) -> None:
        told = {}
        for folder in (quiet_phone, written_encrypted_phone[0]):
            request = Check(folder, demo_index, consent(), DAY, KEY, unlock=lambda source: keys_of(source.path))
            told[folder] = {limit.id for limit in check(request, Recorder()).report.told_limits}

        assert told[quiet_phone] - told[written_encrypted_phone[0]] == {LimitId.BACKUP_NOT_ENCRYPTED}

    def test_is_never_changed(self, run_scan: Scan, sealed: Opened) -> None:
        before = digest_of(sealed.folder)

        run_scan(sealed.folder, keys=keys_of(sealed.folder))

        assert digest_of(sealed.folder) == before


class TestWhatCannotBeRead:
    """Each is a state of coverage with its reason; the other modules go on."""

    def line(self, run_scan: Scan, sealed: Opened, module: str = "SMS") -> tuple[CoverageState, Reason | None]:
        result = run_scan(sealed.folder, keys=keys_of(sealed.folder))
        assert state_of(result, "Datausage").state is CoverageState.CHECKED
        line = state_of(result, module)
        return line.state, line.reason

    @pytest.mark.parametrize(
        "content", [b"", b"x", os.urandom(16 * 1000), bytes(16 * 1000)], ids=["empty", "short", "random", "zeros"]
    )
    def test_a_file_that_decrypts_to_nothing_sensible(self, run_scan: Scan, sealed: Opened, content: bytes) -> None:
        stored(sealed.folder, SMS).write_bytes(content)

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.DAMAGED)

    def test_a_file_cut_off_at_a_block(self, run_scan: Scan, sealed: Opened) -> None:
        path = stored(sealed.folder, SMS)
        path.write_bytes(path.read_bytes()[:-4096])

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.DAMAGED)

    def test_a_file_of_a_protection_class_whose_key_is_missing(self, run_scan: Scan, sealed: Opened) -> None:
        with sealed.manifest() as manifest:
            ((entry,),) = manifest.execute("SELECT file FROM Files WHERE fileID = ?", (file_id(*SMS),)).fetchall()
            changed = entry.replace(b"\x10\x03", b"\x10\x05")  # the only small integer 3 of the archive
            assert entry.count(b"\x10\x03") == 1
            manifest.execute("UPDATE Files SET file = ? WHERE fileID = ?", (changed, file_id(*SMS)))

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.KEY_MISSING)

    def test_a_file_that_the_manifest_does_not_name_has_no_key(self, run_scan: Scan, sealed: Opened) -> None:
        with sealed.manifest() as manifest:
            manifest.execute("DELETE FROM Files WHERE fileID = ?", (file_id(*SMS),))

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.KEY_MISSING)

    @pytest.mark.parametrize("entry", [None, b"", b"bplist00", b"x" * 400, 7, "text"])
    def test_a_file_whose_entry_is_damaged(self, sealed: Opened, tmp_path: Path, entry: object) -> None:
        with sealed.manifest() as manifest:
            manifest.execute("UPDATE Files SET file = ? WHERE fileID = ?", (entry, file_id(*SMS)))

        with pytest.raises(UnavailableError) as caught:
            files_of(sealed, tmp_path).get(file_id(*SMS))
        assert caught.value.reason is Reason.DAMAGED

    def test_a_file_whose_key_is_damaged(self, run_scan: Scan, sealed: Opened) -> None:
        assert sealed.seal
        key = sealed.seal.file_key(file_id(*SMS))
        with sealed.manifest() as manifest:
            ((entry,),) = manifest.execute("SELECT file FROM Files WHERE fileID = ?", (file_id(*SMS),)).fetchall()
            manifest.execute(
                "UPDATE Files SET file = ? WHERE fileID = ?", (entry.replace(key[-8:], bytes(8)), file_id(*SMS))
            )

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.DAMAGED)

    def test_a_file_that_the_manifest_names_and_the_folder_lacks(self, run_scan: Scan, sealed: Opened) -> None:
        stored(sealed.folder, SMS).unlink()

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING)

    def test_a_link_out_of_the_backup(self, run_scan: Scan, sealed: Opened, tmp_path: Path) -> None:
        outside = stored(sealed.folder, SMS).rename(tmp_path / "elsewhere")
        stored(sealed.folder, SMS).symlink_to(outside)

        assert self.line(run_scan, sealed) == (CoverageState.UNREADABLE, Reason.NOT_A_REGULAR_FILE)

    @pytest.mark.parametrize("name", ["../../../etc/passwd", "zz", "A" * 40, "", "0" * 41, "0" * 39 + "\n"])
    def test_a_file_id_that_is_none(self, files: BackupFiles, name: str) -> None:
        with pytest.raises(UnavailableError) as caught:
            files.get(name)
        assert caught.value.reason is Reason.DAMAGED

    def test_a_file_id_that_leads_outside(self, run_scan: Scan, sealed: Opened) -> None:
        with sealed.manifest() as manifest:
            query = "UPDATE Files SET fileID = ? WHERE relativePath LIKE '%/profile-%' AND flags = 1"
            assert manifest.execute(query, ("../../../etc/passwd",)).rowcount == 1

        line = self.line(run_scan, sealed, "ConfigurationProfiles")
        assert line == (CoverageState.UNREADABLE, Reason.DAMAGED)

    def test_a_file_without_content_is_no_data(self, run_scan: Scan, sealed: Opened) -> None:
        sealed.write(CALENDAR, b"")
        stored(sealed.folder, CALENDAR).unlink()

        line = state_of(run_scan(sealed.folder, keys=keys_of(sealed.folder)), "Calendar")

        assert (line.state, line.reason) == (CoverageState.NO_DATA, Reason.NOT_IN_SOURCE)

    def test_the_front_of_the_backup_alone_is_a_partial_backup(self, run_scan: Scan, sealed: Opened) -> None:
        for folder in sealed.folder.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)

        result = run_scan(sealed.folder, keys=keys_of(sealed.folder))

        others = {name for name, state in states(result).items() if state is not CoverageState.UNREADABLE}
        assert others == {"Applications", "BackupInfo", "Manifest"}
        assert state_of(result, "SMS").reason is Reason.ARTEFACT_MISSING

    def test_a_manifest_cut_off_leaves_nothing_readable(
        self, run_scan: Scan, sealed: Opened, demo_index: IndicatorIndex
    ) -> None:
        path = sealed.folder / "Manifest.db"
        path.write_bytes(path.read_bytes()[:-100])
        keys = keys_of(sealed.folder)

        result = run_scan(sealed.folder, keys=keys)

        assert states(result)["BackupInfo"] is CoverageState.CHECKED
        lines = [line for line in result.modules if line.name not in {"Applications", "BackupInfo"}]
        assert {(line.state, line.reason) for line in lines} == {(CoverageState.UNREADABLE, Reason.DAMAGED)}
        assert _checked(sealed.folder, demo_index, keys).outcome is Outcome.INCONCLUSIVE


class TestRoom:
    """What does not fit into memory goes to disk, which the report says; what fits nowhere is unreadable."""

    def limited(self, kilobytes: int) -> tuple[str, ...]:
        # RLIMIT_FSIZE makes writing fail for real, as a full disk does.
        worker = f"{sys.executable} -P -s -m spytriage.worker"
        return ("/bin/sh", "-c", f"ulimit -f {kilobytes * 2}; exec {worker}")

    def test_for_no_copy_at_all_makes_everything_unreadable(
        self, run_scan: Scan, written_encrypted_phone: tuple[Path, DemoPhone]
    ) -> None:
        backup = written_encrypted_phone[0]

        result = run_scan(backup, keys=keys_of(backup), command=self.limited(4))

        lines = [line for line in result.modules if line.name not in {"Applications", "BackupInfo"}]
        assert {(line.state, line.reason) for line in lines} == {(CoverageState.UNREADABLE, Reason.NO_SPACE)}

    def test_for_small_copies_only_makes_the_large_ones_unreadable(
        self, run_scan: Scan, sealed: Opened, memory: Path, disk: Path
    ) -> None:
        manifest = (sealed.folder / "Manifest.db").stat().st_size
        sealed.write(SMS, sealed.read(SMS) + bytes(manifest))

        result = run_scan(sealed.folder, keys=keys_of(sealed.folder), command=self.limited(manifest // 1024 + 8))

        assert state_of(result, "Manifest").state is CoverageState.CHECKED
        assert state_of(result, "SafariHistory").state is CoverageState.CHECKED
        line = state_of(result, "SMS")
        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.NO_SPACE)
        assert not list(memory.iterdir())
        assert not list(disk.iterdir())

    def test_on_disk_alone_gives_the_same_result_and_the_report_says_so(
        self,
        run_scan: Scan,
        written_encrypted_phone: tuple[Path, DemoPhone],
        written_phone: tuple[Path, DemoPhone],
        demo_index: IndicatorIndex,
        tmp_path: Path,
        disk: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("spytriage.scan.workspace._MEMORY_BACKED", tmp_path / "there-is-none")
        backup = written_encrypted_phone[0]
        keys = keys_of(backup)

        result = run_scan(backup, keys=keys)

        assert result.copied_to_disk
        plain = run_scan(written_phone[0])
        assert (result.modules, result.alerts) == (plain.modules, plain.alerts)
        limits = {limit.id for limit in _checked(backup, demo_index, keys).limits}
        assert LimitId.PLAINTEXT_ON_DISK in limits
        assert not list(disk.iterdir())

    def test_in_memory_is_all_that_is_used_when_there_is_enough(
        self, run_scan: Scan, written_encrypted_phone: tuple[Path, DemoPhone], demo_index: IndicatorIndex, disk: Path
    ) -> None:
        if not os.access("/dev/shm", os.W_OK):
            pytest.skip("this system has no /dev/shm")
        backup = written_encrypted_phone[0]

        report = _checked(backup, demo_index, keys_of(backup))

        assert LimitId.PLAINTEXT_ON_DISK not in {limit.id for limit in report.limits}
        assert not list(disk.iterdir())

    def test_is_looked_for_on_disk_when_memory_has_too_little(
        self, sealed: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("spytriage.scan.copies._memory_room", lambda folder: 10_000_000)
        told: list[str] = []
        for name in ("work", "overflow"):
            (tmp_path / name).mkdir()
        files = BackupFiles(
            sealed.folder,
            keys_of(sealed.folder),
            Copies(tmp_path / "work", tmp_path / "overflow", lambda: told.append("on disk")),
        )
        assert not told
        monkeypatch.setattr("spytriage.scan.copies._memory_room", lambda folder: 100)

        path = files.get(file_id(*SMS))

        assert path is not None
        assert told == ["on disk"]
        assert path.resolve().is_relative_to(tmp_path / "overflow")
        assert path.read_bytes() == sealed.read(SMS)
        files.forget()
        assert not [left for left in (tmp_path / "overflow").rglob("*") if left.is_file()]
        assert not path.is_symlink()


def _checked(backup: Path, index: IndicatorIndex, keys: BackupKeys) -> Report:
    return check(Check(backup, index, consent(), DAY, KEY, unlock=lambda _: keys), Recorder()).report


class TestWhatStaysBehind:
    def test_a_copy_is_gone_when_its_module_has_ended(self, files: BackupFiles, tmp_path: Path) -> None:
        path = files.get(file_id(*SMS))
        assert path is not None
        assert path.read_bytes().startswith(b"SQLite format 3")

        files.forget()

        left = {str(one.relative_to(tmp_path / "work")) for one in (tmp_path / "work").rglob("*") if not one.is_dir()}
        assert left == {"backup/Info.plist", "backup/Manifest.db"}

    def test_a_copy_that_fails_leaves_no_part_of_it(self, files: BackupFiles, sealed: Opened, tmp_path: Path) -> None:
        path = stored(sealed.folder, SMS)
        path.write_bytes(path.read_bytes()[:-4096])

        with pytest.raises(UnavailableError):
            files.get(file_id(*SMS))

        assert not list((tmp_path / "work" / "backup").glob("*/*"))

    def test_nothing_is_left_of_a_worker_that_dies_while_it_holds_copies(
        self, run_scan: Scan, written_encrypted_phone: tuple[Path, DemoPhone], memory: Path, disk: Path
    ) -> None:
        backup = written_encrypted_phone[0]

        result = run_scan(backup, keys=keys_of(backup), command=(*BAD_WORKER, "DiesWithCopies"))

        line = state_of(result, "DiesWithCopies")
        assert (line.state, line.reason) == (CoverageState.FAILED, Reason.WORKER_DIED)
        assert not any(other.state.is_gap for other in result.modules if other is not line)
        assert not list(memory.iterdir())
        assert not list(disk.iterdir())

    def test_nothing_is_left_of_a_worker_that_hangs(
        self, run_scan: Scan, written_encrypted_phone: tuple[Path, DemoPhone], memory: Path, disk: Path
    ) -> None:
        backup = written_encrypted_phone[0]

        limits = Limits(seconds=12)
        result = run_scan(backup, limits=limits, keys=keys_of(backup), command=(*BAD_WORKER, "Hangs"))

        assert state_of(result, "Hangs").reason is Reason.TIMED_OUT
        assert not list(memory.iterdir())
        assert not list(disk.iterdir())


class TestSecrets:
    def test_are_in_no_repr_of_a_job(self, sealed: Opened) -> None:
        keys = keys_of(sealed.folder)
        job = Job("ios-backup", "/a", "/b", "/c", 1, (), keys)

        secrets = [keys.manifest, *keys.classes.values()]
        assert not [key for key in secrets if key and (key.hex() in repr(job) or repr(key) in repr(job))]
        assert Job.from_line(job.to_line()).keys == keys

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_are_kept_out_of_core_dumps(self) -> None:
        code = (
            "import ctypes; from pathlib import Path; from spytriage.scan import forbid_core_dumps\n"
            "forbid_core_dumps(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
            "print(Path('/proc/self/limits').read_text())"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

        assert said.startswith("0\n")  # PR_GET_DUMPABLE
        assert [line.split()[4:6] for line in said.splitlines() if "core file" in line] == [["0", "0"]]


def test_a_database_is_streamed_not_held_in_memory(sealed: Opened, tmp_path: Path) -> None:
    sealed.write(SAFARI_HISTORY, os.urandom(40 << 20))
    files = files_of(sealed, tmp_path)
    tracemalloc.start()
    path = files.get(file_id(*SAFARI_HISTORY))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert path is not None
    assert path.stat().st_size == 40 << 20
    assert peak < 8 << 20


def test_the_decrypted_manifest_is_the_one_that_was_encrypted(
    files: BackupFiles, written_phone: tuple[Path, DemoPhone]
) -> None:
    query = "SELECT fileID, domain, relativePath, flags FROM Files ORDER BY fileID"
    rows = []
    for path in (files.root / "Manifest.db", written_phone[0] / "Manifest.db"):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        rows.append(connection.execute(query).fetchall())
        connection.close()

    assert rows[0] == rows[1]
