"""Small hand-offs to verify: one report, one key, and ways to change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.report import samples

from spytriage import __version__
from spytriage.finding_kinds import FindingId
from spytriage.handoff import read_handoff
from spytriage.indicators.catalogue import catalogue
from spytriage.models import IndicatorSet, Report
from spytriage.report import write_report
from spytriage.review import Knowledge, StepId, Verification, Why, verify_files
from spytriage.signing import Signer, TrustedKey
from spytriage.verification import knowledge

TODAY = date(2026, 11, 22)
KNOWN_SET: IndicatorSet = replace(samples.CORE, sha256=next(e.sha256 for e in catalogue() if e.sha256), unusable=())


def in_known_set(report: Report) -> Report:
    """Return a sample as this version would have made it with a set that the catalogue knows."""
    findings = tuple(
        replace(
            finding,
            indicators=tuple(
                replace(i, attributions=tuple(replace(a, sha256=KNOWN_SET.sha256) for a in i.attributions))
                for i in finding.indicators
            ),
        )
        for finding in report.findings
    )
    return replace(report, findings=findings, sets=(KNOWN_SET,), tool=replace(report.tool, version=__version__))


MATCH = in_known_set(samples.MATCH)
_FOUND = samples.finding(FindingId.PROCESS_RAN, "Datausage", samples.PROCESS)
SMALL = replace(in_known_set(samples.report(samples.Outcome.MATCH, [_FOUND])), modules=samples.modules()[:4])


def written(folder: Path, report: Report = MATCH, signer: Signer | None = None) -> Path:
    """Write a hand-off and return its folder."""
    write_report(report, samples.OBJECTS, folder, signer=signer)
    return folder


def files_of(folder: Path, **options: Any) -> dict[str, bytes]:
    return read_handoff(written(folder, **options))


@cache
def know() -> Knowledge:
    return knowledge(TODAY)


@cache
def signer() -> Signer:
    """An invented key, always the same: a run of the fuzzer that is to be repeated begins with what is made of it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from minisign import KeyPair

    key = Ed25519PrivateKey.from_private_bytes(b"invented".ljust(32))
    with patch.object(Ed25519PrivateKey, "generate", return_value=key), patch("secrets.token_bytes", bytes):
        return Signer(KeyPair.generate().secret_key)


def public_of(signer: Signer, label: str = "workshop") -> TrustedKey:
    return TrustedKey(signer.secret.get_public_key(), label)


def why(verification: Verification, step: StepId) -> Why:
    return next(found.why for found in verification.steps if found.id is step)


def verified(files: Mapping[str, bytes], *keys: TrustedKey) -> Verification:
    return verify_files(files, know(), keys)
