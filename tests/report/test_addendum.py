"""An addendum: what its schema says, in every language, and nothing of a hostile set in its pages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from tests.report import samples
from tests.report.test_read import places, with_anything_in

from spytriage.errors import SpytriageError
from spytriage.i18n import using_language
from spytriage.models import Addendum, CodeName, Depth, MatchRule, Outcome, Report
from spytriage.report.addendum import limits, render_addendum
from spytriage.report.read import addendum_from_json

SCHEMA: dict[str, Any] = json.loads(files("spytriage.report").joinpath("schema/addendum-1.json").read_text("utf-8"))


class _Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _value in attrs}


def addendum_of(report: Report, depth: Depth = Depth.OBSERVABLES) -> Addendum:
    """An addendum in which every third finding is new, still there, or withdrawn."""
    matched = [finding for finding in report.findings if finding.indicators]
    return Addendum(
        report=report,
        report_sha256="ab" * 32,
        outcome=Outcome.MATCH if matched else report.outcome,
        new=tuple(matched[::3]),
        still_there=tuple(matched[1::3]),
        withdrawn=tuple(matched[2::3]),
        sets=report.sets,
        depth=depth,
        not_kept_for=(MatchRule.LOOSE_URL_TEXT,),
        left_out=((CodeName("Manifest"), 12),),
        version="1.0",
        rechecked_on=date(2026, 6, 1),
    )


def test_the_schema_describes_every_field_and_admits_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert "additionalProperties" in node
            for name, entry in node.get("properties", {}).items():
                described = entry if "description" in entry else SCHEMA["$defs"][entry["$ref"].rsplit("/", 1)[1]]
                assert described["description"], name
            for item in node.values():
                walk(item)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(SCHEMA)


def test_the_schema_has_the_words_of_the_schema_of_a_report() -> None:
    report = json.loads(files("spytriage.report").joinpath("schema/report-1.json").read_text("utf-8"))
    for name, ours in SCHEMA["$defs"].items():
        for field, words in {"": ours, **ours.get("properties", {})}.items():
            theirs = report["$defs"][name]["properties"][field] if field else report["$defs"][name]
            assert words.get("enum") == theirs.get("enum"), f"addendum-1.json and report-1.json: $defs.{name} {field}"


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome.value)
@pytest.mark.parametrize("depth", Depth)
def test_every_addendum_follows_its_schema(report: Report, depth: Depth) -> None:
    rendered = render_addendum(addendum_of(report, depth), "0123456789ABCDEF")
    jsonschema.validate(json.loads(rendered["addendum.json"]), SCHEMA, jsonschema.Draft202012Validator)


_WRITTEN = render_addendum(addendum_of(samples.MATCH), None)["addendum.json"]


@pytest.mark.parametrize("place", dict.fromkeys(places(json.loads(_WRITTEN))))
def test_whatever_stands_in_any_place_of_an_addendum_is_refused_or_follows_the_schema_and_can_be_shown(
    place: str,
) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for changed in with_anything_in(place, _WRITTEN):
        try:
            addendum = addendum_from_json(changed, samples.MATCH)
        except SpytriageError:
            continue
        rendered = render_addendum(addendum, None)
        if rendered["addendum.json"] != _WRITTEN:
            validator.validate(json.loads(rendered["addendum.json"]))
            assert render_addendum(addendum_from_json(rendered["addendum.json"], samples.MATCH), None) == rendered


def test_the_manifest_holds_the_digest_of_every_other_file() -> None:
    rendered = render_addendum(addendum_of(samples.MATCH), None)
    listed = {entry["name"]: entry["sha256"] for entry in json.loads(rendered["manifest.json"])["files"]}
    assert listed == {
        name: hashlib.sha256(data).hexdigest() for name, data in rendered.items() if name != "manifest.json"
    }


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_runs_nothing_and_loads_nothing(language: str) -> None:
    with using_language(language):
        page = render_addendum(addendum_of(samples.hostile()[0]), None)["addendum.html"].decode()
    assert f'<html lang="{language}" dir="ltr"' in page
    assert "default-src &#39;none&#39;" in page
    found = _Tags()
    found.feed(page)
    assert found.names.isdisjoint({"script", "img", "iframe", "link", "object", "svg", "a", "form"})
    assert not [name for name in found.attributes if name.startswith("on") or name in {"href", "src", "style"}]


def test_what_could_not_be_rechecked_is_named() -> None:
    report = next(report for report in samples.EVERY_OUTCOME if any(module.state.is_gap for module in report.modules))
    told = " ".join(limits(addendum_of(report)))
    assert "12 values were more than is kept" in told
    assert told.count("the check did not read it") == sum(module.state.is_gap for module in report.modules)


def test_it_says_so_when_nothing_was_kept() -> None:
    told = " ".join(limits(addendum_of(samples.MATCH, Depth.REPORT)))
    assert "What newer indicators would have found is not known." in told


def test_without_new_findings_it_claims_no_more_than_was_compared() -> None:
    page = render_addendum(replace(addendum_of(samples.MATCH), new=()), None)["addendum.md"].decode()
    assert page.startswith("# Newer indicators add no match, as far as they could be compared")
