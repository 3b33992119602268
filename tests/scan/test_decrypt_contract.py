"""What we rely on in iphone_backup_decrypt, one test each."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from iphone_backup_decrypt.google_iphone_dataprotection import Keybag as TheirKeybag
from iphone_backup_decrypt.utils import FilePlist, aes_decrypt_chunked

from spytriage.demo.backup_format import BackupFile, mbfile
from spytriage.demo.encryption import Keybag
from tests.tools import DAY

KEY = b"k" * 32


def test_this_is_the_version_that_was_read() -> None:
    assert version("iphone_backup_decrypt") == "0.10.0"


def test_a_keybag_is_parsed_without_being_opened() -> None:
    parsed = TheirKeybag(Keybag("password", "seed", (1000, 10)).blob)

    assert (parsed.attrs[b"DPIC"], parsed.attrs[b"ITER"]) == (1000, 10)
    assert set(parsed.classKeys) == {1, 2, 3, 4, 6, 7, 8, 9, 10, 11}
    assert parsed.classKeys[3][b"WRAP"] == 2


def test_the_entry_of_a_file_gives_its_class_and_wrapped_key() -> None:
    file = BackupFile("HomeDomain", "a", b"content", datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC))

    facts = FilePlist(mbfile(file, 1, b"\3\0\0\0" + b"w" * 40))

    assert (facts.protection_class, facts.encryption_key, facts.filesize) == (3, b"w" * 40, 7)
    assert FilePlist(mbfile(file, 1)).encryption_key is None


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_is_decrypted_whole_across_chunks(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "in").write_bytes(AES.new(KEY, AES.MODE_CBC, iv=bytes(16)).encrypt(pad(content[:size], 16)))

    aes_decrypt_chunked(in_filename=str(tmp_path / "in"), out_filepath=str(tmp_path / "out"), key=KEY)

    assert (tmp_path / "out").read_bytes() == content[:size]


@pytest.mark.parametrize("content", [b"x", b"x" * 16, b"x" * 17])
def test_what_is_no_encrypted_file_is_a_value_error_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in").write_bytes(content)

    with pytest.raises(ValueError, match="AES decrypt"):
        aes_decrypt_chunked(in_filename=str(tmp_path / "in"), out_filepath=str(tmp_path / "out"), key=KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
