"""`spytriage review` from the outside, on the demo's hand-off."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_demo_and_consent import on_a_terminal
from tests.cli.test_handoff import Run, spytriage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair and two hand-offs: not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    for arguments in (
        ["keygen", "-o", "lab.key"],
        ["demo", "-o", "demo", "--quiet"],
        ["demo", "-o", "other", "--seed", "7", "--quiet"],
    ):
        assert spytriage(folder, *arguments).returncode == 0, arguments
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "here"))


@pytest.fixture
def run(here: Path) -> Run:
    return lambda *arguments, **more: spytriage(here, *arguments, **more)


def test_an_opinion_is_written_signed_and_verified_with_minisign(run: Run, here: Path) -> None:
    done = run(
        "review", "demo", "--opinion", "agree", "--reason", "corroborated", "--note", "As in our cases.",
        "--finding", "F1:agree:specific-indicator", "--finding", "F2:disagree:same-name,developer-phone",
        "--ask", "F1:message", "--sign-key", "lab.key", "-o", "ours",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(path.name for path in (here / "ours").iterdir()) == [
        "review.json", "review.json.minisig", "review.stix2",
    ]  # fmt: skip
    review = json.loads((here / "ours" / "review.json").read_text())
    assert review["findings"][1] == {
        "finding": "F2", "verdict": "disagree", "reasons": ["same-name", "developer-phone"], "note": "",
    }  # fmt: skip
    assert review["questions"] == [{"finding": "F1", "field": "message"}]
    if shutil.which("minisign"):
        checked = subprocess.run(
            ["minisign", "-V", "-p", "../lab.key.pub", "-m", "review.json"],
            cwd=here / "ours", capture_output=True, check=False,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr


def test_reviews_stand_side_by_side_and_one_of_another_report_is_refused(run: Run, here: Path) -> None:
    assert run("review", "demo", "--opinion", "agree", "--sign-key", "lab.key").returncode == 0
    assert run("review", "demo", "--opinion", "disagree", "--reason", "weak-indicator").returncode == 0
    assert run("review", "other", "--opinion", "agree", "-o", "of-another").returncode == 0
    shown = run(
        "review", "show", "demo", "spytriage-review", "spytriage-review-2", "--key", "lab.key.pub", COLUMNS="120"
    )
    assert shown.returncode == 0
    for word in (b"agrees", b"disagrees", b"weak-indicator", b"not signed", b"lab.key.pub"):
        assert word in shown.stdout
    (here / "spytriage-review" / "review.json.minisig").unlink()
    assert b"signature missing" in run("review", "show", "demo", "spytriage-review", COLUMNS="120").stdout
    done = run("review", "show", "demo", "of-another")
    assert (done.returncode, b"another report" in done.stderr) == (1, True)


def test_the_hand_off_is_not_changed(run: Run, here: Path, made: Path) -> None:
    run("review", "demo", "--opinion", "agree")
    for path in (made / "demo").iterdir():
        assert (here / "demo" / path.name).read_bytes() == path.read_bytes()


def test_a_hand_off_that_does_not_verify_is_not_reviewed(run: Run, here: Path) -> None:
    with (here / "demo" / "report.html").open("a") as page:
        page.write("<!-- -->")
    done = run("review", "demo", "--opinion", "agree")
    assert (done.returncode, b"does not verify" in done.stderr) == (1, True)
    assert not (here / "spytriage-review").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["demo"], 1),  # nobody to ask
        (["demo", "--opinion", "infected"], 2),
        (["demo", "--opinion", "agree", "--reason", "because"], 1),
        (["demo", "--opinion", "agree", "--finding", ":agree"], 2),
        (["demo", "--opinion", "agree", "--finding", "F1:maybe"], 2),
        (["demo", "--opinion", "agree", "--finding", "F500:agree"], 1),
        (["demo", "--opinion", "agree", "--ask", "F1"], 2),
        (["demo", "--opinion", "agree", "--ask", "F1:password"], 1),
        (["demo", "--opinion", "agree", "-o", "other"], 1),
        (["nothing", "--opinion", "agree"], 1),
        (["show", "demo", "nothing"], 1),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    run: Run, here: Path, arguments: list[str], code: int
) -> None:
    before = sorted(here.iterdir())
    done = run("review", *arguments)
    assert done.returncode == code
    assert b"What to do" in done.stderr
    assert b"Traceback" not in done.stderr
    assert sorted(here.iterdir()) == before


def test_on_a_terminal_each_finding_is_asked_and_nothing_is_assumed(here: Path) -> None:
    findings = len(json.loads((here / "demo" / "report.json").read_text())["findings"])
    answers = "agree\nbecause\n\ncorroborated\nAs before.\n" + "skip\n" * (findings - 1) + "\nneeds-more\n\n\n"
    code, said = on_a_terminal(here, answers, "review", "demo")
    assert code == 0, said
    review = json.loads((here / "spytriage-review" / "review.json").read_text())
    assert review["opinion"]["verdict"] == "needs-more"
    assert review["findings"] == [
        {"finding": "F1", "verdict": "agree", "reasons": ["corroborated"], "note": "As before."}
    ]
