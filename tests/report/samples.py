"""Invented reports: one for each outcome, one that is hostile, one that is large."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.tools import IOS_BACKUP_MODULES

from spytriage.artefacts import ARTEFACTS, artefact_of
from spytriage.finding_kinds import KINDS, FindingId, Level
from spytriage.models import (
    Attribution,
    CodeName,
    ConsentSummary,
    CoverageState,
    Fact,
    Indicator,
    IndicatorSet,
    IndicatorType,
    Limit,
    LimitId,
    MatchRule,
    ModuleCoverage,
    Outcome,
    Pseudonym,
    PseudonymKind,
    Reason,
    RedactedFinding,
    RedactionSummary,
    Report,
    SourceFacts,
    Term,
    ToolFacts,
    UnusableIndicator,
)
from spytriage.report.arrange import in_order

CORE = IndicatorSet(
    name="pegasus-core",
    title="Pegasus core indicators",
    publisher="Amnesty International Security Lab",
    families=("Pegasus",),
    sha256="a1" * 32,
    total=94,
    usable=92,
    unusable=(
        UnusableIndicator(
            "indicator--6f0c8d0e-5f0b-4f6e-9a57-0d7c2f0c1a01", "[a:b MATCHES 'x']", "unsupported-operator"
        ),
        UnusableIndicator("indicator--6f0c8d0e-5f0b-4f6e-9a57-0d7c2f0c1a02", "[mutex:name='x']", "unsupported-type"),
    ),
    embedded=True,
    catalogued=True,
)

STANDING_LIMITS = (
    Limit(LimitId.IDSTATUSCACHE_EMPTY),
    Limit(LimitId.NO_SHUTDOWN_LOG),
    Limit(LimitId.NO_WIFI_FIGURES),
    Limit(LimitId.OPERATOR_KNOWS),
)


def indicator(kind: IndicatorType, value: str, number: int = 1, **claim: str) -> Indicator:
    """Return an indicator of the core set; `claim` replaces parts of its attribution."""
    attribution = Attribution(CORE.name, "Pegasus", CORE.sha256, object_id(number))
    return Indicator(kind, value, (replace(attribution, **claim),))


def object_id(number: int) -> str:
    return f"indicator--00000000-0000-4000-8000-{number:012d}"


def published(number: int, pattern: str) -> dict[str, Any]:
    """Return a STIX 2.1 indicator as a publisher would write it."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": object_id(number),
        "created": "2021-07-18T10:00:00.000Z",
        "modified": "2021-07-18T10:00:00.000Z",
        "indicator_types": ["malicious-activity"],
        "pattern": pattern,
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": "2021-07-18T10:00:00Z",
    }


PROCESS = indicator(IndicatorType.PROCESS, "roleaboutd", 1)
DOMAIN = indicator(IndicatorType.DOMAIN, "bad.example.org", 2)
ACCOUNT = indicator(IndicatorType.EMAIL, "lookup@example.org", 3)
OBJECTS = {
    object_id(1): published(1, "[process:name='roleaboutd']"),
    object_id(2): published(2, "[domain-name:value='bad.example.org']"),
    object_id(3): published(3, "[email-addr:value='lookup@example.org']"),
}


def finding(kind: FindingId, module: str, *indicators: Indicator, **changes: Any) -> RedactedFinding:
    """Return a finding of a kind; `changes` replace its fields."""
    made = RedactedFinding(
        id=kind,
        trace=KINDS[kind].trace,
        level=KINDS[kind].level,
        mvt_level=Level.CRITICAL if indicators else Level.MEDIUM,
        module=CodeName(module),
        artefact=CodeName(artefact_of(module).label),
        rule=MatchRule.EXACT if indicators else None,
        indicators=indicators,
        day=date(2019, 5, 14),
        cluster=None,
        offset_seconds=None,
        count=1,
        facts=(),
        pseudonyms=(),
        withheld=(CodeName("message"),),
        withheld_unlisted=0,
        artefacts=2 if indicators else 0,
        indicator_types=2 if indicators else 0,
        ref=1,
    )
    if "withheld" in changes:
        changes["withheld"] = tuple(map(CodeName, changes["withheld"]))
    return replace(made, **changes)


FINDINGS = (
    finding(
        FindingId.PROCESS_RAN, "Datausage", PROCESS, count=3,
        facts=((Fact.NAME_MATCH, Term.EXACT), (Fact.TRAFFIC, Term.BYTES_UNDER_100_MB), (Fact.SPAN_DAYS, 12)),
        withheld=("bundle_id", "live_id", "wwan_in", "wwan_out"), cluster=1, offset_seconds=5400,
    ),
    finding(
        FindingId.LINK_RECEIVED, "SMS", DOMAIN, rule=MatchRule.SUBDOMAIN, cluster=1, offset_seconds=0,
        facts=(
            (Fact.DIRECTION, Term.RECEIVED), (Fact.SERVICE, Term.SMS), (Fact.READ, True),
            (Fact.LINKS, 1), (Fact.SHORT_LINK, False),
        ),
        pseudonyms=(Pseudonym(PseudonymKind.CONTACT, "K7QF2M"),), withheld=("text", "links", "guid"),
        withheld_unlisted=4,
    ),
    finding(FindingId.SITE_VISITED, "SafariHistory", DOMAIN, day=date(2019, 5, 15), facts=((Fact.REDIRECT, True),)),
    finding(FindingId.ACCOUNT_LOOKED_UP, "IDStatusCache", ACCOUNT, day=None),
    finding(FindingId.USAGE_RECORD_GAP, "Datausage", level=Level.LOW, day=None),
    finding(FindingId.LOCKDOWN_MODE_ON, "GlobalPreferences", day=None, mvt_level=Level.INFORMATIONAL),
)  # fmt: skip

ANOMALY = finding(
    FindingId.CALENDAR_EXPLOIT_PATTERN, "Calendar", day=date(2021, 3, 2), withheld=("summary", "description")
)

_EMPTY = {"FirefoxHistory", "FirefoxFavicon", "ChromeHistory", "ChromeFavicon", "Shortcuts"}
_GAPS = {
    "SMS": ModuleCoverage("SMS", CoverageState.UNREADABLE, reason=Reason.DAMAGED, detail="DatabaseError"),
    "Whatsapp": ModuleCoverage("Whatsapp", CoverageState.FAILED, reason=Reason.EXCEPTION, detail="KeyError"),
}


def modules(*, gaps: bool = False) -> tuple[ModuleCoverage, ...]:
    """Return a ledger of every module MVT has for a backup."""
    names = [name for name in ARTEFACTS if name in IOS_BACKUP_MODULES]
    return tuple(_GAPS[name] if gaps and name in _GAPS else _module(name, place) for place, name in enumerate(names))


def _module(name: str, place: int) -> ModuleCoverage:
    if name in _EMPTY:
        return ModuleCoverage(name, CoverageState.NO_DATA, reason=Reason.NOT_IN_SOURCE)
    if not artefact_of(name).carries_indicators:
        return ModuleCoverage(name, CoverageState.EXTRACTED_ONLY, 10 + place)
    return ModuleCoverage(name, CoverageState.CHECKED, 100 * place, shortened_links=2 if name == "SMS" else 0)


def report(
    outcome: Outcome,
    findings: Iterable[RedactedFinding] = (),
    limits: Iterable[Limit] = (),
    **changes: Any,
) -> Report:
    """Return a report with this outcome; `changes` replace its fields."""
    made = Report(
        outcome=outcome,
        limits=(*limits, *STANDING_LIMITS),
        modules=modules(),
        findings=tuple(replace(one, ref=number) for number, one in enumerate(in_order(tuple(findings)), start=1)),
        sets=(CORE,),
        source=SourceFacts("ios-backup", False, "iPhone", "14.6", Pseudonym(PseudonymKind.DEVICE, "AB2C3D"), "d1" * 32),
        consent=ConsentSummary(
            data_owner_asked=True, device_owner_asked=True, analyse=True, share_redacted=True, share_sealed=False,
            aggregate=False, keep_observables=False, keep_until=date(2027, 1, 31), form_reference="WS-07",
            given_on=date(2026, 11, 20),
        ),
        redaction=RedactionSummary("review", "b2" * 32, 31, 4),
        tool=ToolFacts("0.1.0", "mvt", "2026.10.26", date(2026, 11, 21)),
    )  # fmt: skip
    return replace(made, **changes)


CORE_ONLY = Limit(LimitId.EMBEDDED_CORE_ONLY, (("embedded", 92), ("full", 1549)))
NOT_ENCRYPTED = Limit(LimitId.BACKUP_NOT_ENCRYPTED)

MATCH = report(
    Outcome.MATCH,
    FINDINGS,
    (Limit(LimitId.DEMO), CORE_ONLY, NOT_ENCRYPTED, Limit(LimitId.SHORTENED_LINKS, (("links", 2),))),
    demo=True,
)
SUSPICIOUS = report(Outcome.SUSPICIOUS, (ANOMALY,), (CORE_ONLY,))
NO_MATCH = report(Outcome.NO_MATCH, (), (CORE_ONLY, Limit(LimitId.UNUSABLE_INDICATORS, (("indicators", 2),))))
INCONCLUSIVE = report(
    Outcome.INCONCLUSIVE, (), (Limit(LimitId.COVERAGE_GAPS, (("modules", 2),)), CORE_ONLY), modules=modules(gaps=True)
)
EVERY_OUTCOME = (MATCH, SUSPICIOUS, NO_MATCH, INCONCLUSIVE)

HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=http://192.0.2.1/x onerror=alert(1)>',
    "'); url(http://192.0.2.1/) </style></title><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'x' %}",
    "evil\u202egpj.exe",
    "a\u200bb\u2066c\u2069d",
    "[bold red]markup[/bold red] [link=http://192.0.2.1]x[/link] :skull:",
    "\x1b[31mred\x1b]8;;http://192.0.2.1\x07link\x1b]8;;\x07\x9b31m",
    "half a pair \ud800 and \udfff",
    "quote ' backslash \\ both \\' end \\",
    "line\nbreak\r\nand\ttab\x00nul",
    "x" * 100_000,
)


def hostile() -> tuple[Report, dict[str, Any]]:
    """Return a match whose set tries everything, and the set's objects."""
    findings, objects = [], {}
    for number, text in enumerate(HOSTILE_TEXTS, start=1):
        for kind in (IndicatorType.DOMAIN, IndicatorType.PROCESS):
            value = indicator(kind, text, number, set=text, family=text)
            findings.append(finding(FindingId.PROCESS_RAN, "Datausage", value))
        objects[object_id(number)] = {**published(number, f"[process:name='{text}']"), "name": text, "x_own_key": text}
    sets = tuple(
        replace(
            CORE,
            name=text,
            title=text,
            publisher=text,
            families=(text,),
            unusable=(UnusableIndicator(text, text, "x"),),
        )
        for text in HOSTILE_TEXTS
    )
    return report(Outcome.MATCH, findings, sets=sets), objects


def large(count: int = 10_000) -> Report:
    """Return a match with thousands of findings on hundreds of days."""
    kinds = (
        (FindingId.LINK_RECEIVED, "SMS"),
        (FindingId.SITE_VISITED, "SafariHistory"),
        (FindingId.FAST_REDIRECT, "SafariHistory"),
    )
    findings = []
    for number in range(count):
        kind, module = kinds[number % 3]
        indicators = (
            ()
            if kind is FindingId.FAST_REDIRECT
            else (indicator(IndicatorType.DOMAIN, f"d{number % 500}.example.org", number % 500),)
        )
        findings.append(finding(kind, module, *indicators, day=date(2017, 1, 1) + timedelta(days=number % 900)))
    return report(Outcome.MATCH, findings)
