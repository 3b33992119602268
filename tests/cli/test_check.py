"""`spytriage check` from the outside: what a trainer sees, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.demo import DemoPhone
from spytriage.indicators.data import data_file
from tests.conftest import consent
from tests.tools import SMS, digest_of, stored

Run = Callable[..., subprocess.CompletedProcess[str]]
DEMO_SET = str(data_file("demo.stix2"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder to work in, with a consent record."""
    folder = tmp_path / "here"
    folder.mkdir()
    consent().write(folder / "consent.yaml")
    return folder


@pytest.fixture
def spytriage(here: Path) -> Run:
    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(here), "LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": "1777852800",
            **options.pop("env", {}),  # type: ignore[dict-item]
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "spytriage", *map(str, arguments)],
            cwd=here, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options,
        )  # type: ignore[call-overload,no-any-return]  # fmt: skip

    return run


@pytest.fixture
def check(spytriage: Run) -> Run:
    def run(folder: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return spytriage("check", folder, "-i", DEMO_SET, "--consent", "consent.yaml", *arguments, **options)

    return run


class TestTheOutcome:
    def test_of_planted_traces_is_a_match_and_exit_3(
        self, check: Run, written_phone: tuple[Path, DemoPhone], here: Path
    ) -> None:
        done = check(written_phone[0])

        assert (done.returncode, done.stderr) == (3, "")
        assert "published indicator was found" in done.stdout.replace("\n", " ")
        report = json.loads((here / "spytriage-report" / "report.json").read_text())
        assert report["outcome"] == "match"

    def test_of_an_ordinary_phone_is_no_match_and_exit_0(self, check: Run, quiet_phone: Path, here: Path) -> None:
        done = check(quiet_phone)

        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads((here / "spytriage-report" / "report.json").read_text())["outcome"] == "no-match"

    def test_of_an_unreadable_sms_db_is_inconclusive_and_exit_5(self, check: Run, unplanted: Path, here: Path) -> None:
        stored(unplanted, SMS).write_bytes(os.urandom(9000))

        done = check(unplanted)

        assert done.returncode == 5
        report = json.loads((here / "spytriage-report" / "report.json").read_text())
        ledger = {module["name"]: module for module in report["coverage"]["modules"]}
        assert (ledger["SMS"]["state"], ledger["SMS"]["reason"]) == ("unreadable", "damaged")

    def test_of_a_documented_anomaly_is_suspicious_and_exit_4(self, check: Run, unplanted: Path) -> None:
        cache = stored(unplanted, ("HomeDomain", "Library/Preferences/com.apple.identityservices.idstatuscache.plist"))
        content = plistlib.loads(cache.read_bytes())
        content["com.apple.madrid"]["mailto:x\x00\x00y@example.org"] = {"LookupDate": 6.4e8, "IDStatus": 1}
        cache.write_bytes(plistlib.dumps(content, fmt=plistlib.FMT_BINARY))

        assert check(unplanted).returncode == 4


class TestTheReport:
    def test_is_complete_and_private(self, check: Run, written_phone: tuple[Path, DemoPhone], here: Path) -> None:
        check(written_phone[0], "--output", "ana")

        folder = here / "ana"
        assert {path.name for path in folder.iterdir()} == {
            "report.json", "report.html", "report.stix2", "custody.jsonl", "manifest.json",
        }  # fmt: skip
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}

    def test_holds_nothing_of_the_phone(self, check: Run, written_phone: tuple[Path, DemoPhone], here: Path) -> None:
        backup, phone = written_phone

        done = check(backup)

        outputs = [path.read_text() for path in (here / "spytriage-report").iterdir()]
        for secret in (*phone.secrets, phone.udid, str(backup), str(here)):
            assert not [text for text in (*outputs, done.stderr) if secret in text], secret
            assert secret not in done.stdout.replace(str(here), "")

    def test_takes_the_next_free_name(self, check: Run, quiet_phone: Path, here: Path) -> None:
        check(quiet_phone)
        check(quiet_phone)

        assert {path.name for path in here.glob("spytriage-report*")} == {"spytriage-report", "spytriage-report-2"}

    def test_on_standard_output_is_the_file_and_nothing_else(
        self, check: Run, written_phone: tuple[Path, DemoPhone], here: Path
    ) -> None:
        done = check(written_phone[0], "--json")

        assert done.stdout == (here / "spytriage-report" / "report.json").read_text()

    def test_quiet_says_nothing(self, check: Run, quiet_phone: Path) -> None:
        done = check(quiet_phone, "--quiet")

        assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)

    def test_names_the_sets_and_admits_when_only_the_embedded_core_was_used(
        self, spytriage: Run, quiet_phone: Path, here: Path
    ) -> None:
        spytriage("check", quiet_phone, "--consent", "consent.yaml")

        report = json.loads((here / "spytriage-report" / "report.json").read_text())
        (used,) = report["indicators"]["sets"]
        assert used["name"] == "pegasus-core"
        assert used["embedded"] is True
        assert re.fullmatch("[0-9a-f]{64}", used["sha256"])
        limit = next(limit for limit in report["limits"] if limit["id"] == "embedded-core-only")
        assert limit["values"]["full"] == 1549


class TestNothingIsWrittenAndTheHintHelpsFor:
    def assert_refused(self, done: subprocess.CompletedProcess[str], here: Path, message: str) -> None:
        assert done.returncode == 1
        assert message in done.stderr
        assert "What to do:" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(here.glob("spytriage-report*"))
        assert not list(here.glob(".spytriage*"))

    def test_no_consent(self, spytriage: Run, quiet_phone: Path, here: Path) -> None:
        done = spytriage("check", quiet_phone, "-i", DEMO_SET)
        self.assert_refused(done, here, "no consent record")

    def test_an_encrypted_backup(self, check: Run, phone: Path, here: Path) -> None:
        manifest = plistlib.loads((phone / "Manifest.plist").read_bytes())
        (phone / "Manifest.plist").write_bytes(plistlib.dumps(manifest | {"IsEncrypted": True}))
        self.assert_refused(check(phone), here, "encrypted")

    def test_no_backup(self, check: Run, tmp_path: Path, here: Path) -> None:
        (tmp_path / "photos").mkdir()
        self.assert_refused(check(tmp_path / "photos"), here, "not an acquisition that spytriage knows")

    def test_several_backups(self, check: Run, phone: Path, here: Path) -> None:
        parent = here.parent / "several"
        for name in ("one", "two"):
            shutil.copytree(phone, parent / name)
        self.assert_refused(check(parent), here, "several backups: one, two")

    def test_no_indicators(self, spytriage: Run, quiet_phone: Path, here: Path) -> None:
        (here / "empty.stix2").write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": []}))
        done = spytriage("check", quiet_phone, "-i", "empty.stix2", "--consent", "consent.yaml")
        self.assert_refused(done, here, "empty.stix2")

    def test_a_missing_set(self, spytriage: Run, quiet_phone: Path, here: Path) -> None:
        done = spytriage("check", quiet_phone, "-i", "none.stix2", "--consent", "consent.yaml")
        self.assert_refused(done, here, "none.stix2")

    def test_an_output_folder_in_use(self, check: Run, quiet_phone: Path, here: Path) -> None:
        (here / "ana").mkdir()
        (here / "ana" / "photo.jpg").write_bytes(b"x")

        done = check(quiet_phone, "--output", "ana")

        self.assert_refused(done, here, "in use")
        assert [path.name for path in (here / "ana").iterdir()] == ["photo.jpg"]

    def test_an_output_folder_inside_the_backup(self, check: Run, phone: Path, here: Path) -> None:
        before = digest_of(phone)

        self.assert_refused(check(phone, "--output", str(phone / "report")), here, "evidence is never changed")

        assert digest_of(phone) == before
        assert not (phone / "report").exists()

    def test_an_output_folder_without_a_parent(self, check: Run, quiet_phone: Path, here: Path) -> None:
        self.assert_refused(check(quiet_phone, "--output", "no/such/folder"), here, "could not be written")

    def test_a_path_full_of_escapes(self, check: Run, here: Path) -> None:
        done = check(Path("x\x1b]0;owned\x07\u202e"))
        self.assert_refused(done, here, "nothing at this path")
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stderr)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
@pytest.mark.parametrize("output", [">&-", ">/dev/full", "| true"])
def test_an_output_that_nobody_reads_does_not_change_the_outcome(
    here: Path, written_phone: tuple[Path, DemoPhone], output: str, arguments: tuple[str, ...]
) -> None:
    words = [sys.executable, "-m", "spytriage", "check", str(written_phone[0]), "-i", DEMO_SET,
             "--consent", "consent.yaml", *arguments]  # fmt: skip
    line = f"{shlex.join(words)} {output}; echo code=${{PIPESTATUS[0]}} >&2"

    done = subprocess.run(["bash", "-c", line], cwd=here, capture_output=True, text=True, check=False)

    assert "code=3" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert (here / "spytriage-report" / "report.json").exists()


def test_a_screen_without_some_letters_is_printed_to_all_the_same(
    check: Run, written_phone: tuple[Path, DemoPhone]
) -> None:
    done = check(written_phone[0], env={"PYTHONIOENCODING": "ascii", "LANG": "C"})

    assert (done.returncode, done.stderr) == (3, "")


def test_wrong_usage_is_exit_2_and_points_to_help(spytriage: Run) -> None:
    done = spytriage("check", "--no-such-option")

    assert done.returncode == 2
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_spanish_from_the_first_sentence(check: Run, spytriage: Run, quiet_phone: Path, here: Path) -> None:
    done = check(quiet_phone, "--lang", "es")

    assert "<html" in (page := (here / "spytriage-report" / "report.html").read_text())
    assert 'lang="es"' in page
    assert "indicador" in done.stdout
    assert "Qué hacer" in spytriage("check", "nada", "--lang=es", "--consent", "consent.yaml").stderr
    assert "Qué hacer" in spytriage("check", "nada", env={"LANG": "es_MX.UTF-8"}).stderr


def test_text_of_the_phone_that_attacks_a_terminal_does_nothing(
    check: Run, written_phone: tuple[Path, DemoPhone]
) -> None:
    done = check(written_phone[0])

    assert not {"\x1b", "\x9b", "\u202e", "\u200b"} & set(done.stdout + done.stderr)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_a_check_leaves_nothing(here: Path, phone: Path, how: signal.Signals) -> None:
    before = digest_of(phone)
    temporary = here / "tmp"
    temporary.mkdir()
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "spytriage", "--version"], check=True, capture_output=True)
    started = time.monotonic() - begin  # before that Python has not come to our first line
    run = subprocess.Popen(
        [sys.executable, "-m", "spytriage", "check", phone, "-i", DEMO_SET, "--consent", "consent.yaml"],
        cwd=here, env={"PATH": os.environ["PATH"], "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(max(0.6, 3 * started))

    run.send_signal(how)
    _, said = run.communicate(timeout=120)

    assert run.returncode in {128 + how, -how, 3}, said  # it may not have begun, or just have finished
    assert "Traceback" not in said
    if run.returncode != 3:
        assert {path.name for path in here.iterdir()} == {"consent.yaml", "tmp"}
    assert not list(temporary.iterdir())
    assert digest_of(phone) == before
