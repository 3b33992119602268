"""A check from end to end: calls the stages in order. The only module that sees them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from spytriage import __version__
from spytriage.consent import Consent
from spytriage.errors import SpytriageError
from spytriage.evidence import Recipients
from spytriage.i18n import _
from spytriage.limits import limits_of
from spytriage.models import (
    BackupKeys,
    Finding,
    IndicatorIndex,
    Kept,
    Report,
    ToolFacts,
)
from spytriage.redaction import CaseKey, Policy, load_policy, redact, redact_source
from spytriage.scan import Limits, Progress, private_folder, scan
from spytriage.source import Source, opened


def keep_locked(source: Source) -> BackupKeys:
    """Refuse to open an encrypted backup: nobody said how.

    Raises:
        SpytriageError: always.
    """
    raise SpytriageError(
        _("This backup is encrypted, and its password was not given."),
        path=source.path,
        hint=_("Give it with --password-file FILE, or run the check on a terminal, where it is asked for."),
    )


def no_password(source: Source) -> str:  # noqa: ARG001
    """Give no password."""
    return ""


@dataclass(frozen=True, slots=True)
class Check:
    """What to check, with what, for whom."""

    path: Path
    index: IndicatorIndex
    consent: Consent
    checked_on: date  # UTC
    key: CaseKey  # of the case; a demo gives its own, so that its report is always the same
    output: Path | None = None  # where the report will go
    demo: bool = False
    limits: Limits = Limits()  # noqa: RUF009 (frozen)
    policy: Policy = field(default_factory=load_policy)
    recipients: Recipients | None = None  # who may see the raw records
    keep_observables: bool = False  # keep, sealed for them, what was looked up
    unlock: Callable[[Source], BackupKeys] = keep_locked  # called when an iOS backup is encrypted
    identity: Path | None = None  # file with the key of an acquisition that is encrypted with age
    password: Callable[[Source], str] = no_password  # called for an Android acquisition
    jobs: int = 1  # how many workers at most


@dataclass(frozen=True, slots=True, repr=False)
class Examined:
    """A report, and what it was made of: raw, for the tripwire and for sealing (`spytriage.release`)."""

    report: Report
    source: Source
    behind: Mapping[int, tuple[Finding, ...]]  # the raw findings behind each number of the report
    kept: Kept | None = None  # what was looked up, when it is to be kept


def check(request: Check, progress: Progress) -> Examined:
    """Check an acquisition; nothing is written.

    Raises:
        SpytriageError: there is no consent, nothing to check, nothing to look for, or the scan cannot start.
    """
    request.consent.require_analysis(request.checked_on)
    _require_consent_to_keep(request)
    if not request.index.indicators:
        raise SpytriageError(
            _("No indicator is left to look for."),
            hint=_("See what is wrong with the sets: `spytriage indicators lint FILE`."),
        )
    with opened(request.path, request.identity, private_folder) as source:
        return _check(request, source, progress)


def _require_consent_to_keep(request: Check) -> None:
    """Make sure that whatever will be sealed may be, and has somebody who can open it.

    Raises:
        SpytriageError: it may not, or has nobody.
    """
    if request.keep_observables:
        request.consent.require_keeping()
        if request.recipients is None:
            raise SpytriageError(
                _("Observables are kept sealed only, and nobody was named who can open them."),
                hint=_("Give --seal-to with the key of whoever keeps them; it should not lie on this machine."),
            )
    elif request.recipients:
        request.consent.require_sealing()


def _check(request: Check, source: Source, progress: Progress) -> Examined:
    from spytriage.findings import grade, outcome

    if request.output and request.output.resolve().is_relative_to(source.path):
        raise SpytriageError(
            _("The report may not be written into the backup: evidence is never changed."),
            path=request.output,
            hint=_("Give --output a folder outside the backup."),
        )
    keys = request.unlock(source) if source.locked and source.kind == "ios-backup" else None
    password = "" if source.kind == "ios-backup" else request.password(source)
    what = (source.kind, source.path, request.index.indicators)
    result = scan(
        *what, progress, request.limits, keys=keys, root=source.root, password=password,
        jobs=request.jobs, keep=request.keep_observables,
    )  # fmt: skip
    findings = grade(result.alerts)
    redacted = redact(findings, request.policy, request.key)
    report = Report(
        outcome=outcome(findings, result.modules),
        limits=limits_of(result, request.index, request.consent, source, demo=request.demo),
        modules=result.modules,
        findings=redacted.findings,
        sets=request.index.sets,
        source=redact_source(source, request.policy, request.key),
        consent=request.consent.summary(),
        redaction=redacted.summary,
        tool=ToolFacts(__version__, result.engine, result.engine_version, request.checked_on),
        demo=request.demo,
    )
    return Examined(report, source, redacted.behind, result.kept)
