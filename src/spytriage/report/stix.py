"""report.stix2: the matched indicators as STIX 2.1, for the tools that other laboratories use.

What a bundle holds: the TLP 2.0 marking, an identity that names nobody, each matched indicator as its publisher
wrote it, one sighting of each, and a report object. Never a victim, an observable of the phone, or an exact time.
The bundle is in English whatever the language of the check, so that the same report gives the same bytes.

Sources: STIX 2.1 (OASIS, 2021); the marking is the one that OASIS published for TLP 2.0 in October 2022.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

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
from spytriage.report.wire import dump, to_json

TLP_AMBER_STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
_MARKING = {
    "type": "marking-definition",
    "spec_version": "2.1",
    "id": TLP_AMBER_STRICT,
    "created": "2022-10-01T00:00:00.000Z",
    "name": "TLP:AMBER+STRICT",
    "extensions": {
        "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
            "extension_type": "property-extension",
            "tlp_2_0": "amber+strict",
        }
    },
}

_NAMESPACE = uuid.UUID("6d2f5d39-2f3f-4d3c-9a3a-0c3d1b3a4a52")  # made once at random, for our name-based ids
_MOST_CONFIDENCE = 50  # of 100: an automatic match that no person has looked at
_MOST_SEEN = 999_999_999  # the largest count that STIX allows

# Where STIX keeps what an indicator names. The last three are the paths that published spyware sets use.
_PATHS = {
    IndicatorType.DOMAIN: "domain-name:value",
    IndicatorType.URL: "url:value",
    IndicatorType.PROCESS: "process:name",
    IndicatorType.EMAIL: "email-addr:value",
    IndicatorType.FILE_NAME: "file:name",
    IndicatorType.FILE_PATH: "file:path",
    IndicatorType.FILE_MD5: "file:hashes.MD5",
    IndicatorType.FILE_SHA1: "file:hashes.'SHA-1'",
    IndicatorType.FILE_SHA256: "file:hashes.'SHA-256'",
    IndicatorType.APP_ID: "app:id",
    IndicatorType.CONFIGURATION_PROFILE: "configuration-profile:id",
    IndicatorType.ANDROID_PROPERTY: "android-property:name",
}


@dataclass
class _Sighted:
    """A published object that matched: what it says, and the findings that it stands behind."""

    attribution: Attribution
    indicators: dict[tuple[str, str], Indicator]
    findings: list[RedactedFinding]


def to_stix(report: Report, objects: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a STIX 2.1 bundle that `stix2.parse(..., allow_custom=False)` accepts.

    Args:
        report: what was found. Loose matches are not sightings: they are left out.
        objects: the published STIX objects by their id (`IndicatorIndex.objects`).

    An object that is not valid STIX 2.1 (written for 2.0, or with keys of its publisher's own) cannot be copied
    into a valid bundle, and changing it under its own id would forge it. In its place stands an indicator of our
    own with the matched values, whose external reference names the original.
    """
    day = _instant(report.tool.checked_on)
    content = hashlib.sha256(to_json(report)).hexdigest()
    identity = _identity()
    common = {
        "created": day,
        "modified": day,
        "created_by_ref": identity["id"],
        "object_marking_refs": [TLP_AMBER_STRICT],
    }
    indicators, sightings = [], []
    for object_id, sighted in sorted(_sighted(report).items()):
        published = _as_published(object_id, objects) or _rebuilt(object_id, sighted, common)
        indicators.append(published)
        sightings.append(_sighting(content, published["id"], sighted.findings, common))
    about = _report_object(report, content, [identity, *indicators, *sightings], common)
    bundle = {
        "type": "bundle",
        "id": _id("bundle", content),
        "objects": [_MARKING, identity, *indicators, *sightings, about],
    }
    return dump(bundle)


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


def _as_published(object_id: str, objects: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the published object unchanged when it is a valid STIX 2.1 indicator, else None."""
    import stix2  # noqa: PLC0415 (slow to import; a report without a match does not need it)

    published = dict(objects.get(object_id, {}))
    if (published.get("type"), published.get("spec_version"), published.get("id")) != (
        "indicator",
        "2.1",  # without it an object is STIX 2.0
        object_id,
    ):
        return None
    try:
        json.dumps(published, ensure_ascii=False, allow_nan=False).encode()  # NaN and half characters are not JSON
        stix2.parse(published, allow_custom=False, version="2.1")
    except Exception:  # noqa: BLE001 (a hostile object makes stix2 raise nearly anything; all of it means no)
        return None
    return published


def _rebuilt(object_id: str, sighted: _Sighted, common: Mapping[str, Any]) -> dict[str, Any]:
    patterns = " OR ".join(f"[{_comparison(indicator)}]" for indicator in sighted.indicators.values())
    origin = sighted.attribution
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": _id("indicator", f"{origin.sha256} {object_id} {patterns}"),
        **common,
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
        path = _PATHS[indicator.type]
        if path.startswith("file:hashes"):
            value = value.strip().replace(":", "")  # STIX knows only one way to write a hash
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{path} = '{quoted}'"


def _sighting(
    content: str, indicator_id: str, findings: Iterable[RedactedFinding], common: Mapping[str, Any]
) -> dict[str, Any]:
    findings = tuple(findings)
    days = sorted(finding.day for finding in findings if finding.day)
    seen = {"first_seen": _instant(days[0]), "last_seen": _instant(days[-1])} if days else {}
    traces = dict.fromkeys(f"{finding.id} ({finding.trace}) in {finding.artefact}" for finding in findings)
    return {
        "type": "sighting",
        "spec_version": "2.1",
        "id": _id("sighting", f"{content} {indicator_id}"),
        **common,
        "description": "Automatic match that nobody has reviewed: " + "; ".join(traces) + ".",
        **seen,
        "count": min(sum(finding.count for finding in findings), _MOST_SEEN),
        "sighting_of_ref": indicator_id,
        "confidence": _MOST_CONFIDENCE,
    }


def _identity() -> dict[str, Any]:
    made = "2026-01-01T00:00:00.000Z"  # the same object in every bundle, so its times must not change either
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": _id("identity", "spytriage"),
        "created": made,
        "modified": made,
        "name": "An organisation that is not named, using spytriage",
        "identity_class": "unknown",
        "object_marking_refs": [TLP_AMBER_STRICT],
    }


def _report_object(
    report: Report, content: str, objects: Iterable[Mapping[str, Any]], common: Mapping[str, Any]
) -> dict[str, Any]:
    kind = {"report_types": ["indicator"]} if report.outcome is Outcome.MATCH else {}
    counts = ((state.value, sum(module.state is state for module in report.modules)) for state in CoverageState)
    return {
        "type": "report",
        "spec_version": "2.1",
        "id": _id("report", content),
        **common,
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


def _id(kind: str, content: str) -> str:
    return f"{kind}--{uuid.uuid5(_NAMESPACE, kind + ' ' + content.encode('utf-8', 'replace').decode())}"


def _instant(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"
