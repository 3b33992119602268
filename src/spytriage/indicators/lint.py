"""Everything that is wrong with a bundle, for those who make one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _, deferred
from spytriage.indicators.bundle import Bundle, Labels, read_bundle, read_bytes
from spytriage.indicators.data import data_file
from spytriage.indicators.hosts import is_public_suffix, parse_site
from spytriage.models import Indicator, IndicatorType, UnusableIndicator
from spytriage.text import printable


class Severity(StrEnum):
    """Whether a problem makes `lint` fail."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: in the file, from 1; None when it concerns the whole file.
        object_id: STIX id, or "".
        text: what is wrong, already translated, safe to print.
    """

    severity: Severity
    line: int | None
    object_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What lint says of one file; the set is None when it could not be read at all."""

    path: Path
    bundle: Bundle | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """Return the number of problems that make `lint` fail."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)


# Why an indicator is not matched. Those that a publisher may well mean are warnings.
REASONS = {
    "and": (Severity.WARNING, deferred("combined with AND: not matched")),
    "followed-by": (Severity.WARNING, deferred("uses FOLLOWEDBY: not matched")),
    "qualifier": (Severity.WARNING, deferred("has a qualifier (WITHIN, REPEATS, START): not matched")),
    "like": (Severity.WARNING, deferred("uses LIKE: not matched")),
    "matches": (Severity.WARNING, deferred("uses MATCHES: not matched")),
    "order-comparison": (Severity.WARNING, deferred("compares by order: not matched")),
    "exists": (Severity.WARNING, deferred("uses EXISTS: not matched")),
    "superset": (Severity.WARNING, deferred("uses ISSUPERSET: not matched")),
    "unsupported-operator": (Severity.WARNING, deferred("the operator does not fit what is compared: not matched")),
    "negated": (Severity.WARNING, deferred("says what must not be there: not matched")),
    "pattern-type": (Severity.WARNING, deferred("the pattern is not a STIX pattern: not matched")),
    "revoked": (Severity.WARNING, deferred("revoked: not matched")),
    "expired": (Severity.WARNING, deferred("valid_until is over: not matched")),
    "unknown-key": (Severity.WARNING, deferred("compares something that no phone record holds: not matched")),
    "too-complex": (Severity.ERROR, deferred("the pattern is too long or nested too deeply")),
    "invalid-pattern": (Severity.ERROR, deferred("the pattern is not valid STIX")),
    "not-text": (Severity.ERROR, deferred("the value is not text")),
    "empty-value": (Severity.ERROR, deferred("the value is empty")),
    "value-too-long": (Severity.ERROR, deferred("the value is too long")),
    "not-a-host-name": (Severity.ERROR, deferred("the value is not a host name")),
    "single-label-host": (
        Severity.ERROR,
        deferred("a whole top-level domain, or half a name: it would match everything"),
    ),
    "private-host": (Severity.ERROR, deferred("a private host or address: it would match on any network")),
    "too-broad": (Severity.ERROR, deferred("too broad: it would match everything")),
    "not-an-address": (Severity.ERROR, deferred("the value is not an IP address or network")),
    "not-a-hash": (Severity.ERROR, deferred("the value is not a hash of that kind")),
    "duplicate-id": (Severity.ERROR, deferred("another object of the same id is newer or came first")),
    "no-id": (Severity.ERROR, deferred("the indicator has no id of the form indicator--UUID")),
    "no-pattern": (Severity.ERROR, deferred("the indicator has no pattern")),
}


def lint(path: Path) -> Verdict:
    """Return what is wrong with a bundle; raises nothing for what is in the file."""
    try:
        data = read_bytes(path)
        bundle = read_bundle(path, data, Labels("lint"))
    except SpytriageError as error:
        return Verdict(path, None, (Problem(Severity.ERROR, _json_error_line(error), "", error.message),))
    line_of = _line_finder(data)
    problems = [
        *(_unusable(entry, line_of) for entry in bundle.set.unusable),
        *_too_wide(bundle.indicators, line_of),
        *_repeated(bundle.indicators, line_of),
        *_without_family(bundle.indicators, line_of),
    ]
    return Verdict(path, bundle, tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.text))))


def _json_error_line(error: SpytriageError) -> int | None:
    return error.__cause__.lineno if isinstance(error.__cause__, json.JSONDecodeError) else None


def _line_finder(data: bytes) -> Callable[[str], int | None]:
    """Return a function from a STIX id to the line where it first stands, in one pass over the file."""
    lines: dict[str, int] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        # An id is a word of its own between quotes, wherever the file breaks its lines.
        for word in line.split('"'):
            if word.startswith("indicator--"):
                lines.setdefault(word, number)
    return lines.get


def _unusable(entry: UnusableIndicator, line_of: Callable[[str], int | None]) -> Problem:
    severity, text = REASONS[entry.reason]
    shown = f"{_(text)}: {entry.pattern}" if entry.pattern else _(text)
    return Problem(severity, line_of(entry.object_id), entry.object_id, shown)


def _too_wide(indicators: Iterable[Indicator], line_of: Callable[[str], int | None]) -> Iterator[Problem]:
    own = set(_own_domains())
    for indicator in indicators:
        site = parse_site(indicator.value) if indicator.type is IndicatorType.DOMAIN else None
        if site is None:
            continue
        parents = _with_parents(site.host)
        if is_public_suffix(site.host):
            text = _("anybody can register names below %(value)s: only that host itself is matched")
            yield _about(indicator, Severity.ERROR, text, line_of)
        elif own.intersection(parents):
            text = _("%(value)s belongs to Apple or Google: it would match on every phone")
            yield _about(indicator, Severity.WARNING, text, line_of)


def _repeated(indicators: Iterable[Indicator], line_of: Callable[[str], int | None]) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for indicator in indicators:
        if indicator.key in seen:
            yield _about(indicator, Severity.WARNING, _("%(value)s stands in the bundle more than once"), line_of)
        seen.add(indicator.key)


def _without_family(indicators: Iterable[Indicator], line_of: Callable[[str], int | None]) -> Iterator[Problem]:
    text = _("%(value)s is related to no malware, tool, actor, campaign or report: a match could not be named")
    for indicator in indicators:
        if not any(attribution.family for attribution in indicator.attributions):
            yield _about(indicator, Severity.WARNING, text, line_of)


def _about(indicator: Indicator, severity: Severity, text: str, line_of: Callable[[str], int | None]) -> Problem:
    ident = indicator.attributions[0].object_id
    return Problem(severity, line_of(ident), printable(ident, 120), text % {"value": printable(indicator.value)})


def _with_parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _own_domains() -> list[str]:
    lines = data_file("own-domains.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
