"""report.json, schema version 1: the wire format, apart from the internal types.

`schema/report-1.json` documents every field. Keys, closed words, digits and dates are never translated, so the file
is the same in every language. Its order is fixed: the same report gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import KINDS
from spytriage.jsontext import readable
from spytriage.models import (
    ConsentSummary,
    Indicator,
    IndicatorSet,
    ModuleCoverage,
    RedactedFinding,
    RedactionSummary,
    Report,
    SourceFacts,
    ToolFacts,
)
from spytriage.report.arrange import in_order, timeline

SCHEMA_VERSION = 1

# A set may come from anybody: one string of it must not fill a disk ten thousand times over.
_LONGEST_VALUE = 8192
_LONGEST_PATTERN = 1000
_LONGEST_NAME = 300


def to_json(report: Report) -> bytes:
    """Return report.json: UTF-8, two spaces of indentation, one newline at the end."""
    return readable(document(report))


def document(report: Report) -> dict[str, Any]:
    """Return the content of report.json as plain JSON types, keys in the order of the file."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome.value,
        "demo": report.demo,
        "limits": [{"id": limit.id.value, "values": dict(sorted(limit.values))} for limit in report.limits],
        "coverage": {"modules": [module_entry(module) for module in report.modules]},
        "findings": [finding_entry(finding) for finding in in_order(report.findings)],
        "indicators": {"sets": [set_entry(loaded) for loaded in report.sets]},
        "source": _source(report.source),
        "consent": consent(report.consent),
        "redaction": _redaction(report.redaction),
        "tool": tool(report.tool),
        "timeline": _timeline(report),
        "tlp": report.tlp.value,
        "signer": report.signer,
        "objects": [dict(item) for item in report.objects],
    }


def module_entry(module: ModuleCoverage) -> dict[str, Any]:
    """Return what report.json says of a line of the coverage ledger."""
    artefact = artefact_of(module.name)
    return {
        "name": module.name,
        "state": module.state.value,
        "records": module.records,
        "reason": module.reason.value if module.reason else None,
        "detail": module.detail,
        "artefact": artefact.label,
        "shortened_links": module.shortened_links,
        "carries_indicators": artefact.carries_indicators,
    }


def finding_entry(finding: RedactedFinding) -> dict[str, Any]:
    """Return what report.json says of a finding."""
    return {
        "ref": f"F{finding.ref}",
        "id": finding.id.value,
        "trace": finding.trace.value,
        "level": finding.level.value,
        "mvt_level": finding.mvt_level.value,
        "module": finding.module,
        "artefact": finding.artefact,
        "day": _day(finding.day),
        "time": f"{finding.at:%H:%M:%S}" if finding.at else None,
        "count": finding.count,
        "rule": finding.rule.value if finding.rule else None,
        "cluster": finding.cluster,
        "offset_seconds": finding.offset_seconds,
        "corroboration": {"artefacts": finding.artefacts, "indicator_types": finding.indicator_types},
        "indicators": _attributions(finding.indicators),
        "facts": {name.value: value for name, value in sorted(finding.facts)},
        "pseudonyms": sorted(str(pseudonym) for pseudonym in finding.pseudonyms),
        "benign": [benign.value for benign in KINDS[finding.id].benign],
        "withheld": list(finding.withheld),
        "withheld_unlisted": finding.withheld_unlisted,
        "withheld_count": len(finding.withheld) + finding.withheld_unlisted,
        "commitments": {commitment.name: commitment.sha256 for commitment in finding.commitments},
    }


def _attributions(indicators: Iterable[Indicator]) -> list[dict[str, str]]:
    """Return one entry for each indicator and set that holds it: a second set's claim is never lost."""
    entries = (
        (indicator.type.value, indicator.value, claim.family, claim.set, claim.sha256, claim.object_id)
        for indicator in indicators
        for claim in indicator.attributions
    )
    return [
        {
            "type": kind,
            "value": _cut(value, _LONGEST_VALUE),
            "family": _cut(family, _LONGEST_NAME),
            "set": _cut(name, _LONGEST_NAME),
            "sha256": sha256,
            "object_id": _cut(object_id, _LONGEST_NAME),
        }
        for kind, value, family, name, sha256, object_id in sorted(entries)
    ]


def set_entry(loaded: IndicatorSet) -> dict[str, Any]:
    """Return what report.json says of an indicator set."""
    return {
        "name": _cut(loaded.name, _LONGEST_NAME),
        "title": _cut(loaded.title, _LONGEST_NAME),
        "publisher": _cut(loaded.publisher, _LONGEST_NAME),
        "families": [_cut(family, _LONGEST_NAME) for family in loaded.families],
        "sha256": loaded.sha256,
        "total": loaded.total,
        "usable": loaded.usable,
        "unusable": [
            {
                "object_id": _cut(unusable.object_id, _LONGEST_NAME),
                "pattern": _cut(unusable.pattern, _LONGEST_PATTERN),
                "reason": unusable.reason,
            }
            for unusable in loaded.unusable
        ],
        "embedded": loaded.embedded,
        "catalogued": loaded.catalogued,
    }


def _source(source: SourceFacts) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "encrypted": source.encrypted,
        "model_family": source.model_family,
        "os_version": source.os_version,
        "device": str(source.device) if source.device else None,
        "digest": source.digest,
    }


def consent(summary: ConsentSummary) -> dict[str, Any]:
    """Return what report.json says of the consent record."""
    return {
        "data_owner_asked": summary.data_owner_asked,
        "device_owner_asked": summary.device_owner_asked,
        "analyse": summary.analyse,
        "share_redacted": summary.share_redacted,
        "share_sealed": summary.share_sealed,
        "aggregate": summary.aggregate,
        "keep_observables": summary.keep_observables,
        "keep_until": _day(summary.keep_until),
        "form_reference": summary.form_reference,
        "given_on": _day(summary.given_on),
    }


def _redaction(redaction: RedactionSummary) -> dict[str, Any]:
    return {
        "policy": redaction.policy,
        "policy_sha256": redaction.policy_sha256,
        "fields_withheld": redaction.fields_withheld,
        "fields_unlisted": redaction.fields_unlisted,
        "time": redaction.time.value,
        "pseudonyms": redaction.pseudonyms,
        "device": redaction.device,
        "recipients": redaction.recipients,
    }


def tool(facts: ToolFacts) -> dict[str, Any]:
    """Return what report.json says of the programs that made it."""
    return {
        "name": "spytriage",
        "version": facts.version,
        "engine": facts.engine,
        "engine_version": facts.engine_version,
        "checked_on": _day(facts.checked_on),
    }


def _timeline(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "day": _day(row.day),
            "trace": row.trace.value,
            "id": row.id.value,
            "artefact": row.artefact,
            "count": row.count,
        }
        for row in timeline(report.findings)
    ]


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"
