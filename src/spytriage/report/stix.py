"""report.stix2: the matched indicators as STIX 2.1, for the tools that other laboratories use.

What a bundle holds: the TLP 2.0 marking, an identity that names nobody, each matched indicator as its publisher
wrote it, the malware it stands for, one sighting of each, a report object and a note with the outcome. Never a victim,
an observable of the phone, or an exact time: a sighting's `where_sighted_refs` is whoever ran the check. (With an
observable beside it, misp-stix drops the sighting of the same value, and OpenCTI counts it twice.)
The bundle is in English whatever the language of the check, so that the same report gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spytriage.jsontext import readable
from spytriage.models import (
    Attribution,
    CoverageState,
    Indicator,
    IndicatorType,
    Outcome,
    RedactedFinding,
    Report,
)
from spytriage.report.arrange import in_order
from spytriage.report.published import as_published
from spytriage.report.wire import to_json
from spytriage.stix_parts import PATHS, beginning, common_properties, identity, instant, marking, stix_id

_MOST_CONFIDENCE = 50  # of 100: an automatic match that no person has looked at
_MOST_SEEN = 999_999_999  # the largest count that STIX allows

_PROVENANCE_ID = "extension-definition--0f2c7a52-6b0e-4f0c-9f55-6f3a6a1c7e11"  # made once at random
_OUTCOMES = {
    Outcome.MATCH: "A published indicator was found in what was checked. That is no proof that anything ran.",
    Outcome.SUSPICIOUS: "No published indicator was found, but an anomaly that spyware research describes.",
    Outcome.NO_MATCH: "No known traces in what was checked. That is no proof of absence.",
    Outcome.INCONCLUSIVE: "Nothing was found, but something that should have been checked was not.",
}


@dataclass
class _Sighted:
    """A published object that matched: what it says, and the findings that it stands behind."""

    attribution: Attribution
    indicators: dict[tuple[str, str], Indicator]
    findings: list[RedactedFinding]


def to_stix(report: Report) -> bytes:
    """Return a STIX 2.1 bundle that `stix2.parse(..., allow_custom=False)` accepts.

    Loose matches are not sightings: they are left out. An object that is not valid STIX 2.1 (written for 2.0, or with
    keys of its publisher's own) cannot be copied into a valid bundle, and changing it under its own id would forge
    it. In its place stands an indicator of our own with the matched values, whose external reference names the
    original.
    """
    content = hashlib.sha256(to_json(report)).hexdigest()
    author = identity("check", "An organisation that is not named, using spytriage", report.tlp)
    common = common_properties(report.tool.checked_on, author)
    held = {item["id"]: item for item in published_objects(report, {item.get("id"): item for item in report.objects})}
    parts: dict[str, dict[str, Any]] = {}  # by id: the malware of several indicators is one object
    for object_id, sighted in sorted(_sighted(report).items()):
        indicator = held.get(object_id) or _rebuilt(object_id, sighted, common)
        for item in (indicator, *_family(content, indicator["id"], sighted, common),
                     _sighting(content, indicator["id"], sighted, common)):  # fmt: skip
            parts[item["id"]] = dict(item)
    objects = [author, _provenance(author), *parts.values()]
    about = _report_object(report, content, objects, common)
    bundle = {
        "type": "bundle",
        "id": stix_id("bundle", content),
        "objects": [marking(report.tlp), *objects, about, _note(report, content, about["id"], common)],
    }
    return readable(bundle)


def published_objects(report: Report, objects: Mapping[Any, Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the published objects that `to_stix` copies: those of the sighted indicators that are valid STIX 2.1.

    Args:
        report: what was found.
        objects: published STIX objects by their id (`IndicatorIndex.objects`).
    """
    found = (as_published(object_id, objects) for object_id in sorted(_sighted(report)))
    return tuple(item for item in found if item)


def _sighted(report: Report) -> dict[str, _Sighted]:
    """Return what was sighted by the id of the published object; an object can hold several indicators."""
    found: dict[str, _Sighted] = {}
    for finding in in_order(report.findings):
        if finding.rule and finding.rule.is_loose:
            continue
        for indicator in finding.indicators:
            for attribution in indicator.attributions:
                sighted = found.setdefault(attribution.object_id, _Sighted(attribution, {}, []))
                sighted.indicators[indicator.key] = indicator
                if not sighted.findings or sighted.findings[-1] is not finding:
                    sighted.findings.append(finding)  # once, also when it holds several values of one object
    return found


def _rebuilt(object_id: str, sighted: _Sighted, common: Mapping[str, Any]) -> dict[str, Any]:
    patterns = " OR ".join(f"[{_comparison(indicator)}]" for indicator in sighted.indicators.values())
    origin = sighted.attribution
    return beginning("indicator", f"{origin.sha256} {object_id} {patterns}", common) | {
        "description": "Written anew by spytriage from an object that is not valid STIX 2.1; see the reference.",
        "indicator_types": ["malicious-activity"],
        "pattern": patterns,
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": common["created"],
        "external_references": [
            {
                "source_name": origin.set,
                "external_id": object_id,
                "description": f"Bundle with SHA-256 {origin.sha256}",
            }
        ],
    }


def _comparison(indicator: Indicator) -> str:
    value = indicator.value
    if indicator.type is IndicatorType.IP_ADDRESS:
        path = "ipv6-addr:value" if ":" in value else "ipv4-addr:value"
    elif indicator.type is IndicatorType.APP_CERTIFICATE:
        path = "app:cert." + {32: "md5", 40: "sha1"}.get(len(value.replace(":", "")), "sha256")
    else:
        path = PATHS[indicator.type]
        if path.startswith("file:hashes"):
            value = value.strip().replace(":", "")  # STIX knows only one way to write a hash
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path} = '{quoted}'"


def _family(content: str, indicator_id: str, sighted: _Sighted, common: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield the malware that a set names for an indicator, and what ties them together."""
    name = sighted.attribution.family
    if not name:
        return
    malware = beginning("malware", f"{common['created']} {common['object_marking_refs']} {name}", common) | {
        "name": name,
        "is_family": True,
        "malware_types": ["spyware"],
    }
    yield malware
    yield beginning("relationship", f"{content} {indicator_id} {malware['id']}", common) | {
        "relationship_type": "indicates",
        "source_ref": indicator_id,
        "target_ref": malware["id"],
    }


def _sighting(content: str, indicator_id: str, sighted: _Sighted, common: Mapping[str, Any]) -> dict[str, Any]:
    findings = sighted.findings
    days = sorted(finding.day for finding in findings if finding.day)
    seen = {"first_seen": instant(days[0]), "last_seen": instant(days[-1])} if days else {}
    traces = dict.fromkeys(f"{finding.id} ({finding.trace}) in {finding.artefact}" for finding in findings)
    return beginning("sighting", f"{content} {indicator_id}", common) | {
        "description": "Automatic match that nobody has reviewed: " + "; ".join(traces) + ".",
        **seen,
        "count": min(sum(finding.count for finding in findings), _MOST_SEEN),
        "sighting_of_ref": indicator_id,
        "where_sighted_refs": [common["created_by_ref"]],
        "confidence": _MOST_CONFIDENCE,
        "extensions": {
            _PROVENANCE_ID: {
                "extension_type": "property-extension",
                "report_sha256": content,
                "set_sha256": sighted.attribution.sha256,
                "findings": sorted({finding.id.value for finding in findings}),
                "traces": sorted({finding.trace.value for finding in findings}),
                "rules": sorted({finding.rule.value for finding in findings if finding.rule}),
            }
        },
    }


def _provenance(author: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of the extension that says where a sighting comes from."""
    return {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": _PROVENANCE_ID,
        "created": author["created"],
        "modified": author["modified"],
        "created_by_ref": author["id"],
        "name": "spytriage provenance",
        "description": "Where an automatic sighting comes from: SHA-256 of report.json and of the indicator set, and "
        "the kinds of finding, kinds of trace and match rules behind it, in the words of report.json.",
        "schema": "urn:spytriage:report:1",
        "version": "1.0.0",
        "extension_types": ["property-extension"],
        "object_marking_refs": author["object_marking_refs"],
    }


def _note(report: Report, content: str, about: str, common: Mapping[str, Any]) -> dict[str, Any]:
    return beginning("note", content, common) | {
        "abstract": f"Outcome of an automatic check: {report.outcome}",
        "content": _OUTCOMES[report.outcome] + " Nobody has reviewed it.",
        "object_refs": [about],
    }


def _report_object(
    report: Report, content: str, objects: Iterable[Mapping[str, Any]], common: Mapping[str, Any]
) -> dict[str, Any]:
    kind = {"report_types": ["indicator"]} if report.outcome is Outcome.MATCH else {}
    counts = ((state.value, sum(module.state is state for module in report.modules)) for state in CoverageState)
    return beginning("report", content, common) | {
        "name": f"spytriage {report.tool.version}: {report.outcome} ({report.source.kind})",
        "description": (
            "Automatic check that nobody has reviewed. "
            + ("The phone is invented. " if report.demo else "")
            + "Modules by coverage: "
            + ", ".join(f"{state} {count}" for state, count in counts if count)
            + f". SHA-256 of report.json: {content}"
        ),
        **kind,
        "published": common["created"],
        "object_refs": [item["id"] for item in objects],
        "lang": "en",
    }
