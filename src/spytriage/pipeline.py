"""A check from end to end: calls the stages in order. The only module that sees them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from spytriage import __version__
from spytriage.consent import Consent, Grant
from spytriage.errors import SpytriageError
from spytriage.evidence import Recipients
from spytriage.i18n import _
from spytriage.models import (
    BackupKeys,
    CoverageState,
    Finding,
    IndicatorIndex,
    Limit,
    LimitId,
    Report,
    ScanResult,
    ToolFacts,
)
from spytriage.redaction import CaseKey, Policy, load_policy, redact, redact_source
from spytriage.scan import Limits, Progress, scan
from spytriage.source import Source, recognise

FULL_PEGASUS_SET = "pegasus"
FULL_PEGASUS_COUNT = 1549
"""Indicators in Amnesty International's published Pegasus set (2021-07-18_nso/pegasus.stix2, version of 2024)."""


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
    unlock: Callable[[Source], BackupKeys] = keep_locked  # called when the acquisition is encrypted


@dataclass(frozen=True, slots=True, repr=False)
class Examined:
    """A report, and what it was made of: raw, for the tripwire and for sealing (`spytriage.release`)."""

    report: Report
    source: Source
    behind: Mapping[int, tuple[Finding, ...]]  # the raw findings behind each number of the report


def check(request: Check, progress: Progress) -> Examined:
    """Check an acquisition; nothing is written.

    Raises:
        SpytriageError: there is no consent, nothing to check, nothing to look for, or the scan cannot start.
    """
    from spytriage.findings import grade, outcome

    request.consent.require_analysis(request.checked_on)
    if request.recipients:
        request.consent.require_sealing()
    if not request.index.indicators:
        raise SpytriageError(
            _("No indicator is left to look for."),
            hint=_("See what is wrong with the sets: `spytriage indicators lint FILE`."),
        )
    source = recognise(request.path)
    if request.output and request.output.resolve().is_relative_to(source.path):
        raise SpytriageError(
            _("The report may not be written into the backup: evidence is never changed."),
            path=request.output,
            hint=_("Give --output a folder outside the backup."),
        )
    keys = request.unlock(source) if source.locked else None
    result = scan(source.kind, source.path, request.index.indicators, progress, request.limits, keys=keys)
    findings = grade(result.alerts)
    redacted = redact(findings, request.policy, request.key)
    report = Report(
        outcome=outcome(findings, result.modules),
        limits=_limits(request, source, result),
        modules=result.modules,
        findings=redacted.findings,
        sets=request.index.sets,
        source=redact_source(source, request.policy, request.key),
        consent=request.consent.summary(),
        redaction=redacted.summary,
        tool=ToolFacts(__version__, result.engine, result.engine_version, request.checked_on),
        demo=request.demo,
    )
    return Examined(report, source, redacted.behind)


def _limits(request: Check, source: Source, result: ScanResult) -> tuple[Limit, ...]:
    """Say what this check could not do and what its reader must know."""
    states = [module.state for module in result.modules]
    links = sum(module.shortened_links for module in result.modules)
    unusable = sum(len(indicator_set.unusable) for indicator_set in request.index.sets)
    gaps = sum(1 for state in states if state.is_gap)
    idle = states.count(CoverageState.EXTRACTED_ONLY)
    facts: Sequence[tuple[bool, Limit]] = (
        (request.demo, Limit(LimitId.DEMO)),
        (gaps > 0, Limit(LimitId.COVERAGE_GAPS, (("modules", gaps),))),
        *_about_sets(request.index),
        (unusable > 0, Limit(LimitId.UNUSABLE_INDICATORS, (("indicators", unusable),))),
        (links > 0, Limit(LimitId.SHORTENED_LINKS, (("links", links),))),
        (source.locked and result.copied_to_disk, Limit(LimitId.PLAINTEXT_ON_DISK)),
        (idle > 0, Limit(LimitId.MODULES_MATCH_NOTHING, (("modules", idle),))),
        (True, Limit(LimitId.NO_SHUTDOWN_LOG)),
        (True, Limit(LimitId.NO_WIFI_FIGURES)),
        (True, Limit(LimitId.IDSTATUSCACHE_EMPTY)),
        (Grant.SHARE_REDACTED not in request.consent.grants, Limit(LimitId.NO_SHARING_CONSENT)),
        (True, Limit(LimitId.OPERATOR_KNOWS)),
    )
    return tuple(limit for applies, limit in facts if applies)


def _about_sets(index: IndicatorIndex) -> tuple[tuple[bool, Limit], ...]:
    """Say when the full published Pegasus set was not used."""
    full = any(s.name == FULL_PEGASUS_SET and s.catalogued for s in index.sets)
    embedded_only = all(s.embedded for s in index.sets)
    embedded = sum(s.usable for s in index.sets)
    counts = (("embedded", embedded), ("full", FULL_PEGASUS_COUNT))
    return (
        (not full and embedded_only, Limit(LimitId.EMBEDDED_CORE_ONLY, counts)),
        (not full and not embedded_only, Limit(LimitId.FULL_PEGASUS_SET_MISSING, counts[1:])),
    )
