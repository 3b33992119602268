"""The guide for reviewers, done: every command that it prints, in its order, on the demo's hand-off."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest

from spytriage.finding_kinds import Trace
from spytriage.i18n import using_language
from spytriage.models import Outcome
from spytriage.review import AddendumStepId, Ground, Overall, Result, Step, StepId, Why, texts

ROOT = Path(__file__).parents[1]
GUIDES = {"en": ROOT / "docs/how-to/for-reviewers.md", "es": ROOT / "docs/es/how-to/for-reviewers.md"}
REFERENCES = {"en": ROOT / "docs/reference/verification.md", "es": ROOT / "docs/es/reference/verification.md"}
NEEDED = ("minisign", "jq", "sha256sum", "bash")


def commands(guide: Path) -> list[str]:
    return re.findall(r"^\s*\$ (.*)$", guide.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """What a reviewer starts with: the zip, an addendum to it, and the sender's public key."""
    (tmp_path / "key.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    recheck = (
        "spytriage recheck hand-off --set pegasus-core --identity key.txt --sign-key workshop.key -o again --quiet"
    )
    run = [
        "spytriage keygen -o workshop.key",
        "spytriage demo --output hand-off --sign-key workshop.key --quiet",
        "spytriage pack hand-off -o for-the-lab.zip",
        f"{recheck} || test $? = 5",
        "mv again/hand-off addendum",
        "rm -r workshop.key key.txt again hand-off",
    ]
    assert shell(tmp_path, run).returncode == 0
    return tmp_path


def shell(folder: Path, lines: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "SPYTRIAGE_SIGN_PASSWORD": "of the reviewer",
    }
    script = "set -euo pipefail\n" + "\n".join(lines)
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(any(shutil.which(program) is None for program in NEEDED), reason=f"needs {', '.join(NEEDED)}")
@pytest.mark.skipif(shutil.which("spytriage", path=str(Path(sys.executable).parent)) is None, reason="not installed")
@pytest.mark.parametrize("language", GUIDES)
def test_every_command_of_the_guide_works_as_printed_and_no_other_is_needed(desk: Path, language: str) -> None:
    done = shell(desk, commands(GUIDES[language]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == 3  # sha256sum
    assert "Signature and comment signature verified" in done.stdout
    digest = json.loads((desk / "hand-off" / "manifest.json").read_text())["custody"]["sha256"]
    assert done.stdout.count(digest) == 2  # the beginning of custody.jsonl, and what the manifest says
    assert sorted(path.name for path in (desk / "lab-review").iterdir()) == [
        "review.json", "review.json.minisig", "review.stix2",
    ]  # fmt: skip


def test_both_guides_print_the_same_commands() -> None:
    english, spanish = (commands(GUIDES[code]) for code in GUIDES)
    assert english == [line.removesuffix(" --lang es") for line in spanish]


@pytest.mark.parametrize("language", GUIDES)
def test_the_guide_tells_every_outcome_trace_and_reason(language: str) -> None:
    text = GUIDES[language].read_text(encoding="utf-8")
    for word in (*Outcome, *Trace):
        assert f"`{word}`" in text
    with using_language(language):
        for ground in Ground:
            assert f"| `{ground}` | {texts.phrase(ground)} |" in text


@pytest.mark.parametrize("language", GUIDES)
def test_the_reference_has_the_steps_results_and_reasons_of_the_program(language: str) -> None:
    text = REFERENCES[language].read_text(encoding="utf-8")
    with using_language(language):
        for number, step in enumerate(StepId, start=1):
            assert f"| {number} | {texts.phrase(step)} | `{step}` |" in text
        for number, step in enumerate(AddendumStepId, start=1):
            assert f"| {number} | {texts.phrase(step)} | `{step}` |" in text
        for reason in Why:
            assert f"| `{reason}` | {texts.why_text(Step(StepId.FILES, Result.FAILED, reason, '…'))} |" in text
        for sentence in texts.not_proven():
            assert f"- {sentence}" in text
    for overall in Overall:
        assert f"| `{overall}` | {overall.exit_code} |" in text
