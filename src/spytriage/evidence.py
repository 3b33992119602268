"""Sealed evidence: the raw records behind a report's findings, encrypted for those who may see them.

`evidence.age` is an age file (age-encryption.org/v1), so that no tool of ours is needed to open it. Inside is one JSON
document: the SHA-256 of the report.json that it belongs to, the key of the case (which explains the pseudonyms), and
for each finding its records and nonces. The report carries a commitment for each field: SHA-256 over a nonce of 32
bytes and the field's canonical value. Without the nonce it says nothing of the value, not even to someone who tries
all telephone numbers; with it, whoever unseals can check that these are the records the report was made of.

What a commitment binds, by its name, always for all records of a finding together, in their order:
    message         MVT's sentences          event_time   MVT's times
    record.NAME     a field that the redaction table names
    unlisted        all other fields
A nonce is HMAC-SHA-256 under the key of the case, so that the same case gives the same report byte for byte.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spytriage.atomic import put_folder_in_place
from spytriage.errors import SpytriageError
from spytriage.handoff import EVIDENCE, LARGEST
from spytriage.i18n import _
from spytriage.jsontext import canonical, is_nested_beyond
from spytriage.models import CodeName, Commitment, Finding
from spytriage.text import printable

EVIDENCE_VERSION = 1

_DEEPEST = 100  # lists and objects in one another; a worker sends no more than 20 or so
_MAX_IDENTITY_BYTES = 64 * 1024
_FIELD = "record."


@dataclass(frozen=True, slots=True, repr=False)
class SealedFinding:
    """What evidence holds of one finding. Raw."""

    ref: str  # "F1", as in report.json
    id: str
    module: str  # MVT's class name
    records: tuple[Mapping[str, Any], ...]  # level, message, event_time, event: as MVT gave them
    nonces: Mapping[str, str]  # hexadecimal, by the name of the commitment

    def values(self) -> Mapping[str, Any]:
        """Return what each commitment binds, by its name."""
        return _values(self.records, {name.removeprefix(_FIELD) for name in self.nonces if name.startswith(_FIELD)})

    @property
    def cut_fields(self) -> int:
        """Return how many values were too long to be kept: each is marked {"$cut": length} in its place."""
        return sum(_cuts(record) for record in self.records)


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """The raw records behind a report's findings. Never written in clear unless somebody asks for it."""

    case_key: bytes
    findings: tuple[SealedFinding, ...]

    def only(self, refs: Sequence[str]) -> tuple[SealedFinding, ...]:
        """Return the findings of these numbers, or all when none is given.

        Raises:
            SpytriageError: there is no finding of such a number.
        """
        unknown = sorted(set(refs) - {finding.ref for finding in self.findings})
        if unknown:
            raise SpytriageError(
                _("The evidence holds no finding {refs}.").format(refs=", ".join(printable(ref) for ref in unknown)),
                hint=_("Findings are numbered F1, F2 and so on, as in the report."),
            )
        return tuple(finding for finding in self.findings if not refs or finding.ref in refs)


def collect(
    behind: Mapping[int, Sequence[Finding]],
    listed: Callable[[str], AbstractSet[str]],
    case_key: bytes,
) -> Evidence:
    """Return the evidence of the findings of a report.

    Args:
        behind: the raw findings behind each number of the report.
        listed: the fields that the redaction table names, by module.
        case_key: the key of the case; explains the pseudonyms and makes the nonces.
    """
    return Evidence(case_key, tuple(_sealed(ref, raw, listed, case_key) for ref, raw in sorted(behind.items())))


def _sealed(
    number: int, raw: Sequence[Finding], listed: Callable[[str], AbstractSet[str]], key: bytes
) -> SealedFinding:
    ref, module = f"F{number}", raw[0].alert.module
    records = tuple(
        {
            "level": finding.alert.level.value,
            "message": finding.alert.message,
            "event_time": finding.alert.event_time,
            "event": finding.alert.event,
        }
        for finding in raw
    )
    nonces = {
        name: hmac.digest(key, f"nonce\x00{ref}\x00{name}".encode(), "sha256").hex()
        for name in _values(records, listed(module))
    }
    return SealedFinding(ref, raw[0].id.value, module, records, nonces)


def _values(records: Sequence[Mapping[str, Any]], listed: AbstractSet[str]) -> dict[str, Any]:
    events = [record["event"] for record in records]
    named = sorted({field for event in events for field in event} & listed)
    return {
        "message": [record["message"] for record in records],
        "event_time": [record["event_time"] for record in records],
        **{_FIELD + name: [[event[name]] if name in event else [] for event in events] for name in named},
        "unlisted": [{name: value for name, value in event.items() if name not in listed} for event in events],
    }


def names(fields: Iterable[str]) -> Iterator[str]:
    """Yield every name that a commitment can have, for a module with these fields."""
    yield from ("message", "event_time", "unlisted")
    for field in fields:
        yield _FIELD + field


def commitments(finding: SealedFinding) -> tuple[Commitment, ...]:
    """Return the commitments to a finding's records, by name."""
    return tuple(
        Commitment(CodeName(name), _commitment(finding.nonces[name], value))
        for name, value in sorted(finding.values().items())
    )


def _commitment(nonce: str, value: Any) -> str:
    return hashlib.sha256(bytes.fromhex(nonce) + canonical(value)).hexdigest()


def _cuts(value: Any) -> int:
    if isinstance(value, Mapping):
        return ("$cut" in value) + sum(_cuts(item) for item in value.values())
    return sum(_cuts(item) for item in value) if isinstance(value, list) else 0


# --- Recipients and identities ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who can open the evidence: age recipients, checked."""

    keys: tuple[Any, ...]  # pyrage's; it has no common type for them

    @property
    def count(self) -> int:
        """Return for how many the evidence is sealed."""
        return len(self.keys)


def parse_recipients(texts: Sequence[str]) -> Recipients:
    """Read recipients: public keys of age (age1…) or of SSH (ssh-ed25519 …).

    Raises:
        SpytriageError: one of them is none. The message says which, and quotes nothing: it may be a secret key.
    """
    return Recipients(tuple(_recipient(text.strip(), place) for place, text in enumerate(texts, start=1)))


def _recipient(text: str, place: int) -> Any:
    import pyrage  # noqa: PLC0415 (start-up stays fast)

    if text.upper().startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in text:
        raise SpytriageError(
            _("Recipient {place} is a secret key.").format(place=place),
            hint=_("Give the public half, which begins with age1 or ssh-ed25519, and tell nobody the secret one."),
        )
    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        if text.startswith("ssh-ed25519 "):
            return pyrage.ssh.Recipient.from_str(text)
    except (pyrage.RecipientError, ValueError):
        pass
    raise SpytriageError(
        _("Recipient {place} is not a public key that evidence can be sealed to.").format(place=place),
        hint=_("Give --seal-to a key that begins with age1 (from age-keygen) or ssh-ed25519. Nothing was checked."),
    )


def read_identities(path: Path) -> tuple[Any, ...]:
    """Read the secret keys of a file: of age-keygen, or an SSH key (ed25519, without a passphrase).

    Raises:
        SpytriageError: the file cannot be read or holds no such key.
    """
    return parse_identities(read_identity_file(path), path)


def read_identity_file(path: Path) -> bytes:
    """Return the bytes of a file of secret keys, once: it may be a pipe.

    Raises:
        SpytriageError: the file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return handle.read(_MAX_IDENTITY_BYTES)
    except OSError as error:
        raise SpytriageError(_("The identity file cannot be read."), path=path, hint=_("Check the path.")) from error


def parse_identities(data: bytes, path: Path) -> tuple[Any, ...]:
    """Return the secret keys in a file's bytes; the path is for the message.

    Raises:
        SpytriageError: there is none.
    """
    if not (found := identities_in(data)):
        raise SpytriageError(
            _("This file holds no secret key that can unseal."),
            path=path,
            hint=_("Name the file that age-keygen wrote, or an SSH key of type ed25519 that has no passphrase."),
        )
    return found


def identities_in(data: bytes) -> tuple[Any, ...]:
    """Return the secret keys of age, or the one of OpenSSH, in a file's bytes; nothing when none can be used."""
    import pyrage  # noqa: PLC0415

    try:
        if b"PRIVATE KEY-----" in data:
            return (pyrage.ssh.Identity.from_buffer(data),)
        found = re.findall(r"^\s*(AGE-SECRET-KEY-1[0-9A-Z]+)", data.decode("utf-8", "replace"), re.MULTILINE)
        return tuple(pyrage.x25519.Identity.from_str(key) for key in found)
    except (pyrage.IdentityError, ValueError):
        return ()


# --- Sealing and unsealing --------------------------------------------------------------------------------------


def seal(evidence: Evidence, report_json: bytes, recipients: Recipients) -> bytes:
    """Return evidence.age for a report: only the recipients can open it, not even whoever made it."""
    import pyrage  # noqa: PLC0415

    document = {
        "evidence_version": EVIDENCE_VERSION,
        "report_sha256": hashlib.sha256(report_json).hexdigest(),
        "case_key": base64.b64encode(evidence.case_key).decode("ascii"),
        "findings": [
            {"ref": f.ref, "id": f.id, "module": f.module, "nonces": f.nonces, "records": f.records}
            for f in evidence.findings
        ],
    }
    sealed = bytes(pyrage.encrypt(canonical(document), list(recipients.keys)))
    if len(sealed) > LARGEST:
        raise SpytriageError(
            _("The evidence is larger than a hand-off can be ({megabytes} MB).").format(megabytes=LARGEST >> 20),
            hint=_("Check again without --seal-to, and ask the reviewer which findings they need."),
        )
    return sealed


def unseal(path: Path, identities: Sequence[Any], report: Path) -> Evidence:
    """Open an evidence file and check that it belongs to a report file.

    Raises:
        SpytriageError: a file cannot be read, or as `open_sealed`.
    """
    return open_sealed(identities, _read(path, LARGEST), _read(report, LARGEST), path, report)


def open_sealed(
    identities: Sequence[Any],
    sealed: bytes,
    report_json: bytes,
    path: Path = Path(EVIDENCE),
    report: Path = Path("report.json"),
) -> Evidence:
    """Open evidence and check that it belongs to a report; the paths are for messages.

    Raises:
        SpytriageError: the identities do not open the evidence, it is no evidence, or it does not belong to the report
            (either was changed).
    """
    import pyrage  # noqa: PLC0415

    try:
        document = json.loads(pyrage.decrypt(sealed, list(identities)))
    except pyrage.DecryptError as error:
        raise SpytriageError(
            _("This evidence cannot be unsealed with this identity."),
            path=path,
            hint=_("It was sealed for somebody else, or the file was changed. Ask whoever sent it for whom it is."),
        ) from error
    except (ValueError, RecursionError) as error:
        raise _not_evidence(path) from error
    evidence = _evidence(document, path)
    if document["report_sha256"] != hashlib.sha256(report_json).hexdigest():
        raise _not_of_this_report(report)
    _require_commitments(evidence, report_json, report)
    return evidence


def write_records(findings: Sequence[SealedFinding], folder: Path) -> None:
    """Write the records of each finding into a new folder (mode 700): F1.json and so on, canonical JSON.

    Raises:
        SpytriageError: the folder holds something, or cannot be written; nothing is left behind then.
    """
    try:
        put_folder_in_place({f"{found.ref}.json": canonical(list(found.records)) for found in findings}, folder)
    except OSError as error:
        raise SpytriageError(
            _("This folder cannot be made."), path=folder, hint=_("Give --output the name of a new folder.")
        ) from error


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as handle:
            data = handle.read(most + 1)
    except OSError as error:
        raise SpytriageError(
            _("This file cannot be read."),
            path=path,
            hint=_("Evidence is checked against its report: name report.json with --report if it lies elsewhere."),
        ) from error
    if len(data) > most:
        raise _not_evidence(path)
    return data


def _evidence(document: Any, path: Path) -> Evidence:
    try:
        if document["evidence_version"] != EVIDENCE_VERSION:
            raise _not_evidence(path)
        return Evidence(
            case_key=base64.b64decode(document["case_key"], validate=True),
            findings=tuple(_finding(data) for data in document["findings"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_evidence(path) from error


def _finding(data: Mapping[str, Any]) -> SealedFinding:
    ref, kind, module, nonces = data["ref"], data["id"], data["module"], data["nonces"]
    if is_nested_beyond(data["records"], _DEEPEST):
        raise ValueError("no record of ours is as deep as that")
    texts = (ref, kind, module, *nonces, *nonces.values())
    records = tuple(dict(record) for record in data["records"])
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(r["event"], dict) for r in records):
        raise TypeError("not a sealed finding")
    if not re.fullmatch(r"F\d{1,9}", ref):  # it names a file
        raise ValueError("not a number of a finding")
    return SealedFinding(ref, kind, module, records, nonces)


def _require_commitments(evidence: Evidence, report_json: bytes, path: Path) -> None:
    """Make sure that the report commits to exactly this evidence.

    Raises:
        SpytriageError: it does not.
    """
    try:
        promised = {finding["ref"]: finding["commitments"] for finding in json.loads(report_json)["findings"]}
        held = {f.ref: {c.name: c.sha256 for c in commitments(f)} for f in evidence.findings}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_of_this_report(path) from error
    if promised != held:
        raise _not_of_this_report(path)


def _not_evidence(path: Path) -> SpytriageError:
    return SpytriageError(
        _("This is not sealed evidence that this version knows."),
        path=path,
        hint=_("Name the evidence.age that came with the report."),
    )


def _not_of_this_report(path: Path) -> SpytriageError:
    return SpytriageError(
        _("The evidence and the report do not belong together: one of them was changed or comes from another check."),
        path=path,
        hint=_("Do not rely on either. Ask for the whole report folder again, and compare its signature."),
    )
