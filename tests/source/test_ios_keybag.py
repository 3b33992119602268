"""Opening the lock of an encrypted backup, and refusing what is no lock."""

from __future__ import annotations

import plistlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.demo import DEMO_PASSWORD, DemoPhone
from spytriage.demo.encryption import Keybag
from spytriage.errors import SpytriageError
from spytriage.models import BackupKeys
from spytriage.source import read_lock, recognise
from spytriage.source.ios_keybag import MOST_ROUNDS, Lock
from tests.tools import Opened, keys_of


def with_manifest(folder: Path, **changes: object) -> None:
    """Change Manifest.plist; None takes a key out."""
    path = folder / "Manifest.plist"
    content = {**plistlib.loads(path.read_bytes()), **changes}
    path.write_bytes(plistlib.dumps({key: value for key, value in content.items() if value is not None}))


def keybag_of(folder: Path) -> bytes:
    blob: bytes = plistlib.loads((folder / "Manifest.plist").read_bytes())["BackupKeyBag"]
    return blob


def opened(folder: Path, password: str = DEMO_PASSWORD) -> BackupKeys | None:
    lock = read_lock(recognise(folder))
    return lock.open(lock.derive(password.encode()))


class TestThePassword:
    def test_opens_the_keys_of_all_classes_and_of_the_manifest(self, sealed: Opened) -> None:
        keys = opened(sealed.folder)

        assert keys is not None
        assert {1, 2, 3, 4} <= set(keys.classes)
        assert sealed.seal
        assert keys.manifest == sealed.seal.key("Manifest.db")

    @pytest.mark.parametrize("password", ["", "invented", DEMO_PASSWORD + "\n", DEMO_PASSWORD.upper(), "\0" * 200])
    def test_that_is_wrong_opens_nothing(self, sealed: Opened, password: str) -> None:
        assert opened(sealed.folder, password) is None

    def test_is_stretched_to_the_key_that_a_key_file_holds(self, sealed: Opened) -> None:
        assert sealed.seal
        lock = Lock(sealed.folder)

        assert lock.derive(DEMO_PASSWORD.encode()) == sealed.seal.derived
        assert lock.open(bytes(32)) is None

    @pytest.mark.parametrize("password", ["contraseña", "密码", "a" * 500])
    def test_may_be_of_any_script_and_length(self, sealed: Opened, password: str) -> None:
        seal = Keybag(password, "seed", (1000, 10))
        with_manifest(sealed.folder, BackupKeyBag=seal.blob, ManifestKey=seal.manifest_plist()["ManifestKey"])
        (sealed.folder / "Manifest.db").write_bytes(seal.manifest(b"SQLite format 3\0 and so on"))

        assert opened(sealed.folder, password) is not None

    def test_opens_a_keybag_with_one_round_from_before_ios_10_2(self, phone: Path) -> None:
        seal = Keybag(DEMO_PASSWORD, "seed", old=True)
        with_manifest(phone, **seal.manifest_plist())

        keys = opened(phone)

        assert keys is not None
        assert keys.manifest is None
        assert b"DPIC" not in seal.blob
        assert opened(phone, "wrong") is None


class TestSecrets:
    def test_are_in_no_repr(self, sealed: Opened) -> None:
        keys = keys_of(sealed.folder)

        assert repr(keys) == "BackupKeys()"


class TestWhatNoPasswordOpens:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"BackupKeyBag": None}, "damaged or incomplete"),
            ({"BackupKeyBag": b""}, "damaged or incomplete"),
            ({"BackupKeyBag": "text"}, "damaged or incomplete"),
            ({"BackupKeyBag": bytes(4000)}, "damaged or incomplete"),
        ],
    )
    def test_is_refused_before_a_password_is_asked_for(
        self, sealed: Opened, change: dict[str, object], message: str
    ) -> None:
        with_manifest(sealed.folder, **change)

        with pytest.raises(SpytriageError, match=message) as caught:
            Lock(sealed.folder)
        assert caught.value.hint

    @pytest.mark.parametrize(
        ("tag", "rounds"), [(b"DPIC", max(MOST_ROUNDS.values()) + 1), (b"DPIC", 2**32 - 1), (b"ITER", 1_000_001)]
    )
    def test_is_a_keybag_that_asks_for_absurdly_much_work(self, sealed: Opened, tag: bytes, rounds: int) -> None:
        before, after = keybag_of(sealed.folder).split(tag)
        with_manifest(sealed.folder, BackupKeyBag=before + tag + after[:4] + struct.pack(">L", rounds) + after[8:])

        with pytest.raises(SpytriageError, match=f"{rounds} rounds"):
            Lock(sealed.folder)

    @pytest.mark.parametrize("tag", [b"DPIC", b"ITER", b"SALT", b"DPSL"])
    def test_is_a_keybag_without_what_it_takes_to_stretch_a_password(self, sealed: Opened, tag: bytes) -> None:
        with_manifest(sealed.folder, BackupKeyBag=keybag_of(sealed.folder).replace(tag, b"XXXX"))

        with pytest.raises(SpytriageError, match="damaged or incomplete"):
            Lock(sealed.folder)

    def test_is_one_of_zero_rounds(self, sealed: Opened) -> None:
        before, after = keybag_of(sealed.folder).split(b"ITER")
        with_manifest(sealed.folder, BackupKeyBag=before + b"ITER" + after[:4] + bytes(4) + after[8:])

        with pytest.raises(SpytriageError, match="damaged or incomplete"):
            Lock(sealed.folder)

    @pytest.mark.parametrize(
        "key", [b"", b"\x04\0\0\0", b"\x63\0\0\0" + bytes(40), b"\x04\0\0\0" + bytes(40), "text", 7]
    )
    def test_is_a_manifest_whose_key_is_damaged(self, sealed: Opened, key: object) -> None:
        with_manifest(sealed.folder, ManifestKey=key)

        with pytest.raises(SpytriageError, match="damaged or incomplete"):
            opened(sealed.folder)

    @pytest.mark.parametrize("make", [lambda _: b"", lambda _: b"short", lambda content: content[16:] + bytes(16)])
    def test_is_a_manifest_that_decrypts_to_something_else(
        self, sealed: Opened, make: Callable[[bytes], bytes]
    ) -> None:
        path = sealed.folder / "Manifest.db"
        path.write_bytes(make(path.read_bytes()))

        with pytest.raises(SpytriageError, match="not a database"):
            opened(sealed.folder)

    def test_is_a_manifest_in_clear_that_is_none(self, phone: Path) -> None:
        with_manifest(phone, **Keybag(DEMO_PASSWORD, "seed", old=True).manifest_plist())
        (phone / "Manifest.db").write_bytes(bytes(4096))

        with pytest.raises(SpytriageError, match="not a database"):
            opened(phone)


def test_a_keybag_cut_off_anywhere_opens_what_is_left_or_is_refused(sealed: Opened, capsys: object) -> None:
    blob = keybag_of(sealed.folder)
    for end in range(0, len(blob), 3):
        with_manifest(sealed.folder, BackupKeyBag=blob[:end])
        try:
            keys = Lock(sealed.folder).open(sealed.seal.derived if sealed.seal else b"")
        except SpytriageError:
            continue
        assert keys is not None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_keybag_of_any_bytes_is_read_or_refused(
    written_encrypted_phone: tuple[Path, DemoPhone], tmp_path: Path, data: st.DataObject
) -> None:
    blob = bytearray(keybag_of(written_encrypted_phone[0]))
    for place in data.draw(st.lists(st.integers(0, len(blob) - 1), min_size=1, max_size=8)):
        blob[place] = data.draw(st.integers(0, 255))
    shutil.copy(written_encrypted_phone[0] / "Manifest.plist", tmp_path)
    shutil.copy(written_encrypted_phone[0] / "Manifest.db", tmp_path)
    with_manifest(tmp_path, BackupKeyBag=bytes(blob))
    try:
        Lock(tmp_path).open(bytes(32))
    except SpytriageError as error:
        assert error.hint  # noqa: PT017


def test_what_the_parser_prints_stays_unseen(sealed: Opened, capfd: pytest.CaptureFixture[str]) -> None:
    before, after = keybag_of(sealed.folder).split(b"TYPE")
    with_manifest(sealed.folder, BackupKeyBag=before + b"TYPE" + after[:4] + struct.pack(">L", 9) + after[8:])

    Lock(sealed.folder)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["Info.plist", "Manifest.plist", "Manifest.db"])
def test_a_link_out_of_the_backup_is_not_followed(sealed: Opened, tmp_path: Path, name: str) -> None:
    outside = (sealed.folder / name).rename(tmp_path / "elsewhere")
    (sealed.folder / name).symlink_to(outside)

    with pytest.raises(SpytriageError, match="something else"):
        recognise(sealed.folder)
