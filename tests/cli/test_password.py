"""How the password of an encrypted backup is given, and what becomes of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spytriage.cli.password import VARIABLE, unlocking
from spytriage.demo import DEMO_PASSWORD, DemoPhone
from spytriage.demo.encryption import Keybag
from spytriage.errors import SpytriageError
from spytriage.indicators.data import data_file
from spytriage.source import recognise
from tests.conftest import consent

Open = Callable[..., bool]
DEMO_SET = str(data_file("demo.stix2"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "tmp").mkdir()
    consent().write(folder / "consent.yaml")
    return folder


@pytest.fixture
def backup(written_encrypted_phone: tuple[Path, DemoPhone]) -> Path:
    return written_encrypted_phone[0]


@pytest.fixture
def opens(backup: Path, tmp_path: Path) -> Open:
    """Whether a file of these bytes opens the backup."""

    def opened(content: bytes, option: str = "password_file") -> bool:
        path = tmp_path / "secret"
        path.write_bytes(content)
        given = {"password_file": None, "key_file": None} | {option: path}
        return unlocking(**given, quiet=True)(recognise(backup)) is not None

    return opened


def command(backup: Path, *options: str) -> list[str]:
    check = ["check", str(backup), "-i", DEMO_SET, "--consent", "consent.yaml"]
    return [sys.executable, "-m", "spytriage", *check, *options]


def run(here: Path, backup: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(backup, *options), cwd=here, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(here / "tmp"), **environment},
    )  # fmt: skip


def typed(here: Path, backup: Path, answers: Sequence[str], terminal: str = "dumb") -> tuple[int, str]:
    """Run a check on a terminal and type an answer whenever a password is asked for."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        command(backup), cwd=here, stdin=child, stdout=child, stderr=child, start_new_session=True,
        # A real one: Ctrl-C is a signal, and getpass opens it.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": terminal, "COLUMNS": "200"},
    )  # fmt: skip
    os.close(child)
    said, waiting, end = b"", list(answers), time.monotonic() + 120
    while time.monotonic() < end and select.select([parent], [], [], 120)[0]:
        try:
            read = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        said += read
        if waiting and said.count(b"not shown") > len(answers) - len(waiting):
            while termios.tcgetattr(parent)[3] & termios.ECHO and time.monotonic() < end:
                time.sleep(0.01)  # what is typed before echo is off is thrown away
            os.write(parent, waiting.pop(0).encode() + b"\n")
    os.close(parent)
    return process.wait(timeout=120), said.decode()


class TestInAFile:
    @pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\ufeff{}\n"])
    def test_it_may_end_with_a_newline_or_not(self, opens: Open, around: str) -> None:
        assert opens(around.format(DEMO_PASSWORD).encode())

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "one password"),
            (b"\n", "one password"),
            (b"one\ntwo\n", "one password"),
            (b"x" * 100_000, "one password"),
            ("contraseña".encode("latin-1"), "not UTF-8"),
            (b"\xff\xfe", "not UTF-8"),
            (b"another", "does not open"),
            (DEMO_PASSWORD.encode() + b" ", "does not open"),
        ],
    )
    def test_what_is_none_is_refused_with_a_next_step(self, opens: Open, content: bytes, message: str) -> None:
        with pytest.raises(SpytriageError, match=message) as caught:
            opens(content)

        assert caught.value.hint
        assert "secret" in caught.value.message  # the file's name
        error: BaseException | None = caught.value
        while error:  # nothing that was tried may stand in an exception
            assert content[:8].decode(errors="replace") not in str(error) or len(content) < 4
            error = error.__context__

    def test_that_is_not_there_is_an_error(self, backup: Path, tmp_path: Path) -> None:
        with pytest.raises(SpytriageError, match="cannot be read"):
            unlocking(tmp_path / "none", None, quiet=True)(recognise(backup))

    def test_a_wrong_one_ends_the_check_at_once(self, here: Path, backup: Path) -> None:
        (here / "p").write_text("wrong-secret")

        done = run(here, backup, "--password-file", "p")

        assert done.returncode == 1
        assert "does not open the backup" in done.stderr
        assert "What to do:" in done.stderr
        assert "wrong-secret" not in done.stderr + done.stdout
        assert not list(here.glob("spytriage-report*"))
        assert not list((here / "tmp").iterdir())


class TestAsAKey:
    def test_it_is_the_one_that_mvt_extracts(self, opens: Open, backup: Path, here: Path) -> None:
        mvt = Path(sys.executable).with_name("mvt-ios")
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(here), "MVT_CONFIG_FOLDER": str(here), "MVT_DATA_FOLDER": str(here),
            "MVT_NETWORK_ACCESS_ALLOWED": "false",
        }  # fmt: skip
        extract = [mvt, "extract-key", "-p", DEMO_PASSWORD, "-k", here / "key", backup]
        subprocess.run(extract, env=environment, capture_output=True, check=True)

        assert opens((here / "key").read_bytes(), "key_file")

    def test_it_may_end_with_a_newline(self, opens: Open, written_encrypted_phone: tuple[Path, DemoPhone]) -> None:
        key = Keybag(DEMO_PASSWORD, written_encrypted_phone[1].udid).derived.hex()

        assert opens(f"{key.upper()}\n".encode(), "key_file")

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "no key"), (b"00" * 31, "no key"), (b"zz" * 32, "no key"), (b"00" * 33, "no key"),
         (b"00" * 32, "does not open")],
    )  # fmt: skip
    def test_what_is_none_is_refused(self, opens: Open, content: bytes, message: str) -> None:
        with pytest.raises(SpytriageError, match=message):
            opens(content, "key_file")


class TestInTheEnvironment:
    def test_it_opens_the_backup(self, here: Path, backup: Path) -> None:
        done = run(here, backup, "--json", **{VARIABLE: DEMO_PASSWORD})

        assert (done.returncode, done.stderr) == (3, "")
        assert json.loads(done.stdout)["source"]["encrypted"] is True

    def test_it_is_taken_out_so_that_no_child_inherits_it(self, monkeypatch: pytest.MonkeyPatch, backup: Path) -> None:
        monkeypatch.setenv(VARIABLE, DEMO_PASSWORD)

        unlock = unlocking(None, None, quiet=True)

        assert VARIABLE not in os.environ
        assert unlock(recognise(backup)).classes

    @pytest.mark.parametrize(("value", "message"), [("", "one password"), ("\udcff", "not UTF-8")])
    def test_what_is_none_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, backup: Path, value: str, message: str
    ) -> None:
        monkeypatch.setenv(VARIABLE, value)

        with pytest.raises(SpytriageError, match=message):
            unlocking(None, None, quiet=True)(recognise(backup))


class TestOnATerminal:
    def test_it_is_asked_for_without_echo(self, here: Path, backup: Path) -> None:
        code, said = typed(here, backup, [DEMO_PASSWORD])

        assert code == 3, said
        assert DEMO_PASSWORD not in said

    def test_coverage_is_shown_as_it_comes(self, here: Path, backup: Path) -> None:
        code, said = typed(here, backup, [DEMO_PASSWORD], terminal="xterm")

        assert code == 3, said
        assert said.index("not shown") < said.index("Opening the backup") < said.index(": checked")

    def test_a_wrong_one_may_be_followed_by_the_right_one(self, here: Path, backup: Path) -> None:
        code, said = typed(here, backup, ["wrong-secret", DEMO_PASSWORD])

        assert code == 3, said
        assert said.count("Try again") == 1
        assert "wrong-secret" not in said

    def test_three_wrong_ones_end_the_check(self, here: Path, backup: Path) -> None:
        code, said = typed(here, backup, ["one", "two", "three", DEMO_PASSWORD])

        assert code == 1, said
        assert said.count("not shown") == 3
        assert not list(here.glob("spytriage-report*"))

    def test_ctrl_c_at_the_question_leaves_nothing(self, here: Path, backup: Path) -> None:
        code, said = typed(here, backup, ["\x03"])

        assert code == 130
        assert "Nothing is left half-written" in said
        assert not list(here.glob("spytriage-report*"))


def test_without_a_terminal_and_a_password_the_check_says_how_to_give_one(here: Path, backup: Path) -> None:
    done = run(here, backup)

    assert done.returncode == 1
    assert "--password-file" in done.stderr
    assert not list(here.glob("spytriage-report*"))


def test_a_password_and_a_key_are_wrong_usage(here: Path, backup: Path) -> None:
    done = run(here, backup, "--password-file", "a", "--key-file", "b")

    assert done.returncode == 2
    assert "not both" in done.stderr


def test_there_is_no_option_that_takes_the_password_itself(here: Path, backup: Path) -> None:
    assert run(here, backup, "--password", DEMO_PASSWORD).returncode == 2


def test_of_a_backup_in_clear_is_not_asked_for(here: Path, quiet_phone: Path) -> None:
    assert run(here, quiet_phone, "--password-file", "there-is-none").returncode == 0


def is_in_use(folder: Path) -> bool:
    """Whether a folder belongs to another run that is alive."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return not folder.exists()
    return False


def test_planted_strings_are_nowhere_on_disk_after_a_check(
    here: Path, written_encrypted_phone: tuple[Path, DemoPhone]
) -> None:
    backup, phone = written_encrypted_phone
    shutil.copy(backup / "Info.plist", here / "shared-in-clear")  # what a backup holds in clear anyway

    done = run(here, backup, **{VARIABLE: DEMO_PASSWORD})

    assert done.returncode == 3
    in_clear = (here / "shared-in-clear").read_bytes()
    (here / "shared-in-clear").unlink()
    places = [here, *(folder for folder in Path("/dev/shm").glob("spytriage-*") if not is_in_use(folder))]
    contents = [path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()]
    assert len(contents) >= 5
    for secret in phone.secrets:
        if secret.encode() not in in_clear:
            assert not [content for content in contents if secret.encode() in content], secret
    assert not list((here / "tmp").iterdir())
