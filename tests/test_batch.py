"""Many phones: each has its report, a broken one stops no other, and what is done is not done again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from spytriage import batch
from spytriage.batch import Phone, Result, State, Task, exit_code, numbered, overdue, passwords_of, phones_of
from spytriage.consent import Grant
from spytriage.demo import DEMO_PASSWORD
from spytriage.errors import SpytriageError
from spytriage.models import Outcome
from spytriage.signing import generate, load_trusted, verified_by
from tests.conftest import consent
from tests.tools import DAY

NAMES = ("K-014", "K-015", "broken")
TODAY = {"SOURCE_DATE_EPOCH": "1777852800", "LANG": "C.UTF-8"}


@pytest.fixture
def desk(written_phone: tuple[Path, object], quiet_phone: Path, tmp_path: Path) -> Path:
    """A folder of three phones: one with traces of the demo set, one without, one that is no phone."""
    for name, backup in zip(NAMES, (written_phone[0], quiet_phone, None), strict=True):
        folder = tmp_path / "phones" / name
        folder.mkdir(parents=True)
        consent(Grant.ANALYSE).write(folder / "consent.yaml")
        if backup:
            shutil.copytree(backup, folder / "backup")
        else:
            (folder / "notes.txt").write_text("no phone")
    return tmp_path


def run(desk: Path, *options: str) -> subprocess.CompletedProcess[str]:
    from spytriage.indicators.data import data_file

    command = [
        sys.executable,
        "-m",
        "spytriage",
        "batch",
        "phones",
        "-o",
        "reports",
        "-i",
        str(data_file("demo.stix2")),
    ]
    return subprocess.run(
        [*command, *options], cwd=desk, env=os.environ | TODAY, capture_output=True, text=True, check=False
    )


def test_every_phone_has_a_report_and_a_broken_one_is_a_row(desk: Path) -> None:
    done = run(desk, "--jobs", "2")

    assert done.returncode == 1, done.stderr
    summary = json.loads((desk / "reports" / "summary.json").read_text())
    assert [(row["number"], row["state"], row["outcome"]) for row in summary["phones"]] == [
        ("0001", "checked", "match"), ("0002", "checked", "no-match"), ("0003", "failed", None),
    ]  # fmt: skip
    assert (desk / "reports" / "0001" / "report.html").exists()
    assert "Traceback" not in done.stdout + done.stderr


def test_what_may_be_shown_around_names_no_phone(desk: Path) -> None:
    run(desk)

    reports = desk / "reports"
    shown = (reports / "index.html").read_text() + (reports / "summary.json").read_text()
    assert not [name for name in (*NAMES, str(desk), "backup", "phones/") if name in shown]
    assert set(json.loads((reports / "cases.json").read_text())["numbers"]) == set(NAMES)
    assert oct((reports / "cases.json").stat().st_mode)[-3:] == "600"
    assert oct(reports.stat().st_mode)[-3:] == "700"


def test_a_second_run_repeats_no_phone_that_has_a_report(desk: Path) -> None:
    run(desk)
    before = {path: path.stat().st_mtime_ns for path in (desk / "reports").glob("000?/report.json")}
    shutil.rmtree(desk / "phones" / "broken")
    again = run(desk)

    assert again.returncode == Outcome.MATCH.exit_code, again.stderr
    assert {path: path.stat().st_mtime_ns for path in (desk / "reports").glob("000?/report.json")} == before


@pytest.mark.slow
def test_a_killed_batch_goes_on_where_it_stopped(desk: Path) -> None:
    from spytriage.indicators.data import data_file

    command = [sys.executable, "-m", "spytriage", "batch", "phones", "-o", "reports", "--jobs", "1", "--quiet"]
    command += ["-i", str(data_file("demo.stix2"))]
    process = subprocess.Popen(command, cwd=desk, env=os.environ | TODAY, start_new_session=True)
    first = desk / "reports" / "0001" / "report.json"
    try:
        for _attempt in range(1800):
            if first.exists():
                break
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = first.stat().st_mtime_ns

    done = run(desk)
    assert done.returncode == 1  # the broken phone
    assert first.stat().st_mtime_ns == before
    assert (desk / "reports" / "0002" / "report.json").exists()


def test_an_encrypted_phone_is_opened_with_its_password_from_a_protected_file(
    written_encrypted_phone: tuple[Path, object], tmp_path: Path
) -> None:
    folder = tmp_path / "phones" / "K-016"
    folder.mkdir(parents=True)
    shutil.copytree(written_encrypted_phone[0], folder / "backup")
    consent(Grant.ANALYSE).write(folder / "consent.yaml")
    passwords = tmp_path / "passwords.yaml"
    passwords.write_text(f"K-016: {DEMO_PASSWORD}\n")
    passwords.chmod(0o600)

    assert run(tmp_path, "--passwords", "passwords.yaml").returncode == Outcome.MATCH.exit_code


@pytest.mark.parametrize("in_a_file", [True, False])
def test_reports_are_signed_with_a_key_whose_password_is_in_a_file_or_in_the_environment(
    desk: Path, monkeypatch: pytest.MonkeyPatch, *, in_a_file: bool
) -> None:
    shutil.rmtree(desk / "phones" / "broken")
    shutil.rmtree(desk / "phones" / "K-014")
    generate(desk / "workshop.key", "a long sentence")
    (desk / "sentence.txt").write_text("a long sentence\n")
    if not in_a_file:
        monkeypatch.setenv("SPYTRIAGE_SIGN_PASSWORD", "a long sentence")

    done = run(desk, "--sign-key", "workshop.key", *(["--sign-password-file", "sentence.txt"] if in_a_file else []))

    assert done.returncode == Outcome.NO_MATCH.exit_code, done.stderr
    [key] = load_trusted([desk / "workshop.key.pub"])
    signed = desk / "reports" / "0001" / "manifest.json"
    assert verified_by(signed.with_name("manifest.json.minisig").read_bytes(), signed.read_bytes(), [key])


def test_a_wrong_password_of_the_signing_key_is_said_before_any_phone_is_checked(desk: Path) -> None:
    generate(desk / "workshop.key", "a long sentence")
    (desk / "sentence.txt").write_text("another one")

    done = run(desk, "--sign-key", "workshop.key", "--sign-password-file", "sentence.txt")

    assert done.returncode == 1
    assert "does not open the signing key" in done.stderr
    assert not (desk / "reports").exists()


def test_what_was_looked_up_is_kept_of_every_phone_that_agreed(
    written_phone: tuple[Path, object], tmp_path: Path
) -> None:
    folder = tmp_path / "phones" / "K-017"
    folder.mkdir(parents=True)
    shutil.copytree(written_phone[0], folder / "backup")
    consent(Grant.ANALYSE, Grant.KEEP_OBSERVABLES).write(folder / "consent.yaml")
    help_line = str(pyrage.x25519.Identity.generate().to_public())

    assert run(tmp_path, "--keep-observables", "--seal-to", help_line).returncode == Outcome.MATCH.exit_code
    assert (tmp_path / "reports" / "0001" / "observables.age").exists()


def test_a_file_of_passwords_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passwords.yaml"
    file.write_text("K-016: of nobody\n")
    file.chmod(0o644)
    with pytest.raises(SpytriageError, match="Others on this machine"):
        passwords_of(file)


def test_a_list_names_phones_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(
        "- name: K-014\n  path: one/backup\n- name: K-015\n  path: /two.zip\n  consent: two.yaml\n"
    )
    assert phones_of(tmp_path / "list.yaml") == [
        Phone("K-014", tmp_path / "one/backup", tmp_path / "one/consent.yaml"),
        Phone("K-015", Path("/two.zip"), tmp_path / "two.yaml"),
    ]


@pytest.mark.parametrize(
    "text", ["", "K-014", "- K-014", "- {name: K-014}", "- {name: [], path: x}", "- {name: a, path: x, other: y}", "{{"]
)
def test_what_is_no_list_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.yaml").write_text(text)
    with pytest.raises(SpytriageError):
        phones_of(tmp_path / "list.yaml")


def test_two_phones_of_one_name_are_refused_before_anything_is_checked(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- {name: K-014, path: a}\n- {name: K-014, path: b}\n")
    with pytest.raises(SpytriageError, match="Two phones have the name"):
        phones_of(tmp_path / "list.yaml")


def test_a_number_stays_with_its_phone(tmp_path: Path) -> None:
    one, two, new = (Phone(name, tmp_path, tmp_path) for name in ("one", "two", "new"))
    numbered([one, two], tmp_path / "reports")
    assert [phone.number for phone in numbered([new, two], tmp_path / "reports")] == [3, 2]


@pytest.mark.parametrize("content", [b"{}", b"[]", b"not json", b'{"numbers": {"a": "b"}}',
                                     b'{"numbers": {"a": true}}', b'{"numbers": {"a": 1, "b": 1}}'])  # fmt: skip
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cases.json").write_bytes(content)
    with pytest.raises(SpytriageError, match="not a folder that"):
        numbered([Phone("one", tmp_path, tmp_path)], tmp_path)
    assert (tmp_path / "cases.json").read_bytes() == content


# --- How tasks are run, without a phone ----------------------------------------------------------------------


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Check_one as a machine that goes away at the first attempt on every phone whose name begins with `lost`."""
    seen: list[str] = []

    def check(task: Task) -> Result:
        seen.append(task.phone.name)
        if task.phone.name.startswith("lost") and seen.count(task.phone.name) == 1:
            raise ConnectionError("the worker is gone")
        if task.phone.name.startswith("never"):
            return Result(task.phone, State.FAILED, why="no backup")
        return Result(task.phone, State.CHECKED, Outcome.NO_MATCH)

    monkeypatch.setattr(batch, "check_one", check)
    return seen


def test_a_failed_phone_is_tried_once_more_and_then_is_a_row(attempts: list[str], tmp_path: Path) -> None:
    phones = [Phone(name, tmp_path, tmp_path, number) for number, name in enumerate(("lost", "never", "fine"), start=1)]
    told: list[Result] = []
    with ThreadPoolExecutor(1) as executor:
        results = batch.run(phones, tmp_path, (), executor, ended=told.append)

    assert [(result.phone.name, result.state) for result in results] == [
        ("lost", State.CHECKED), ("never", State.FAILED), ("fine", State.CHECKED),
    ]  # fmt: skip
    assert sorted(attempts) == ["fine", "lost", "lost", "never", "never"]
    assert {result.phone.name for result in told} == {"lost", "never", "fine"}


def test_the_exit_code_is_that_of_the_strongest_outcome_unless_a_phone_failed() -> None:
    phone = Phone("one", Path(), Path(), 1)
    results = [Result(phone, State.CHECKED, outcome) for outcome in (Outcome.NO_MATCH, Outcome.INCONCLUSIVE)]
    assert exit_code(results) == Outcome.INCONCLUSIVE.exit_code
    assert exit_code([*results, Result(phone, State.CHECKED, Outcome.MATCH)]) == Outcome.MATCH.exit_code
    assert exit_code([*results, Result(phone, State.FAILED)]) == 1


def test_a_consent_that_has_run_out_is_listed() -> None:
    phone = Phone("one", Path(), Path(), 1)
    result = Result(phone, State.CHECKED, Outcome.NO_MATCH, keep_until=DAY)
    assert overdue([result], DAY) == []
    assert overdue([result], DAY.replace(day=DAY.day + 1)) == [result]


# --- On a cluster --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_batch_runs_on_dasks_own_local_cluster(desk: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        done = run(desk, "--scheduler", cluster.scheduler_address)
    assert done.returncode == 1, done.stderr
    states = [row["state"] for row in json.loads((desk / "reports" / "summary.json").read_text())["phones"]]
    assert states == ["checked", "checked", "failed"]


@pytest.mark.slow
def test_a_worker_of_a_cluster_that_is_killed_costs_no_phone(desk: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    programs = []
    try:
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--dashboard-address", "127.0.0.1:0", "--scheduler-file", tmp_path / "scheduler.json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        programs.append(scheduler)
        address = wait_for_address(tmp_path / "scheduler.json")
        programs += [
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard",
                 "--local-directory", tmp_path / f"worker-{number}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )
            for number in range(2)
        ]  # fmt: skip
        running = subprocess.Popen(
            [sys.executable, "-m", "spytriage", "batch", "phones", "-o", "reports", "--scheduler", address],
            cwd=desk, env=os.environ | TODAY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(2.5)
        os.killpg(programs[-1].pid, signal.SIGKILL)
        _out, said = running.communicate(timeout=300)
        assert running.returncode == 1, said  # the broken phone
        states = [row["state"] for row in json.loads((desk / "reports" / "summary.json").read_text())["phones"]]
        assert states == ["checked", "checked", "failed"]
    finally:
        for program in programs:
            program.kill()
            program.wait()


def wait_for_address(file: Path) -> str:
    for _attempt in range(1200):
        if file.exists() and (found := re.search(r'"address": "(tcp://[^"]+)"', file.read_text())):
            return found[1]
        time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


def test_a_scheduler_that_does_not_answer_is_said(desk: Path) -> None:
    pytest.importorskip("distributed")
    done = run(desk, "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 1
    assert "No scheduler answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_phone_that_was_forgotten_is_not_checked_again(attempts: list[str], tmp_path: Path) -> None:
    (tmp_path / "0001").mkdir()
    (tmp_path / "0001" / "custody.jsonl").write_text("{}")
    with ThreadPoolExecutor(1) as executor:
        (result,) = batch.run([Phone("one", tmp_path, tmp_path, 1)], tmp_path, (), executor)
    assert result.state is State.DELETED
    assert attempts == []
    assert exit_code([result]) == 0


def test_the_result_of_a_phone_is_read_from_its_report_only(tmp_path: Path) -> None:
    phone = replace(Phone("one", tmp_path, tmp_path), number=1)
    assert batch.finished(tmp_path, phone) is None
    (tmp_path / "0001").mkdir()
    (tmp_path / "0001" / "report.json").write_text("[]")
    assert batch.finished(tmp_path, phone) is None


def test_a_list_of_an_earlier_run_that_deleted_nothing_is_read(tmp_path: Path) -> None:
    phones = [Phone(name, Path(name), Path("consent.yaml")) for name in ("a", "b")]
    (tmp_path / "cases.json").write_text('{"numbers": {"b": 7}, "schema_version": 1}')
    assert [phone.number for phone in numbered(phones, tmp_path)] == [8, 7]
