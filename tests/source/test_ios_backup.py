"""Recognising an iPhone backup, and saying plainly why something is none."""

from __future__ import annotations

import os
import plistlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.errors import SpytriageError
from spytriage.source import recognise
from spytriage.source.ios_backup import read_plist


def test_a_backup_folder_is_recognised(phone: Path) -> None:
    source = recognise(phone)

    assert (source.kind, source.encrypted, source.path) == ("ios-backup", False, phone.resolve())
    assert source.device.product_type.startswith("iPhone")


def test_the_folder_above_exactly_one_backup_will_do(phone: Path) -> None:
    (phone.parent / "notes").mkdir()

    assert recognise(phone.parent).path == phone.resolve()


def test_several_backups_are_listed_and_none_is_chosen(phone: Path) -> None:
    shutil.copytree(phone, phone.parent / "other-backup")

    with pytest.raises(SpytriageError, match=r"several backups: backup, other-backup"):
        recognise(phone.parent)


def test_a_broken_backup_in_a_folder_above_is_named_not_overlooked(phone: Path) -> None:
    (phone / "Manifest.db").unlink()

    with pytest.raises(SpytriageError, match=r"Manifest\.db is missing"):
        recognise(phone.parent)


def test_the_source_is_the_same_wherever_the_backup_lies(phone: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(phone, copy)

    assert recognise(copy).digest == recognise(phone).digest


def test_another_manifest_is_another_acquisition(phone: Path, unplanted: Path) -> None:
    assert recognise(phone).digest != recognise(unplanted).digest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (shutil.rmtree, "nothing at this path"),
        (lambda folder: (folder / "Manifest.db").unlink(), r"Manifest\.db is missing"),
        (lambda folder: [path.unlink() for path in folder.glob("*.*")], "not an acquisition"),
        (lambda folder: (folder / "Manifest.db").write_bytes(b""), "damaged"),
        (lambda folder: (folder / "Manifest.db").write_bytes(os.urandom(4096)), "damaged"),
        (lambda folder: (folder / "Manifest.db").rename(folder / "Manifest.mbdb"), "before iOS 10"),
    ],
)
def test_what_is_no_usable_backup_is_refused_with_a_next_step(phone: Path, make: object, message: str) -> None:
    make(phone)  # type: ignore[operator]

    with pytest.raises(SpytriageError, match=message) as caught:
        recognise(phone)

    assert caught.value.hint
    assert str(phone) in caught.value.message


def test_a_pipe_in_the_place_of_the_manifest_does_not_hang_us(phone: Path) -> None:
    (phone / "Manifest.db").unlink()
    os.mkfifo(phone / "Manifest.db")

    with pytest.raises(SpytriageError, match="something else"):
        recognise(phone)


def test_a_file_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "backup.zip").write_bytes(b"PK")

    with pytest.raises(SpytriageError, match="not an acquisition"):
        recognise(tmp_path / "backup.zip")


def test_an_encrypted_backup_says_so(phone: Path) -> None:
    manifest = plistlib.loads((phone / "Manifest.plist").read_bytes())
    (phone / "Manifest.plist").write_bytes(plistlib.dumps(manifest | {"IsEncrypted": True}))
    (phone / "Manifest.db").write_bytes(os.urandom(8192))

    assert recognise(phone).encrypted


def test_a_decrypted_copy_that_still_says_encrypted_needs_no_key(phone: Path) -> None:
    manifest = plistlib.loads((phone / "Manifest.plist").read_bytes())
    manifest |= {"IsEncrypted": True, "ManifestKey": b"\x04\x00\x00\x00key"}
    (phone / "Manifest.plist").write_bytes(plistlib.dumps(manifest))

    source = recognise(phone)

    assert (source.encrypted, source.locked) == (True, False)


def test_hostile_names_of_several_backups_cannot_steer_the_terminal(phone: Path) -> None:
    shutil.copytree(phone, phone.parent / "a\x1b]0;owned\x07\u202eb")

    with pytest.raises(SpytriageError, match="several backups") as caught:
        recognise(phone.parent)

    assert not {"\x1b", "\x07", "\u202e"} & set(caught.value.message)


def test_a_hostile_path_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(SpytriageError) as caught:
        recognise(tmp_path / "a\x1b]0;owned\x07\u202e")

    assert not {"\x1b", "\x07", "\u202e"} & set(caught.value.message)


@given(st.binary(max_size=400))
def test_a_property_list_of_any_bytes_is_facts_or_nothing(content: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"spytriage-test-{os.getpid()}.plist"
    path.write_bytes(b"bplist00" + content)
    try:
        assert isinstance(read_plist(path), dict)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a property list",
        plistlib.dumps(["a list"]),
        b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>',
        b"<plist>" + b"<array>" * 100_000,
        b'<?xml version="1.0" encoding="UTF-6"?><plist></plist>',
    ],
)
def test_a_hostile_info_plist_leaves_the_device_unknown(phone: Path, content: bytes) -> None:
    (phone / "Info.plist").write_bytes(content)

    assert recognise(phone).device.product_type == ""
