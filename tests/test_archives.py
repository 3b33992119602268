"""How large a zip's list of entries is, is known before Python holds it in memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from spytriage.archives import directory_bytes


def zip_of(path: Path, comment: bytes = b"") -> int:
    """Write a zip, and return where its list of entries begins."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"content")
        archive.comment = comment
    return path.read_bytes().index(b"PK\x01\x02")


# A zip whose short form refers to the long one, as of 4 GB on: the record, its locator, and the end.
LONG = b"PK\x06\x06" + b"\0" * 36 + (5 << 30).to_bytes(8, "little") + b"\0" * 8 + b"PK\x06\x07" + b"\0" * 16
REFERRING = b"PK\x05\x06" + b"\0" * 8 + b"\xff" * 8 + b"\0" * 2


@pytest.mark.parametrize("comment", [b"", b"a comment", b"PK\x05\x06 and more", b"PK\x06\x06" + b"\0" * 60])
def test_the_size_is_what_the_zip_says_whatever_its_comment(tmp_path: Path, comment: bytes) -> None:
    begins = zip_of(tmp_path / "a.zip", comment)
    end = (tmp_path / "a.zip").read_bytes().index(b"PK\x05\x06")

    assert directory_bytes(tmp_path / "a.zip") == max(end - begins, directory_bytes_in(comment))


def directory_bytes_in(comment: bytes) -> int:
    """What a comment that looks like an end says."""
    return int.from_bytes(comment[12:16], "little") if comment.startswith(b"PK\x05\x06") and len(comment) >= 16 else 0


def test_the_long_form_counts_where_the_short_one_refers_to_it(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(LONG + REFERRING)

    assert directory_bytes(tmp_path / "a.zip") == 5 << 30


@pytest.mark.parametrize("small", [b"PK\x06\x06" + b"\0" * 60, b"PK\x05\x06" + b"\0" * 18])
def test_a_smaller_one_in_the_comment_hides_no_larger_one(tmp_path: Path, small: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(LONG + REFERRING + small)

    assert directory_bytes(tmp_path / "a.zip") == 5 << 30


def test_what_is_no_zip_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")

    assert directory_bytes(tmp_path / "a.zip") == 0
