"""The encrypted demo phone is one that the readers of others open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from iphone_backup_decrypt import EncryptedBackup

from spytriage.cli.demo import command
from spytriage.demo import DEMO_PASSWORD, DemoPhone, write_phone
from tests.tools import SMS, decrypted, digest_of, keys_of, stored


def test_iphone_backup_decrypt_reads_it_and_finds_the_same_files(
    written_encrypted_phone: tuple[Path, DemoPhone], written_phone: tuple[Path, DemoPhone], tmp_path: Path
) -> None:
    reader = EncryptedBackup(backup_directory=str(written_encrypted_phone[0]), passphrase=DEMO_PASSWORD)

    reader.save_manifest_file(str(tmp_path / "Manifest.db"))
    with sqlite3.connect(tmp_path / "Manifest.db") as manifest:
        files = manifest.execute("SELECT relativePath, domain FROM Files WHERE flags = 1").fetchall()
    manifest.close()
    assert len(files) > 30
    for path, domain in files:
        original = stored(written_phone[0], (domain, path)).read_bytes()
        if original:
            assert reader.extract_file_as_bytes(path, domain_like=domain) == original, path


def test_it_does_not_open_with_another_password(written_encrypted_phone: tuple[Path, DemoPhone]) -> None:
    reader = EncryptedBackup(backup_directory=str(written_encrypted_phone[0]), passphrase="another")

    with pytest.raises(ValueError, match="passphrase"):
        reader.test_decryption()


def test_nothing_but_the_property_lists_is_in_clear(
    written_encrypted_phone: tuple[Path, DemoPhone], written_phone: tuple[Path, DemoPhone]
) -> None:
    clear, sealed = digest_of(written_phone[0]), digest_of(written_encrypted_phone[0])

    assert clear.keys() == sealed.keys()
    same = {name for name in clear if clear[name] == sealed[name]}
    assert {name for name in same if (written_phone[0] / name).stat().st_size} == {"Info.plist", "Status.plist"}


def test_one_seed_is_one_encrypted_phone(written_encrypted_phone: tuple[Path, DemoPhone], tmp_path: Path) -> None:
    assert write_phone(tmp_path / "again", encrypted=True) == written_encrypted_phone[1]
    assert digest_of(tmp_path / "again") == digest_of(written_encrypted_phone[0])


def test_its_files_have_keys_of_their_own(written_encrypted_phone: tuple[Path, DemoPhone]) -> None:
    folder = written_encrypted_phone[0]
    manifest_key = keys_of(folder).manifest

    with pytest.raises(ValueError, match="adding"):
        decrypted(manifest_key, stored(folder, SMS).read_bytes())


def test_the_help_tells_its_password() -> None:
    (option,) = [param for param in command.params if param.name == "encrypted"]
    assert f"`{DEMO_PASSWORD}`" in option.help  # type: ignore[attr-defined]
