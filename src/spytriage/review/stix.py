"""review.stix2: the reviewer's opinions on the indicators of report.stix2, for the tools of other laboratories.

An opinion on a finding is one on each indicator that it names; the opinion on the whole is one on the report object.
Notes carry what the reviewer wrote. The objects that they speak of stand in report.stix2 and are not copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spytriage.jsontext import readable
from spytriage.models import RedactedFinding, Report
from spytriage.review.opinion import Opinion, Review, Verdict, by_reference
from spytriage.stix_parts import beginning, common_properties, identity, marking, stix_id

_OPINIONS = {Verdict.AGREE: "agree", Verdict.DISAGREE: "disagree", Verdict.NEEDS_MORE: "neutral"}


def to_stix(review: Review, content: str, report: Report, bundle: bytes) -> bytes:
    """Return a STIX 2.1 bundle.

    Args:
        review: what was thought.
        content: SHA-256 of review.json; ids are made from it.
        report: the report, for its findings and its marking.
        bundle: its report.stix2, verified to be made from it.
    """
    author = identity("review", "A reviewer who is not named, using spytriage", report.tlp)
    common = common_properties(review.day, author)
    ids = _ids(bundle)
    objects = list(_about(review.opinion, "whole", [ids[""]], content, common))
    findings = by_reference(report)
    for reference, opinion in review.findings.items():
        if refs := _indicators(findings[reference], ids):
            objects += _about(opinion, f"finding {reference}", refs, content, common)
    held = [marking(report.tlp), author, *objects]
    return readable({"type": "bundle", "id": stix_id("bundle", content), "objects": held})


def _ids(bundle: bytes) -> Mapping[str, str]:
    """Return the ids of the bundle's indicators by the id under which they were published; the report's as ''."""
    ids: dict[str, str] = {}
    for item in json.loads(bundle)["objects"]:
        if item["type"] == "report":
            ids[""] = item["id"]
        elif item["type"] == "indicator":
            ids[item["id"]] = item["id"]
            # One that was written anew names the original.
            for reference in item.get("external_references", ()):
                ids.setdefault(reference.get("external_id", item["id"]), item["id"])
    return ids


def _indicators(finding: RedactedFinding, ids: Mapping[str, str]) -> list[str]:
    published = (claim.object_id for indicator in finding.indicators for claim in indicator.attributions)
    return list(dict.fromkeys(ids[object_id] for object_id in published if object_id in ids))


def _about(
    opinion: Opinion, what: str, refs: list[str], content: str, common: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    reasons = ", ".join(opinion.reasons)
    yield beginning("opinion", f"{content} {what}", common) | {
        "opinion": _OPINIONS[opinion.verdict],
        "explanation": f"About the {what}: {opinion.verdict}" + (f" ({reasons})" if reasons else ""),
        "object_refs": refs,
    }
    if opinion.note:
        yield beginning("note", f"{content} {what}", common) | {
            "abstract": f"A reviewer on the {what}",
            "content": opinion.note,
            "object_refs": refs,
        }
