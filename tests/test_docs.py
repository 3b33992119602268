"""What the documentation says is what the program does."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from spytriage.models import Outcome
from tests.docs_session import BLOCK, commands, desk, locale_of, matches, output_of, run

ROOT = Path(__file__).parents[1]
OUTSIDE = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md"]
PAGES = sorted([*(ROOT / page for page in OUTSIDE), *(ROOT / "docs").rglob("*.md")])
SPANISH = ROOT / "docs" / "es"
TRANSLATED = [page for page in (ROOT / "docs").rglob("*.md") if SPANISH not in page.parents]


def counterpart(page: Path) -> Path:
    """Return the Spanish page of an English one."""
    return SPANISH / page.relative_to(ROOT / "docs")


GUIDES = [page for page in PAGES if any(command.runs for command in commands(page.read_text()))]
# Their own tests run these, with what they need.
GUIDES = [page for page in GUIDES if page.name != "for-reviewers.md"]
COMMANDS = sorted({
    line.split("#")[0].strip()
    for page in PAGES
    for line in re.findall(r"(?:^\s*\$ |(?<!`)`)(spytriage [^`\n]+)", page.read_text(), re.MULTILINE)
})  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target
            assert not heading or heading in anchors(page.parent / target if target else page), heading


def anchors(page: Path) -> set[str]:
    """Return what a link may name of a page after its `#`: as the site has it, headings lose their accents."""
    text = unicodedata.normalize("NFKD", page.read_text()).encode("ascii", "ignore").decode()
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("front", [ROOT / "docs" / "index.md", SPANISH / "index.md"], ids=["en", "es"])
def test_every_page_can_be_reached_from_the_front_page(front: Path) -> None:
    reached, ahead = {front}, [front]
    while ahead:
        page = ahead.pop()
        links = re.findall(r"\]\(([^)#\s:]+\.md)", page.read_text())
        new = {Path(os.path.normpath(page.parent / link)) for link in links} - reached
        reached |= new
        ahead += new
    pages = SPANISH.rglob("*.md") if front.parent == SPANISH else TRANSLATED
    assert set(pages) <= reached


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


# --- What is printed as run is run ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_guide_runs_and_says_what_the_guide_shows(page: Path) -> None:
    with desk() as folder:
        for command in commands(page.read_text(encoding="utf-8")):
            if command.runs:
                done = run(command, folder, locale_of(page))
                said = output_of(done, folder)
                assert done.returncode == command.exit_code, (command.line, said)
                assert matches(command.shown, said), (command.line, said)


def test_a_guide_that_shows_something_else_is_noticed() -> None:
    assert matches(("one", "…", "key … is it"), ["one", "two", "three", "key 4711 is it"])
    assert not matches(("one", "two"), ["one", "three"])
    assert not matches(("one",), ["one", "and more"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_stands_in_a_block_that_is_looked_at(page: Path) -> None:
    assert re.findall(r"^\s*\$ .*$", BLOCK.sub("", page.read_text()), re.MULTILINE) == []


def test_every_command_that_is_not_run_says_why() -> None:
    for page in PAGES:
        for command in commands(page.read_text(encoding="utf-8")):
            assert command.runs or len(command.note.partition(": " if "not run" in command.note else "by ")[2]) > 5


# --- Both languages ------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_pages() -> None:
    assert set(SPANISH.rglob("*.md")) == set(map(counterpart, TRANSLATED))


@pytest.mark.parametrize(
    "page", [page for page in TRANSLATED if counterpart(page).exists()], ids=lambda page: str(page.relative_to(ROOT))
)
def test_both_languages_of_a_page_have_the_same_headings_and_commands(page: Path) -> None:
    english, spanish = (outline(path.read_text(encoding="utf-8")) for path in (page, counterpart(page)))
    assert english == spanish


def outline(text: str) -> list[str]:
    """Return the levels of a page's headings and its commands: what translation leaves as it is."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    levels = re.findall(r"^(#+) ", prose, re.MULTILINE)
    lines = [re.sub(r" --lang es|\s+# .*", "", command.line) for command in commands(text)]
    return [*levels, *lines]


@pytest.mark.parametrize(
    "page", [page for page in TRANSLATED if counterpart(page).exists()], ids=lambda page: str(page.relative_to(ROOT))
)
def test_both_languages_of_a_page_hold_the_same_figures(page: Path) -> None:
    english, spanish = (figures(path.read_text(encoding="utf-8")) for path in (page, counterpart(page)))
    assert english == spanish


def figures(text: str) -> list[str]:
    """Return the numbers of a page, without those of its examples and addresses."""
    prose = re.sub(r"\]\([^)]*\)", "]", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return sorted(re.findall(r"\d[\d.,]*\d|\d", prose))


@pytest.mark.parametrize(
    ("row", "result"),
    [("| small, ", "small"), ("| middling, 100", "middling"), ("| full, ", "full"),
     ("| middling, encrypted", "middling-encrypted")],
)  # fmt: skip
def test_the_validation_page_says_what_was_measured(row: str, result: str) -> None:
    page = (ROOT / "docs" / "reference" / "validation.md").read_text(encoding="utf-8")
    cells = next(line for line in page.splitlines() if line.startswith(row)).split("|")[2:6]
    measured = json.loads((ROOT / "benchmarks" / "results" / f"{result}.json").read_text(encoding="utf-8"))
    ours, theirs = measured["spytriage"], measured["mvt"]
    said = [
        float(number) * (1000 if unit == "GB" else 1)
        for cell in cells
        for number, unit in re.findall(r"([\d.]+) ?(GB)?", cell)
    ]
    real = [ours["cpu"], theirs["cpu"], ours["memory"] / 1e6, theirs["memory"] / 1e6,
            theirs["cpu"] / ours["cpu"], theirs["memory"] / ours["memory"]]  # fmt: skip
    assert said == pytest.approx(real, rel=0.05)


# --- Pages that follow from the program ----------------------------------------------------------------------


@pytest.mark.slow
def test_the_pages_made_from_the_program_are_what_it_would_make_today() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import json; from tools.make_reference import pages;"
         "print(json.dumps([(str(path), text) for path, text in pages()]))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    stale = [path for path, text in json.loads(done.stdout) if Path(path).read_text(encoding="utf-8") != text]
    assert stale == [], "run `make reference`"
