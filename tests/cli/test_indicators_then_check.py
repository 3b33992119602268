"""Sets are installed once, and then a check works with the network cable out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spytriage.demo import DemoPhone
from spytriage.indicators.data import data_file
from tests.conftest import consent

_NO_NETWORK = ["unshare", "--map-root-user", "--net"]


def spytriage(here: Path, *arguments: str | Path, before: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SPYTRIAGE_DATA_FOLDER": str(here / "data")}
    return subprocess.run(
        [*(before or []), sys.executable, "-m", "spytriage", *map(str, arguments)],
        cwd=here, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def without_network() -> list[str]:
    """What runs a program in a network namespace of its own, where the system allows it."""
    if shutil.which("unshare") is None:
        return []
    allowed = subprocess.run([*_NO_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    return _NO_NETWORK if allowed else []


@pytest.fixture
def here(tmp_path: Path) -> Path:
    consent().write(tmp_path / "consent.yaml")
    return tmp_path


def test_an_imported_set_is_used_by_the_next_check(here: Path, written_phone: tuple[Path, DemoPhone]) -> None:
    imported = spytriage(here, "indicators", "import", data_file("demo.stix2"))
    assert imported.returncode == 0, imported.stderr

    done = spytriage(here, "check", written_phone[0], "--consent", "consent.yaml", "--json", before=without_network())

    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert {used["name"]: used["embedded"] for used in report["indicators"]["sets"]} == {
        "demo": False, "pegasus-core": True,
    }  # fmt: skip
    assert {limit["id"] for limit in report["limits"]} >= {"full-pegasus-set-missing"}


def test_a_check_uses_exactly_the_sets_that_are_named(here: Path, written_phone: tuple[Path, DemoPhone]) -> None:
    spytriage(here, "indicators", "import", data_file("demo.stix2"))

    done = spytriage(here, "check", written_phone[0], "--consent", "consent.yaml", "--set", "pegasus-core", "--json")

    assert [used["name"] for used in json.loads(done.stdout)["indicators"]["sets"]] == ["pegasus-core"]
    assert done.returncode == 0


def test_with_the_full_pegasus_set_nothing_is_said_to_be_missing(here: Path, shared: Path, quiet_phone: Path) -> None:
    spytriage(here, "indicators", "import", shared / "indicators" / "pegasus.stix2")

    done = spytriage(here, "check", quiet_phone, "--consent", "consent.yaml", "--json")

    report = json.loads(done.stdout)
    assert not {limit["id"] for limit in report["limits"]} & {"full-pegasus-set-missing", "embedded-core-only"}
    pegasus = next(used for used in report["indicators"]["sets"] if used["name"] == "pegasus")
    assert (pegasus["total"], pegasus["usable"], pegasus["catalogued"]) == (1549, 1549, True)


def test_every_indicator_of_every_published_set_is_usable_or_listed_in_the_report(
    here: Path, shared: Path, quiet_phone: Path
) -> None:
    done = spytriage(here, "check", quiet_phone, "-i", shared / "indicators", "--consent", "consent.yaml", "--json")

    sets = json.loads(done.stdout)["indicators"]["sets"]
    assert len(sets) == 16
    assert sum(used["total"] for used in sets) == 5713
    for used in sets:
        assert used["total"] == used["usable"] + len(used["unusable"])


def test_a_set_that_is_not_installed_is_an_error_with_a_hint(here: Path, quiet_phone: Path) -> None:
    done = spytriage(here, "check", quiet_phone, "--consent", "consent.yaml", "--set", "nobody-knows")

    assert (done.returncode, "What to do:" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
