"""What the documentation says is what the program does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spytriage.models import Outcome

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
COMMANDS = sorted({
    line.strip().removeprefix("$ ").split("#")[0].strip()
    for page in PAGES
    for line in re.findall(r"^\s*\$ spytriage .*$", page.read_text(), re.MULTILINE)
})  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_line_is_one_that_the_program_knows(line: str) -> None:
    words = shlex.split(line)[1:]
    commands = []
    while words and not words[0].startswith("-") and words[0].islower():
        commands.append(words.pop(0))
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", *commands, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert option in done.stdout


def test_the_readme_says_the_exit_codes_that_the_program_has() -> None:
    text = (ROOT / "README.md").read_text()
    for outcome in Outcome:
        assert f"| {outcome.exit_code} | `{outcome.value}` |" in text


def test_both_languages_have_the_same_pages_and_headings() -> None:
    english, spanish = ROOT / "docs" / "reference", ROOT / "docs" / "es" / "reference"
    pages = {path.relative_to(spanish) for path in spanish.rglob("*.md")}
    assert pages == {path.relative_to(english) for path in english.rglob("*.md")}
    for page in pages:
        headings = [len(re.findall("^#+ ", (root / page).read_text(), re.MULTILINE)) for root in (english, spanish)]
        assert headings[0] == headings[1], page
