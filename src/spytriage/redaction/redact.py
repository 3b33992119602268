"""Applies a policy: the one place where findings of the phone become findings of a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from spytriage.models import (
    Fact,
    Finding,
    Pseudonym,
    PseudonymKind,
    RedactedFinding,
    RedactionSummary,
    SourceFacts,
    Term,
)
from spytriage.redaction.policy import Generalise, Policy, Pseudonymise
from spytriage.redaction.pseudonyms import CaseKey

_CLUSTER_GAP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Redacted:
    """Findings that may leave, and what was held back."""

    findings: tuple[RedactedFinding, ...]
    summary: RedactionSummary


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a policy lets through of one record."""

    facts: tuple[tuple[Fact, Term | int | bool], ...] = ()
    pseudonyms: tuple[Pseudonym, ...] = ()
    withheld: tuple[str, ...] = ()
    unlisted: int = 0


def redact(findings: Sequence[Finding], policy: Policy, key: CaseKey) -> Redacted:
    """Return what may leave of the findings; those that look alike afterwards are folded into one with a count."""
    clusters = _clusters(findings)
    single = [_redact_one(finding, policy, key, clusters.get(place)) for place, finding in enumerate(findings)]
    summary = RedactionSummary(
        policy=policy.name,
        policy_sha256=policy.sha256,
        fields_withheld=sum(len(finding.withheld) for finding in single),
        fields_unlisted=sum(finding.withheld_unlisted for finding in single),
    )
    return Redacted(_folded(single), summary)


def _redact_one(finding: Finding, policy: Policy, key: CaseKey, cluster: tuple[int, int] | None) -> RedactedFinding:
    match = finding.alert.match
    shown = _shown(finding, policy, key)
    return RedactedFinding(
        id=finding.id,
        trace=finding.trace,
        level=finding.level,
        mvt_level=finding.alert.level,
        module=finding.alert.module,
        artefact=finding.artefact,
        rule=match.rule if match else None,
        indicators=match.indicators if match else (),
        day=finding.at.date() if finding.at else None,
        cluster=cluster[0] if cluster else None,
        offset_seconds=cluster[1] if cluster else None,
        count=1,
        facts=shown.facts,
        pseudonyms=shown.pseudonyms,
        withheld=shown.withheld,
        withheld_unlisted=shown.unlisted,
        artefacts=finding.artefacts,
        indicator_types=finding.indicator_types,
    )


def _shown(finding: Finding, policy: Policy, key: CaseKey) -> _Shown:
    """Go through a record field by field; whatever no rule names is withheld."""
    rules, record = policy.rules_for(finding.alert.module), finding.alert.event
    facts: list[tuple[Fact, Term | int | bool]] = []
    pseudonyms: list[Pseudonym] = []
    withheld = ["message"]  # MVT's own sentence repeats the record
    unlisted = 0
    # In the policy's order, not the record's: the order of a record's fields is the phone's.
    for field, rule in rules.items():
        if field not in record:
            continue
        if finding.alert.match and isinstance(rule, Generalise):
            facts.extend(rule.how(record[field], record))
        elif _is_empty(record[field]):
            continue
        elif finding.alert.match and isinstance(rule, Pseudonymise):
            pseudonyms.append(key.pseudonym(rule.kind, record[field]))
        else:
            withheld.append(field)
    unlisted = sum(1 for field, value in record.items() if field not in rules and not _is_empty(value))
    return _Shown(tuple(facts), tuple(pseudonyms), tuple(withheld), unlisted)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _clusters(findings: Sequence[Finding]) -> Mapping[int, tuple[int, int]]:
    """Number the groups of findings that lie within a day of one another.

    Returns:
        By a dated finding's place: the number of its group (from 1, oldest first) and the seconds since the group's
        first event.
    """
    dated = sorted((finding.at, place) for place, finding in enumerate(findings) if finding.at)
    numbered: dict[int, tuple[int, int]] = {}
    number, first, previous = 0, None, None
    for at, place in dated:
        if previous is None or first is None or at - previous > _CLUSTER_GAP:
            number, first = number + 1, at
        numbered[place] = (number, _seconds(first, at))
        previous = at
    return numbered


def _seconds(first: datetime, at: datetime) -> int:
    return int((at - first).total_seconds())


def _folded(findings: Sequence[RedactedFinding]) -> tuple[RedactedFinding, ...]:
    """Count findings that are alike in everything but the second; the first one's second stands."""
    folded: dict[RedactedFinding, RedactedFinding] = {}
    for finding in findings:
        alike = replace(finding, offset_seconds=None)
        seen = folded.get(alike)
        folded[alike] = replace(seen, count=seen.count + 1) if seen else finding
    return tuple(folded.values())


def redact_source(
    *,
    kind: str,
    encrypted: bool,
    product_type: str,
    os_version: str,
    identifier: str,
    digest: bytes,
    key: CaseKey,
) -> SourceFacts:
    """Return what may leave of a phone's description: its family, major.minor, a label, a keyed digest."""
    family = re.match(r"iPhone|iPad|iPod", product_type)
    version = re.match(r"(\d{1,2}\.\d{1,2})(\.|$)", os_version, re.ASCII)
    return SourceFacts(
        kind=kind,
        encrypted=encrypted,
        model_family=family.group() if family else "unknown",
        os_version=version.group(1) if version else "unknown",
        device=key.pseudonym(PseudonymKind.DEVICE, identifier) if identifier else None,
        digest=key.digest("acquisition", digest).hex(),
    )
