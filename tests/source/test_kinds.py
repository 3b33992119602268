"""Every kind of acquisition is told from all others, however it is packed and whatever it is called."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from spytriage.artefacts import ALWAYS_HELD
from spytriage.demo import DemoPhone
from spytriage.errors import SpytriageError
from spytriage.report import texts
from spytriage.source import recognise
from spytriage.source.kinds import KINDS
from tests.acquisitions import (
    MAKERS,
    SMS_ENTRY,
    android_backup,
    bugreport_files,
    dns_event,
    sysdiagnose_files,
    tarred,
    text_messages,
    write,
    zipped,
)
from tests.tools import nameless

Phones = tuple[Path, DemoPhone]


@pytest.fixture
def made(tmp_path: Path, phone: Path, android_phone: Phones) -> dict[str, list[Path]]:
    """Every packing of every kind, under names that say nothing."""
    folder = {kind: make(tmp_path / f"made-{number}") for number, (kind, make) in enumerate(MAKERS.items())}
    packed = tmp_path / "packed"
    packed.mkdir()
    qf, report, logs = android_phone[0], folder["android-bugreport"], folder["android-intrusion-logs"]
    sysdiagnose, dump = folder["ios-sysdiagnose"], folder["ios-filesystem"]
    alone = write(tmp_path / "alone", {"x": bugreport_files()["bugreport-demo.txt"]}) / "x"
    oem = write(tmp_path / "oem", {"app.log": b""})
    zipped(report, oem / "bugreport-demo-2024.zip")
    unpacked = write(tmp_path / "unpacked", {SMS_ENTRY: text_messages("hola")})
    return {
        "ios-backup": [phone],
        "androidqf": [qf, zipped(qf, packed / "1"), zipped(qf, packed / "2", "a/")],
        "android-backup": [folder["android-backup"], unpacked],
        "android-bugreport": [report, zipped(report, packed / "3"), alone, zipped(oem, packed / "4")],
        "android-intrusion-logs": [logs, zipped(logs, packed / "5")],
        "ios-sysdiagnose": [sysdiagnose, tarred(sysdiagnose, packed / "6", "sysdiagnose_2024/")],
        "ios-filesystem": [dump, tarred(dump, packed / "7", mode="w"), tarred(dump, packed / "8", "dump/"),
                           zipped(dump, packed / "9")],
    }  # fmt: skip


def test_a_kind_is_known_in_every_place_that_tells_kinds_apart(made: dict[str, list[Path]]) -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = [(docs / page).read_text("utf-8") for page in ("reference/sources.md", "es/reference/sources.md")]
    for name in ("ios-backup", *(kind.name for kind in KINDS)):
        assert name in made, f"{name}: make one above, and in tests/acquisitions.py"
        assert name in ALWAYS_HELD, f"{name}: artefacts.ALWAYS_HELD says what each one holds"
        assert texts.source_text(name) != name, f"{name}: report.texts._SOURCES says what people call it"
        assert all(f"## `{name}`" in page and f"| `{name}` |" in page for page in pages), f"{name}: sources.md, twice"


def test_every_kind_is_recognised_among_all_others(made: dict[str, list[Path]]) -> None:
    for kind, paths in made.items():
        for path in paths:
            assert recognise(path).kind == kind, path


def test_the_folder_above_will_do_for_every_kind(made: dict[str, list[Path]], tmp_path: Path) -> None:
    for number, (kind, paths) in enumerate(made.items()):
        above = tmp_path / f"above-{number}"
        above.mkdir()
        if paths[0].is_dir():
            shutil.copytree(paths[0], above / "inside")
        else:
            shutil.copy(paths[0], above / "inside")
        assert recognise(above).kind == kind


def test_a_folder_of_several_phones_names_batch(tmp_path: Path) -> None:
    write(tmp_path / "one", bugreport_files())
    write(tmp_path / "two", sysdiagnose_files())

    with pytest.raises(SpytriageError, match="several backups: one, two") as caught:
        recognise(tmp_path)

    assert "spytriage batch" in caught.value.hint


def test_what_is_unknown_is_told_what_was_looked_for_and_what_was_seen(tmp_path: Path) -> None:
    write(tmp_path, {"holiday.jpg": b"\xff\xd8", "notes/todo.txt": "milk\x1b[31m"})

    with pytest.raises(SpytriageError) as caught:
        recognise(tmp_path)

    for expected in ("Manifest.db", "AndroidQF", "ANDROID BACKUP", "sysdiagnose", "private/var", "main_entry.txt",
                     "dns_event", "holiday.jpg"):  # fmt: skip
        assert expected in caught.value.message


@pytest.mark.parametrize("kind", ["androidqf", "android-bugreport", "ios-sysdiagnose"])
def test_the_phone_is_described(made: dict[str, list[Path]], kind: str) -> None:
    device = recognise(made[kind][0]).device

    assert device.product_type.startswith("iPhone" if kind.startswith("ios") else "Android Demo 8")
    assert device.os_version == ("17.4.1" if kind.startswith("ios") else "14")


@pytest.mark.parametrize("beside", ["FS/data/tombstones/tombstone_00", "FS/proc/100/mountinfo"])
def test_a_bug_report_without_its_entry_point_is_known_by_what_lies_beside_the_dump(
    tmp_path: Path, beside: str
) -> None:
    folder = write(tmp_path / "a", {beside: "x"})

    for path in (folder, zipped(folder, tmp_path / "1"), zipped(folder, tmp_path / "2", "b/")):
        assert recognise(path).kind == "android-bugreport"


def test_an_encrypted_android_backup_says_so(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_bytes(android_backup({SMS_ENTRY: b""}, password="demo"))

    assert recognise(path).encrypted


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 and no more", b"\x1f\x8b\x08\x00 no gzip", b"ANDROID BACK", b"\x00" * 4096, b"PK\x05\x06"],
)
def test_what_is_no_archive_after_all_is_an_error_with_a_next_step(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing").write_bytes(content)

    with pytest.raises(SpytriageError) as caught:
        recognise(tmp_path / "thing")

    assert caught.value.hint


def test_an_archive_cut_in_half_is_an_error(tmp_path: Path, android_phone: Phones) -> None:
    whole = zipped(android_phone[0], tmp_path / "whole.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(SpytriageError, match="damaged or incomplete"):
        recognise(tmp_path / "half.zip")


def test_nesting_json_a_million_levels_deep_is_no_log(tmp_path: Path) -> None:
    write(tmp_path / "logs", {"x.txt": '{"dns_event":' + "[" * 1_000_000 + "\n" + dns_event("a.example")})

    with pytest.raises(SpytriageError, match="not an acquisition"):
        recognise(tmp_path / "logs")


def test_an_entry_without_a_name_does_not_hide_what_an_archive_is(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("packages.json", "[]"), ("getprop.txt", ""), ("y", "")):
            archive.writestr(name, content)
    path.write_bytes(nameless(path.read_bytes()))
    assert recognise(path).kind == "androidqf"
