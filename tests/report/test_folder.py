"""The report's folder: private, complete, or not there."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.report import samples

from spytriage.errors import SpytriageError
from spytriage.report import require_unused, write_report

NAMES = ["report.json", "report.html", "report.stix2", "custody.jsonl", "manifest.json"]


def _write(folder: Path) -> tuple[Path, ...]:
    return write_report(samples.MATCH, samples.OBJECTS, folder)


@pytest.mark.parametrize("made_before", [False, True])
def test_a_report_is_written_for_its_owner_only(tmp_path: Path, made_before: bool) -> None:
    folder = tmp_path / "out"
    if made_before:
        folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        written = _write(folder)
    finally:
        os.umask(before)
    assert written == tuple(folder / name for name in NAMES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [0o600] * len(NAMES)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert list(tmp_path.iterdir()) == [folder]


def test_the_manifest_lets_a_reviewer_check_every_file(tmp_path: Path) -> None:
    written = _write(tmp_path / "out")
    raw = written[-1].read_bytes()
    manifest = json.loads(raw)
    assert [entry["name"] for entry in manifest["files"]] == ["report.html", "report.json", "report.stix2"]
    for entry in manifest["files"]:
        data = (tmp_path / "out" / entry["name"]).read_bytes()
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert manifest["outcome"] == "match"
    assert manifest["indicator_sets"] == [samples.CORE.sha256]
    assert manifest["consent"]["share_redacted"] is True
    assert "WS-07" not in raw.decode("ascii")
    assert str(tmp_path) not in raw.decode("ascii")
    assert raw == json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def test_two_reports_of_one_check_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = _write(tmp_path / "a"), _write(tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def _holding_a_file(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def _a_file(folder: Path) -> None:
    folder.write_text("mine")


def _below_nothing(folder: Path) -> None:
    """Leave the parent of the folder missing."""


@pytest.mark.parametrize("prepare", [_holding_a_file, _a_file])
def test_a_used_place_is_refused_and_left_alone(tmp_path: Path, prepare: object) -> None:
    folder = tmp_path / "out"
    assert callable(prepare)
    prepare(folder)
    with pytest.raises(SpytriageError) as caught:
        _write(folder)
    assert caught.value.hint
    kept = folder / "notes.txt" if folder.is_dir() else folder
    assert kept.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]


def test_the_current_folder_is_refused_since_it_would_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpytriageError):
        _write(Path())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_one_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpytriageError) as caught:
        _write(tmp_path / "missing" / "out")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_an_empty_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert _write(tmp_path / "link")[0] == tmp_path / "real" / "report.json"


def test_a_loop_of_links_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(SpytriageError):
        _write(tmp_path / "a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_parent_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SpytriageError) as caught:
            _write(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["oserror", "ctrl-c"]
)
def test_nothing_is_left_when_a_step_of_the_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    real, calls = getattr(os, step), []

    def fail(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if step == "replace" or len(calls) == 3:
            raise failure
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(SpytriageError if isinstance(failure, OSError) else KeyboardInterrupt):
            _write(tmp_path / "out")
    assert calls
    assert list(tmp_path.iterdir()) == []


def test_somebody_who_fills_the_folder_meanwhile_keeps_their_files(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def fill(_outputs: Mapping[str, bytes]) -> None:
        _holding_a_file(folder)

    with pytest.raises(SpytriageError):
        write_report(samples.MATCH, samples.OBJECTS, folder, inspect=fill)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert list(tmp_path.iterdir()) == [folder]


def test_the_inspector_sees_every_byte_before_anything_is_written_and_can_stop_it(tmp_path: Path) -> None:
    seen: dict[str, bytes] = {}

    def inspect(outputs: Mapping[str, bytes]) -> None:
        assert list(tmp_path.iterdir()) == []
        seen.update(outputs)

    def refuse(_outputs: Mapping[str, bytes]) -> None:
        raise SpytriageError("a telephone number")

    with pytest.raises(SpytriageError, match="telephone"):
        write_report(samples.MATCH, samples.OBJECTS, tmp_path / "out", inspect=refuse)
    assert list(tmp_path.iterdir()) == []
    written = write_report(samples.MATCH, samples.OBJECTS, tmp_path / "out", inspect=inspect)
    assert seen == {path.name: path.read_bytes() for path in written}


def test_a_folder_can_be_asked_for_before_a_long_check(tmp_path: Path) -> None:
    assert require_unused(tmp_path / "out") == tmp_path / "out"
    assert list(tmp_path.iterdir()) == []
