"""What fuzzing begins with: a few honest inputs of every target, made anew each time; nothing of it is kept."""

from __future__ import annotations

import gzip
import io
import json
import plistlib
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from spytriage.custody import Event, Role, append
from spytriage.finding_kinds import Level
from spytriage.models import (
    CoverageState,
    LookUp,
    Match,
    MatchRule,
    ModuleCoverage,
    Observable,
    RawAlert,
    Reason,
)
from spytriage.report import to_json
from spytriage.report.addendum import render_addendum
from spytriage.scan import protocol
from spytriage.scan.refusals import Refusal
from tests.fuzz import targets
from tests.report import samples
from tests.report.test_addendum import addendum_of
from tests.review import handoffs

_BUNDLE = {
    "type": "bundle",
    "id": "bundle--1",
    "objects": [
        {"type": "identity", "id": "identity--1", "name": "A laboratory"},
        {"type": "malware", "id": "malware--1", "name": "Pegasus"},
        *samples.OBJECTS.values(),
        {"type": "relationship", "source_ref": samples.object_id(1), "target_ref": "malware--1"},
        {"type": "report", "id": "report--1", "name": "A report", "object_refs": [samples.object_id(2)]},
        {**samples.published(9, "[url:value LIKE 'x']"), "valid_until": "2030-01-01T00:00:00Z", "revoked": False},
    ],
}
_RECORD = {
    "name": "a-set", "title": "A set", "publisher": "A laboratory", "family": "Pegasus", "sha256": "a1" * 32,
    "imported_on": "2026-05-04", "official": False, "total": 3, "usable": 2,
}  # fmt: skip
_FACTS = b"""name: a-set
title: A set
publisher: A laboratory
family: Pegasus
dated: 2026-05-04
sources:
  paper: {title: A paper, url: "https://example.org/"}
indicators:
  - {type: domain, source: paper, values: [bad.example.org]}
  - {type: process, source: paper, values: [roleaboutd, "o'hare"]}
"""
_CONSENT = b"""consent_version: 1
data_owner_asked: true
device_owner_asked: true
analyse: true
share-redacted: true
share-sealed: false
aggregate: false
keep-observables: false
keep_until: 2027-01-31
form_reference: F-2026-014
given_on: 2026-05-04
"""
_POLICY = b"policy: mine\ntime: week\npseudonyms: false\ndevice: true\nmodules:\n  SMS:\n    text: seal\n"
_CRASH = (
    b'{"app_name":"roleaboutd","timestamp":"2021-05-04 10:00:00 +0000","bundleID":"org.example"}\n'
    b'{"procName":"x","usedImages":[{"path":"/private/var/x","name":"y"}],"parentProc":"launchd"}'
)
_SHUTDOWN = (
    b"After 3s, these clients are still here:\n\t\tremaining client pid: 7 (/private/x)\nSIGTERM: [1620122400]\n"
)


def seeds(name: str) -> list[bytes]:
    """Return the first inputs of a target."""
    return [seed if isinstance(seed, bytes) else json.dumps(seed).encode() for seed in _SEEDS[name]()]


def _zip(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "."), (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def _tar(kinds: Iterable[bytes] = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for kind in kinds:
            entry = tarfile.TarInfo(f"apps/org.example/f/{kind.decode()}")
            entry.type, entry.size, entry.linkname = kind, 4 if kind == tarfile.REGTYPE else 0, "../../x"
            archive.addfile(entry, io.BytesIO(b"data"))
    return buffer.getvalue()[:4096]


def _android_backups() -> list[bytes]:
    tar = _tar()
    plain = b"ANDROID BACKUP\n5\n0\nnone\n" + tar
    locked = b"\n".join([b"ANDROID BACKUP", b"5", b"1", b"AES-256", b"00" * 64, b"00" * 64, b"10000", b"00" * 16,
                         b"00" * 96, tar[:64]])  # fmt: skip
    return [plain, b"ANDROID BACKUP\n5\n1\nnone\n" + zlib.compress(tar), locked]


def _keybag() -> bytes:
    def entry(tag: bytes, value: bytes) -> bytes:
        return tag + struct.pack(">L", len(value)) + value

    def number(tag: bytes, value: int) -> bytes:
        return entry(tag, struct.pack(">L", value))

    head = number(b"VERS", 3) + number(b"TYPE", 1) + entry(b"UUID", bytes(16)) + entry(b"SALT", bytes(20))
    work = number(b"ITER", 10_000) + entry(b"DPSL", bytes(20)) + number(b"DPIC", 10_000_000)
    key = entry(b"UUID", bytes(16)) + number(b"CLAS", 3) + number(b"WRAP", 2) + entry(b"WPKY", bytes(40))
    return head + number(b"WRAP", 0) + work + key


def _ios_backups() -> list[bytes]:
    info = plistlib.dumps({"Product Type": "iPhone12,1", "Product Version": "14.6"})
    manifest = plistlib.dumps({"IsEncrypted": False}, fmt=plistlib.FMT_BINARY)
    return [b"\n\n".join([info.replace(b"\n\n", b"\n"), manifest, b"SQLite format 3\x00"])]


def _acquisitions() -> list[bytes]:
    properties = b"[ro.product.model]: [Pixel]\n[ro.build.version.release]: [14]"
    return [
        _zip(packages__json=b"[]", getprop__txt=properties, acquisition__json=b"{}"),
        _zip(main_entry__txt=b"dump.txt", dump__txt=b"------ SYSTEM PROPERTIES\n" + properties),
        _zip(a__txt=b'{"dns_event": {}}'),
        gzip.compress(_tar(), mtime=0),
        _tar(),
        b"== dumpstate: 2021\nDUMP OF SERVICE x",
        b"age-encryption.org/v1\n",
        *_android_backups()[:1],
    ]


def _messages() -> list[bytes]:
    alert = RawAlert(
        "SMS", Level.HIGH, "text", "2021-05-04 10:00:00",
        {"text": "x", "isodate": "2021-05-04 10:00:00", "direction": "received", "links": ["https://example.org"],
         "phone_number": "+12025550123", "service": "SMS", "is_from_me": 0},
        Match((samples.PROCESS, samples.DOMAIN), MatchRule.EXACT),
    )  # fmt: skip
    usage = RawAlert(
        "Datausage", Level.MEDIUM, "gap", "", {"proc_name": "x", "wwan_in": 1.5, "first_isodate": "x"}, None
    )
    messages = (
        protocol.Planned((("SMS",), ("Calls",)), {"Old": Reason.DISABLED}, ("SMS", "Calls", "Old"), "2026.10.26"),
        protocol.Started("SMS"), protocol.ReadSoFar("SMS", 4096), protocol.CopiedToDisk(),
        protocol.Observed("SMS", (Observable(LookUp.URL, "bad.example.org", "SMS", None, 2),), 1),
        protocol.Refused(Refusal.DAMAGED), alert, usage,
        ModuleCoverage("SMS", CoverageState.UNREADABLE, 3, Reason.DAMAGED, "KeyError"),
    )  # fmt: skip
    places = {
        indicator.key: place for place, indicator in enumerate((samples.PROCESS, samples.DOMAIN, samples.ACCOUNT))
    }
    return [protocol.encode(message, places) for message in messages]


def _custody() -> bytes:
    log = append(b"", Event.CHECKED, Role.OPERATOR, targets.DAY)
    return append(log, Event.HANDED_OVER, Role.COURIER, targets.DAY)


def _handed_over() -> dict[str, Any]:
    report = json.loads(to_json(handoffs.SMALL))
    entries = [json.loads(line) for line in _custody().splitlines()]
    signature = handoffs.signer().sign(b"other", "a comment").decode()
    return {"report": report, "custody": entries, "manifest": {"signer": None, "demo": True}, "signature": signature}


def _review() -> dict[str, Any]:
    opinion = {"verdict": "agree", "reasons": ["corroborated"], "note": "A note."}
    return {
        "review_version": 1,
        "report": {"sha256": "00" * 32, "manifest_sha256": "00" * 32},
        "day": "2026-11-22", "version": "0.1.0", "verification": "partial", "opinion": opinion,
        "findings": [{"finding": "F1", **opinion}], "questions": [{"finding": "F1", "field": "message"}],
        "signer": None, "custody": _custody().decode().splitlines(),
    }  # fmt: skip


def _sealed() -> dict[str, Any]:
    record = {"level": "high", "message": "x", "event_time": "", "event": {"text": "y", "id": 1}}
    finding = {
        "ref": "F1", "id": "link-received", "module": "SMS", "records": [record],
        "nonces": {"message": "00" * 32, "event_time": "11" * 32, "record.text": "22" * 32, "unlisted": "33" * 32},
    }  # fmt: skip
    return {"evidence_version": 1, "report_sha256": "", "case_key": "a2V5", "findings": [finding]}


def _archived() -> bytes:
    return plistlib.dumps({"$objects": ["$null", {"Size": 0}]}, fmt=plistlib.FMT_BINARY)


def _ssh_key() -> list[bytes]:
    return [b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n",
            b"# a key\n" + str(targets._age_key()).encode() + b"\n"]  # fmt: skip


_SEEDS: dict[str, Callable[[], Iterable[Any]]] = {
    "stix-bundle": lambda: [_BUNDLE],
    "stix-pattern": lambda: [b"[domain-name:value='a.example'] OR [process:name IN ('a', 'b')]",
                             b"[file:hashes.'SHA-256' = 'aa'] FOLLOWEDBY [url:value MATCHES 'x'] WITHIN 5 SECONDS",
                             b"[ipv4-addr:value ISSUBSET '192.0.2.0/24' AND NOT app:id != h'00']"],
    "url": lambda: [b"https://bad.example.org:8080/a?b\nhttp://www.bad.example.org/", b"192.0.2.0/24\n192.0.2.7",
                    "b\u00fccher.example\nhttp://xn--bcher-kva.example./%41".encode(), b"[2001:db8::1]\n//[::1%25x]/",
                    b"a@example.org\nmailto:a@example.org", b"aa:bb\n\\\\host\\share"],
    "kit": lambda: [_zip(set__stix2=json.dumps(_BUNDLE).encode(), kit__json=b'{"sets": []}')],
    "kit-content": lambda: [{"kit.json": {"sets": [{"name": "a", "title": "A set", "publisher": "We", "sha256": ""}]},
                             "a.stix2": _BUNDLE, "b.json": _BUNDLE}],
    "set-record": lambda: [_RECORD],
    "facts-file": lambda: [_FACTS],
    "acquisition": _acquisitions,
    "ios-backup": _ios_backups,
    "keybag": lambda: [_keybag()],
    "manifest-entry": lambda: [_archived()],
    "zip": lambda: [_zip(a__txt=b"aaaa" * 9, main_entry__txt=b"b")],
    "tar": lambda: [_tar(), gzip.compress(_tar(), mtime=0)],
    "android-backup": _android_backups,
    "age-identity": _ssh_key,
    "recipient": lambda: [str(targets._age_key().to_public()).encode(), b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="],
    "shutdown-log": lambda: [_SHUTDOWN],
    "process-list": lambda: [b"USER PID COMMAND\nroot 1 /sbin/launchd\nmobile 2 x y z\n"],
    "crash-report": lambda: [_CRASH, b"Process:         roleaboutd [12]\nPath:            /private/var/x\n"],
    "worker-message": _messages,
    "report": lambda: [to_json(handoffs.SMALL), to_json(samples.report(samples.Outcome.MATCH, samples.FINDINGS[:3],
                       modules=samples.modules()[:2]))],
    "addendum": lambda: [render_addendum(addendum_of(samples.MATCH), None)["addendum.json"]],
    "handoff-zip": lambda: [targets.handoff.pack(dict.fromkeys(targets.handoff.REQUIRED, b"{}"))],
    "handoff-content": lambda: [_handed_over()],
    "custody": lambda: [_custody()],
    "review": lambda: [_review()],
    "sealed-evidence": lambda: [_sealed()],
    "signature": lambda: [handoffs.signer().sign(b"other", "a comment")],
    "public-keys": lambda: [bytes(handoffs.signer().secret.get_public_key()) + b"\n", b"# ours\n"],
    "secret-key": lambda: [bytes(handoffs.signer().secret) + b"\n"],
    "consent-record": lambda: [_CONSENT],
    "phone-list": lambda: [b"- name: K-014\n  path: phones/a\n  consent: c.yaml\n- {name: K-015, path: ../b}\n"],
    "batch-folder": lambda: [{"schema_version": 1, "numbers": {"K-014": 1}}],
    "passwords": lambda: [b"K-014: a long one\nK-015: another\n"],
    "beside-a-report": lambda: [b"region: North\nsector: press\nperiod: 2026-Q4\nphone: a1\nperson: b2\n"],
    "redaction-policy": lambda: [_POLICY, b"policy: &a mine\nmodules: {SMS: {text: *a}}\n"],
}  # fmt: skip
