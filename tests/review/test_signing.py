"""Keys and signatures: ours and minisign's own program understand each other, and ours is stricter."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.review import handoffs

from spytriage.errors import SpytriageError
from spytriage.signing import (
    comment_of,
    generate,
    is_well_formed,
    key_id_of,
    load_signer,
    load_trusted,
    verified_by,
)

needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="Debian's minisign is not installed")
DATA = b"the manifest"


def never() -> str:
    raise AssertionError("no password is needed")


def minisign(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["minisign", *arguments], cwd=folder, input=typed, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("password", ["correct horse", None])
def test_a_key_pair_signs_and_verifies(tmp_path: Path, password: str | None) -> None:
    public = generate(tmp_path / "k", password)
    signer = load_signer(tmp_path / "k", (lambda: password) if password else never)
    signature = signer.sign(DATA, "a comment")
    [trusted] = load_trusted([public])
    assert verified_by(signature, DATA, [trusted]) == trusted
    assert verified_by(signature, DATA + b".", [trusted]) is None
    assert comment_of(signature) == "a comment"
    assert key_id_of(signature) == trusted.id == signer.id
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_a_wrong_password_is_one_error(tmp_path: Path) -> None:
    generate(tmp_path / "k", "right")
    with pytest.raises(SpytriageError) as caught:
        load_signer(tmp_path / "k", lambda: "wrong")
    assert caught.value.hint


@pytest.mark.parametrize("taken", ["k", "k.pub"])
def test_no_key_is_ever_replaced(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(SpytriageError):
        generate(tmp_path / "k", None)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {taken: "mine"}


@pytest.mark.parametrize("content", [b"", b"RWQ", b"\xff" * 200, b"untrusted comment: x\nRWAA\n"])
def test_a_file_that_is_no_key_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    for read in (lambda: load_signer(tmp_path / "k", never), lambda: load_trusted([tmp_path / "k"])):
        with pytest.raises(SpytriageError) as caught:
            read()
        assert caught.value.hint


def test_a_list_of_trusted_keys_says_whose_each_is(tmp_path: Path) -> None:
    one, two = generate(tmp_path / "one", None), generate(tmp_path / "two", None)
    lines = [path.read_text().splitlines()[1] for path in (one, two)]
    (tmp_path / "list").write_text(f"# our trainers\n{lines[0]} workshop in Puebla\n\n{lines[1]}\n")
    assert [trusted.label for trusted in load_trusted([tmp_path / "list"])] == ["workshop in Puebla", "list"]
    signature = load_signer(tmp_path / "two", never).sign(DATA, "c")
    found = verified_by(signature, DATA, load_trusted([tmp_path / "list"]))
    assert found
    assert found.label == "list"


def test_every_changed_byte_of_a_signature_file_is_noticed() -> None:
    signature = handoffs.signer().sign(DATA, "comment")
    trusted = handoffs.public_of(handoffs.signer())
    for place in range(len(signature)):
        for flip in (1, 0x20, 0x80):
            changed = signature[:place] + bytes([signature[place] ^ flip]) + signature[place + 1 :]
            assert not (is_well_formed(changed) and verified_by(changed, DATA, [trusted])), place


@needs_minisign
class TestWithMinisign:
    def test_our_signature_verifies_there(self, tmp_path: Path) -> None:
        generate(tmp_path / "k", "secret")
        (tmp_path / "manifest.json").write_bytes(DATA)
        signed = load_signer(tmp_path / "k", lambda: "secret").sign(DATA, "day:2026-11-22")
        (tmp_path / "manifest.json.minisig").write_bytes(signed)
        done = minisign(tmp_path, "-V", "-p", "k.pub", "-m", "manifest.json")
        assert done.returncode == 0, done.stderr
        assert "day:2026-11-22" in done.stdout
        (tmp_path / "manifest.json").write_bytes(DATA + b"\n")
        assert minisign(tmp_path, "-V", "-p", "k.pub", "-m", "manifest.json").returncode != 0

    def test_a_key_that_we_made_signs_there(self, tmp_path: Path) -> None:
        public = generate(tmp_path / "k", None)
        (tmp_path / "m").write_bytes(DATA)
        done = minisign(tmp_path, "-S", "-s", "k", "-m", "m")
        assert done.returncode == 0, done.stderr
        assert verified_by((tmp_path / "m.minisig").read_bytes(), DATA, load_trusted([public]))

    def test_a_key_made_there_signs_here(self, tmp_path: Path) -> None:
        done = minisign(tmp_path, "-G", "-W", "-p", "k.pub", "-s", "k")
        assert done.returncode == 0, done.stderr
        signer = load_signer(tmp_path / "k", never)
        assert signer.id.lstrip("0") in (tmp_path / "k.pub").read_text()  # minisign leaves out leading zeros
        (tmp_path / "m").write_bytes(DATA)
        (tmp_path / "m.minisig").write_bytes(signer.sign(DATA, "c"))
        assert minisign(tmp_path, "-V", "-p", "k.pub", "-m", "m").returncode == 0
