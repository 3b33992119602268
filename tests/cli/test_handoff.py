"""Signing, packing, verifying and rendering again, from the outside, on the demo's hand-off."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

DAY = {"SOURCE_DATE_EPOCH": "1777852800"}  # 2026-05-04
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair, another key, and the demo's signed hand-off: not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    for arguments in (
        ["keygen", "-o", "workshop.key"],
        ["keygen", "-o", "other.key", "--no-password"],
        ["demo", "-o", "demo", "--sign-key", "workshop.key", "--quiet"],
        ["demo", "-o", "unsigned", "--tlp", "red", "--quiet"],
    ):
        done = spytriage(folder, *arguments)
        assert (done.returncode, done.stderr) == (0, b""), arguments
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """Run spytriage in a copy of that folder."""
    shutil.copytree(made, tmp_path / "here")
    return lambda *arguments, **more: spytriage(tmp_path / "here", *arguments, **more)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


def spytriage(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    known = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SPYTRIAGE_SIGN_PASSWORD": "a long one", **DAY}
    return subprocess.run(
        [sys.executable, "-m", "spytriage", *arguments],
        cwd=folder, env=known | environment, capture_output=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


class TestTheDemosHandOff:
    def test_passes_every_step_as_folder_and_as_zip(self, run: Run) -> None:
        assert run("pack", "demo", "-o", "demo.zip").returncode == 0
        for path in ("demo", "demo.zip"):
            done = run("verify", path, "--key", "workshop.key.pub")
            assert done.returncode == 0, done.stdout
            assert done.stdout.count(b"passed") == 13  # twelve steps and the whole

    @pytest.mark.skipif(shutil.which("minisign") is None, reason="Debian's minisign is not installed")
    def test_is_verified_with_minisign_and_sha256sum_alone(self, run: Run, here: Path) -> None:
        signed = subprocess.run(
            ["minisign", "-V", "-p", "../workshop.key.pub", "-m", "manifest.json"],
            cwd=here / "demo", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert signed.returncode == 0, signed.stderr
        manifest = (here / "demo" / "manifest.json").read_bytes()
        assert hashlib.sha256(manifest).hexdigest() in signed.stdout  # the comment is bound to this manifest
        sums = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in json.loads(manifest)["files"])
        checked = subprocess.run(
            ["sha256sum", "-c", "--strict"], cwd=here / "demo", input=sums, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout

    def test_says_where_it_is_not_signed(self, run: Run, here: Path) -> None:
        done = run("verify", "unsigned")
        assert done.returncode == 5
        assert b"Not signed" in done.stdout
        assert "Not signed" in (here / "unsigned" / "report.html").read_text()
        assert json.loads((here / "unsigned" / "report.json").read_text())["signer"] is None

    def test_carries_the_level_that_was_asked_for(self, run: Run, here: Path) -> None:
        assert "TLP:RED" in (here / "unsigned" / "report.html").read_text()
        assert '"tlp_2_0": "red"' in (here / "unsigned" / "report.stix2").read_text()
        assert "TLP:AMBER+STRICT" in (here / "demo" / "report.html").read_text()


class TestVerify:
    def test_by_another_key_or_changed_exits_with_3(self, run: Run, here: Path) -> None:
        assert run("verify", "demo", "--key", "other.key.pub").returncode == 3
        assert run("verify", "demo", "--key", "other.key.pub", "--key", "workshop.key.pub").returncode == 0
        page = here / "demo" / "report.html"
        page.write_bytes(page.read_bytes().replace(b"match", b"natch", 1))
        done = run("verify", "demo", "--key", "workshop.key.pub")
        assert (done.returncode, b"report.html" in done.stdout) == (3, True)

    def test_as_json_tells_each_step(self, run: Run) -> None:
        told = json.loads(run("verify", "demo", "--json").stdout)
        assert told["overall"] == "partial"
        assert [step["number"] for step in told["steps"]] == list(range(1, 13))
        assert {step["id"]: step["why"] for step in told["steps"]}["signature"] == "no-key"

    def test_says_what_it_does_not_prove_in_both_languages(self, run: Run) -> None:
        assert b"genuine" in run("verify", "demo").stdout
        assert "auténtica" in run("verify", "demo", "--lang", "es").stdout.decode()

    @pytest.mark.parametrize(
        "arguments", [["nothing"], ["demo", "--key", "nothing"], ["demo", "--key", "workshop.key"]]
    )
    def test_without_something_to_verify_is_an_error(self, run: Run, arguments: list[str]) -> None:
        done = run("verify", *arguments)
        assert done.returncode == 1
        assert b"What to do" in done.stderr

    def test_a_name_in_a_hostile_zip_does_nothing_to_the_terminal(self, run: Run, here: Path) -> None:
        with zipfile.ZipFile(here / "bad.zip", "w") as archive:
            archive.writestr("\x1b[31m\u202e../../x", b"")
        done = run("verify", "bad.zip")
        assert done.returncode == 3
        assert not {"\x1b", "\u202e"} & set(done.stdout.decode())


class TestPack:
    def test_gives_the_same_zip_each_time_and_notes_it_once(self, run: Run, here: Path) -> None:
        for name in ("one.zip", "two.zip"):
            assert run("pack", "demo", "-o", name).returncode == 0
        assert (here / "one.zip").read_bytes() == (here / "two.zip").read_bytes()
        assert run("custody", "show", "one.zip").stdout.count(b"packed") == 1
        assert run("pack", "demo").returncode == 0
        assert (here / "demo.zip").exists()
        assert run("verify", "demo", "--key", "workshop.key.pub").returncode == 0

    def test_refuses_a_folder_with_anything_else_in_it_or_that_was_changed(self, run: Run, here: Path) -> None:
        (here / "demo" / "original-message.png").write_bytes(b"x")
        with (here / "unsigned" / "report.json").open("a") as file:
            file.write(" ")
        for folder in ("demo", "unsigned", "nothing"):
            done = run("pack", folder, "-o", "x.zip")
            assert done.returncode == 1
            assert b"What to do" in done.stderr
        assert not (here / "x.zip").exists()

    def test_refuses_to_write_into_the_hand_off(self, run: Run, here: Path) -> None:
        done = run("pack", "demo", "-o", "demo/x.zip")
        assert (done.returncode, b"outside" in done.stderr) == (1, True)
        assert run("verify", "demo", "--key", "workshop.key.pub").returncode == 0

    def test_never_replaces_a_file(self, run: Run, here: Path) -> None:
        (here / "x.zip").write_text("mine")
        before = (here / "demo" / "custody.jsonl").read_bytes()
        assert run("pack", "demo", "-o", "x.zip").returncode == 1
        assert (here / "x.zip").read_text() == "mine"
        assert (here / "demo" / "custody.jsonl").read_bytes() == before


class TestCustody:
    def test_goes_on_and_still_verifies(self, run: Run) -> None:
        assert run("custody", "add", "demo", "--event", "handed-over", "--role", "courier").returncode == 0
        shown = run("custody", "show", "demo").stdout.decode()
        assert [line.split()[2] for line in shown.splitlines()] == ["checked", "handed-over"]
        assert run("verify", "demo", "--key", "workshop.key.pub").returncode == 0

    def test_that_is_broken_is_not_added_to(self, run: Run, here: Path) -> None:
        log = here / "demo" / "custody.jsonl"
        log.write_bytes(log.read_bytes().replace(b"operator", b"courier"))
        before = log.read_bytes()
        for arguments in (["show", "demo"], ["add", "demo", "--event", "deleted", "--role", "operator"]):
            assert run("custody", *arguments).returncode == 1
        assert log.read_bytes() == before


class TestKeygen:
    def test_protects_the_key_and_never_replaces_one(self, run: Run, here: Path) -> None:
        assert run("demo", "-o", "x", "--sign-key", "workshop.key", SPYTRIAGE_SIGN_PASSWORD="wrong").returncode == 1
        assert not (here / "x").exists()
        before = (here / "workshop.key").read_bytes()
        assert run("keygen", "-o", "workshop.key").returncode == 1
        assert (here / "workshop.key").read_bytes() == before

    def test_without_a_password_or_a_terminal_is_an_error(self, run: Run, here: Path) -> None:
        done = run("keygen", "-o", "new.key", SPYTRIAGE_SIGN_PASSWORD="")
        assert done.returncode == 1
        assert not (here / "new.key").exists()

    def test_takes_the_password_from_a_file(self, run: Run, here: Path) -> None:
        (here / "password").write_text("from a file\n")
        environment = {"SPYTRIAGE_SIGN_PASSWORD": "another"}
        assert run("keygen", "-o", "f.key", "--sign-password-file", "password", **environment).returncode == 0
        signed = ["demo", "-o", "f", "--quiet", "--sign-key", "f.key", "--sign-password-file", "password"]
        assert run(*signed, **environment).returncode == 0
        assert run("verify", "f", "--key", "f.key.pub").returncode == 0


class TestRender:
    @pytest.mark.parametrize(("form", "name"), [("html", "report.html"), ("stix", "report.stix2")])
    def test_again_gives_the_same_bytes(self, run: Run, here: Path, form: str, name: str) -> None:
        done = run("report", "render", "demo/report.json", "--format", form)
        assert done.stdout == (here / "demo" / name).read_bytes()

    def test_makes_tables_and_text(self, run: Run, here: Path) -> None:
        report_json = (here / "demo" / "report.json").read_bytes()
        assert run("report", "render", "demo/report.json", "--format", "md").stdout.startswith(b"# ")
        assert run("report", "render", "demo/report.json", "--format", "csv", "-o", "f.csv").returncode == 0
        table = list(csv.DictReader(io.StringIO((here / "f.csv").read_text("utf-8-sig"))))
        assert [row["row"] for row in table].count("finding") == len(json.loads(report_json)["findings"])
        assert run("report", "render", "demo/report.json", "--format", "timesketch", "-o", "t.csv").returncode == 0
        rows = list(csv.DictReader(io.StringIO((here / "t.csv").read_text())))
        assert {"message", "datetime", "timestamp_desc"} <= set(rows[0])
        lines = run("report", "render", "demo/report.json", "--format", "jsonl").stdout.splitlines()
        assert [json.loads(line)["datetime"] for line in lines] == [row["datetime"] for row in rows]

    def test_of_something_else_is_an_error(self, run: Run) -> None:
        for path in ("demo/manifest.json", "nothing.json", "demo/report.html"):
            assert run("report", "render", path, "--format", "html").returncode == 1


class TestAnAddendum:
    @pytest.fixture
    def rechecked(self, run: Run, here: Path) -> str:
        """The folder of what a recheck of the demo's hand-off wrote, from its findings alone."""
        (here / "key.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
        number, day = "00000000-0000-4000-8000-000000000000", "2026-01-01T00:00:00Z"
        other = {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{number}", "created": day,
                 "modified": day, "valid_from": day, "pattern": "[domain-name:value='other.example']",
                 "pattern_type": "stix", "indicator_types": ["malicious-activity"]}  # fmt: skip
        newer = {"type": "bundle", "id": f"bundle--{number}", "objects": [other]}
        (here / "newer.stix2").write_text(json.dumps(newer))
        done = run("recheck", "demo", "-i", "newer.stix2", "--identity", "key.txt", "--sign-key", "workshop.key",
                   "-o", "june")  # fmt: skip
        assert done.returncode == 5, done.stderr  # nothing was kept, so the report's findings are all that is compared
        return "june/demo"

    def test_is_verified_from_the_zip_that_pack_made_of_it(self, run: Run, here: Path, rechecked: str) -> None:
        keys = ("--key", "workshop.key.pub")
        before = sorted(path.name for path in (here / rechecked).iterdir())

        assert run("pack", rechecked, "-o", "addendum.zip").returncode == 0
        folder, packed = (
            run("verify", "demo", "--addendum", addendum, *keys) for addendum in (rechecked, "addendum.zip")
        )

        assert (packed.returncode, packed.stdout) == (folder.returncode, folder.stdout)
        assert b"The addendum:" in packed.stdout
        assert packed.returncode in {0, 5}, packed.stdout  # the catalogue does not know the set
        assert sorted(path.name for path in (here / rechecked).iterdir()) == before

    def test_that_was_changed_is_not_packed(self, run: Run, here: Path, rechecked: str) -> None:
        page = here / rechecked / "addendum.html"
        page.write_bytes(page.read_bytes() + b" ")

        done = run("pack", rechecked, "-o", "addendum.zip")

        assert done.returncode == 1
        assert b"This addendum is not as it was written" in done.stderr
        assert not (here / "addendum.zip").exists()
