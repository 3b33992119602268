"""Nothing leaves unless it is on the allow list."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.artefacts import ARTEFACTS
from spytriage.finding_kinds import Level
from spytriage.findings import grade
from spytriage.models import (
    Attribution,
    Fact,
    Indicator,
    IndicatorType,
    Match,
    MatchRule,
    Pseudonym,
    PseudonymKind,
    RawAlert,
    RedactedFinding,
    Term,
)
from spytriage.redaction import CaseKey, load_policy, redact, redact_source
from spytriage.source import Device, Source
from tests.tools import KEY

OTHER_KEY = CaseKey(b"o" * 32)
POLICY = load_policy()
DOMAIN = Indicator(IndicatorType.DOMAIN, "bad.example", (Attribution("test", "Pegasus", "0" * 64, "indicator--1"),))
MESSAGE = {
    "text": "Nos vemos en la plaza, llama al +1 202 555 0123 https://ana.bad.example/x?u=ana",
    "phone_number": "+12025550199",
    "account": "p:+12025550100",
    "direction": "received",
    "service": "iMessage",
    "isodate": "2021-07-18 22:10:05.123456",
    "isodate_read": "2021-07-18 22:11:00.000000",
    "links": ["https://ana.bad.example/x?u=ana"],
    "attributedBody": {"$bytes": "c2VjcmV0bw=="},
    "a column of a later iOS": "something personal",
}


def redacted(event: dict[str, Any], module: str = "SMS", *, match: bool = True, key: CaseKey = KEY) -> RedactedFinding:
    found = Match((DOMAIN,), MatchRule.SUBDOMAIN) if match else None
    alert = RawAlert(module, Level.CRITICAL, "MVT repeats https://ana.bad.example/x?u=ana", "", event, found)
    (finding,) = redact(grade([alert]), POLICY, key).findings
    return finding


def strings(value: object) -> str:
    """Everything that a redacted finding can say, as text."""
    return json.dumps(dataclasses.asdict(value), default=str, ensure_ascii=False)  # type: ignore[call-overload]


def test_a_message_shows_the_published_indicator_and_generalised_facts_only() -> None:
    finding = redacted(MESSAGE)

    assert finding.indicators == (DOMAIN,)
    assert dict(finding.facts) == {
        Fact.DIRECTION: Term.RECEIVED, Fact.SERVICE: Term.IMESSAGE, Fact.READ: True, Fact.LINKS: 1,
    }  # fmt: skip
    assert finding.day == date(2021, 7, 18)
    assert [pseudonym.kind for pseudonym in finding.pseudonyms] == [PseudonymKind.CONTACT, PseudonymKind.ACCOUNT]
    assert set(finding.withheld) == {"message", "text", "attributedBody", "isodate"}
    assert finding.withheld_unlisted == 1
    for secret in ("plaza", "2025550", "202 555", "ana.", "x?u", "22:10", "later iOS", "c2Vj"):
        assert secret not in strings(finding)


def test_without_an_indicator_only_the_fixed_description_stays() -> None:
    finding = redacted(MESSAGE, match=False)

    assert (finding.facts, finding.pseudonyms, finding.indicators) == ((), (), ())
    assert set(finding.withheld) >= {"text", "phone_number", "account"}


def test_of_an_unknown_module_everything_is_withheld_and_counted() -> None:
    finding = redacted(MESSAGE, module="ModuleOfALaterVersion")

    assert (finding.facts, finding.pseudonyms) == ((), ())
    assert (finding.withheld, finding.withheld_unlisted) == (("message",), len(MESSAGE))


@given(
    st.sampled_from(sorted(ARTEFACTS)),
    st.dictionaries(st.text(max_size=20), st.text(min_size=8, max_size=40), max_size=6),
    st.booleans(),
    st.data(),
)
def test_no_text_of_a_record_gets_through_whatever_the_field(
    module: str, unlisted: dict[str, str], match: bool, data: st.DataObject
) -> None:
    canary = "cañá\u202eمكتوب 谢谢 +12025550147 ana@example.com"
    listed = {
        field: data.draw(st.sampled_from([canary, [canary], {canary: canary}])) for field in POLICY.rules_for(module)
    }

    finding = redacted({**unlisted, **listed, canary: canary}, module, match=match)

    shown = strings(finding)
    assert canary not in shown
    assert not any(value in shown for value in unlisted.values() if value not in json.dumps([*listed, *map(str, Term)]))


@pytest.mark.parametrize("module", sorted(ARTEFACTS))
@pytest.mark.parametrize(
    "value", [None, 0, -1, 10**30, 1.5, "", "text", [], [1], {}, {"$cut": 9}, {"$bytes": "AA=="}, True]
)
def test_a_value_of_any_type_in_any_field_breaks_nothing(module: str, value: Any) -> None:
    redacted(dict.fromkeys(POLICY.rules_for(module), value), module)


class TestPseudonyms:
    def test_are_stable_within_a_case(self) -> None:
        assert redacted(MESSAGE).pseudonyms == redacted(MESSAGE).pseudonyms

    def test_cannot_be_linked_across_cases(self) -> None:
        mine, theirs = redacted(MESSAGE).pseudonyms, redacted(MESSAGE, key=OTHER_KEY).pseudonyms

        assert not {p.code for p in mine} & {p.code for p in theirs}

    @pytest.mark.parametrize(
        ("one", "same"),
        [
            ("+1 202 555 0199", "12025550199@s.whatsapp.net"),
            ("+1 (202) 555-0199", "+12025550199"),
            ("Ana@Example.com", "ana@example.com"),
            ("e:ana@example.com", "ana@example.com"),
        ],
    )
    def test_call_one_person_by_one_name(self, one: str, same: str) -> None:
        assert KEY.pseudonym(PseudonymKind.CONTACT, one) == KEY.pseudonym(PseudonymKind.CONTACT, same)

    def test_tell_kinds_apart(self) -> None:
        codes = {KEY.pseudonym(kind, "+12025550199").code for kind in PseudonymKind}
        assert len(codes) == len(PseudonymKind)

    def test_of_all_numbers_of_an_exchange_differ(self) -> None:
        codes = {KEY.pseudonym(PseudonymKind.CONTACT, f"+1202555{n:04}") for n in range(2000)}
        assert len(codes) == 2000

    def test_the_key_is_not_shown_by_accident(self) -> None:
        assert "k" * 8 not in repr(KEY)
        assert CaseKey.new().secret != CaseKey.new().secret


class TestFolding:
    def alerts(self, *times: str) -> list[RawAlert]:
        event = {"direction": "received", "phone_number": "+12025550199"}
        return [
            RawAlert("SMS", Level.CRITICAL, "", "", event | {"isodate": time}, Match((DOMAIN,), MatchRule.EXACT))
            for time in times
        ]

    def test_counts_findings_that_look_alike(self) -> None:
        result = redact(grade(self.alerts("2021-07-18 10:00:00", "2021-07-18 11:00:00")), POLICY, KEY)

        (finding,) = result.findings
        assert (finding.count, finding.offset_seconds) == (2, 0)

    def test_keeps_another_day_apart_and_measures_from_the_first(self) -> None:
        result = redact(
            grade(self.alerts("2021-07-19 00:00:10", "2021-07-18 23:59:50", "2021-09-01 08:00:00")), POLICY, KEY
        )

        assert [(f.cluster, f.offset_seconds) for f in result.findings] == [(1, 0), (1, 20), (2, 0)]  # by day

    def test_counts_all_that_was_withheld(self) -> None:
        result = redact(grade(self.alerts("2021-07-18 10:00:00", "2021-07-18 11:00:00")), POLICY, KEY)

        assert result.summary.fields_withheld == 4  # MVT's message and the exact time, twice
        assert result.summary.policy == "review"
        assert len(result.summary.policy_sha256) == 64


class TestARedactedFinding:
    def valid(self) -> RedactedFinding:
        return redacted(MESSAGE)

    @pytest.mark.parametrize(
        "change",
        [
            {"day": datetime(2021, 7, 18, 22, 10)},
            {"day": "2021-07-18"},
            {"facts": (("direction", Term.SENT),)},
            {"facts": ((Fact.DIRECTION, "sent to Ana"),)},
            {"pseudonyms": ("contact-AAAAAA",)},
            {"indicators": ("bad.example",)},
            {"withheld": ("text: nos vemos\n",)},
            {"withheld": ("text",)},  # a name, but nothing says that code gave it
            {"module": "+1 202 555 0123"},
            {"module": "AnaGarcia"},
            {"artefact": "ana@example.com"},
            {"facts": ((Fact.LINKS, 12025550123),)},
            {"facts": ((Fact.LINKS, -1),)},
            {"at": "2021-07-18 22:10:05"},
            {"commitments": ("text",)},
            {"ref": "F1"},
            {"count": "many"},
            {"id": "link-received of Ana"},
            {"trace": "received"},
            {"level": None},
            {"rule": "exact"},
        ],
    )
    def test_cannot_hold_what_does_not_say_where_it_comes_from(self, change: dict[str, Any]) -> None:
        with pytest.raises(TypeError):
            dataclasses.replace(self.valid(), **change)

    def test_of_any_kind_cannot_hold_a_raw_record(self) -> None:
        fields = {field.name for field in dataclasses.fields(RedactedFinding)}
        assert not fields & {"alert", "event", "message", "event_time"}

    @pytest.mark.parametrize("code", ["", "abc", "AAAAAAA", "ana@ex", "12025 5"])
    def test_has_pseudonyms_of_six_characters_only(self, code: str) -> None:
        with pytest.raises(TypeError):
            Pseudonym(PseudonymKind.CONTACT, code)


class TestThePhone:
    def source(self, product_type: str = "iPhone14,5", os_version: str = "17.4.1", key: CaseKey = KEY) -> Any:
        device = Device(product_type, os_version, "00008101-000A1B2C3D4E5F")
        return redact_source(Source("ios-backup", Path("/x"), False, False, device, b"d" * 32), POLICY, key)

    def test_is_described_by_family_and_major_minor_only(self) -> None:
        source = self.source()

        assert (source.model_family, source.os_version) == ("iPhone", "17.4")
        assert "00008101" not in strings(source)

    @pytest.mark.parametrize("hostile", ["", "Ana's phone", "iPhone\x1b[31m", "17", "17.4\n17.5", "٣.٤", "999.1"])
    def test_says_unknown_rather_than_quote(self, hostile: str) -> None:
        source = self.source(product_type=hostile.replace("iPhone", "x"), os_version=hostile)

        assert (source.model_family, source.os_version) == ("unknown", "unknown")

    def test_has_a_label_and_a_digest_that_only_the_key_explains(self) -> None:
        assert self.source().device == self.source().device
        assert self.source().device != self.source(key=OTHER_KEY).device
        assert self.source().digest != self.source(key=OTHER_KEY).digest
