"""The worker's private folder is private, and gone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spytriage.scan.workspace import left_behind, private_folder, sweep


def test_only_we_may_enter_it_and_it_is_gone_afterwards() -> None:
    with private_folder() as folder:
        (folder / "copy.db").write_text("content")
        assert folder.stat().st_mode & 0o777 == 0o700

    assert not folder.exists()


def test_it_is_gone_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), private_folder() as folder:
        raise ZeroDivisionError

    assert not folder.exists()


def test_what_a_killed_run_left_is_swept_by_the_next() -> None:
    script = (
        "import sys, time\nfrom spytriage.scan.workspace import private_folder\n"
        "with private_folder() as folder:\n"
        "    (folder / 'secret').write_text('x'); print(folder, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    left = Path(run.stdout.readline().strip())
    sweep()
    assert left.is_dir(), "a living run keeps its folder"

    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    sweep()

    assert not left.exists()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have their folders in a place of this test alone, and what is made now was made two hours ago."""
    now = time.time()
    monkeypatch.setattr("spytriage.scan.workspace._parents", lambda: [tmp_path])
    monkeypatch.setattr("spytriage.scan.workspace.time.time", lambda: now + 7200)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    ("name", "content"),
    [("spytriage-0123456789abcdef", ""), ("spytriage-0123456789abcdef", "lock.new"),
     ("spytriage-0123456789abcdef", "backup/sms.db"), ("spytriage-f8myh4rg", "mvt-config/config.yaml")],
)  # fmt: skip
def test_what_a_run_left_that_was_killed_while_it_had_no_lock_is_swept(tmp_path: Path, name: str, content: str) -> None:
    left = tmp_path / name
    left.mkdir(mode=0o700)
    if content:
        (left / content).parent.mkdir(exist_ok=True)
        (left / content).touch()

    assert left_behind() == 1
    sweep()

    assert not left.exists()
    assert left_behind() == 0


def test_a_run_that_has_no_lock_yet_keeps_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spytriage.scan.workspace._parents", lambda: [tmp_path])
    (tmp_path / "spytriage-0123456789abcdef").mkdir(mode=0o700)

    sweep()

    assert (tmp_path / "spytriage-0123456789abcdef").is_dir()


@pytest.mark.usefixtures("later")
def test_what_may_be_somebodys_own_is_left_alone(tmp_path: Path) -> None:
    modes = {"spytriage-report": 0o700, "spytriage-research": 0o700, "spytriage-0123456789abcdef": 0o755}
    for name, mode in modes.items():
        (tmp_path / name).mkdir(mode=mode)
        (tmp_path / name / "report.json").touch()
    (tmp_path / "spytriage-fedcba9876543210").symlink_to(tmp_path / "spytriage-report")
    before = sorted(tmp_path.rglob("*"))

    sweep()

    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spytriage.scan.workspace._parents", lambda: [tmp_path])
    (tmp_path / "spytriage-notes").mkdir()
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / "spytriage-link").symlink_to(target)

    sweep()

    assert (tmp_path / "spytriage-notes").is_dir()
    assert target.is_dir()
