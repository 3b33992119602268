"""The worker's private folder is private, and gone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spytriage.scan.workspace import private_folder, sweep


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


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spytriage.scan.workspace._parents", lambda: [tmp_path])
    (tmp_path / "spytriage-notes").mkdir()
    target = tmp_path / "elsewhere"
    target.mkdir()
    (tmp_path / "spytriage-link").symlink_to(target)

    sweep()

    assert (tmp_path / "spytriage-notes").is_dir()
    assert target.is_dir()
