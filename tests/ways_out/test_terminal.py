"""Nothing that a stranger wrote - a name of a file, a set, a review - gives an order to the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import samples
from tests.review import handoffs
from tests.ways_out.vectors import EVERYTHING, STEERING, unprintable

from spytriage.cli import _run
from spytriage.consent import Consent, Grant
from spytriage.errors import SpytriageError
from spytriage.handoff import pack
from spytriage.report import write_report
from spytriage.review.opinion import Opinion, Verdict, to_json, write_review
from spytriage.review.verify import Overall
from spytriage.text import printable

# What can be a file's name: no slash and no NUL, and bytes that the system takes.
NAMES = tuple(
    text for text in STEERING if "/" not in text and "\x00" not in text and not re.search("[\ud800-\udfff]", text)
)
Shown = Callable[..., str]


@pytest.fixture
def shown(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shown:
    """Run the program and return what it printed, without the line breaks."""
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, expected: tuple[int, ...] = (0, 1)) -> str:
        capfdbinary.readouterr()
        code = _run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        text = (out + err).decode("utf-8")
        assert code in expected, text
        assert not unprintable(text.replace("\t", "")), ascii(text)
        return text

    return run


def _consent(path: Path) -> Path:
    Consent(True, True, frozenset({Grant.ANALYSE}), None, "", handoffs.TODAY).write(path)
    return path


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_name_of_a_file_that_is_not_there_gives_no_order(shown: Shown, tmp_path: Path, name: str) -> None:
    there = _consent(tmp_path / "consent.yaml")
    for arguments in (
        ("check", name, "--consent", there),
        ("check", tmp_path, "--consent", name),
        ("check", tmp_path, "--consent", there, "--policy", name),
        ("check", tmp_path, "--consent", there, "--indicators", name),
        ("check", tmp_path, "--consent", there, "--seal-to", name),
        ("check", tmp_path, "--consent", there, "--sign-key", name),
        ("report", "render", name, "--format", "html"),
        ("verify", name),
        ("verify", tmp_path, "--key", name),
        ("pack", name),
        ("custody", "show", name),
        ("review", name, "--opinion", "agree"),
        ("unseal", name, "--identity", name),
        ("batch", name),
        ("batch", tmp_path, "--passwords", name),
        ("aggregate", name),
        ("consent", "show", name),
        ("indicators", "show", name),
        ("indicators", "lint", name),
        ("indicators", "import", name),
        ("indicators", "build", name, "-o", tmp_path / "x"),
        ("indicators", "diff", name, name),
        ("indicators", "update", name),
    ):
        assert shown(*arguments, expected=(1, 2, 3)), arguments


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_name_of_a_file_that_is_there_gives_no_order(shown: Shown, tmp_path: Path, name: str) -> None:
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    (folder / name).write_bytes(b"not what it should be")
    path = folder / name
    for arguments in (
        ("check", path, "--consent", path),
        ("check", folder, "--consent", _consent(folder / f"{name}.yaml")),
        ("report", "render", path, "--format", "html"),
        ("verify", path),
        ("verify", folder),
        ("custody", "show", folder),
        ("consent", "show", path),
        ("indicators", "lint", path),
        ("indicators", "import", path),
        ("keygen", "-o", path, "--no-password"),
        ("keygen", "-o", folder / f"{name}.key", "--no-password"),
        ("consent", "new", "-o", folder / f"{name}.new", "--grant", "analyse"),
        ("indicators", "export", folder / f"{name}.zip"),
        ("unseal", path, "--identity", path),
        ("batch", path),
        ("batch", path, "-o", folder),
        ("aggregate", path),
        ("aggregate", folder, "-o", folder / f"{name}.counts"),
    ):
        shown(*arguments, expected=(0, 1, 3))


@pytest.mark.parametrize("option", ["--lang", "--format", "--unknown", "--tlp"])
@pytest.mark.parametrize("text", STEERING[:4], ids=ascii)
def test_a_wrong_argument_gives_no_order(shown: Shown, option: str, text: str) -> None:
    shown("report", "render", "x", option, text, expected=(2,))
    shown(text, expected=(2,))


def _set_of(text: str) -> bytes:
    """Return a set whose publisher wrote the text everywhere."""
    value = text.replace("\\", "\\\\").replace("'", "\\'")
    indicators = [
        samples.published(number, f"[{key}='{value}']") | {"name": text, "description": text}
        for number, key in enumerate(("process:name", "url:value", "domain-name:value", "file:name", "x:y"), start=1)
    ]
    broken = samples.published(9, text)
    nameless = {"type": "indicator", "id": text, "pattern": text}
    named = [{"type": "malware", "id": "malware--1", "name": text}, {"type": "identity", "id": text, "name": text}]
    tied = [{"type": "relationship", "source_ref": one["id"], "target_ref": "malware--1"} for one in indicators]
    return json.dumps({"type": "bundle", "objects": [*indicators, broken, nameless, *named, *tied]}).encode()


@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_a_hostile_set_gives_no_order(shown: Shown, tmp_path: Path, text: str) -> None:
    hostile, other = tmp_path / "hostile.stix2", tmp_path / "other.stix2"
    hostile.write_bytes(_set_of(text))
    other.write_bytes(_set_of("x"))
    shown("indicators", "lint", hostile)
    shown("indicators", "import", hostile)
    shown("indicators", "list")
    shown("indicators", "show", "hostile", "--all")
    shown("indicators", "diff", hostile, other, "--all")
    shown("indicators", "diff", other, hostile)


@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_the_note_of_a_reviewer_gives_no_order(shown: Shown, tmp_path: Path, text: str) -> None:
    folder = tmp_path / "handed"
    write_report(handoffs.SMALL, samples.OBJECTS, folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "a.zip").write_bytes(pack(files))
    review = write_review(
        files, handoffs.SMALL, day=handoffs.TODAY, version="0.1.0", verification=Overall.PARTIAL,
        opinion=Opinion(Verdict.AGREE, (), text.replace("\ud800", "").replace("\udfff", "")), findings={},
        questions=(), signer=None,
    )  # fmt: skip
    (tmp_path / "review.json").write_bytes(to_json(review))
    table = shown("review", "show", tmp_path / "a.zip", tmp_path / "review.json")
    assert "agrees" in table


@given(st.text())
def test_an_error_is_harmless_whatever_it_is_made_of(text: str) -> None:
    error = SpytriageError(text, path=Path(text.replace("\0", "")), hint=text)
    assert not unprintable(error.message.replace("\n", "\x1b") + error.hint.replace("\n", "\x1b"))


@given(st.text(), st.integers(1, 400))
def test_text_made_printable_steers_nothing_and_is_bounded(text: str, limit: int) -> None:
    safe = printable(text, limit)
    assert not unprintable(safe)
    assert "\n" not in safe
    assert len(safe) <= 10 * limit + 1
    assert printable(safe, len(safe)) == safe
