"""Alerts become findings: recognised, graded, dated, corroborated; and the outcome follows one rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.artefacts import ARTEFACTS
from spytriage.finding_kinds import KINDS, FindingId, Level, Trace
from spytriage.findings import grade, outcome
from spytriage.models import (
    Attribution,
    CoverageState,
    Indicator,
    IndicatorType,
    Match,
    MatchRule,
    ModuleCoverage,
    Outcome,
    RawAlert,
    Reason,
)

ROOT = Path(__file__).parents[2]
CHECKED = (ModuleCoverage("SMS", CoverageState.CHECKED, 3), ModuleCoverage("TCC", CoverageState.NO_DATA))


def indicator(kind: IndicatorType, value: str = "x", family: str = "Pegasus", *more: str) -> Indicator:
    families = (family, *more)
    return Indicator(kind, value, tuple(Attribution(f"set-{f}", f, "0" * 64, f"indicator--{f}") for f in families))


def alert(
    module: str,
    message: str = "",
    kind: IndicatorType | None = None,
    *,
    event: dict[str, Any] | None = None,
    level: Level = Level.CRITICAL,
    rule: MatchRule = MatchRule.EXACT,
    family: str = "Pegasus",
    time: str = "",
) -> RawAlert:
    match = Match((indicator(kind, family=family),), rule) if kind else None
    return RawAlert(module, level, message, time, event or {}, match)


T, F = IndicatorType, FindingId


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (alert("SMS", kind=T.DOMAIN, event={"direction": "received"}), F.LINK_RECEIVED),
        (alert("SMS", kind=T.DOMAIN, event={"direction": "sent"}), F.LINK_SENT),
        (alert("SMS", kind=T.URL), F.LINK_RECEIVED),
        (alert("Whatsapp", kind=T.DOMAIN, event={"ZISFROMME": 0}), F.LINK_RECEIVED),
        (alert("Whatsapp", kind=T.DOMAIN, event={"ZISFROMME": 1}), F.LINK_SENT),
        (alert("SMSAttachments", kind=T.FILE_NAME), F.ATTACHMENT_RECEIVED),
        (alert("SafariHistory", kind=T.DOMAIN), F.SITE_VISITED),
        (alert("ChromeHistory", kind=T.URL), F.SITE_VISITED),
        (alert("FirefoxFavicon", kind=T.IP_ADDRESS), F.SITE_VISITED),
        (alert("WebkitResourceLoadStatistics", kind=T.DOMAIN), F.SITE_CONTACTED),
        (alert("WebkitSessionResourceLog", kind=T.DOMAIN), F.SITE_CONTACTED),
        (alert("Manifest", kind=T.FILE_NAME), F.FILE_PRESENT),
        (alert("Manifest", kind=T.DOMAIN), F.SITE_DATA_STORED),
        (alert("Datausage", kind=T.PROCESS), F.PROCESS_RAN),
        (alert("OSAnalyticsADDaily", kind=T.PROCESS), F.PROCESS_RAN),
        (alert("TCC", kind=T.PROCESS), F.PROCESS_ASKED_PERMISSION),
        (alert("LocationdClients", kind=T.PROCESS), F.PROCESS_ASKED_LOCATION),
        (alert("LocationdClients", kind=T.FILE_PATH), F.FILE_PRESENT),
        (alert("Applications", kind=T.APP_ID), F.APP_INSTALLED),
        (alert("Applications", kind=T.PROCESS), F.APP_INSTALLED),
        (alert("ConfigurationProfiles", kind=T.CONFIGURATION_PROFILE), F.PROFILE_INSTALLED),
        (alert("ProfileEvents", kind=T.CONFIGURATION_PROFILE), F.PROFILE_INSTALLED),
        (alert("ProfileEvents", kind=T.PROCESS), F.PROCESS_RAN),
        (alert("IDStatusCache", kind=T.EMAIL), F.ACCOUNT_LOOKED_UP),
        (alert("Calendar", kind=T.EMAIL), F.INVITATION_RECEIVED),
        (alert("Shortcuts", kind=T.DOMAIN), F.LINK_IN_SHORTCUT),
        (alert("SMS", "Apple warning about state-sponsored attack received on 2021"), F.APPLE_THREAT_NOTIFICATION),
        (alert("Datausage", "Found manipulated process entry 5"), F.USAGE_RECORD_MANIPULATED),
        (alert("Datausage", "Missing process 5."), F.USAGE_RECORD_GAP),
        (alert("Datausage", "Could not find the binary associated with the process x"), F.PROCESS_WITHOUT_FILE),
        (alert("Netusage", "Found process entry with empty 'proc_name': 5 at 2021"), F.PROCESS_WITHOUT_FILE),
        (alert("IDStatusCache", "Found an ID Status Cache entry with suspicious patterns"), F.LOOKUP_MALFORMED),
        (alert("Calendar", "Potential Quadream exploit event identified"), F.CALENDAR_EXPLOIT_PATTERN),
        (alert("SafariHistory", "Redirect took less than a second!"), F.FAST_REDIRECT),
        (alert("WebkitSessionResourceLog", "Found HTTP redirect between suspicious"), F.REDIRECT_NEAR_MATCH),
        (alert("SMSAttachments", "Suspicious iMessage attachment /var/tmp/x-1"), F.ATTACHMENT_ODD_PATH),
        (alert("Applications", "Suspicious app not installed from the App Store"), F.APP_NOT_FROM_STORE),
        (alert("Applications", "Suspicious application identified without softw"), F.APP_WITHOUT_IDENTIFIER),
        (alert("ConfigurationProfiles", "Found a potentially suspicious configuration profile"),
         F.PROFILE_HIDES_NOTIFICATIONS),
        (alert("ProfileEvents", 'On 2021 process "x" started'), F.PROFILE_EVENT),
        (alert("GlobalPreferences", "Lockdown mode enabled"), F.LOCKDOWN_MODE_ON),
        (alert("GlobalPreferences", "Lockdown mode disabled"), F.LOCKDOWN_MODE_OFF),
    ],
    ids=lambda value: value.value if isinstance(value, FindingId) else f"{value.module}-{value.message[:12]}",
)  # fmt: skip
def test_an_alert_is_recognised(raised: RawAlert, expected: FindingId) -> None:
    (finding,) = grade([raised])

    assert finding.id is expected
    assert (finding.trace, finding.level) == (KINDS[expected].trace, KINDS[expected].level)


@given(
    st.sampled_from(["SMS", "TCC", "NewModule"]), st.text(), st.sampled_from(Level),
    st.none() | st.sampled_from(IndicatorType), st.sampled_from(MatchRule),
)  # fmt: skip
def test_no_alert_is_dropped_or_breaks_grading(
    module: str, message: str, level: Level, kind: IndicatorType | None, rule: MatchRule
) -> None:
    assert len(grade([alert(module, message, kind, level=level, rule=rule)])) == 1


def test_an_alert_that_nobody_foresaw_is_kept_with_mvts_level() -> None:
    (finding,) = grade([alert("SMS", "Something new", level=Level.HIGH)])

    assert (finding.id, finding.trace, finding.level) == (F.UNRECOGNISED_ALERT, Trace.ANOMALY, Level.HIGH)


def test_of_an_unforeseen_match_we_claim_the_least() -> None:
    (finding,) = grade([alert("GlobalPreferences", "Something new", T.DOMAIN)])

    assert (finding.id, finding.trace) == (F.UNRECOGNISED_ALERT, Trace.RECEIVED)


def test_a_loose_match_is_a_finding_of_its_own() -> None:
    (finding,) = grade([alert("SMS", kind=T.DOMAIN, rule=MatchRule.LOOSE_URL_TEXT)])

    assert finding.id is F.LOOSE_MATCH


class TestADay:
    @pytest.mark.parametrize(
        ("raised", "day"),
        [
            (alert("SMS", kind=T.DOMAIN, event={"isodate": "2021-07-18 22:10:05.000000"}), "2021-07-18"),
            (alert("OSAnalyticsADDaily", kind=T.PROCESS, event={"ts": "2021-07-18 22:10:05.5"}), "2021-07-18"),
            (alert("SafariHistory", kind=T.DOMAIN, event={"timestamp": 6.4e8, "isodate": "2021-04-13 01:46:40"}),
             "2021-04-13"),
            (alert("SMS", "Apple warning about state-sponsored attack", time="2023-10-31 10:00:00"), "2023-10-31"),
            (alert("Manifest", kind=T.FILE_NAME, event={"created": "", "modified": "2020-02-29 00:00:00"}),
             "2020-02-29"),
        ],
    )  # fmt: skip
    def test_comes_from_the_records_own_field(self, raised: RawAlert, day: str) -> None:
        (finding,) = grade([raised])

        assert finding.at is not None
        assert finding.at.date().isoformat() == day

    def test_is_in_utc(self) -> None:
        (finding,) = grade([alert("SMS", event={"isodate": "2021-07-18T23:30:00-05:00"})])

        assert finding.at == datetime(2021, 7, 19, 4, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text", ["", "yesterday", "2021-02-31", None, 5, "\x1b[2021-07-18", "0001-01-01T00:00:00+23:59"]
    )
    def test_that_cannot_be_read_is_no_day(self, text: object) -> None:
        (finding,) = grade([alert("SMS", event={"isodate": text})])

        assert finding.at is None


class TestCorroboration:
    def test_counts_distinct_artefacts_and_indicator_types_of_a_family(self) -> None:
        findings = grade(
            [
                alert("SMS", kind=T.DOMAIN), alert("SMS", kind=T.DOMAIN), alert("Datausage", kind=T.PROCESS),
                alert("SafariHistory", kind=T.DOMAIN, family="Predator"),
                alert("Datausage", "Missing process 5."),
            ]
        )  # fmt: skip

        assert [(f.artefacts, f.indicator_types) for f in findings] == [(2, 2), (2, 2), (2, 2), (1, 1), (1, 0)]

    def test_of_thousands_of_findings_takes_no_time(self) -> None:
        findings = grade([alert("SafariHistory", kind=T.DOMAIN)] * 20_000)

        assert {(f.artefacts, f.indicator_types) for f in findings} == {(1, 1)}

    def test_a_loose_match_corroborates_nothing(self) -> None:
        findings = grade([alert("SMS", kind=T.DOMAIN), alert("Manifest", kind=T.DOMAIN, rule=MatchRule.LOOSE_URL_TEXT)])

        assert [(f.artefacts, f.indicator_types) for f in findings] == [(1, 1), (1, 0)]


class TestTheOutcome:
    def outcome(self, alerts: Sequence[RawAlert], modules: Sequence[ModuleCoverage] = CHECKED) -> Outcome:
        return outcome(grade(alerts), modules)

    def test_is_no_match_when_all_was_checked_and_nothing_found(self) -> None:
        assert self.outcome([]) is Outcome.NO_MATCH

    def test_is_a_match_when_an_indicator_was_found_even_with_gaps(self) -> None:
        gap = ModuleCoverage("TCC", CoverageState.FAILED, reason=Reason.EXCEPTION)

        assert self.outcome([alert("SMS", kind=T.DOMAIN)], (*CHECKED, gap)) is Outcome.MATCH

    @pytest.mark.parametrize("state", [CoverageState.UNREADABLE, CoverageState.FAILED, CoverageState.NOT_RUN])
    def test_is_inconclusive_when_something_was_not_checked(self, state: CoverageState) -> None:
        assert self.outcome([], (*CHECKED, ModuleCoverage("TCC", state))) is Outcome.INCONCLUSIVE

    @pytest.mark.parametrize(
        "modules",
        [
            (),
            (ModuleCoverage("SMS", CoverageState.NO_DATA),),
            (ModuleCoverage("Contacts", CoverageState.EXTRACTED_ONLY, 5),),
            (ModuleCoverage("GlobalPreferences", CoverageState.CHECKED, 5),),
            (ModuleCoverage("NobodyKnowsMe", CoverageState.CHECKED, 5),),
        ],
    )
    def test_is_inconclusive_when_nothing_was_checked_that_can_carry_an_indicator(
        self, modules: tuple[ModuleCoverage, ...]
    ) -> None:
        assert self.outcome([], modules) is Outcome.INCONCLUSIVE

    @pytest.mark.parametrize(
        "raised",
        [
            alert("Datausage", "Found manipulated process entry 5"),
            alert("IDStatusCache", "Found an ID Status Cache entry with suspicious patterns"),
            alert("Calendar", "Potential Quadream exploit event"),
            alert("SMS", "Something new", level=Level.MEDIUM),
        ],
    )
    def test_is_suspicious_for_a_documented_anomaly(self, raised: RawAlert) -> None:
        assert self.outcome([raised]) is Outcome.SUSPICIOUS

    @pytest.mark.parametrize(
        "raised",
        [
            alert("Datausage", "Missing process 5."),
            alert("SafariHistory", "Redirect took less than a second!", level=Level.MEDIUM),
            alert("Applications", "Suspicious app not installed from the App Store", level=Level.MEDIUM),
            alert("GlobalPreferences", "Lockdown mode enabled"),
            alert("SMS", "Apple warning about state-sponsored attack received", level=Level.HIGH),
            alert("SMS", kind=T.DOMAIN, rule=MatchRule.LOOSE_URL_TEXT),
        ],
    )
    def test_is_not_moved_by_what_every_second_phone_has(self, raised: RawAlert) -> None:
        assert self.outcome([raised]) is Outcome.NO_MATCH


def test_every_anomaly_that_can_make_a_phone_suspicious_names_its_research() -> None:
    for kind in KINDS.values():
        grave = kind.trace is Trace.ANOMALY and kind.level.rank >= Level.MEDIUM.rank
        assert bool(kind.source) == grave, kind.id


def test_every_kind_of_finding_has_its_page_in_both_languages() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for folder in (docs / "reference" / "findings", docs / "es" / "reference" / "findings"):
        pages, ids = ({path.stem for path in folder.glob("*.md")} - {"README"}, {kind.value for kind in FindingId})
        assert pages == ids, f"{folder}: no page for {sorted(ids - pages)}, no id for {sorted(pages - ids)}"


def test_every_module_that_can_match_has_a_kind_of_finding() -> None:
    for module, artefact in ARTEFACTS.items():
        if artefact.carries_indicators:
            kinds = {grade([alert(module, kind=kind)])[0].id for kind in IndicatorType}
            assert kinds != {F.UNRECOGNISED_ALERT}, module


# A module that asks a network service raises it; a check has no network.
NEVER_RAISED = {("AQFPackages", 'VirusTotal flagged package "')}
# Raised with an indicator, by a variable that another alert of the module shares.
WITH_INDICATOR = {("ConfigurationProfiles", 'Found a known malicious configuration profile "')}


def test_every_alert_that_mvt_raises_without_an_indicator_has_a_kind(tmp_path: Path) -> None:
    private = {"HOME": str(tmp_path), "MVT_CONFIG_FOLDER": str(tmp_path), "MVT_DATA_FOLDER": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.findings.mvt_alerts"], cwd=ROOT, env={**os.environ, **private},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    raised = [(module, text) for module, texts in json.loads(done.stdout).items() for text in texts if text]
    assert len(raised) > 40
    unknown = [
        (module, text)
        for module, text in raised
        if grade([alert(module, text)])[0].id is F.UNRECOGNISED_ALERT
        and (module, text) not in NEVER_RAISED | WITH_INDICATOR
    ]
    assert unknown == [], "give each a row in _UNMATCHED (findings/recognise.py)"
