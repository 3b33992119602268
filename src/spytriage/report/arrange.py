"""The order in which a report tells things, the same in every rendering, and how a published value is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from spytriage.finding_kinds import FindingId, Trace
from spytriage.models import (
    CoverageState,
    Indicator,
    IndicatorType,
    Limit,
    LimitId,
    ModuleCoverage,
    RedactedFinding,
    Report,
)
from spytriage.text import printable

_STRONGEST_FIRST = {trace: place for place, trace in enumerate(Trace)}
_GAPS_FIRST = (
    CoverageState.UNREADABLE,
    CoverageState.FAILED,
    CoverageState.NOT_RUN,
    CoverageState.CHECKED,
    CoverageState.EXTRACTED_ONLY,
    CoverageState.NO_DATA,
)
# Most important first. The others hold for every backup, or the coverage table tells them.
_FOREMOST_LIMITS = (
    LimitId.NO_SHARING_CONSENT,
    LimitId.DEMO,
    LimitId.EMBEDDED_CORE_ONLY,
    LimitId.FULL_PEGASUS_SET_MISSING,
    LimitId.BACKUP_NOT_ENCRYPTED,
    LimitId.ANDROID_KEEPS_LITTLE,
    LimitId.SHORTENED_LINKS,
    LimitId.UNUSABLE_INDICATORS,
    LimitId.PLAINTEXT_ON_DISK,
)
# Before it nobody carried such a phone: the iPhone was announced on 2007-01-09, Android on 2007-11-05. A record with an
# earlier day has a clock or a field that was never set.
_FIRST_DAY = date(2007, 1, 1)
_MADE_INTO_LINKS = {IndicatorType.DOMAIN, IndicatorType.URL, IndicatorType.EMAIL, IndicatorType.IP_ADDRESS}


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one kind, in order (at least one)."""

    id: FindingId
    trace: Trace
    findings: tuple[RedactedFinding, ...]

    @property
    def count(self) -> int:
        """Return how many records of the phone stand behind the group."""
        return sum(finding.count for finding in self.findings)

    @property
    def days(self) -> tuple[date, ...]:
        """Return the distinct days, first to last."""
        return tuple(sorted({finding.day for finding in self.findings if finding.day}))

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """Return the distinct indicators, in the order of the findings."""
        found = {indicator.key: indicator for finding in self.findings for indicator in finding.indicators}
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Part:
    """A group of findings and those of them that a rendering shows."""

    group: Group
    shown: tuple[RedactedFinding, ...]

    @property
    def left_out(self) -> int:
        """Return how many findings of the group are not shown."""
        return len(self.group.findings) - len(self.shown)


@dataclass(frozen=True, slots=True, order=True)
class TimelineRow:
    """What happened on one day in one artefact: dated findings of one kind, added up."""

    day: date
    place: int  # of the trace, strongest first
    id: FindingId
    artefact: str
    trace: Trace
    count: int


def in_order(findings: Iterable[RedactedFinding]) -> tuple[RedactedFinding, ...]:
    """Return the findings strongest first; the order does not depend on the order they come in."""
    return tuple(sorted(findings, key=_sort_key))


def _sort_key(finding: RedactedFinding) -> tuple[object, ...]:
    return (
        _STRONGEST_FIRST[finding.trace],
        -finding.level.rank,
        finding.id,
        finding.module,
        finding.day or date.max,
        tuple(sorted(indicator.key for indicator in finding.indicators)),
        tuple(sorted((name.value, str(value)) for name, value in finding.facts)),
        tuple(sorted(str(pseudonym) for pseudonym in finding.pseudonyms)),
        # What is left only decides between findings that look alike.
        finding.artefact,
        -finding.mvt_level.rank,
        finding.rule or "",
        -1 if finding.cluster is None else finding.cluster,
        -1 if finding.offset_seconds is None else finding.offset_seconds,
        finding.count,
        finding.withheld,
        finding.withheld_unlisted,
        (finding.artefacts, finding.indicator_types),
    )


def grouped(findings: Iterable[RedactedFinding]) -> tuple[Group, ...]:
    """Return the findings by kind, the kind with the strongest finding first."""
    groups: dict[tuple[Trace, FindingId], list[RedactedFinding]] = {}
    for finding in in_order(findings):
        groups.setdefault((finding.trace, finding.id), []).append(finding)
    return tuple(Group(kind, trace, tuple(members)) for (trace, kind), members in groups.items())


def weightiest(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Return the groups for a place with room for few of them: first those of indicators, the strongest kind first.

    What names no indicator follows by its level: that Apple warned the person weighs more than an ordinary anomaly.
    """

    def place(group: Group) -> tuple[int, int]:
        if group.trace in {Trace.ANOMALY, Trace.NOTICE}:
            return _STRONGEST_FIRST[Trace.ANOMALY], -group.findings[0].level.rank
        return _STRONGEST_FIRST[group.trace], 0

    return tuple(sorted(groups, key=place))


def parts(findings: Collection[RedactedFinding], most: int) -> tuple[Part, ...]:
    """Return every kind of finding; when there are more than `most` findings, each kind with its first ones."""
    groups = grouped(findings)
    share = max(1, most // len(groups)) if len(findings) > most else most
    return tuple(Part(group, group.findings[:share]) for group in groups)


def timeline(findings: Iterable[RedactedFinding]) -> tuple[TimelineRow, ...]:
    """Return the dated findings by day, those of one kind, day and artefact added up."""
    counts: Counter[tuple[date, Trace, FindingId, str]] = Counter()
    for finding in findings:
        if finding.day:
            counts[finding.day, finding.trace, finding.id, finding.artefact] += finding.count
    return tuple(
        sorted(
            TimelineRow(day, _STRONGEST_FIRST[trace], kind, artefact, trace, count)
            for (day, trace, kind, artefact), count in counts.items()
        )
    )


def by_state(
    modules: Iterable[ModuleCoverage],
) -> tuple[tuple[CoverageState, tuple[ModuleCoverage, ...]], ...]:
    """Return the modules by state, gaps first: what was not checked must not be overlooked."""
    modules = tuple(modules)
    states = ((state, tuple(module for module in modules if module.state is state)) for state in _GAPS_FIRST)
    return tuple((state, members) for state, members in states if members)


def foremost_limits(report: Report, most: int, but_for: Collection[LimitId] = ()) -> tuple[Limit, ...]:
    """Return the limits that a reader must not miss, the most important first, `most` of them at the most."""
    told = (limit for limit in report.told_limits if limit.id in _FOREMOST_LIMITS and limit.id not in but_for)
    return tuple(sorted(told, key=lambda limit: _FOREMOST_LIMITS.index(limit.id))[:most])


def can_be_right(day: date | None, checked_on: date) -> bool:
    """Return whether a record can carry this day, or none: a wrong clock and an empty field give days it cannot."""
    return day is None or _FIRST_DAY <= day <= checked_on


def shown(indicator: Indicator) -> str:
    """Return a published value for people to read: harmless on screen, and no program makes it a link.

    Domains and addresses are written the way the field does, `example[.]org`: mail programs, messengers and PDF
    readers turn anything else into something to tap on. The exact value stands in report.json.
    """
    value = printable(indicator.value)
    if indicator.type in _MADE_INTO_LINKS:
        value = value.replace("://", "[://]").replace(".", "[.]").replace("@", "[@]")
    return value
