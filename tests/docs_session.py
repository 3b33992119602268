"""Runs what a documentation page prints: the commands of its console blocks, in order, in one empty folder.

Lines of a block that begin with `$` are commands; the lines below a command are its output, which must be what the
program says. `…` stands for anything in a line, and a line that is only `…` for any number of lines.
Without lines below it, any output will do. A comment above a block says what becomes of it:

    <!-- not run: reason -->        it needs something that a test has not got
    <!-- run by tests/... -->       another test runs it
    <!-- exit 3 -->                 its last command ends with this code

`python -m tests.docs_session PAGE...` writes today's output into the pages, where they already show some.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^(?P<lead>(?: *<!-- (?P<note>[^\n]*?) -->\n)?)(?P<indent> *)```console\n(?P<body>.*?)^ *```",
                   re.MULTILINE | re.DOTALL)  # fmt: skip
ANYTHING = "…"


@dataclass(frozen=True)
class Command:
    """One command of a page, the output that the page shows for it, and what it ends with."""

    line: str
    shown: tuple[str, ...]
    note: str
    exit_code: int

    @property
    def runs(self) -> bool:
        return not self.note.startswith(("not run: ", "run by "))


def commands(text: str) -> Iterator[Command]:
    """Give the commands of a page, in order."""
    for block in BLOCK.finditer(text):
        note = block["note"] or ""
        lines = [line.removeprefix(block["indent"]) for line in block["body"].splitlines()]
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            last = end == len(lines)
            code = int(note.removeprefix("exit ")) if last and note.startswith("exit ") else 0
            yield Command(lines[start].removeprefix("$ "), tuple(lines[start + 1 : end]), note, code)


def locale_of(page: Path) -> str:
    """Return the locale of a page's readers."""
    return "es_MX.UTF-8" if "es" in page.parts else "C.UTF-8"


def run(command: Command, folder: Path, locale: str) -> subprocess.CompletedProcess[str]:
    """Run one command in a folder, in a world that is the same every day."""
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "LANG": locale,
        "COLUMNS": "80",
        "SOURCE_DATE_EPOCH": "1777852800",
        "SPYTRIAGE_SIGN_PASSWORD": "of the workshop",
        "SPYTRIAGE_BACKUP_PASSWORD": "demo",
    }
    return subprocess.run(
        ["bash", "-c", command.line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@contextmanager
def desk() -> Iterator[Path]:
    """Give an empty folder whose path is short: long ones wrap."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "workshop"
        folder.mkdir()
        yield folder


def output_of(done: subprocess.CompletedProcess[str], folder: Path) -> list[str]:
    """Return what a reader would see, with the folder as they would see it."""
    seen = (done.stdout + done.stderr).replace(str(folder), "~/workshop")
    return [line.rstrip() for line in seen.rstrip("\n").split("\n")] if seen.strip() else []


def matches(shown: tuple[str, ...], said: list[str]) -> bool:
    """Return whether what a page shows is what the program said."""
    if not shown:
        return True
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == ANYTHING else re.escape(line.rstrip()).replace(ANYTHING, ".*") + r"\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in said)) is not None


def rewritten(text: str, folder: Path, locale: str) -> str:
    """Return a page with today's output in the place of what it shows."""
    replacements = []
    for command in commands(text):
        if not command.runs:
            continue
        said = output_of(run(command, folder, locale), folder)
        if command.shown and not matches(command.shown, said):
            replacements.append((command, said))
    for command, said in replacements:
        old = "\n".join([f"$ {command.line}", *command.shown])
        text = text.replace(old, "\n".join([f"$ {command.line}", *said]))
    return text


if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]):
        with desk() as folder:
            name.write_text(rewritten(name.read_text(encoding="utf-8"), folder, locale_of(name)), encoding="utf-8")
        print("looked at", shlex.quote(str(name)))
