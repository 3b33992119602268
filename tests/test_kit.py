"""A laptop without a network: what `make kit` gathers is enough to install spytriage and to run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NO_NETWORK = ["unshare", "--map-root-user", "--net"]


def cut_off() -> list[str]:
    """Return what runs a command without a network, where the system allows it."""
    works = shutil.which("unshare") and subprocess.run([*NO_NETWORK, "true"], check=False, capture_output=True)
    return NO_NETWORK if works and works.returncode == 0 else []


needs_venv = pytest.mark.skipif(
    not (ROOT / ".venv" / "bin" / "spytriage").exists(), reason="needs the .venv that make sets up"
)


def make_kit(kit: Path, sets: Path) -> str:
    """Make a kit with the sets installed in a folder, and return all that is said."""
    done = subprocess.run(
        [ROOT / "tools" / "make-kit", ROOT / ".venv", kit],
        cwd=ROOT, env=os.environ | {"SPYTRIAGE_DATA_FOLDER": str(sets)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout + done.stderr


@needs_venv
@pytest.mark.slow
def test_a_kit_without_the_published_sets_says_so(tmp_path: Path) -> None:
    said = make_kit(tmp_path / "kit", tmp_path / "sets")
    assert "Error" not in said
    assert "no other set. It lacks the full published ones" in said
    assert not (tmp_path / "kit" / "sets.zip").exists()


@needs_venv
@pytest.mark.slow
def test_a_kit_installs_and_checks_a_phone_on_a_machine_without_a_network(tmp_path: Path) -> None:
    kit, sets = tmp_path / "kit", tmp_path / "sets"
    given = [ROOT / ".venv" / "bin" / "spytriage", "indicators", "import", ROOT / "indicators" / "demo.stix2"]
    subprocess.run(given, env=os.environ | {"SPYTRIAGE_DATA_FOLDER": str(sets)}, check=True, capture_output=True)
    said = make_kit(kit, sets)
    assert "the installed sets:\n    demo" in said
    assert "lacks" not in said
    sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=kit, check=False, capture_output=True)
    assert sums.returncode == 0, sums.stdout

    # Nothing of this machine's configuration: no index to ask, no cache to take from.
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "LANG": "C.UTF-8"}
    install = [*cut_off(), "./install"]
    done = subprocess.run(
        install, cwd=kit, env=home | {"PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / ".local").rglob("*.stix2")), "the sets of the kit were not installed"

    demo = [*cut_off(), kit / "venv" / "bin" / "spytriage", "demo", "--output", "report", "--quiet"]
    checked = subprocess.run(demo, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "report" / "report.html").exists()
