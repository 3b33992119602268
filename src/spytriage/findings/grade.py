"""Grades alerts and dates them, and counts what corroborates what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import KINDS, FindingId, Level, Trace
from spytriage.findings.recognise import recognise
from spytriage.models import Finding, RawAlert

# Where a record keeps its time, first choice first: MVT's event_time is often empty for matches.
_TIME_FIELDS = {
    "Applications": ("isodate",),
    "Calendar": ("creation_date", "start_date"),
    "ConfigurationProfiles": ("install_date",),
    "Datausage": ("first_isodate", "live_isodate"),
    "Manifest": ("created", "modified"),
    "OSAnalyticsADDaily": ("ts",),
    "ProfileEvents": ("timestamp",),
    "SafariBrowserState": ("last_viewed_timestamp",),
    "TCC": ("last_modified",),
    "WebkitResourceLoadStatistics": ("last_seen_isodate",),
    "WebkitSessionResourceLog": ("last_seen", "most_recent_interaction"),
}
_USUAL_TIME_FIELDS = ("isodate", "timestamp", "first_isodate")


def grade(alerts: Sequence[RawAlert]) -> tuple[Finding, ...]:
    """Return one finding for each alert, in the same order."""
    findings = [_finding(alert) for alert in alerts]
    firm = [finding for finding in findings if _is_firm(finding)]
    return tuple(_corroborated(finding, firm) if _is_firm(finding) else finding for finding in findings)


def _finding(alert: RawAlert) -> Finding:
    finding_id = recognise(alert)
    kind = KINDS[finding_id]
    trace, level = kind.trace, kind.level
    if finding_id is FindingId.UNRECOGNISED_ALERT:
        # Nobody has graded this shape yet: MVT's level stands, and of a match we claim the least.
        trace, level = (Trace.RECEIVED if alert.match else Trace.ANOMALY), alert.level
    return Finding(
        id=finding_id,
        trace=trace,
        level=Level(level),
        alert=alert,
        artefact=artefact_of(alert.module).label,
        at=_time(alert),
        artefacts=1,
        indicator_types=0,
    )


def _is_firm(finding: Finding) -> bool:
    return finding.alert.match is not None and not finding.alert.match.rule.is_loose


def _families(finding: Finding) -> set[str]:
    """Return the families of a finding's indicators; a set that names none counts under its own name."""
    assert finding.alert.match is not None
    return {
        attribution.family or attribution.set
        for indicator in finding.alert.match.indicators
        for attribution in indicator.attributions
    }


def _corroborated(finding: Finding, firm: Iterable[Finding]) -> Finding:
    related = [other for other in firm if _families(other) & _families(finding)]
    types = {indicator.type for other in related if other.alert.match for indicator in other.alert.match.indicators}
    return replace(finding, artefacts=len({other.artefact for other in related}), indicator_types=len(types))


def _time(alert: RawAlert) -> datetime | None:
    """Return when it happened (UTC), by the record itself or else by MVT."""
    fields = _TIME_FIELDS.get(alert.module, _USUAL_TIME_FIELDS)
    for text in (*(alert.event.get(field) for field in fields), alert.event_time):
        if isinstance(text, str) and (at := _parse(text)):
            return at
    return None


def _parse(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
