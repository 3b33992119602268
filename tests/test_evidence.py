"""Sealed evidence: byte for byte the records behind each finding, for its recipients and nobody else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage import custody
from spytriage.consent import Grant
from spytriage.errors import SpytriageError
from spytriage.evidence import parse_recipients, read_identities, unseal
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.jsontext import canonical
from spytriage.models import RawAlert
from spytriage.pipeline import Check, Examined, check
from spytriage.redaction import CaseKey
from spytriage.release import release
from tests.conftest import consent
from tests.tools import DAY, KEY, Recorder

ALL = (Grant.ANALYSE, Grant.SHARE_REDACTED, Grant.SHARE_SEALED)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secret key of a reviewer, as age-keygen writes it."""
    path = tmp_path_factory.mktemp("reviewer") / "key.txt"
    path.write_text(f"# created: 2026-01-01\n{pyrage.x25519.Identity.generate()}\n")
    return path


def public_key(identity: Path) -> str:
    return str(pyrage.x25519.Identity.from_str(identity.read_text().splitlines()[1]).to_public())


@pytest.fixture(scope="module")
def examined(written_phone: tuple[Path, Any], identity: Path) -> tuple[Check, Examined]:
    request = Check(
        written_phone[0], load([data_file("demo.stix2")]), consent(*ALL), DAY, KEY,
        recipients=parse_recipients([public_key(identity)]),
    )  # fmt: skip
    return request, check(request, Recorder())


@pytest.fixture
def folder(examined: tuple[Check, Examined], tmp_path: Path) -> Path:
    """A report with sealed evidence."""
    release(*examined, tmp_path / "report")
    return tmp_path / "report"


def records(alerts: list[RawAlert]) -> list[dict[str, Any]]:
    return [
        {"level": a.level.value, "message": a.message, "event_time": a.event_time, "event": dict(a.event)}
        for a in alerts
    ]


def test_unsealing_gives_back_byte_for_byte_the_records_behind_each_finding(
    folder: Path, identity: Path, examined: tuple[Check, Examined]
) -> None:
    opened = unseal(folder / "evidence.age", read_identities(identity), folder / "report.json")

    behind = examined[1].behind
    assert [finding.ref for finding in opened.findings] == [f"F{ref}" for ref in sorted(behind)]
    for finding in opened.findings:
        raw = [one.alert for one in behind[int(finding.ref[1:])]]
        assert canonical(list(finding.records)) == canonical(records(raw))
    assert opened.case_key == KEY.secret


def test_it_holds_nothing_but_the_records_of_findings(
    folder: Path, identity: Path, examined: tuple[Check, Examined]
) -> None:
    opened = unseal(folder / "evidence.age", read_identities(identity), folder / "report.json")
    assert sum(len(finding.records) for finding in opened.findings) == sum(map(len, examined[1].behind.values()))


def test_the_case_key_explains_the_pseudonyms(folder: Path, identity: Path) -> None:
    opened = unseal(folder / "evidence.age", read_identities(identity), folder / "report.json")
    report = json.loads((folder / "report.json").read_text())
    shown = next(f for f in report["findings"] if f["module"] == "Whatsapp" and f["pseudonyms"])
    (record,) = next(f for f in opened.findings if f.ref == shown["ref"]).records

    from spytriage.models import PseudonymKind

    sender = CaseKey(opened.case_key).pseudonym(PseudonymKind.CONTACT, record["event"]["ZFROMJID"])
    assert str(sender) in shown["pseudonyms"]


def test_the_report_commits_to_each_field_and_says_nothing_by_it(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert report["redaction"]["recipients"] == 1
    for finding in report["findings"]:
        names = set(finding["commitments"])
        assert {"message", "event_time", "unlisted"} <= names
        assert {f"record.{name}" for name in finding["withheld"] if name != "message"} <= names
    digests = [digest for finding in report["findings"] for digest in finding["commitments"].values()]
    assert len(set(digests)) == len(digests)  # equal values have different nonces


def test_a_commitment_cannot_be_tried_without_its_nonce(folder: Path, examined: tuple[Check, Examined]) -> None:
    report = json.loads((folder / "report.json").read_text())
    tried = {
        hashlib.sha256(canonical(value)).hexdigest()
        for raw in examined[1].behind.values()
        for value in ([[one.alert.event.get(key)] for one in raw] for key in raw[0].alert.event)
    }
    assert not tried & {digest for finding in report["findings"] for digest in finding["commitments"].values()}


def test_the_same_case_gives_the_same_report_byte_for_byte(examined: tuple[Check, Examined], tmp_path: Path) -> None:
    for name in ("one", "two"):
        release(*examined, tmp_path / name)
    assert (tmp_path / "one" / "report.json").read_bytes() == (tmp_path / "two" / "report.json").read_bytes()
    assert (tmp_path / "one" / "evidence.age").read_bytes() != (tmp_path / "two" / "evidence.age").read_bytes()


def test_the_chain_of_custody_says_that_it_was_sealed(folder: Path) -> None:
    events = [entry.event for entry in custody.read((folder / "custody.jsonl").read_bytes())]
    assert events == [custody.Event.CHECKED, custody.Event.SEALED]


def test_without_recipients_there_is_no_evidence_and_no_commitment(
    written_phone: tuple[Path, Any], tmp_path: Path
) -> None:
    request = Check(written_phone[0], load([data_file("demo.stix2")]), consent(), DAY, KEY)
    report, files = release(request, check(request, Recorder()), tmp_path / "report")
    assert "evidence.age" not in {path.name for path in files}
    assert not any(finding.commitments for finding in report.findings)


class TestUnsealingFails:
    def refused(self, folder: Path, identity: Path, message: str) -> None:
        with pytest.raises(SpytriageError, match=message):
            unseal(folder / "evidence.age", read_identities(identity), folder / "report.json")

    @pytest.mark.parametrize("place", [0.001, 0.2, 0.5, 0.8, 0.999])
    def test_on_a_report_with_one_changed_byte(self, folder: Path, identity: Path, place: float) -> None:
        data = bytearray((folder / "report.json").read_bytes())
        data[int(len(data) * place)] ^= 1
        (folder / "report.json").write_bytes(data)
        self.refused(folder, identity, "do not belong together")

    @pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
    def test_on_evidence_with_one_changed_byte(self, folder: Path, identity: Path, place: float) -> None:
        data = bytearray((folder / "evidence.age").read_bytes())
        data[int(len(data) * place)] ^= 1
        (folder / "evidence.age").write_bytes(data)
        self.refused(folder, identity, "cannot be unsealed")

    def test_for_whoever_made_it(self, folder: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.txt"
        other.write_text(str(pyrage.x25519.Identity.generate()))
        self.refused(folder, other, "cannot be unsealed with this identity")

    def test_on_records_that_somebody_made_up_for_this_report(self, folder: Path, identity: Path) -> None:
        keys = list(read_identities(identity))
        document = json.loads(pyrage.decrypt((folder / "evidence.age").read_bytes(), keys))
        document["findings"][0]["records"][0]["event"]["proc_name"] = "something else"
        recipient = pyrage.x25519.Recipient.from_str(public_key(identity))
        (folder / "evidence.age").write_bytes(pyrage.encrypt(json.dumps(document).encode(), [recipient]))
        self.refused(folder, identity, "do not belong together")

    @pytest.mark.parametrize(
        "document",
        [b"", b"[]", b"{}", b'{"evidence_version": 2}', b'{"evidence_version": 1, "findings": [1]}', b"[" * 100_000,
         b'{"evidence_version":1,"case_key":"","findings":[{"ref":"../x","id":"","module":"","nonces":{},"records":[]}]}',
         b'{"evidence_version":1,"case_key":"","findings":[{"ref":"F1","id":"","module":"","nonces":{"a":1},"records":[]}]}'],
    )  # fmt: skip
    def test_on_what_is_no_evidence(self, folder: Path, identity: Path, document: bytes) -> None:
        recipient = pyrage.x25519.Recipient.from_str(public_key(identity))
        (folder / "evidence.age").write_bytes(pyrage.encrypt(document, [recipient]))
        self.refused(folder, identity, "not sealed evidence|do not belong")

    def test_without_the_report(self, folder: Path, identity: Path) -> None:
        (folder / "report.json").unlink()
        self.refused(folder, identity, "cannot be read")


class TestRecipients:
    def test_are_keys_of_age_and_of_ssh(self, identity: Path) -> None:
        ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN someone@example.org"
        assert parse_recipients([public_key(identity), ssh]).count == 2

    @pytest.mark.parametrize(
        "text",
        ["", "age1", "age1qqqqqq", "AGE-SECRET-KEY-1QQQQ", "ssh-rsa AAAAB3NzaC1yc2E=", "ssh-ed25519 AAAA",
         "ana@example.org", "-----BEGIN OPENSSH PRIVATE KEY-----",
         "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk"],
    )  # fmt: skip
    def test_that_are_none_are_refused_and_not_repeated(self, text: str) -> None:
        with pytest.raises(SpytriageError) as error:
            parse_recipients([text])
        assert len(text) < 6 or text not in f"{error.value.message} {error.value.hint}"
        assert "1" in error.value.message

    @given(st.text(max_size=80))
    def test_that_are_anything_are_recipients_or_an_error(self, text: str) -> None:
        with pytest.raises(SpytriageError):
            parse_recipients([text])

    @pytest.mark.parametrize(
        "content", [b"", b"# only a comment\n", b"AGE-SECRET-KEY-1QQQ", b"\xff\xfe", b"-----BEGIN X-----"]
    )
    def test_an_identity_file_without_a_key_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(SpytriageError, match="no secret key"):
            read_identities(tmp_path / "key")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_canonical_json_reads_back_as_the_same(value: Any) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


class TestTheCommand:
    @pytest.fixture
    def spytriage(self, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
        def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "spytriage", *map(str, arguments)], cwd=tmp_path, text=True, check=False,
                capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, "LANG": "C.UTF-8"},
            )  # fmt: skip

        return run

    def test_checks_warns_and_shows_and_writes_nothing(
        self, spytriage: Callable[..., subprocess.CompletedProcess[str]], folder: Path, identity: Path, tmp_path: Path
    ) -> None:
        before = sorted(tmp_path.rglob("*"))

        done = spytriage("unseal", folder / "evidence.age", "--identity", identity, "--finding", "F1")

        assert done.returncode == 0
        assert done.stderr.count("!!!") == 2
        assert [finding["ref"] for finding in json.loads(done.stdout)] == ["F1"]
        assert not {"\x1b", "\u202e", "\u200b"} & set(done.stdout)
        assert sorted(tmp_path.rglob("*")) == before

    def test_writes_only_when_told_to_and_privately(
        self, spytriage: Callable[..., subprocess.CompletedProcess[str]], folder: Path, identity: Path, tmp_path: Path,
        examined: tuple[Check, Examined],
    ) -> None:  # fmt: skip
        done = spytriage("unseal", folder / "evidence.age", "-i", identity, "--output", "opened")

        assert (done.returncode, done.stdout) == (0, "")
        opened = tmp_path / "opened"
        assert stat.S_IMODE(opened.stat().st_mode) == 0o700
        for path in opened.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            raw = [one.alert for one in examined[1].behind[int(path.stem[1:])]]
            assert path.read_bytes() == canonical(records(raw))
        assert spytriage("unseal", folder / "evidence.age", "-i", identity, "-o", "opened").returncode == 1

    def test_says_when_there_is_no_such_finding(
        self, spytriage: Callable[..., subprocess.CompletedProcess[str]], folder: Path, identity: Path
    ) -> None:
        done = spytriage("unseal", folder / "evidence.age", "-i", identity, "--finding", "F999")
        assert (done.returncode, done.stdout) == (1, "")
        assert "F999" in done.stderr

    def test_a_check_seals_only_with_consent_for_it(
        self, spytriage: Callable[..., subprocess.CompletedProcess[str]], written_phone: tuple[Path, Any],
        identity: Path, tmp_path: Path,
    ) -> None:  # fmt: skip
        consent().write(tmp_path / "no.yaml")
        consent(*ALL).write(tmp_path / "yes.yaml")
        command = ("check", written_phone[0], "-i", data_file("demo.stix2"), "--seal-to", public_key(identity), "-q")

        refused = spytriage(*command, "--consent", "no.yaml", "-o", "refused")
        allowed = spytriage(*command, "--consent", "yes.yaml", "-o", "allowed")

        assert refused.returncode == 1
        assert "share-sealed" in refused.stderr
        assert not (tmp_path / "refused").exists()
        assert allowed.returncode == 3
        manifest = json.loads((tmp_path / "allowed" / "manifest.json").read_text())
        assert "evidence.age" in [file["name"] for file in manifest["files"]]
        assert stat.S_IMODE((tmp_path / "allowed" / "evidence.age").stat().st_mode) == 0o600

    @pytest.mark.parametrize("option", [("--seal-to", "age1nobody"), ("--policy", "no-such-policy")])
    def test_a_wrong_option_is_told_before_anything_is_checked(
        self, spytriage: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, option: tuple[str, str]
    ) -> None:
        consent(*ALL).write(tmp_path / "yes.yaml")
        done = spytriage("check", "nowhere", "--consent", "yes.yaml", *option)
        assert done.returncode == 1
        assert "What to do:" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_cut_field_is_marked_in_the_evidence(examined: tuple[Check, Examined]) -> None:
    from spytriage.evidence import SealedFinding
    from spytriage.scan.records import bounded

    event, message = bounded({"text": "x" * 50_000_000, "list": list(range(400_000))}, "m" * 100_000)
    sealed = SealedFinding("F1", "link-received", "SMS", ({"message": message, "event": event},), {})
    assert event["text"] == {"$cut": 50_000_000}
    assert set(event["list"][-1]) == {"$cut"}
    assert sealed.cut_fields == 2
    assert message.endswith(" [$cut: 34464]")
