"""report.json: what the schema says, the same bytes each time, and strings of a hostile set."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from enum import StrEnum
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import samples

from spytriage.finding_kinds import Benign, FindingId, Level, Trace
from spytriage.i18n import using_language
from spytriage.jsontext import readable
from spytriage.models import (
    CoverageState,
    Fact,
    IndicatorType,
    LimitId,
    MatchRule,
    Outcome,
    Pseudonym,
    PseudonymKind,
    Reason,
    Report,
    Term,
    UnusableIndicator,
)
from spytriage.report import to_json

SCHEMA: dict[str, Any] = json.loads(files("spytriage.report").joinpath("schema/report-1.json").read_text("utf-8"))


def _valid(report: Report) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(to_json(report))
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    return content


def test_the_schema_is_a_schema_that_describes_every_field_and_admits_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert "additionalProperties" in node
            for name, field in node.get("properties", {}).items():
                described = field if "description" in field else SCHEMA["$defs"][field["$ref"].rsplit("/", 1)[1]]
                assert described["description"], name
            for item in node.values():
                walk(item)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(SCHEMA)


@pytest.mark.parametrize(
    ("words", "enum"),
    [
        (SCHEMA["properties"]["outcome"]["enum"], Outcome),
        (SCHEMA["$defs"]["trace"]["enum"], Trace),
        (SCHEMA["$defs"]["level"]["enum"], Level),
        (SCHEMA["$defs"]["finding_id"]["enum"], FindingId),
        (SCHEMA["$defs"]["limit"]["properties"]["id"]["enum"], LimitId),
        (SCHEMA["$defs"]["module"]["properties"]["state"]["enum"], CoverageState),
        (SCHEMA["$defs"]["module"]["properties"]["reason"]["enum"], Reason),
        (SCHEMA["$defs"]["attribution"]["properties"]["type"]["enum"], IndicatorType),
        (SCHEMA["$defs"]["finding"]["properties"]["rule"]["enum"], MatchRule),
        (SCHEMA["$defs"]["finding"]["properties"]["facts"]["propertyNames"]["enum"], Fact),
        (SCHEMA["$defs"]["finding"]["properties"]["facts"]["additionalProperties"]["anyOf"][0]["enum"], Term),
        (SCHEMA["$defs"]["finding"]["properties"]["benign"]["items"]["enum"], Benign),
    ],
)
def test_the_schema_knows_exactly_the_words_of_the_program(words: list[str | None], enum: type[StrEnum]) -> None:
    known, ours = [word for word in words if word], [member.value for member in enum]
    assert known == ours, f"the enum of {enum.__name__} in report-1.json, in the order of the program"


def test_the_schema_knows_every_kind_of_pseudonym() -> None:
    changed = samples.finding(
        FindingId.LINK_RECEIVED, "SMS", pseudonyms=tuple(Pseudonym(kind, "ABCDEF") for kind in PseudonymKind)
    )
    assert len(_valid(samples.report(Outcome.MATCH, [changed]))["findings"][0]["pseudonyms"]) == len(PseudonymKind)


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_report_of_each_outcome_follows_the_schema(report: Report) -> None:
    content = _valid(report)
    assert content["outcome"] == report.outcome
    assert len(content["findings"]) == len(report.findings)
    assert [module["name"] for module in content["coverage"]["modules"]] == [m.name for m in report.modules]


def test_a_field_that_the_schema_does_not_name_is_noticed() -> None:
    content = json.loads(to_json(samples.MATCH))
    content["findings"][0]["message"] = "hello"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)


def test_findings_stand_strongest_first_whatever_the_order_they_came_in() -> None:
    shuffled = list(samples.MATCH.findings)
    random.Random(7).shuffle(shuffled)
    assert to_json(replace(samples.MATCH, findings=tuple(shuffled))) == to_json(samples.MATCH)
    places = [list(Trace).index(Trace(found["trace"])) for found in _valid(samples.MATCH)["findings"]]
    assert places == sorted(places)


def test_findings_that_differ_in_one_detail_do_not_depend_on_their_order() -> None:
    pair = [
        samples.finding(FindingId.LINK_RECEIVED, "SMS", samples.DOMAIN, offset_seconds=seconds) for seconds in (None, 3)
    ]
    assert to_json(samples.report(Outcome.MATCH, pair)) == to_json(samples.report(Outcome.MATCH, pair[::-1]))


def test_a_report_is_the_same_bytes_in_every_language_and_ends_with_a_newline() -> None:
    with using_language("es"):
        spanish = to_json(samples.MATCH)
    assert spanish == to_json(samples.MATCH)
    assert spanish.endswith(b"}\n")


def test_each_set_that_holds_a_matched_value_is_named() -> None:
    first, second = samples.indicator(IndicatorType.DOMAIN, "a.example"), "other-set"
    both = replace(first, attributions=(*first.attributions, replace(first.attributions[0], set=second)))
    content = _valid(samples.report(Outcome.MATCH, [samples.finding(FindingId.LINK_RECEIVED, "SMS", both)]))
    assert [entry["set"] for entry in content["findings"][0]["indicators"]] == [second, "pegasus-core"]


def test_the_timeline_adds_up_findings_of_one_day_and_leaves_out_undated_ones() -> None:
    found = samples.finding(FindingId.LINK_RECEIVED, "SMS", samples.DOMAIN, count=2)
    content = _valid(samples.report(Outcome.MATCH, [found, found, replace(found, day=None)]))
    assert content["timeline"] == [
        {"day": "2019-05-14", "trace": "received", "id": "link-received", "artefact": "sms.db", "count": 4}
    ]


def test_a_hostile_set_gives_a_valid_report_that_steers_no_terminal() -> None:
    report, _objects = samples.hostile()
    _valid(report)
    written = to_json(report).decode("utf-8")
    assert not set(written) & set("\x1b\x9b\x00\u202e\u2066\u200b")
    assert len(written) < 500_000  # a value of 100 kB is cut wherever it stands


def test_a_very_long_pattern_that_cannot_be_used_is_cut_and_marked() -> None:
    long = replace(samples.CORE, unusable=(UnusableIndicator("x" * 9_000, "y" * 9_000, "unsupported-type"),))
    unusable = _valid(samples.report(Outcome.NO_MATCH, sets=(long,)))["indicators"]["sets"][0]["unusable"][0]
    assert unusable["pattern"] == "y" * 1000 + "…"
    assert unusable["object_id"].endswith("…")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_survives_except_halves_of_characters(text: str) -> None:
    read = json.loads(readable({"text": text}).decode("utf-8"))["text"]
    assert read == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    read.encode("utf-8")
