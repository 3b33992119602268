"""A disk that fails, or a signal, at any write of a whole command: all or nothing, told once; the next run works."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.machine.driver import FAULTS, SIGNALS, Run, contents
from tests.machine.orders import COMMANDS, driven
from tests.test_recheck import IDENTITY

# Commands that write several things, each whole by itself: what may be there before the command has come to its end.
STEPS: Mapping[str, str] = {
    "batch": r"reports/(cases\.json|summary\.json|index\.html|0002(/.*)?)",
    "forget": r"(counted/K-014|reports/0001)/.*|reports/(cases\.json|summary\.json|index\.html)",
    "indicators import": r"data(/indicators(/\w+\.(stix2|json))?)?",
}
# Made with a random number.
RANDOM = {"forget": {"reports/cases.json"}}
ONE_ERROR = re.compile(r"Error: (?!This computer).+ \[.+\]\nWhat to do: .+\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *((name, fault) for name in COMMANDS for fault in FAULTS if fault != "folder gone"),
        *((name, "folder gone") for name, arguments in COMMANDS.items() if "out/new" in arguments),
    ],
)
def test_whatever_fails_at_any_write_leaves_all_or_nothing_and_the_next_run_works(
    desk: Path, evidence: Path, tmp_path: Path, name: str, fault: str
) -> None:
    before = contents(desk)
    runs = driven(name, desk, evidence, tmp_path / "space", str(IDENTITY.to_public()), fault)
    first, _none = runs.pop(0)
    assert first.code in {0, 3}, first.err
    assert first.calls
    assert not first.left

    for failed, again in runs:
        where = f"{fault} at {first.calls[failed.at - 1]}: {failed.out}{failed.err}"
        assert not failed.left, where
        assert "Traceback" not in failed.err, where
        if failed.code == first.code:
            whole = fault == "folder gone" or failed.files.keys() == first.files.keys()
            assert whole or (name == "recheck" and "not-written" in failed.out), where
            continue
        _says_so(name, fault, failed, where)
        gone = {"out"} if fault == "folder gone" else set()
        _is_all_or_nothing(name, {path: before[path] for path in before.keys() - gone}, failed, first, where)
        assert again is not None
        assert not again.left, where
        if fault == "stopped" and failed.files.keys() == first.files.keys():
            continue  # all was done: most commands refuse to do it again
        if name == "forget" and again.code == 1:  # the first of its cases was gone already, which is told
            assert "There is no report here" in again.err
            continue
        assert again.files.keys() == first.files.keys(), where
        assert again.code == first.code, again.err


def _says_so(name: str, fault: str, failed: Run, where: str) -> None:
    if fault == "stopped":
        assert failed.code == 128 + SIGNALS[failed.at % 2], where
        assert failed.err.split("\n")[-2:] == ["Stopped. Nothing is left half-written.", ""], where
    elif name == "forget":  # deletes what it can, and tells the rest
        assert failed.code == 1, where
        assert "No line was added to the custody" in failed.out or "Not deleted: " in failed.out, where
    else:
        assert failed.code == 1, where
        assert ONE_ERROR.fullmatch(failed.err, failed.err.index("Error: ")), where


def _is_all_or_nothing(name: str, before: Mapping[str, str], failed: Run, first: Run, where: str) -> None:
    differ = {path for path in before.keys() | failed.files.keys() if before.get(path) != failed.files.get(path)}
    if failed.files.keys() == first.files.keys() and name not in STEPS:
        return  # stopped when all was done
    steps = re.compile(STEPS.get(name, "(?!)"))
    assert not {path for path in differ if not steps.fullmatch(path)}, where
    # Each file is as it was, or as it will be; the report of a phone is one thing.
    assert {path for path in differ if failed.files.get(path) != first.files.get(path)} <= RANDOM.get(name, set()), (
        where
    )
