"""The order in which a report tells things, the same in every rendering, and how a published value is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from spytriage.finding_kinds import FindingId, Trace
from spytriage.models import CoverageState, Indicator, IndicatorType, ModuleCoverage, RedactedFinding
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


def shown(indicator: Indicator) -> str:
    """Return a published value for people to read: harmless on screen, and no program makes it a link.

    Domains and addresses are written the way the field does, `example[.]org`: mail programs, messengers and PDF
    readers turn anything else into something to tap on. The exact value stands in report.json.
    """
    value = printable(indicator.value)
    if indicator.type in _MADE_INTO_LINKS:
        value = value.replace("://", "[://]").replace(".", "[.]").replace("@", "[@]")
    return value
