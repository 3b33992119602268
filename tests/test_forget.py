"""A case is deleted where we know it to be, when its day has come; what cannot be reached is said."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from spytriage import atomic, custody
from spytriage.batch import Phone, Result, finished, numbered, write_summary
from spytriage.batch import State as PhoneState
from spytriage.cli import main
from spytriage.custody import Event
from spytriage.doctor import Machine, State, look_for_overdue
from spytriage.errors import SpytriageError
from spytriage.forget import find_overdue, forget, read_case, require_due
from spytriage.handoff import pack, read_handoff
from spytriage.models import Outcome

UNTIL = date(2026, 5, 31)
AFTER = UNTIL + timedelta(days=1)
SEALED = {"evidence.age": b"age-encryption.org/v1\n", "observables.age": b"x", "observables-keys.age": b"x"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "demo", "-o", "case", "--quiet"], cwd=folder, check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1777852800"},
    )  # fmt: skip
    assert done.returncode == 0
    return folder / "case"


@pytest.fixture
def case(demo: Path, tmp_path: Path) -> Path:
    """A case that may be kept until a day, with everything that can be sealed."""
    folder = Path(shutil.copytree(demo, tmp_path / "cases" / "case"))
    report = json.loads((folder / "report.json").read_text())
    report["consent"]["keep_until"] = UNTIL.isoformat()
    (folder / "report.json").write_text(json.dumps(report))
    for name, data in SEALED.items():
        (folder / name).write_bytes(data)
    return folder


def zipped(case: Path, name: str = "case.zip") -> Path:
    path = case.with_name(name)
    path.write_bytes(pack(read_handoff(case)))
    return path


def events(case: Path) -> list[Event]:
    return [entry.event for entry in custody.read((case / "custody.jsonl").read_bytes())]


def test_a_case_is_gone_from_its_folder_and_its_zip_and_its_custody_says_so(case: Path) -> None:
    zipped(case)
    done = forget(read_case(case), AFTER)
    assert [path.name for path in case.iterdir()] == ["custody.jsonl"]
    assert not case.with_name("case.zip").exists()
    assert events(case)[-1] is Event.DELETED
    assert len(done.removed) == 8  # the zip, three that were sealed, report.json and what is made of it
    assert (done.noted, done.left) == (True, [])


def test_what_stays_says_nothing_of_anybody(case: Path) -> None:
    forget(read_case(case), AFTER)
    for line in (case / "custody.jsonl").read_text().splitlines():
        assert set(json.loads(line)) == {"number", "event", "role", "day", "above", "digest"}


@pytest.mark.parametrize("day", [UNTIL, UNTIL - timedelta(days=300)])
def test_a_case_is_kept_until_its_day(case: Path, day: date) -> None:
    with pytest.raises(SpytriageError, match="to be kept until 2026-05-31"):
        require_due(read_case(case), day)
    require_due(read_case(case), AFTER)


def test_a_case_without_a_day_is_not_deleted_by_itself(demo: Path) -> None:
    with pytest.raises(SpytriageError, match="has not said until when"):
        require_due(read_case(demo), date(2999, 1, 1))


def test_a_zip_alone_leaves_its_custody_in_a_folder_of_its_name(case: Path) -> None:
    path = zipped(case)
    shutil.rmtree(case)
    done = forget(read_case(path), AFTER)
    assert done.noted
    assert not path.exists()
    assert events(case)[-1] is Event.DELETED


def test_the_zip_of_another_case_is_left_alone(case: Path) -> None:
    path = zipped(case)
    data = (case / "report.json").read_text().replace("true", "false")
    (case / "report.json").write_text(data)
    with pytest.raises(SpytriageError, match="another case"):
        read_case(path)
    forget(read_case(case), AFTER)
    assert path.exists()


def test_a_file_of_the_users_own_is_left_and_named(case: Path) -> None:
    (case / "notes.txt").write_text("mine")
    done = forget(read_case(case), AFTER)
    assert done.left == [case / "notes.txt"]
    assert sorted(path.name for path in case.iterdir()) == ["custody.jsonl", "notes.txt"]


def test_a_broken_custody_does_not_keep_a_case_from_being_deleted(case: Path) -> None:
    (case / "custody.jsonl").write_bytes(b"{}\n")
    done = forget(read_case(case), AFTER)
    assert not done.noted
    assert (case / "custody.jsonl").read_bytes() == b"{}\n"
    assert not (case / "report.json").exists()


@pytest.fixture
def full(case: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A disk without room for another byte until one of these files is gone; none that is there: for ever."""
    waiting = ["evidence.age"]
    write = atomic._fill

    def fill(descriptor: int, content: bytes) -> None:
        if not waiting or list(case.parent.rglob(waiting[0])):
            os.close(descriptor)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor, content)

    monkeypatch.setattr(atomic, "_fill", fill)
    return waiting


def test_on_a_full_disk_what_has_to_be_written_is_written_once_the_deleting_has_made_room(
    reports: Path, full: list[str]
) -> None:
    done = forget(read_case(reports / "0003"), AFTER)

    assert not list(reports.rglob(full[0]))
    assert (done.noted, done.unwritten, done.left) == (True, False, [])
    assert events(reports / "0003")[-1] is Event.DELETED
    assert {path.name for path in done.struck} == {"cases.json", "summary.json", "index.html"}
    assert b"Ana" not in (reports / "cases.json").read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_on_a_disk_that_stays_full_the_report_is_left_and_the_next_run_ends_what_this_one_began(
    case: Path, full: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, packed: bool
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780358400")
    path = zipped(case) if packed else case
    if packed:
        shutil.rmtree(case)
    full.clear()

    def run_forget() -> int:
        with pytest.raises(SystemExit) as ended:
            main(["--lang", "en", "forget", str(path), "--yes"])
        return int(ended.value.code or 0)

    assert run_forget() == 1
    said = capsys.readouterr().out
    assert "the disk is full" in said
    assert "missing or broken" not in said
    assert path.is_file() if packed else (case / "report.json").is_file()

    full.append("no file of this name")
    assert run_forget() == 0
    assert [left.name for left in case.iterdir()] == ["custody.jsonl"]
    assert events(case)[-1] is Event.DELETED
    assert not packed or not path.exists()


@pytest.fixture
def reports(case: Path) -> Path:
    """The folder of a batch whose phone 3 is the case."""
    phones = [Phone(name, Path(name), Path("consent.yaml")) for name in ("K-1", "K-2", "Ana")]
    folder = case.parent / "reports"
    named = numbered(phones, folder)
    case.rename(folder / "0003")
    states = (PhoneState.FAILED, PhoneState.FAILED, PhoneState.CHECKED)
    write_summary(
        [Result(p, s, Outcome.MATCH if s is PhoneState.CHECKED else None) for p, s in zip(named, states, strict=True)],
        folder,
    )
    return folder


class TestACaseOfABatch:
    def test_is_not_named_there_any_more_nor_its_outcome_told(self, reports: Path) -> None:
        assert b"Ana" in (reports / "cases.json").read_bytes()
        assert b"match" in (reports / "index.html").read_bytes()

        done = forget(read_case(reports / "0003"), AFTER)

        assert {path.name for path in done.struck} == {"cases.json", "summary.json", "index.html"}
        assert done.left == []
        for path in reports.rglob("*"):
            assert path.is_dir() or b"Ana" not in path.read_bytes(), path
        rows = json.loads((reports / "summary.json").read_text())["phones"]
        assert rows[2] == {"number": "0003", "outcome": None, "state": "deleted"}
        assert b"match" not in (reports / "index.html").read_bytes()
        assert b"K-1" in (reports / "cases.json").read_bytes()

    @pytest.mark.parametrize("custody_too", [False, True])
    def test_is_known_again_and_not_checked_again(self, reports: Path, *, custody_too: bool) -> None:
        forget(read_case(reports / "0003"), AFTER)
        if custody_too:
            shutil.rmtree(reports / "0003")
        phones = [Phone(name, Path(name), Path("consent.yaml")) for name in ("Ana", "K-2", "new")]
        again = numbered(phones, reports)

        assert [(phone.number, phone.name) for phone in again] == [(3, ""), (2, "K-2"), (4, "new")]
        result = finished(reports, again[0])
        assert result is not None
        assert result.state is PhoneState.DELETED
        assert b"Ana" not in (reports / "cases.json").read_bytes()

    def test_whose_list_is_damaged_is_said_to_be_named_still(self, reports: Path) -> None:
        (reports / "cases.json").write_bytes(b"{")
        assert reports / "cases.json" in forget(read_case(reports / "0003"), AFTER).left

    def test_whose_overview_was_not_written_yet_is_deleted_all_the_same(self, reports: Path) -> None:
        (reports / "summary.json").unlink()
        done = forget(read_case(reports / "0003"), AFTER)
        assert ([path.name for path in done.struck], done.left) == (["cases.json"], [])


def test_where_and_whose_it_is_for_statistics_goes_and_a_file_of_another_kind_stays(case: Path) -> None:
    place = case.with_name("case.yaml")
    place.write_text("region: North\nperson: A-3\n")
    assert place in forget(read_case(case), AFTER).removed

    other = Path(shutil.copytree(case, case.with_name("other")))
    (other / "report.json").write_text('{"consent": {"keep_until": null}}')
    other.with_name("other.yaml").write_text("who: the user's own notes\n")
    forget(read_case(other), AFTER)
    assert other.with_name("other.yaml").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete anything")
def test_what_cannot_be_deleted_is_named(case: Path) -> None:
    case.chmod(0o500)
    done = forget(read_case(case), AFTER)
    case.chmod(0o700)
    assert {path.name for path in done.left} >= {"report.json", "evidence.age"}


def test_a_link_is_removed_and_what_it_points_to_is_not(case: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"of somebody else")
    (case / "evidence.age").unlink()
    (case / "evidence.age").symlink_to(target)
    forget(read_case(case), AFTER)
    assert target.read_bytes() == b"of somebody else"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"consent": {"keep_until": "soon"}}', b'{"consent": []}', b"\xff"])
def test_a_damaged_report_is_an_error_and_nothing_is_deleted(case: Path, content: bytes) -> None:
    (case / "report.json").write_bytes(content)
    with pytest.raises(SpytriageError):
        read_case(case)
    assert (case / "evidence.age").exists()


def test_what_is_no_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpytriageError, match="no report here"):
        read_case(tmp_path)


def test_doctor_finds_what_is_overdue_also_in_folders_of_folders_and_zips(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case, tmp_path / "more" / "june" / "two")
    path = zipped(case, "alone.zip")
    assert [found for found, _day in find_overdue([tmp_path], AFTER)] == [path, case, tmp_path / "more/june/two"]
    assert list(find_overdue([tmp_path], UNTIL)) == []


def test_doctor_says_when_a_folder_is_not_there(tmp_path: Path) -> None:
    assert [row.word for row in look_for_overdue([tmp_path / "nowhere"])] == ["unreadable"]
    assert [row.word for row in look_for_overdue([tmp_path])] == ["none"]


def test_doctor_takes_a_zip(case: Path) -> None:
    path = zipped(case)
    shutil.rmtree(case)
    assert list(find_overdue([path], AFTER)) == [(path, UNTIL)]


def test_doctor_says_when_a_case_cannot_be_read(case: Path) -> None:
    (case / "report.json").write_bytes(b"{")
    (found,) = look_for_overdue([case.parent], Machine())
    assert (found.state, found.word) == (State.UNKNOWN, "unreadable")


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(case: Path) -> Run:
    def spytriage(*arguments: str, day: str = "1780358400") -> subprocess.CompletedProcess[str]:  # 2026-06-02
        return subprocess.run(
            [sys.executable, "-m", "spytriage", *arguments], cwd=case.parent, capture_output=True, text=True,
            check=False, env={**os.environ, "SOURCE_DATE_EPOCH": day, "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return spytriage


class TestTheCommand:
    def test_deletes_what_is_due_and_says_what_it_cannot_reach(self, run: Run, case: Path) -> None:
        done = run("forget", "case", "--yes")
        assert done.returncode == 0, done.stderr
        assert "Copies that were handed over" in done.stdout
        assert [path.name for path in case.iterdir()] == ["custody.jsonl"]

    def test_deletes_nothing_without_being_sure(self, run: Run, case: Path) -> None:
        assert run("forget", "case").returncode == 1
        assert (case / "report.json").exists()

    def test_deletes_before_the_day_when_asked(self, run: Run, case: Path) -> None:
        may = "1777852800"
        assert run("forget", "case", "--yes", day=may).returncode == 1
        assert (case / "report.json").exists()
        assert run("forget", "case", "--yes", "--now", day=may).returncode == 0
        assert not (case / "report.json").exists()

    def test_of_two_deletes_none_when_one_is_not_due(self, run: Run, case: Path, demo: Path) -> None:
        shutil.copytree(demo, case.with_name("later"))
        assert run("forget", "case", "later", "--yes").returncode == 1
        assert (case / "report.json").exists()
