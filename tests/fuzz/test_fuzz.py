"""Every fuzz target ends with a result or a documented error: on its seeds, on its corpus, and in a short run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_begins_with_and_what_it_kept_ends_well(name: str, tmp_path: Path) -> None:
    for data in (*seeds(name), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))):
        run(name, data, tmp_path / "case")


@pytest.mark.parametrize("name", TARGETS)
def test_every_cut_and_every_flipped_bit_of_a_seed_ends_well(name: str, tmp_path: Path) -> None:
    for data in seeds(name)[:2]:
        step = max(1, len(data) // 12)
        for place in range(0, len(data), step):
            run(name, data[:place], tmp_path / "case")
            run(name, data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :], tmp_path / "case")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: it has wheels for Linux on x86_64 and Python before 3.14 only",
)
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_of_the_fuzzer_finds_no_fault(name: str, tmp_path: Path) -> None:
    """The same inputs each time, or fewer of them on a slow machine: whether this passes is no matter of luck."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--runs", "500", "--seconds", "10", "--found", str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_target_has_seeds_and_the_corpus_is_small() -> None:
    assert all(seeds(name) for name in TARGETS)
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} <= set(TARGETS)
    assert sum(path.stat().st_size for path in kept) < 200_000
