"""One target for each thing that parses bytes we did not write.

A target takes bytes and a scratch folder. It ends with a result or with the error that its stage documents; anything
else is a fault. What a parser hands on is used too, as far as other bytes than these do not decide what comes of it:
a report that can be read can be rendered.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import plistlib
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from spytriage import aggregate, batch, custody, evidence, handoff, signing
from spytriage.consent import read_consent
from spytriage.errors import SpytriageError
from spytriage.findings import grade, outcome
from spytriage.indicators import bundle, hosts, patterns
from spytriage.indicators.build import build_bundle, read_facts
from spytriage.indicators.kit import MANIFEST, export_kit, import_sets
from spytriage.indicators.lint import lint
from spytriage.indicators.matcher import SetMatcher
from spytriage.indicators.store import records
from spytriage.jsontext import canonical
from spytriage.models import (
    IndicatorType,
    ModuleCoverage,
    RawAlert,
    Report,
)
from spytriage.redaction import load_policy, redact
from spytriage.report import RENDERERS, from_json, to_json
from spytriage.report.addendum import render_addendum
from spytriage.report.read import addendum_from_json
from spytriage.report.terminal import summary
from spytriage.review import opinion, texts
from spytriage.review import stix as review_stix
from spytriage.scan import android_backup, backup_files, protocol, sysdiagnose
from spytriage.scan.records import bounded
from spytriage.scan.refusals import RefusedError
from spytriage.scan.unpack import Unpacker, Want
from spytriage.source import age, ios_backup, recognise
from spytriage.source.ios_keybag import Lock
from spytriage.text import printable
from tests.report import samples
from tests.review import handoffs
from tests.tools import KEY
from tests.ways_out.vectors import unprintable

DAY = date(2026, 11, 22)
_Run = Callable[[bytes, Path], object]


@dataclass(frozen=True, slots=True)
class Target:
    """What is run, the errors that it may end with, and how long an input may be."""

    run: _Run
    errors: tuple[type[Exception], ...] = (SpytriageError,)
    longest: int = 4096  # bytes
    is_json: bool = False  # mutated as JSON, so that it stays JSON


TARGETS: dict[str, Target] = {}


def _target(
    *errors: type[Exception], longest: int = 4096, is_json: bool = False, name: str = ""
) -> Callable[[_Run], _Run]:
    def register(run: _Run) -> _Run:
        key = name or run.__name__.removeprefix("_").replace("_", "-")
        TARGETS[key] = Target(run, errors or (SpytriageError,), longest, is_json)
        return run

    return register


def run(name: str, data: bytes, folder: Path) -> None:
    """Give an input to a target, which has the scratch folder to itself."""
    target = TARGETS[name]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        target.run(data, folder)
    except target.errors as error:
        if isinstance(error, SpytriageError):
            _require_harmless(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_harmless(error: SpytriageError) -> None:
    """What is shown on a terminal steers none."""
    shown = error.message + error.hint
    assert error.message
    assert not unprintable(shown), ascii(shown)


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass") if _is_text(data) else data.decode("latin-1")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except ValueError:
        return False
    return True


# --- Indicator sets -------------------------------------------------------------------------------------------------

_VALUES = (
    "https://bad.example.org/x?y",
    "bad.example.org",
    "192.0.2.7",
    "roleaboutd",
    "/private/var/x",
    "a@example.org",
)


@_target(longest=16_384, is_json=True)
def _stix_bundle(data: bytes, folder: Path) -> None:
    path = _file(folder, "set.stix2", data)
    lint(path)
    read = bundle.read_bundle(path, data, bundle.Labels("a-set"), DAY)
    assert read.set.total == read.set.usable + len(read.set.unusable)
    index = bundle.merge([read])
    _look_up(SetMatcher(index.indicators), *_VALUES)
    found = tuple(
        samples.finding(samples.FindingId.LINK_RECEIVED, "SMS", indicator) for indicator in index.indicators[:5]
    )
    _render(replace(samples.report(samples.Outcome.MATCH, found), sets=index.sets), index.objects)


def _look_up(matcher: SetMatcher, *values: object) -> None:
    looks = (matcher.url, matcher.process, matcher.email, matcher.file_name, matcher.file_path, matcher.profile,
             matcher.file_path_process, matcher.file_hash, matcher.app_certificate, matcher.app_id,
             matcher.android_property)  # fmt: skip
    for value in values:
        for look in looks:
            look(value)


@_target()
def _stix_pattern(data: bytes, folder: Path) -> None:
    parts = patterns.read_pattern(_text(data))
    assert parts
    for part in parts:
        if isinstance(part, patterns.Equality):
            bundle.value_problem(part.type, part.value)


@_target(longest=1024)
def _url(data: bytes, folder: Path) -> None:
    """A value of a set and a value of the phone, parted by a line break."""
    published, _newline, met = _text(data).partition("\n")
    for kind in IndicatorType:
        if bundle.value_problem(kind, published) is None:
            _look_up(SetMatcher([samples.indicator(bundle.named_type(kind, published), published)]), published, met)
    for text in (published, met):
        if site := hosts.parse_site(text):
            hosts.host_problem(site.host)


@_target(longest=16_384)
def _kit(data: bytes, folder: Path) -> None:
    path = _file(folder, "kit.zip", data)
    with patch.dict(os.environ, {"SPYTRIAGE_DATA_FOLDER": str(folder / "data")}):
        import_sets([path], DAY)
        records()


@_target(longest=16_384, is_json=True)
def _kit_content(data: bytes, folder: Path) -> None:
    """A forger makes the hashes fit: what each file of a kit holds, by its name."""
    forged = _json(data)
    files = {name: json.dumps(held).encode() for name, held in forged.items()} if isinstance(forged, dict) else {}
    rows = forged[MANIFEST].get("sets") if files and isinstance(forged.get(MANIFEST), dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(name := row.get("name"), str) and f"{name}.stix2" in files:
            row["sha256"] = hashlib.sha256(files[f"{name}.stix2"]).hexdigest()
    if rows:
        files[MANIFEST] = json.dumps(forged[MANIFEST]).encode()
    with zipfile.ZipFile(folder / "kit.zip", "w") as archive:
        for name, content in ((name, held) for name, held in files.items() if name and "\x00" not in name):
            archive.writestr(name.encode("utf-8", "replace").decode(), content)
    with patch.dict(os.environ, {"SPYTRIAGE_DATA_FOLDER": str(folder / "data")}):
        import_sets([folder / "kit.zip"], DAY)
        for record in records():
            assert not unprintable(printable(record.title + record.publisher))
        export_kit(folder / "again.zip")


@_target(is_json=True)
def _set_record(data: bytes, folder: Path) -> None:
    (folder / "indicators").mkdir()
    _file(folder / "indicators", "a-set.json", data)
    with patch.dict(os.environ, {"SPYTRIAGE_DATA_FOLDER": str(folder)}):
        for record in records():
            assert record.age(DAY) >= 0
            assert isinstance(record.catalogued, bool)


@_target()
def _facts_file(data: bytes, folder: Path) -> None:
    build_bundle(read_facts(_file(folder, "facts.yaml", data)))


# --- Acquisitions ---------------------------------------------------------------------------------------------------


@_target(longest=65_536)
def _acquisition(data: bytes, folder: Path) -> None:
    recognise(_file(folder, "acquisition", data))


@_target()
def _ios_backup(data: bytes, folder: Path) -> None:
    """Info.plist, Manifest.plist and the beginning of Manifest.db, parted by two line breaks."""
    parts = [*data.split(b"\n\n", 2), b"", b""]
    for name, content in zip(("Info.plist", "Manifest.plist", "Manifest.db"), parts, strict=False):
        _file(folder, name, content)
    ios_backup.recognise(folder)


@_target()
def _keybag(data: bytes, folder: Path) -> None:
    manifest = {"IsEncrypted": True, "BackupKeyBag": data, "ManifestKey": data[:44]}
    _file(folder, "Manifest.plist", plistlib.dumps(manifest))
    _file(folder, "Manifest.db", data[:64])
    lock = Lock(folder)
    lock.open(data[-32:].ljust(32))


@_target()
def _manifest_entry(data: bytes, folder: Path) -> None:
    backup_files._size(data)


@_target(RefusedError, longest=65_536)
def _zip(data: bytes, folder: Path) -> None:
    _unpacked(folder, lambda unpacker: unpacker.zip(_file(folder, "a.zip", data)))


@_target(RefusedError, longest=65_536)
def _tar(data: bytes, folder: Path) -> None:
    _unpacked(folder, lambda unpacker: unpacker.tar(_file(folder, "a.tar", data)))


@_target(RefusedError, longest=65_536)
def _android_backup(data: bytes, folder: Path) -> None:
    def master_key(**options: Any) -> tuple[bytes, bytes]:
        return options["password"].encode().ljust(32), bytes(16)

    path = _file(folder, "a.ab", data)
    _unpacked(folder, lambda unpacker: android_backup.unpack(path, unpacker, "secret", master_key))


def _unpacked(folder: Path, unpack: Callable[[Unpacker], None]) -> None:
    """Nothing that is unpacked is anything but a regular file below the target."""
    target = folder / "deep" / "target"
    unpacker = Unpacker(target, lambda name: Want.NAME if "n" in name else Want.CONTENT, keep_listing=True)
    before = set(folder.iterdir())
    try:
        unpack(unpacker)
    finally:
        made = [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
        assert all(path.is_file() and not path.is_symlink() for path in made)
        assert all(path.is_relative_to(target) or path.parent == folder for path in made)
        assert len(set(folder.iterdir()) - before) <= 1  # the archive itself


@_target()
def _age_identity(data: bytes, folder: Path) -> None:
    path = _file(folder, "key", data)
    age.is_age(path)
    for read in (age._identities, evidence.read_identities):
        try:
            read(path)
        except SpytriageError as error:
            _require_harmless(error)


@_target()
def _recipient(data: bytes, folder: Path) -> None:
    evidence.parse_recipients([_text(data)])


# --- What a worker reads, and says ----------------------------------------------------------------------------------


@_target(ValueError)
def _shutdown_log(data: bytes, folder: Path) -> None:
    list(sysdiagnose.shutdown_log(sysdiagnose.read_text(_file(folder, "shutdown.log", data))))


@_target(ValueError)
def _process_list(data: bytes, folder: Path) -> None:
    list(sysdiagnose.process_list(sysdiagnose.read_text(_file(folder, "ps.txt", data))))


@_target(ValueError)
def _crash_report(data: bytes, folder: Path) -> None:
    list(sysdiagnose.crash_report(sysdiagnose.read_text(_file(folder, "a.ips", data))))


@_target(protocol.BadMessageError, is_json=True)
def _worker_message(data: bytes, folder: Path) -> None:
    """What a worker that was taken over says goes on to the report."""
    message = protocol.decode(data, _MATCHED)
    if isinstance(message, RawAlert):
        bounded(message.event, message.message)
        _reported((message,), ())
    elif isinstance(message, ModuleCoverage):
        _reported((), (message,))


_MATCHED = (samples.PROCESS, samples.DOMAIN, samples.ACCOUNT)


def _reported(alerts: tuple[RawAlert, ...], modules: tuple[ModuleCoverage, ...]) -> None:
    findings = grade(alerts)
    redacted = redact(findings, _policy(), KEY)
    raw = evidence.collect(redacted.behind, lambda name: _policy().rules_for(name).keys(), KEY.secret)
    for sealed in raw.findings:
        evidence.commitments(sealed)
    report = samples.report(outcome(findings, modules), redacted.findings)
    _render(replace(report, modules=modules))


@cache
def _policy() -> Any:
    return load_policy("review")


# --- Reports, reviews and what comes with them ----------------------------------------------------------------------


@_target(longest=32_768, is_json=True)
def _report(data: bytes, folder: Path) -> None:
    report = from_json(data)
    assert from_json(to_json(report)) == from_json(to_json(from_json(to_json(report))))
    _render(report)


@_target(longest=32_768, is_json=True)
def _addendum(data: bytes, folder: Path) -> None:
    rendered = render_addendum(addendum_from_json(data, samples.MATCH), None)
    assert render_addendum(addendum_from_json(rendered[handoff.ADDENDUM], samples.MATCH), None) == rendered


def _render(report: Report, objects: Any = None) -> None:
    from rich.console import Console

    if objects is not None:
        report = replace(report, objects=_published(report, objects))
    for render in (to_json, *RENDERERS.values()):
        render(report).decode("utf-8")
    Console(file=io.StringIO(), force_terminal=True).print(summary(report, Path("x")))


def _published(report: Report, objects: Any) -> Any:
    from spytriage.report.stix import published_objects

    return published_objects(report, objects)


@cache
def _handed() -> dict[str, bytes]:
    from spytriage.report import render

    return render(handoffs.SMALL, samples.OBJECTS)


@_target(longest=32_768)
def _handoff_zip(data: bytes, folder: Path) -> None:
    handoff.read_handoff(_file(folder, "a.zip", data))


@_target(longest=32_768, is_json=True)
def _handoff_content(data: bytes, folder: Path) -> None:
    """A forger makes the hashes fit: {"manifest": ..., "report": ..., "custody": [...], "signature": "..."}."""
    forged = _json(data)
    if not isinstance(forged, dict):
        return
    files = dict(_handed())
    if "report" in forged:
        files["report.json"] = json.dumps(forged["report"], indent=2).encode() + b"\n"
    if isinstance(forged.get("custody"), list):
        files[handoff.CUSTODY] = _chained(forged["custody"])
    if isinstance(forged.get("signature"), str):
        files[handoff.SIGNATURE] = forged["signature"].encode("utf-8", "replace")
    manifest = forged.get("manifest", {})
    if isinstance(manifest, dict):
        covered = {name: content for name, content in files.items() if name not in handoff.OPTIONAL}
        del covered[handoff.CUSTODY], covered[handoff.MANIFEST]
        held = {"custody": custody.bound(files[handoff.CUSTODY])}
        manifest = json.loads(files[handoff.MANIFEST]) | held | manifest
        manifest["files"] = [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in sorted(covered.items())
        ] + (manifest["files"][5:] if isinstance(manifest["files"], list) else [])
    files[handoff.MANIFEST] = canonical(manifest)
    verification = handoffs.verified(files)
    for step in verification.steps:
        texts.why_text(step)
    assert len(verification.steps) == 12


def _chained(entries: list[Any]) -> bytes:
    log = b""
    for entry in entries[:20]:
        content = dict(entry) if isinstance(entry, dict) else {"entry": entry}
        content["above"] = hashlib.sha256(log).hexdigest()
        content.pop("digest", None)
        log += canonical(content | {"digest": hashlib.sha256(canonical(content)).hexdigest()}) + b"\n"
    return log


@_target(ValueError)
def _custody(data: bytes, folder: Path) -> None:
    custody.is_bound(data, {"entries": 1})
    for event in custody.read(data):
        assert event.line()


@_target(is_json=True)
def _review(data: bytes, folder: Path) -> None:
    files = _handed()
    try:
        opinion.read_review(data, files, handoffs.SMALL)
    except SpytriageError as error:
        _require_harmless(error)
    # Nothing that is mutated is exactly as it was written: what stands behind that comparison is run by itself.
    try:
        review = opinion._review(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SpytriageError):
        return
    if set(review.findings) <= set(opinion.by_reference(handoffs.SMALL)):
        opinion.to_json(review)
        review_stix.to_stix(review, "0" * 64, handoffs.SMALL, files["report.stix2"])


@_target(is_json=True)
def _sealed_evidence(data: bytes, folder: Path) -> None:
    import pyrage

    identity = _age_key()
    sealed = pyrage.encrypt(data, [identity.to_public()])
    report = _handed()["report.json"]
    try:
        evidence.open_sealed([identity], sealed, report)
    finally:
        document = _json(data)
        if isinstance(document, dict):
            document["report_sha256"] = hashlib.sha256(report).hexdigest()
            document.setdefault("case_key", base64.b64encode(bytes(32)).decode())
            evidence.open_sealed([identity], pyrage.encrypt(canonical(document), [identity.to_public()]), report)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


@cache
def _age_key() -> Any:
    import pyrage

    # Invented, and always the same: a run that is to be repeated begins with what is made of it.
    return pyrage.x25519.Identity.from_str("AGE-SECRET-KEY-1E8ZJKNHJMCZKL8YH88ZJPLCHJ6RJL8NQQ64RVRU4AW6GLEL58QSSK3ZA0U")


@_target()
def _signature(data: bytes, folder: Path) -> None:
    signing.is_well_formed(data)
    signing.key_id_of(data)
    signing.comment_of(data)
    assert signing.verified_by(data, b"manifest", [_public_key()]) is None


@cache
def _public_key() -> signing.TrustedKey:
    return handoffs.public_of(handoffs.signer())


@_target()
def _public_keys(data: bytes, folder: Path) -> None:
    for key in signing.load_trusted([_file(folder, "keys.txt", data)]):
        assert not unprintable(key.label)
        assert key.id


@_target()
def _secret_key(data: bytes, folder: Path) -> None:
    signer = signing.load_signer(_file(folder, "a.key", data), lambda: "")
    assert signer.sign(b"x", "y")


@_target()
def _consent_record(data: bytes, folder: Path) -> None:
    record = read_consent(_file(folder, "consent.yaml", data))
    record.summary()
    record.to_yaml()


@_target()
def _phone_list(data: bytes, folder: Path) -> None:
    phones = batch.phones_of(_file(folder, "list.yaml", data))
    (folder / "out").mkdir()
    for phone in batch.numbered(phones, folder / "out"):
        assert batch.finished(folder / "out", phone) is None
        assert (folder / "out" / phone.folder).parent == folder / "out"


@_target(is_json=True)
def _batch_folder(data: bytes, folder: Path) -> None:
    _file(folder, batch.CASES, data)
    batch.numbered([batch.Phone("a phone", folder, folder)], folder)


@_target()
def _passwords(data: bytes, folder: Path) -> None:
    path = _file(folder, "passwords.yaml", data)
    path.chmod(0o600)
    batch.passwords_of(path)


@_target()
def _beside_a_report(data: bytes, folder: Path) -> None:
    _file(folder, "K-014.zip", handoff.pack(_aggregated()))
    _file(folder, "K-014.yaml", data)
    found = aggregate.collect([folder / "K-014.zip"])
    assert len(found.cases) == 1


@cache
def _aggregated() -> dict[str, bytes]:
    from spytriage.report import render

    agreed = replace(handoffs.SMALL, demo=False, consent=replace(handoffs.SMALL.consent, aggregate=True))
    return render(agreed, samples.OBJECTS)


@_target()
def _redaction_policy(data: bytes, folder: Path) -> None:
    load_policy(str(_file(folder, "policy.yaml", data)))
