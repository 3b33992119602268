"""`spytriage demo` and `spytriage consent` from the outside."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from spytriage.consent import Grant, read_consent

EPOCH = {"SOURCE_DATE_EPOCH": "1777852800"}


def spytriage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spytriage", *arguments],
        cwd=folder, env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | environment,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def on_a_terminal(folder: Path, answers: str, *arguments: str) -> tuple[int, str]:
    """Run the program on a terminal and type the answers."""
    parent, child = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb", "COLUMNS": "200"}
    run = subprocess.Popen(
        [sys.executable, "-m", "spytriage", *arguments], cwd=folder, env=environment, stdin=child, stdout=child,
        stderr=child, close_fds=True,
    )  # fmt: skip
    os.close(child)
    os.write(parent, answers.encode())
    said = b""
    while True:
        try:
            if not (read := os.read(parent, 4096)):
                break
        except OSError:  # the other end is closed
            break
        said += read
    os.close(parent)
    return run.wait(timeout=120), said.decode()


class TestTheDemo:
    def test_comes_out_as_planted_and_leaves_a_hand_off(self, tmp_path: Path) -> None:
        done = spytriage(tmp_path, "demo")

        assert (done.returncode, done.stderr) == (0, "")
        report = json.loads((tmp_path / "spytriage-demo" / "report.json").read_text())
        assert (report["outcome"], report["demo"]) == ("match", True)
        assert [path.name for path in tmp_path.iterdir()] == ["spytriage-demo"]

    def test_is_the_same_report_for_one_seed_and_one_day(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            assert spytriage(tmp_path, "demo", "-o", name, **EPOCH).returncode == 0

        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name

    def test_of_another_seed_is_another_report(self, tmp_path: Path) -> None:
        spytriage(tmp_path, "demo", "-o", "one", **EPOCH)
        spytriage(tmp_path, "demo", "-o", "two", "--seed", "7", **EPOCH)

        assert (tmp_path / "one" / "report.json").read_bytes() != (tmp_path / "two" / "report.json").read_bytes()

    def test_leaves_its_phone_to_practise_on_when_asked(self, tmp_path: Path) -> None:
        spytriage(tmp_path, "demo", "--keep-phone", "phone", "--quiet")
        spytriage(tmp_path, "consent", "new", "-o", "c.yaml", "--grant", "analyse")

        done = spytriage(tmp_path, "check", "phone", "--consent", "c.yaml", "--json")

        assert json.loads(done.stdout)["source"]["kind"] == "ios-backup"

    def test_refuses_a_folder_in_use(self, tmp_path: Path) -> None:
        (tmp_path / "used").mkdir()
        (tmp_path / "used" / "file").write_text("x")

        done = spytriage(tmp_path, "demo", "-o", "used")

        assert done.returncode == 1
        assert (tmp_path / "used" / "file").read_text() == "x"

    @pytest.mark.parametrize("epoch", ["soon", "9" * 30])
    def test_refuses_a_clock_that_is_none(self, tmp_path: Path, epoch: str) -> None:
        done = spytriage(tmp_path, "demo", SOURCE_DATE_EPOCH=epoch)

        assert (done.returncode, "Traceback" in done.stderr) == (1, False)


class TestConsent:
    def test_with_a_grant_asks_nothing(self, tmp_path: Path) -> None:
        done = spytriage(
            tmp_path, "consent", "new", "-o", "c.yaml", "--grant", "analyse", "--grant", "aggregate",
            "--keep-until", "2027-01-31", "--form-reference", "F-2026-014",
        )  # fmt: skip

        assert done.returncode == 0
        record = read_consent(tmp_path / "c.yaml")
        assert record.grants == {Grant.ANALYSE, Grant.AGGREGATE}
        assert str(record.keep_until) == "2027-01-31"

    def test_asks_each_question_and_assumes_no_answer(self, tmp_path: Path) -> None:
        answers = "perhaps\ny\ny\nY\nno\nn\nn\nn\n\n\n"

        code, said = on_a_terminal(tmp_path, answers, "consent", "new", "-o", "c.yaml")

        assert code == 0, said
        assert said.count("[y/n]") == 8  # seven questions, one asked again
        record = read_consent(tmp_path / "c.yaml")
        assert (record.data_owner_asked, record.device_owner_asked) == (True, True)
        assert record.grants == {Grant.ANALYSE}

    @pytest.mark.parametrize(
        ("language", "yes", "no"),
        [("es", "s", "n"), ("pt_BR", "sim", "não"), ("fr", "Oui", "non"), ("ar", "نعم", "لا")],
    )
    def test_is_asked_and_answered_in_the_language_of_the_person(
        self, tmp_path: Path, language: str, yes: str, no: str
    ) -> None:
        answers = "\n".join([yes] * 3 + [no] * 4 + ["", "", ""])
        code, said = on_a_terminal(tmp_path, answers, "consent", "new", "-o", "c.yaml", "--lang", language)

        assert code == 0, said
        assert f"[{yes[0].lower()}/{no[0]}]" in said
        assert read_consent(tmp_path / "c.yaml").grants == {Grant.ANALYSE}

    def test_asked_on_the_terminal_a_no_ends_the_check(self, tmp_path: Path, quiet_phone: Path) -> None:
        code, said = on_a_terminal(tmp_path, "y\ny\nn\nn\nn\nn\nn\n\n\n", "check", str(quiet_phone))

        assert code == 1
        assert "does not allow" in said
        assert not list(tmp_path.iterdir())

    def test_an_answer_that_will_not_do_costs_only_itself(self, tmp_path: Path) -> None:
        answers = "y\ny\ny\nn\nn\nn\nn\n31/01/2027\n2027-01-31\nthe form of Ana\nF-2026-014\n"

        code, said = on_a_terminal(tmp_path, answers, "consent", "new", "-o", "c.yaml")

        assert code == 0, said
        record = read_consent(tmp_path / "c.yaml")
        assert (str(record.keep_until), record.form_reference) == ("2027-01-31", "F-2026-014")
        assert record.grants == {Grant.ANALYSE}

    def test_nothing_is_asked_when_there_is_a_record_already(self, tmp_path: Path) -> None:
        spytriage(tmp_path, "consent", "new", "-o", "c.yaml", "--grant", "analyse")

        code, said = on_a_terminal(tmp_path, "", "consent", "new", "-o", "c.yaml")

        assert code == 1
        assert "exists already" in said
        assert "[y/n]" not in said

    def test_is_shown_in_words(self, tmp_path: Path) -> None:
        spytriage(tmp_path, "consent", "new", "-o", "c.yaml", "--grant", "analyse")

        done = spytriage(tmp_path, "consent", "show", "c.yaml")

        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 10

    def test_without_answers_is_not_made(self, tmp_path: Path) -> None:
        done = spytriage(tmp_path, "consent", "new", "-o", "c.yaml")

        assert done.returncode == 1
        assert not list(tmp_path.iterdir())
