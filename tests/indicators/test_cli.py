"""`spytriage indicators …`, as it is typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.indicators.conftest import bundle_of, indicator

from spytriage.cli import main
from spytriage.i18n import LANGUAGES
from spytriage.indicators.catalogue import catalogue
from spytriage.indicators.data import data_file

Write = Callable[..., Path]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def _run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["--lang", "en", "indicators", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    return _run


def test_list_names_what_is_installed_and_what_is_missing(run: Callable[..., tuple[int, str]], write: Write) -> None:
    run(
        "import",
        write(bundle_of(indicator("[process:name='x']"), indicator("[process:name LIKE 'x']", 2)), "mine.stix2"),
    )
    code, text = run("list")
    assert code == 0
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert lines["pegasus-core"][-1] == "embedded"
    assert lines["mine"][-3:] == ["1/2", "0", "unlisted"]
    assert "not pinned" in text
    assert "full Pegasus set is not installed" in text


def test_list_gives_a_program_a_line_for_each_set_with_every_cell_in_its_place(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    rows = [line.split("\t") for line in run("list")[1].splitlines() if "\t" in line]

    assert {len(row) for row in rows} == {6}
    assert [row[2] for row in rows if row[0] == "pegasus"] == ["Amnesty International Security Lab"]
    assert {row[0] for row in rows} >= {"pegasus-core", *(entry.name for entry in catalogue())}


@pytest.mark.parametrize("language", LANGUAGES)
def test_list_breaks_no_name_on_a_terminal_of_80_columns(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in (("COLUMNS", "80"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)

    table, _advice = run("list", "--lang", language)[1].rsplit("\n", 1)

    assert {entry.name for entry in catalogue()} <= {line.split()[0] for line in table.splitlines()}
    assert "Amnesty" not in table
    assert max(len(line) for line in table.splitlines()[: len(catalogue())]) <= 80


def test_list_warns_of_sets_that_nobody_looked_after(
    run: Callable[..., tuple[int, str]], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("import", write(bundle_of(indicator("[process:name='x']")), "mine.stix2"))
    assert "Older than" not in run("list")[1]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4102444800")  # the year 2100
    assert "Older than 90 days: mine." in run("list")[1]


def test_show_says_what_is_in_a_set_and_what_is_not_matched(run: Callable[..., tuple[int, str]], write: Write) -> None:
    run(
        "import",
        write(bundle_of(indicator("[process:name='x']"), indicator("[process:name LIKE 'y']", 2)), "mine.stix2"),
    )
    code, text = run("show", "mine", "--all")
    assert code == 0
    assert "process\tx" in text
    assert "not matched: [process:name LIKE 'y'] (uses LIKE: not matched)" in text
    code, text = run("show", "stalkerware")
    assert code == 0
    assert "not pinned" in text
    assert "Not installed" in text
    code, text = run("show", "nonsense")
    assert code == 1
    assert "What to do:" in text


def test_lint_fails_on_errors_and_not_on_warnings(run: Callable[..., tuple[int, str]], write: Write) -> None:
    assert run("lint", data_file("demo.stix2"))[0] == 0
    assert run("lint", write(bundle_of(indicator("[process:name LIKE 'x']"))))[0] == 0
    code, text = run("lint", data_file("demo.stix2"), write(bundle_of(indicator("[domain-name:value='com']"))))
    assert code == 1
    assert "match everything" in text
    assert run("lint", write("{"))[0] == 1


def test_build_writes_the_shipped_bundle_and_overwrites_nothing(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    output = tmp_path / "built.stix2"
    assert run("build", data_file("demo.yaml"), "-o", output)[0] == 0
    assert output.read_bytes() == data_file("demo.stix2").read_bytes()
    assert run("build", data_file("demo.yaml"), "-o", output)[0] == 1


def test_a_kit_goes_out_and_comes_in(run: Callable[..., tuple[int, str]], write: Write, tmp_path: Path) -> None:
    run("import", write(bundle_of(indicator("[process:name='x']")), "mine.stix2"))
    assert run("export", tmp_path / "kit.zip") == (0, f"1 set written to {tmp_path / 'kit.zip'}\n")
    assert "Installed: mine" in run("import", tmp_path / "kit.zip")[1]


def test_diff_shows_what_came_and_went(run: Callable[..., tuple[int, str]], write: Write) -> None:
    old = write(bundle_of(indicator("[process:name='gone']")), "old.stix2")
    new = write(bundle_of(*(indicator(f"[process:name='n{number:02}']", number) for number in range(30))), "new.stix2")
    text = run("diff", old, new)[1]
    assert "added: 30" in text
    assert "withdrawn: 1" in text
    assert "n29" not in text
    assert "n29" in run("diff", old, new, "--all")[1]
    assert "Both look for the same." in run("diff", old, old)[1]


def test_text_from_a_bundle_does_nothing_to_the_terminal(run: Callable[..., tuple[int, str]], write: Write) -> None:
    hostile = "\x1b[2J[bold red]\u202egone"
    malware = {"type": "malware", "id": "malware--1", "name": hostile}
    related = {"type": "relationship", "source_ref": indicator("")["id"], "target_ref": "malware--1"}
    made = bundle_of(malware, related, indicator(f"[process:name='{hostile}']"), indicator(f"[{hostile}]", 2))
    path = write(json.dumps(made), "mine.stix2")
    difference = ("diff", path, data_file("demo.stix2"), "--all")
    commands = (("import", path), ("list",), ("show", "mine", "--all"), ("lint", path), difference)
    shown = "".join(run(*command)[1] for command in commands)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold red]" in shown


@pytest.mark.parametrize("command", ["list", "show", "lint", "build", "import", "update", "export", "diff"])
def test_every_command_teaches_by_example(run: Callable[..., tuple[int, str]], command: str) -> None:
    code, text = run(command, "--help")
    assert code == 0
    assert f"spytriage indicators {command}" in text
    assert "Example" in text
