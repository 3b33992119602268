"""report.stix2: a strict STIX 2.1 bundle with the published indicators and nothing of the phone."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import samples

from spytriage.finding_kinds import FindingId
from spytriage.models import IndicatorType, MatchRule, Outcome, Report, Tlp
from spytriage.report import to_stix
from spytriage.stix_parts import TLP_MARKINGS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # stix2's own imports
    import stix2

INDICATOR = samples.object_id(1)
TLP_AMBER_STRICT = TLP_MARKINGS[Tlp.AMBER_STRICT]


def _bundle(report: Report, objects: dict[str, Any] = samples.OBJECTS) -> dict[str, Any]:
    written = to_stix(replace(report, objects=tuple(objects.values())))
    stix2.parse(written.decode("utf-8"), allow_custom=False)
    content: dict[str, Any] = json.loads(written)
    ids = [item["id"] for item in content["objects"]]
    assert len(ids) == len(set(ids))
    return content


def _of_type(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [item for item in bundle["objects"] if item["type"] == kind]


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_each_outcome_gives_a_bundle_with_a_report_that_refers_only_to_what_it_holds(report: Report) -> None:
    bundle = _bundle(report)
    [about] = _of_type(bundle, "report")
    held = {item["id"] for item in bundle["objects"]}
    assert about["object_refs"]
    assert set(about["object_refs"]) <= held
    assert report.outcome.value in about["name"]


def test_what_spytriage_says_is_marked_amber_strict() -> None:
    bundle = _bundle(samples.MATCH)
    [marking] = _of_type(bundle, "marking-definition")
    assert marking["id"] == TLP_AMBER_STRICT
    assert next(iter(marking["extensions"].values()))["tlp_2_0"] == "amber+strict"
    for item in bundle["objects"]:
        if item["type"] not in {"marking-definition", "indicator"}:  # indicators stay as published
            assert item["object_marking_refs"] == [TLP_AMBER_STRICT], item["type"]


@pytest.mark.parametrize("level", Tlp)
def test_a_bundle_can_be_marked_with_each_level(level: Tlp) -> None:
    [marking] = _of_type(_bundle(replace(samples.MATCH, tlp=level)), "marking-definition")
    assert marking["id"] == TLP_MARKINGS[level]
    assert marking["name"] == f"TLP:{level.upper()}"


def test_a_sighting_says_where_it_comes_from_and_that_it_was_seen_by_whoever_checked() -> None:
    bundle = _bundle(samples.MATCH)
    [definition] = _of_type(bundle, "extension-definition")
    [author] = _of_type(bundle, "identity")
    for sighting in _of_type(bundle, "sighting"):
        assert sighting["where_sighted_refs"] == [author["id"]]
        said = sighting["extensions"][definition["id"]]
        assert said["set_sha256"] == samples.CORE.sha256
        assert said["rules"]


def test_each_family_is_one_malware_that_its_indicators_indicate() -> None:
    bundle = _bundle(samples.MATCH)
    [malware] = _of_type(bundle, "malware")
    assert malware["name"] == "Pegasus"
    links = {(item["source_ref"], item["target_ref"]) for item in _of_type(bundle, "relationship")}
    assert links == {(item["id"], malware["id"]) for item in _of_type(bundle, "indicator")}


def test_a_note_tells_the_outcome_of_the_report() -> None:
    for report in samples.EVERY_OUTCOME:
        bundle = _bundle(report)
        [note], [about] = _of_type(bundle, "note"), _of_type(bundle, "report")
        assert note["object_refs"] == [about["id"]]
        assert report.outcome in note["abstract"]


def test_matched_indicators_are_copied_as_published_and_sighted_once_each() -> None:
    bundle = _bundle(samples.MATCH)
    assert {item["id"]: item for item in _of_type(bundle, "indicator")} == samples.OBJECTS
    sighted = Counter(item["sighting_of_ref"] for item in _of_type(bundle, "sighting"))
    assert sighted == Counter(samples.OBJECTS.keys())
    assert all(item["confidence"] <= 50 for item in _of_type(bundle, "sighting"))


def test_a_sighting_counts_records_and_names_days_only() -> None:
    found = samples.finding(FindingId.PROCESS_RAN, "Datausage", samples.PROCESS, count=3, day=date(2019, 5, 14))
    later = replace(found, count=4, day=date(2020, 1, 2))
    undated = replace(found, count=1, day=None)
    [sighting] = _of_type(_bundle(samples.report(Outcome.MATCH, [later, found, undated])), "sighting")
    assert sighting["count"] == 8
    assert sighting["first_seen"] == "2019-05-14T00:00:00.000Z"
    assert sighting["last_seen"] == "2020-01-02T00:00:00.000Z"


def test_two_findings_that_look_alike_both_count() -> None:
    found = samples.finding(FindingId.PROCESS_RAN, "Datausage", samples.PROCESS, count=1)
    [sighting] = _of_type(_bundle(samples.report(Outcome.MATCH, [found, replace(found)])), "sighting")
    assert sighting["count"] == 2


def test_a_bundle_says_nothing_of_a_victim_or_of_the_phone() -> None:
    bundle = _bundle(samples.MATCH)
    assert {item["type"] for item in bundle["objects"]} == {
        "marking-definition", "extension-definition", "identity", "indicator", "malware", "relationship", "sighting",
        "report", "note",
    }  # fmt: skip
    assert len(_of_type(bundle, "identity")) == 1
    text = json.dumps(bundle)
    for word in ("observed-data", "observed_data_refs", "contact-K7QF2M", "device-AB2C3D", "WS-07"):
        assert word not in text


def test_a_loose_match_is_no_sighting() -> None:
    loose = samples.finding(FindingId.LOOSE_MATCH, "Manifest", samples.PROCESS, rule=MatchRule.LOOSE_PATH_SEGMENT)
    bundle = _bundle(samples.report(Outcome.NO_MATCH, [loose]))
    assert not _of_type(bundle, "sighting")
    assert not _of_type(bundle, "indicator")


@pytest.mark.parametrize(
    "change",
    [
        {"spec_version": None},
        {"x_publisher_key": "own"},
        {"pattern": "[process:name = "},
        {"pattern": 7},
        {"id": "indicator--1"},
        {"type": "malware", "name": "x"},
        {"valid_from": "yesterday"},
        {"extensions": {"extension-definition--00000000-0000-4000-8000-000000000000": {"x": float("nan")}}},
        {"name": "half \ud800"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_object_that_is_not_valid_gets_a_stand_in_that_names_it(change: dict[str, Any]) -> None:
    changed = {key: value for key, value in {**samples.OBJECTS[INDICATOR], **change}.items() if value is not None}
    found = samples.finding(FindingId.PROCESS_RAN, "Datausage", samples.PROCESS)
    bundle = _bundle(samples.report(Outcome.MATCH, [found]), {INDICATOR: changed})
    [stand_in] = _of_type(bundle, "indicator")
    assert stand_in["id"] != INDICATOR  # under its own id it would be a forgery
    assert stand_in["pattern"] == "[process:name = 'roleaboutd']"
    assert stand_in["external_references"][0]["external_id"] == INDICATOR
    [sighting] = _of_type(bundle, "sighting")
    assert sighting["sighting_of_ref"] == stand_in["id"]


def test_the_stand_in_of_an_object_with_several_matched_values_names_them_all() -> None:
    other = samples.indicator(IndicatorType.FILE_SHA1, ":".join(["ab"] * 20), 1)
    findings = [
        samples.finding(FindingId.PROCESS_RAN, "Datausage", samples.PROCESS),
        samples.finding(FindingId.FILE_PRESENT, "Manifest", other),
    ]
    bundle = _bundle(samples.report(Outcome.MATCH, findings), {})
    [stand_in] = _of_type(bundle, "indicator")
    assert stand_in["pattern"] == "[process:name = 'roleaboutd'] OR [file:hashes.'SHA-1' = '" + "ab" * 20 + "']"
    assert len(_of_type(bundle, "sighting")) == 1


def test_a_hostile_set_gives_a_valid_bundle() -> None:
    report, objects = samples.hostile()
    report = replace(report, objects=tuple(objects.values()))
    bundle = _bundle(report, objects)
    assert len(_of_type(bundle, "sighting")) == len(samples.HOSTILE_TEXTS)
    assert not set(to_stix(report).decode("utf-8")) & set("\x1b\x9b\x00\u202e\u2066\u200b")


HASHES = {IndicatorType.FILE_MD5: 32, IndicatorType.FILE_SHA1: 40, IndicatorType.FILE_SHA256: 64}


@pytest.mark.parametrize("kind", IndicatorType)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_any_value_of_any_type_gives_a_valid_bundle(kind: IndicatorType, data: st.DataObject) -> None:
    size = HASHES.get(kind, 0)  # a hash was checked to be one when its set was read
    anything = st.text(st.characters(exclude_categories=()), max_size=60)
    value = data.draw(st.text("0123456789abcdefABCDEF", min_size=size, max_size=size) if size else anything)
    found = samples.finding(FindingId.LINK_RECEIVED, "SMS", samples.indicator(kind, value, set=value, family=value))
    _bundle(samples.report(Outcome.MATCH, [found]), {})


def test_the_same_report_gives_the_same_bytes_and_another_report_other_ids() -> None:
    assert to_stix(samples.MATCH) == to_stix(samples.MATCH)
    first, second = (_bundle(report) for report in (samples.MATCH, replace(samples.MATCH, demo=False)))
    assert first["id"] != second["id"]
    assert _of_type(first, "identity") == _of_type(second, "identity")
