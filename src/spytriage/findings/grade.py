"""Grades alerts and dates them, and counts what corroborates what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import KINDS, FindingId, Level, Trace
from spytriage.findings.recognise import recognise
from spytriage.models import Finding, IndicatorType, RawAlert

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
    "Filesystem": ("modified",),
    "AQFFiles": ("modified_time",),
    "DumpsysPackages": ("last_update_time", "timestamp"),
    "DumpsysBatteryDaily": ("period_start",),
    "WebkitSessionResourceLog": ("last_seen", "most_recent_interaction"),
}
_USUAL_TIME_FIELDS = ("isodate", "timestamp", "first_isodate")


def grade(alerts: Sequence[RawAlert]) -> tuple[Finding, ...]:
    """Return one finding for each alert, in the same order."""
    findings = [_finding(alert) for alert in alerts]
    seen = _seen_by_family(finding for finding in findings if _is_firm(finding))
    return tuple(_corroborated(finding, seen) if _is_firm(finding) else finding for finding in findings)


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
        at=time_of(alert.module, alert.event, alert.event_time),
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


def _seen_by_family(firm: Iterable[Finding]) -> dict[str, tuple[set[str], set[IndicatorType]]]:
    """Return the artefacts and the indicator types in which each family was seen."""
    seen: dict[str, tuple[set[str], set[IndicatorType]]] = {}
    for finding in firm:
        for family in _families(finding):
            artefacts, types = seen.setdefault(family, (set(), set()))
            artefacts.add(finding.artefact)
            types.update(_types(finding))
    return seen


def _types(finding: Finding) -> set[IndicatorType]:
    return {indicator.type for indicator in finding.alert.match.indicators} if finding.alert.match else set()


def _corroborated(finding: Finding, seen: dict[str, tuple[set[str], set[IndicatorType]]]) -> Finding:
    related = [seen[family] for family in _families(finding)]
    return replace(
        finding,
        artefacts=len(set().union(*(artefacts for artefacts, _ in related))),
        indicator_types=len(set().union(*(types for _, types in related))),
    )


def time_of(module: str, record: Mapping[str, Any], event_time: str = "") -> datetime | None:
    """Return when it happened (UTC), by the record of a module itself or else by MVT."""
    fields = _TIME_FIELDS.get(module, _USUAL_TIME_FIELDS)
    for text in (*(record.get(field) for field in fields), event_time):
        if isinstance(text, str) and (at := _parse(text)):
            return at
    return None


def _parse(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # the first day of the calendar, in another time zone
        return None
