"""Archives that are made to harm whoever unpacks them come to nothing, and say what was lost."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.models import Reason
from spytriage.scan import unpack
from spytriage.scan.refusals import Refusal, RefusedError
from spytriage.scan.unpack import Unpacker, Want, plain_name
from tests.tools import nameless

ALL = lambda _name: Want.CONTENT  # noqa: E731


def zip_of(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tar_of(path: Path, *entries: tarfile.TarInfo, content: bytes = b"x", mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            entry.size = len(content) if entry.isreg() else 0
            archive.addfile(entry, io.BytesIO(content))
    return path


def inside(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "C:/out", "..\\out", "/../out", "a\x01/../../../out"])
def test_a_path_that_leads_out_comes_to_nothing_and_is_noted(tmp_path: Path, name: str) -> None:
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(zip_of(tmp_path / "a.zip", (name, b"x"), ("good.txt", b"y")))

    assert inside(tmp_path) == {"a.zip", "in/good.txt"}
    assert set(unpacker.failed.values()) == {Reason.DAMAGED}


def test_an_absolute_name_stays_inside(tmp_path: Path) -> None:
    Unpacker(tmp_path / "in", ALL).zip(zip_of(tmp_path / "a.zip", ("/etc/passwd", b"x")))

    assert inside(tmp_path / "in") == {"etc/passwd"}


def test_of_two_entries_with_one_name_the_second_is_not_believed(tmp_path: Path) -> None:
    unpacker = Unpacker(tmp_path / "in", ALL)
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed = zip_of(tmp_path / "a.zip", ("a", b"first"), ("a", b"second"), ("b", b"x"), ("b/c", b"y"))

    unpacker.zip(packed)

    assert (tmp_path / "in" / "a").read_bytes() == b"first"
    assert set(unpacker.failed) == {"a", "b/c"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_not_made(tmp_path: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = kind, "/etc/passwd"
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.tar(tar_of(tmp_path / "a.tar", link, tarfile.TarInfo("link/passwd"), tarfile.TarInfo("good")))

    assert {"good"} <= inside(tmp_path / "in") <= {"good", "link/passwd"}
    assert not (tmp_path / "in" / "link").is_symlink()
    assert unpacker.failed["link"] is Reason.NOT_A_REGULAR_FILE


def test_a_name_that_is_no_utf8_is_a_name(tmp_path: Path) -> None:
    name = b"f\xff\xfeo".decode("utf-8", "surrogateescape")
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.tar(tar_of(tmp_path / "a.tar", tarfile.TarInfo(name), tarfile.TarInfo("good")))

    assert "good" in inside(tmp_path / "in")
    assert len(inside(tmp_path / "in")) + len(unpacker.failed) == 2


def test_an_entry_that_grows_out_of_proportion_is_dropped_and_noted(tmp_path: Path) -> None:
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(zip_of(tmp_path / "a.zip", ("bomb", b"\x00" * (40 << 20)), ("good", b"x")))

    assert inside(tmp_path / "in") == {"good"}
    assert unpacker.failed == {"bomb": Reason.TOO_LARGE}


def test_a_compressed_tar_that_grows_out_of_proportion_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("unwanted")
    entry.size = 64 << 20
    header = entry.tobuf()
    with gzip.open(tmp_path / "a.tgz", "wb") as packed:
        packed.write(header + b"\x00" * entry.size)

    with pytest.raises(RefusedError) as caught:
        Unpacker(tmp_path / "in", lambda _name: Want.NOTHING).tar(tmp_path / "a.tgz")

    assert caught.value.why is Refusal.TOO_LARGE


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 2), ("MAX_TOTAL_BYTES", 25), ("MAX_DIRECTORY_BYTES", 60)])
def test_more_than_the_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(unpack, limit, value)

    with pytest.raises(RefusedError) as caught:
        Unpacker(tmp_path / "in", ALL).zip(zip_of(tmp_path / "a.zip", *((str(n), b"0123456789") for n in range(3))))

    assert caught.value.why is Refusal.TOO_LARGE


def test_one_entry_above_the_limit_is_dropped_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_ENTRY_BYTES", 10)
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(zip_of(tmp_path / "a.zip", ("large", os.urandom(11)), ("good", b"x")))

    assert (inside(tmp_path / "in"), unpacker.failed) == ({"good"}, {"large": Reason.TOO_LARGE})


def test_a_wrong_checksum_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"content-content")
    path.write_bytes(path.read_bytes().replace(b"content-content", b"content-CONTENT", 1))
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(path)

    assert (inside(tmp_path / "in"), unpacker.failed) == (set(), {"a": Reason.DAMAGED})


@pytest.mark.parametrize("keep", [100, 600, 1500])
def test_a_tar_that_breaks_off_is_incomplete_or_refused(tmp_path: Path, keep: int) -> None:
    whole = tar_of(
        tmp_path / "a.tgz", tarfile.TarInfo("a"), tarfile.TarInfo("b"), content=os.urandom(4000), mode="w:gz"
    )
    (tmp_path / "cut.tgz").write_bytes(whole.read_bytes()[:keep])
    unpacker = Unpacker(tmp_path / "in", ALL)

    refusals = []
    try:
        unpacker.tar(tmp_path / "cut.tgz")
    except RefusedError as error:
        refusals.append(error.why)

    assert refusals == [Refusal.DAMAGED] or unpacker.incomplete or unpacker.failed


@given(st.text(max_size=60))
def test_no_name_leads_out(name: str) -> None:
    relative, honest = plain_name(name)

    assert not relative.startswith("/")
    assert ".." not in relative.split("/")
    assert not (honest and not relative)


@given(st.binary(max_size=3000))
def test_bytes_that_are_no_archive_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for start in (b"", b"\x1f\x8b\x08\x00", b"PK\x03\x04"):
        (folder / "a").write_bytes(start + content)
        for open_archive in (Unpacker(folder / "in", ALL).zip, Unpacker(folder / "in", ALL).tar):
            with suppress(RefusedError):
                open_archive(folder / "a")


@pytest.mark.skipif(sys.platform != "linux", reason="this system does not tell the peak of one process")
def test_unpacking_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, archive.open("large", "w") as entry:
        for _unused in range(200):
            entry.write(os.urandom(1 << 20))
    code = (
        "import re, sys; from pathlib import Path; from spytriage.scan.unpack import Unpacker, Want\n"
        "Unpacker(Path(sys.argv[2]), lambda name: Want.CONTENT).zip(Path(sys.argv[1]))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path, tmp_path / "in"], capture_output=True, check=True)

    assert int(done.stdout) < 100 * 1024  # kilobytes
    assert (tmp_path / "in" / "large").stat().st_size == 200 << 20


def test_an_entry_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", ("x", b"first"), ("y", b"second"))
    path.write_bytes(nameless(path.read_bytes()))
    unpacker = Unpacker(tmp_path / "out", lambda name: Want.CONTENT)
    unpacker.zip(path)
    assert (tmp_path / "out" / "x").read_bytes() == b"first"
    assert unpacker.failed == {"": Reason.DAMAGED}


def _two(path: Path) -> tuple[bytes, int]:
    """Return a plain tar of two files and where the second one's header begins."""
    content = tar_of(path, tarfile.TarInfo("a"), tarfile.TarInfo("b"), content=b"x" * 700).read_bytes()
    return content, 512 + 1024


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("fault", ["a damaged header", "cut before a header", "no mark of the end"])
def test_a_tar_that_ends_without_saying_so_is_incomplete(tmp_path: Path, fault: str, *, compressed: bool) -> None:
    content, second = _two(tmp_path / "whole.tar")
    changed = {
        "a damaged header": content[:second] + b"\xff" + content[second + 1 :],
        "cut before a header": content[:second],
        "no mark of the end": content[: 2 * second],
    }[fault]
    (tmp_path / "a.tar").write_bytes(gzip.compress(changed) if compressed else changed)
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.tar(tmp_path / "a.tar")

    assert unpacker.incomplete
    assert (tmp_path / "in" / "a").exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_tar_behind_a_tar_is_told(tmp_path: Path, *, compressed: bool) -> None:
    content, _second = _two(tmp_path / "whole.tar")
    other = tar_of(tmp_path / "other.tar", tarfile.TarInfo("c")).read_bytes()
    told = {}
    for name, data in (("one", content), ("two", content + other)):
        (tmp_path / name).write_bytes(gzip.compress(data) if compressed else data)
        unpacker = Unpacker(tmp_path / f"in-{name}", ALL)
        unpacker.tar(tmp_path / name)
        told[name] = (unpacker.altered, unpacker.incomplete)

    assert told == {"one": (False, False), "two": (True, False)}


@pytest.mark.parametrize("old", [b"b/wanted", b"b/unasked"])
def test_a_zip_that_calls_an_entry_otherwise_in_its_list_is_told(tmp_path: Path, old: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b/wanted", "x")
        archive.writestr("b/unasked", "x")
    content = (tmp_path / "a.zip").read_bytes()
    place = content.rindex(old)
    for changed, told in ((content, False), (content[:place] + b"c" + content[place + 1 :], True)):
        (tmp_path / "a.zip").write_bytes(changed)
        unpacker = Unpacker(tmp_path / f"in-{told}", lambda name: Want.CONTENT if name == "b/wanted" else Want.NOTHING)
        unpacker.zip(tmp_path / "a.zip")
        assert unpacker.altered is told


@pytest.mark.parametrize("end", ["before", "behind"])
def test_a_zip_whose_list_names_a_place_outside_the_file_is_told(tmp_path: Path, end: str) -> None:
    path = zip_of(tmp_path / "a.zip", ("a.txt", b"x"))
    data = path.read_bytes()
    record = data.rindex(b"PK\x01\x02")
    if end == "before":  # a list that begins later than it does is taken for one with something before the zip
        place = data.rindex(b"PK\x05\x06") + 16
        path.write_bytes(data[:place] + (record + 1000).to_bytes(4, "little") + data[place + 4 :])
    else:
        offset = record + 42
        path.write_bytes(data[:offset] + b"\xfe\xff\xff\xff" + data[offset + 4 :])
    unpacker = Unpacker(tmp_path / "in", ALL)

    with suppress(RefusedError):
        unpacker.zip(path)
        assert unpacker.altered

    assert inside(tmp_path) == {"a.zip"}


class _Unseekable(io.BytesIO):
    """What makes Python write an entry's sizes behind its data, as programs do that pack as they go."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("hidden", ["first", "middle", "last", "none"])
def test_an_entry_that_the_list_of_a_zip_leaves_out_is_told(tmp_path: Path, hidden: str, *, streamed: bool) -> None:
    packed = _Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("first", "middle", "last"):
            archive.writestr(name, b"x" * 50)
        archive.filelist = [info for info in archive.filelist if info.filename != hidden]
    (tmp_path / "a.zip").write_bytes(packed.getvalue())
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(tmp_path / "a.zip")

    assert unpacker.altered is (hidden != "none")


def test_a_zip_behind_a_zip_is_told(tmp_path: Path) -> None:
    first, second = (zip_of(tmp_path / name, (name, b"x")).read_bytes() for name in "ab")
    (tmp_path / "two.zip").write_bytes(first + second)
    unpacker = Unpacker(tmp_path / "in", ALL)

    unpacker.zip(tmp_path / "two.zip")

    assert unpacker.altered


def test_the_folders_and_names_of_an_honest_zip_are_as_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", "")
        for name in ("é.txt", "日本.txt", "a/b.txt", "x" * 300):
            archive.writestr(name, "x")
    unpacker = Unpacker(tmp_path / "in", ALL)
    unpacker.zip(tmp_path / "a.zip")
    assert not unpacker.altered
