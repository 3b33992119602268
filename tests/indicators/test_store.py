"""Sets come in whole or not at all, and what is installed is what was imported."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from tests.indicators.conftest import bundle_of, indicator
from tests.tools import nameless

from spytriage.errors import SpytriageError
from spytriage.indicators import installed_sets, select
from spytriage.indicators.kit import MAX_MEMBERS, export_kit, import_sets
from spytriage.indicators.store import data_folder, records

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(folder))
    return folder


def made(name: str = "x") -> bytes:
    return json.dumps(bundle_of(indicator(f"[process:name='{name}']"))).encode()


def zip_of(write: Write, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return write(buffer.getvalue(), "made.zip")


def nothing_installed(folder: Path) -> bool:
    return not list(folder.rglob("*"))


def test_the_data_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_folder() == tmp_path / "data"
    monkeypatch.delenv("SPYTRIAGE_DATA_FOLDER")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_folder() == tmp_path / "xdg" / "spytriage"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == tmp_path / ".local" / "share" / "spytriage"
    monkeypatch.setattr("sys.platform", "darwin")
    assert data_folder() == tmp_path / "Library" / "Application Support" / "spytriage"


def test_an_imported_set_is_looked_for_beside_the_embedded_one(write: Write) -> None:
    (record,) = import_sets([write(made(), "mine.stix2")], date(2026, 1, 1))
    assert (record.name, record.catalogued, record.imported_on) == ("mine", False, "2026-01-01")
    assert [loaded.name for loaded in installed_sets().sets] == ["mine", "pegasus-core"]
    assert [loaded.name for loaded in select([], ["mine"]).sets] == ["mine"]
    assert [loaded.name for loaded in select([], ["pegasus-core"]).sets] == ["pegasus-core"]


def test_a_check_looks_for_exactly_what_was_asked_for_or_for_all(write: Write) -> None:
    import_sets([write(made(), "mine.stix2")])
    given = write(made("y"), "given.stix2")
    assert [loaded.name for loaded in select([given], []).sets] == ["given"]
    assert [loaded.name for loaded in select([given], ["mine"]).sets] == ["given", "mine"]
    assert [loaded.name for loaded in select([], []).sets] == ["mine", "pegasus-core"]


def test_a_known_set_is_recognised_by_its_bytes_whatever_its_file_is_called(
    shared_bundles: list[Path], write: Write
) -> None:
    pegasus = next(path for path in shared_bundles if path.stem == "pegasus")
    (record,) = import_sets([write(pegasus.read_bytes(), "renamed.json")])
    assert (record.name, record.catalogued, record.total) == ("pegasus", True, 1549)
    assert record.age(date(2027, 3, 1)) == 100
    (other,) = import_sets([write(made(), "pegasus.stix2")])
    assert (other.name, other.catalogued) == ("pegasus-unlisted", False)


def test_importing_a_set_again_replaces_it_and_leaves_nothing_behind(write: Write, installed: Path) -> None:
    import_sets([write(made("old"), "mine.stix2")])
    import_sets([write(made("new"), "mine.stix2")])
    assert [record.name for record in records()] == ["mine"]
    assert [one.value for one in select([], ["mine"]).indicators] == ["new"]
    assert len(list(installed.rglob("*.stix2"))) == 1


def test_when_one_of_several_cannot_be_read_none_is_installed(write: Write, installed: Path) -> None:
    with pytest.raises(SpytriageError, match="not JSON"):
        import_sets([write(made(), "good.stix2"), write(b"{", "bad.stix2")])
    assert nothing_installed(installed)


def test_a_set_that_was_changed_or_removed_after_import_is_not_used(write: Write, installed: Path) -> None:
    import_sets([write(made(), "mine.stix2")])
    (stored,) = installed.rglob("*.stix2")
    stored.write_bytes(made("planted"))
    with pytest.raises(SpytriageError, match="changed after it was imported"):
        installed_sets()
    stored.unlink()
    with pytest.raises(SpytriageError, match="missing"):
        installed_sets()


def test_a_damaged_record_and_an_unknown_name_are_one_clear_error(write: Write, installed: Path) -> None:
    with pytest.raises(SpytriageError, match="No set of the name"):
        select([], ["nonsense"])
    import_sets([write(made(), "mine.stix2")])
    for content in (b"{", b"[]", b'{"name": "mine"}', b'{"unknown": 1}'):
        next(installed.rglob("*.json")).write_bytes(content)
        with pytest.raises(SpytriageError, match="record of an installed set is damaged"):
            records()


def test_a_folder_that_cannot_be_written_is_one_clear_error(write: Write, installed: Path) -> None:
    installed.write_text("a file where the folder should be")
    with pytest.raises(SpytriageError, match="cannot be installed"):
        import_sets([write(made(), "mine.stix2")])


def test_an_import_that_breaks_off_leaves_the_old_version(
    write: Write, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_sets([write(made("old"), "mine.stix2")])

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(SpytriageError, match="cannot be written"):
        import_sets([write(made("new"), "mine.stix2")])
    assert [one.value for one in select([], ["mine"]).indicators] == ["old"]


def test_a_kit_brings_all_sets_to_another_machine(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_sets([write(made("a"), "first.stix2"), write(made("b"), "second.stix2")])
    export_kit(tmp_path / "kit.zip")
    export_kit(tmp_path / "again.zip")
    assert (tmp_path / "kit.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    before = installed_sets()
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(tmp_path / "elsewhere"))
    import_sets([tmp_path / "kit.zip"])
    assert installed_sets() == before


def test_nothing_to_export_and_an_existing_file_are_one_clear_error(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SpytriageError, match="nothing to export"):
        export_kit(tmp_path / "kit.zip")
    import_sets([write(made(), "mine.stix2")])
    (tmp_path / "kit.zip").write_bytes(b"precious")
    with pytest.raises(SpytriageError, match="exists already"):
        export_kit(tmp_path / "kit.zip")
    assert (tmp_path / "kit.zip").read_bytes() == b"precious"


def test_a_kit_whose_set_is_not_what_its_list_says_is_refused(write: Write, installed: Path) -> None:
    row = {"name": "mine", "title": "", "publisher": "", "sha256": hashlib.sha256(b"other").hexdigest()}
    kit = zip_of(write, ("kit.json", json.dumps({"sets": [row]}).encode()), ("mine.stix2", made()))
    with pytest.raises(SpytriageError, match="not what its list says"):
        import_sets([kit])
    assert nothing_installed(installed)


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../evil.stix2", "/etc/evil.stix2", "a/../../evil.stix2", "a\\evil.stix2", "C:evil.stix2", link("l.stix2"),
             link("notes.txt")]
)  # fmt: skip
def test_a_zip_with_path_tricks_or_links_is_refused(write: Write, installed: Path, name: str | zipfile.ZipInfo) -> None:
    kit = zip_of(write, ("good.stix2", made()), (name, made("y")))
    with pytest.raises(SpytriageError, match="links, or names that lead outside"):
        import_sets([kit])
    assert nothing_installed(installed)


def test_a_zip_with_one_name_twice_is_refused(write: Write, installed: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        kit = zip_of(write, ("a.stix2", made()), ("a.stix2", made("y")))
    with pytest.raises(SpytriageError, match="come twice"):
        import_sets([kit])
    assert nothing_installed(installed)


def lying_zip(write: Write) -> Path:
    """A zip whose directory declares fewer bytes than an entry unpacks to."""
    data = zip_of(write, ("a.stix2", made() + b" " * 10_000)).read_bytes()
    place = data.rindex(b"PK\x01\x02") + 24
    return write(data[:place] + struct.pack("<I", 50) + data[place + 4 :], "lying.zip")


def test_a_zip_bomb_is_refused_before_it_unpacks(write: Write, installed: Path) -> None:
    bombs = [
        zip_of(write, ("a.stix2", b" " * 10_000_000)),
        zip_of(write, *((f"{number}.txt", b"") for number in range(MAX_MEMBERS + 1))).rename(write(b"", "many.zip")),
    ]
    bombs[0] = zip_of(write, ("a.stix2", b" " * 10_000_000))
    for bomb in bombs:
        with pytest.raises(SpytriageError, match="more than is sensible"):
            import_sets([bomb])
    with pytest.raises(SpytriageError):
        import_sets([lying_zip(write)])
    assert nothing_installed(installed)


@pytest.mark.parametrize("cut", [10, 100, -5])
def test_a_broken_zip_is_one_clear_error(write: Write, installed: Path, cut: int) -> None:
    data = zip_of(write, ("a.stix2", made() * 1)).read_bytes()
    with pytest.raises(SpytriageError):
        import_sets([write(data[:cut], "broken.zip")])
    assert nothing_installed(installed)


def test_a_zip_whose_packed_bytes_are_damaged_is_one_clear_error(write: Write, installed: Path) -> None:
    data = bytearray(zip_of(write, ("a.stix2", made())).read_bytes())
    start = 30 + len("a.stix2")
    data[start : start + 40] = b"\xff" * 40  # no block of deflate begins so
    with pytest.raises(SpytriageError, match="zip cannot be read"):
        import_sets([write(bytes(data), "damaged.zip")])
    assert nothing_installed(installed)


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_that_is_packed_as_no_kit_is_is_refused_before_it_unpacks(
    write: Write, installed: Path, packing: int
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        archive.writestr("a.stix2", made())
    with pytest.raises(SpytriageError, match="zip cannot be read"):
        import_sets([write(buffer.getvalue(), "odd.zip")])
    assert nothing_installed(installed)


@pytest.mark.parametrize("beginning", [b"", b"PK\x03\x04", b"PK\x05\x06"])
def test_the_end_of_a_zip_in_many_parts_is_one_clear_error_in_any_file(
    write: Write, installed: Path, beginning: bytes
) -> None:
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 1, 0, 2)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0)
    with pytest.raises(SpytriageError):
        import_sets([write(beginning + locator + end, "part.zip")])
    assert nothing_installed(installed)


@pytest.mark.parametrize("title", [None, 5, ["A set"], "half a character \ud800"])
def test_a_kit_whose_list_calls_a_set_by_no_text_is_refused(write: Write, installed: Path, title: object) -> None:
    row = {"name": "a", "title": title, "publisher": "", "sha256": hashlib.sha256(made()).hexdigest()}
    with pytest.raises(SpytriageError, match="list in the kit is damaged"):
        import_sets([zip_of(write, ("kit.json", json.dumps({"sets": [row]}).encode()), ("a.stix2", made()))])
    assert nothing_installed(installed)


@pytest.mark.parametrize("change", [{"total": "many"}, {"name": None}, {"official": 1}, {"sha256": ["x"]}])
def test_a_record_with_a_value_of_another_kind_is_one_clear_error(
    write: Write, installed: Path, change: dict[str, object]
) -> None:
    import_sets([write(made(), "mine.stix2")])
    [path] = (installed / "indicators").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SpytriageError, match="record of an installed set is damaged"):
        records()


def test_a_zip_without_bundles_or_with_a_damaged_list_is_one_clear_error(write: Write, installed: Path) -> None:
    with pytest.raises(SpytriageError, match="holds no indicator bundle"):
        import_sets([zip_of(write, ("notes.txt", b"x"))])
    for listed in (b"{", b"[]", b'{"sets": [1]}', b'{"sets": 5}', b'{"sets": [{"name": "a"}]}'):
        with pytest.raises(SpytriageError, match="list in the kit is damaged"):
            import_sets([zip_of(write, ("kit.json", listed), ("a.stix2", made()))])
    assert nothing_installed(installed)


def test_the_hidden_files_that_macos_leaves_everywhere_are_no_bundles(write: Write, tmp_path: Path) -> None:
    junk = b"\x00\x05\x16\x07Mac OS X"
    kit = zip_of(write, ("mine.stix2", made()), ("__MACOSX/._mine.stix2", junk), (".hidden/x.json", junk))
    assert [record.name for record in import_sets([kit])] == ["mine"]
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "other.stix2").write_bytes(made("y"))
    (folder / "._other.stix2").write_bytes(junk)
    assert [record.name for record in import_sets([folder])] == ["other"]


def test_two_different_sets_of_one_name_are_refused_and_one_set_given_twice_is_not(
    write: Write, installed: Path
) -> None:
    with pytest.raises(SpytriageError, match="have the name x"):
        import_sets([zip_of(write, ("a/x.stix2", made("a")), ("b/x.stix2", made("b")))])
    assert nothing_installed(installed)
    assert len(import_sets([zip_of(write, ("a/x.stix2", made("a")), ("b/x.stix2", made("a")))])) == 1


def test_a_zip_with_an_entry_without_a_name_is_refused(write: Write, installed: Path) -> None:
    kit = zip_of(write, ("a.stix2", made()), ("y", b""))
    kit.write_bytes(nameless(kit.read_bytes()))
    with pytest.raises(SpytriageError, match="links, or names that lead outside"):
        import_sets([kit])
    assert nothing_installed(installed)
