"""Applies a policy: the one place where findings of the phone become findings of a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from spytriage.finding_kinds import Trace
from spytriage.models import (
    CodeName,
    Fact,
    Finding,
    Pseudonym,
    PseudonymKind,
    RedactedFinding,
    RedactionSummary,
    SourceFacts,
    Term,
    TimePrecision,
)
from spytriage.redaction.policy import Generalise, Policy, Pseudonymise, Rule, Seal, Show
from spytriage.redaction.pseudonyms import CaseKey

_CLUSTER_GAP = timedelta(days=1)
_TRACES = tuple(Trace)  # strongest first
_UNLISTED_MODULE = CodeName("UnlistedModule")  # a worker that evidence took over could name a module as it likes


@dataclass(frozen=True, slots=True)
class Redacted:
    """Findings that may leave, and what was held back."""

    findings: tuple[RedactedFinding, ...]  # numbered by `ref`, from 1
    summary: RedactionSummary
    behind: Mapping[int, tuple[Finding, ...]]  # raw, never leaves in clear: what stands behind each `ref`


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a policy lets through of one record."""

    facts: tuple[tuple[Fact, Term | int | bool], ...] = ()
    pseudonyms: tuple[Pseudonym, ...] = ()
    withheld: tuple[CodeName, ...] = ()
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
        time=policy.time,
        pseudonyms=policy.pseudonyms,
        device=policy.device,
    )
    folded = sorted(_folded(single), key=lambda pair: _strongest_first(pair[0]))
    return Redacted(
        findings=tuple(replace(finding, ref=ref) for ref, (finding, _places) in enumerate(folded, start=1)),
        summary=summary,
        behind={ref: tuple(findings[place] for place in places) for ref, (_one, places) in enumerate(folded, start=1)},
    )


def _strongest_first(finding: RedactedFinding) -> tuple[int, int, str, str, date]:
    return _TRACES.index(finding.trace), -finding.level.rank, finding.id, finding.module, finding.day or date.max


def _redact_one(finding: Finding, policy: Policy, key: CaseKey, cluster: tuple[int, int] | None) -> RedactedFinding:
    match = finding.alert.match
    shown = _shown(finding, policy, key)
    return RedactedFinding(
        id=finding.id,
        trace=finding.trace,
        level=finding.level,
        mvt_level=finding.alert.level,
        module=CodeName(finding.alert.module) if finding.alert.module in policy.modules else _UNLISTED_MODULE,
        artefact=CodeName(finding.artefact),
        rule=match.rule if match else None,
        indicators=match.indicators if match else (),
        day=policy.day(finding.at),
        cluster=cluster[0] if cluster else None,
        # Who shows weeks only must not say to the second how two findings lie to each other.
        offset_seconds=cluster[1] if cluster and policy.time is not TimePrecision.WEEK else None,
        count=1,
        facts=shown.facts,
        pseudonyms=shown.pseudonyms,
        withheld=shown.withheld,
        withheld_unlisted=shown.unlisted,
        artefacts=finding.artefacts,
        indicator_types=finding.indicator_types,
        at=finding.at.replace(microsecond=0) if finding.at and policy.time is TimePrecision.EXACT else None,
    )


def _shown(finding: Finding, policy: Policy, key: CaseKey) -> _Shown:
    """Go through a record field by field; whatever no rule names is withheld."""
    rules, record = policy.rules_for(finding.alert.module), finding.alert.event
    facts: list[tuple[Fact, Term | int | bool]] = []
    pseudonyms: list[Pseudonym] = []
    withheld = [CodeName("message")]  # MVT's own sentence repeats the record
    # In the table's order, not the record's: the order of a record's fields is the phone's.
    for field, rule in rules.items():
        if field not in record:
            continue
        applied = _applied(rule, record[field], finding)
        if isinstance(applied, Generalise):
            facts.extend(applied.how(record[field], record))
        elif isinstance(applied, Show) or _is_empty(record[field]):
            continue
        elif isinstance(applied, Pseudonymise):
            pseudonyms.append(key.pseudonym(applied.kind, record[field]))
        else:
            withheld.append(field)
    unlisted = sum(1 for field, value in record.items() if field not in rules and not _is_empty(value))
    return _Shown(tuple(facts), tuple(pseudonyms), tuple(withheld), unlisted)


def _applied(rule: Rule, value: Any, finding: Finding) -> Rule:
    """Return what holds for a field of this record: anything but sealing asks for a published indicator beside it."""
    match = finding.alert.match
    if match is None:
        return Seal()
    if not isinstance(rule, Show):
        return rule
    same = str(value).strip().removeprefix("mailto:").casefold()
    return rule if any(i.value.casefold() == same for i in match.indicators) else rule.otherwise


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


def _folded(findings: Sequence[RedactedFinding]) -> list[tuple[RedactedFinding, list[int]]]:
    """Count findings that are alike in everything but the second; the earliest one's second stands.

    Returns:
        Each with the places of those that were folded into it.
    """
    folded: dict[RedactedFinding, tuple[RedactedFinding, list[int]]] = {}
    for place, finding in enumerate(findings):
        alike = replace(finding, offset_seconds=None, at=None)
        folded.setdefault(alike, (finding, []))[1].append(place)
    return [
        (min((replace(findings[place], count=len(places)) for place in places), key=_second), places)
        for _alike, places in folded.values()
    ]


def _second(finding: RedactedFinding) -> int:
    return finding.offset_seconds or 0


class DescribedDevice(Protocol):
    """What an acquisition says of the phone; the source stage hands it on, and it is raw."""

    @property
    def product_type(self) -> str: ...  # noqa: D102 (a table of attributes)
    @property
    def os_version(self) -> str: ...  # noqa: D102
    @property
    def identifier(self) -> str: ...  # noqa: D102


class DescribedSource(Protocol):
    """What is told of an acquisition; raw."""

    @property
    def kind(self) -> str: ...  # noqa: D102 (a table of attributes)
    @property
    def encrypted(self) -> bool: ...  # noqa: D102
    @property
    def device(self) -> DescribedDevice: ...  # noqa: D102
    @property
    def digest(self) -> bytes: ...  # noqa: D102


def redact_source(source: DescribedSource, policy: Policy, key: CaseKey) -> SourceFacts:
    """Return what may leave of a phone's description: its family, major.minor, a label, a keyed digest; or none."""
    if not policy.device:
        return SourceFacts(source.kind, source.encrypted, "unknown", "unknown", device=None, digest=None)
    device = source.device
    family = re.match(r"iPhone|iPad|iPod|Android", device.product_type)
    # Android is named by its major version; of an iPhone a bare number is none that iOS gives itself.
    form = r"(\d{1,2}(?:\.\d{1,2})?)(\.|\Z)" if family and family.group() == "Android" else r"(\d{1,2}\.\d{1,2})(\.|$)"
    version = re.match(form, device.os_version, re.ASCII)
    label = device.identifier and policy.pseudonyms
    return SourceFacts(
        kind=source.kind,
        encrypted=source.encrypted,
        model_family=family.group() if family else "unknown",
        os_version=version.group(1) if version else "unknown",
        device=key.pseudonym(PseudonymKind.DEVICE, device.identifier) if label else None,
        digest=key.digest("acquisition", source.digest).hex(),
    )
