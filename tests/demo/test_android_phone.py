"""The demo's Android phone: always the same, what is planted is found, and nothing else of it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.demo.android import write_android_phone
from spytriage.errors import SpytriageError
from spytriage.models import Outcome, Report
from spytriage.report.wire import document
from tests.tools import digest_of

Check = Callable[..., Report]


def test_one_seed_is_one_phone(tmp_path: Path) -> None:
    phones = [write_android_phone(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]

    assert phones[0] == phones[1] != phones[2]
    assert digest_of(tmp_path / "a") == digest_of(tmp_path / "b") != digest_of(tmp_path / "c")


def test_without_planted_traces_nothing_is_found(run_check: Check, tmp_path: Path) -> None:
    write_android_phone(tmp_path / "phone", planted=False)

    report = run_check(tmp_path / "phone")

    assert (report.outcome, report.findings) == (Outcome.NO_MATCH, ())


def test_no_private_text_of_the_phone_leaves(run_check: Check, tmp_path: Path) -> None:
    phone = write_android_phone(tmp_path / "phone")

    told = json.dumps(document(run_check(tmp_path / "phone")), ensure_ascii=False)

    assert [secret for secret in phone.secrets if secret in told] == []
    assert "free-news-alert.example" in told


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")

    with pytest.raises(SpytriageError, match="in use"):
        write_android_phone(tmp_path)


def test_the_command_makes_it_and_finds_what_was_planted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "demo", "--platform", "android", "--keep-phone", "phone", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    source = json.loads(done.stdout)["source"]
    assert (source["kind"], source["model_family"], source["os_version"]) == ("androidqf", "Android", "14")
    assert (tmp_path / "phone" / "bugreport.zip").is_file()
