"""report.json read back: what was written comes out, and what no report can hold is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import samples
from tests.report.test_wire import SCHEMA

from spytriage.errors import SpytriageError
from spytriage.i18n import LANGUAGES, using_language
from spytriage.models import CodeName, Commitment, Report, Tlp
from spytriage.report import RENDERERS, from_json, to_html, to_json, to_stix, write_report
from spytriage.report.timesketch import to_csv, to_jsonl

HOSTILE, HOSTILE_OBJECTS = samples.hostile()
REPORTS = (*samples.EVERY_OUTCOME, HOSTILE, replace(samples.MATCH, tlp=Tlp.RED, signer="0123456789ABCDEF"))


@pytest.mark.parametrize("report", REPORTS)
def test_what_was_written_comes_out_again(report: Report) -> None:
    written = to_json(report)
    assert to_json(from_json(written)) == written


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("report", "objects"), [(samples.MATCH, samples.OBJECTS), (samples.INCONCLUSIVE, {}), (HOSTILE, HOSTILE_OBJECTS)]
)
def test_html_and_stix_made_again_from_report_json_alone_are_the_same_bytes(
    tmp_path: Path, report: Report, objects: dict[str, Any], language: str
) -> None:
    with using_language(language):
        write_report(report, objects, tmp_path / "out")
        again = from_json((tmp_path / "out" / "report.json").read_bytes())
        assert to_html(again) == (tmp_path / "out" / "report.html").read_bytes()
        assert to_stix(again) == (tmp_path / "out" / "report.stix2").read_bytes()


def test_published_objects_travel_in_report_json_as_their_publisher_wrote_them(tmp_path: Path) -> None:
    write_report(samples.MATCH, samples.OBJECTS, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "report.json").read_bytes())
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert {item["id"]: item for item in content["objects"]} == samples.OBJECTS


def test_objects_that_no_finding_names_or_that_are_no_stix_do_not_travel(tmp_path: Path) -> None:
    bad = {**samples.OBJECTS[samples.object_id(1)], "x_own_key": "x"}
    other = samples.published(9, "[process:name='other']")
    write_report(samples.MATCH, {samples.object_id(1): bad, samples.object_id(9): other}, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "report.json").read_bytes())["objects"] == []


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = json.loads(to_json(samples.MATCH))
    change(content)
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(schema_version=0),
        lambda c: c.update(schema_version=True),
        lambda c: c.update(outcome="safe"),
        lambda c: c.pop("coverage"),
        lambda c: c.update(findings=None),
        lambda c: c.update(demo=1),
        lambda c: c.update(tlp="pink"),
        lambda c: c.update(signer="me"),
        lambda c: c.update(objects=["x"]),
        lambda c: c["findings"][0].update(count=-1),
        lambda c: c["findings"][0].update(count=1.5),
        lambda c: c["findings"][0].update(day="20190514"),
        lambda c: c["findings"][0].update(module="<b>"),
        lambda c: c["findings"][0]["facts"].update(direction="Ana"),
        lambda c: c["findings"][0].update(pseudonyms=["contact-Ana"]),
        lambda c: c["source"].update(model_family="Ana's iPhone"),
        lambda c: c["coverage"]["modules"][0].update(detail="<script>"),
        lambda c: c["limits"].append({"id": "shortened-links", "values": {}}),
        lambda c: c["tool"].update(version="half \ud800"),
    ],
)
def test_what_no_report_can_hold_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(SpytriageError, match="not a report"):
        from_json(_changed(change))


def test_a_report_of_a_newer_schema_is_refused_by_its_name() -> None:
    with pytest.raises(SpytriageError, match="schema version 2"):
        from_json(_changed(lambda content: content.update(schema_version=2)))


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b"9" * 10_000))
def test_bytes_that_are_no_report_are_one_error(data: bytes) -> None:
    with pytest.raises(SpytriageError):
        from_json(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_report_with_any_value_replaced_is_refused_or_can_be_written(data: st.DataObject) -> None:
    content = json.loads(to_json(samples.MATCH))
    node: Any = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(node[key], dict | list) and node[key]) or data.draw(st.integers(0, 9)) == 0:
            break
        node = node[key]
    node[key] = data.draw(st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just([]) | st.just({}))
    try:
        report = from_json(json.dumps(content).encode())
    except SpytriageError:
        return
    for render in RENDERERS.values():
        assert isinstance(render(report), bytes)


def places(node: Any, above: str = "") -> Iterator[str]:
    """Give every place in a JSON value, the same one once for all entries of a list."""
    for key, held in node.items() if isinstance(node, dict) else [("*", held) for held in node]:
        yield f"{above}{key}"
        if isinstance(held, dict | list):
            yield from places(held, f"{above}{key}/")


FULL = replace(
    samples.MATCH,
    findings=(
        replace(
            samples.FINDINGS[1],
            at=datetime(2019, 5, 14, 10, 0, 0, tzinfo=UTC),
            commitments=(Commitment(CodeName("message"), "c1" * 32),),
        ),
    ),
    modules=samples.modules(gaps=True)[:3],
    objects=(),
    signer="0123456789ABCDEF",
)
BOUNDARIES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 10_000_001, 1_000_000_000, 2**63, 10**40, 0.0, 1.5, [], {}, "", "x", "x" * 81,
    "a\nb", "\x00", "\u202e", "\ud800", "0" * 64, "A" * 64, "F0", "F1", "F" + "9" * 30, "\u0661\u0662", "<script>",
    "0001-01-01", "9999-12-31", "2026-02-30", "20260504", "00:00:00", "24:00:00", "00:00", "23:59:60", "00:00:00.5",
)  # fmt: skip
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PLACES = tuple(dict.fromkeys(places(json.loads(to_json(FULL)))))


def with_anything_in(place: str, written: bytes) -> Iterator[bytes]:
    """Give a document with each boundary value in a place of it, in the first entry where it is one of a list."""
    for value in BOUNDARIES:
        content = json.loads(written)
        node, keys = content, place.split("/")
        for key in keys[:-1]:
            node = node[0 if key == "*" else key]
        node[0 if keys[-1] == "*" else keys[-1]] = value
        yield json.dumps(content).encode()


@pytest.mark.parametrize("place", PLACES)
def test_whatever_stands_in_any_place_of_a_report_is_refused_or_follows_the_schema_and_can_be_shown(place: str) -> None:
    for changed in with_anything_in(place, to_json(FULL)):
        try:
            report = from_json(changed)
        except SpytriageError:
            continue
        written = to_json(report)
        if written == to_json(FULL):
            continue  # what follows from the rest of the report is not read
        _VALIDATOR.validate(json.loads(written))
        assert to_json(from_json(written)) == written
        for render in RENDERERS.values():
            render(report).decode("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("report", REPORTS)
def test_markdown_tells_the_outcome_and_makes_no_link_or_markup_of_a_published_value(
    report: Report, language: str
) -> None:
    with using_language(language):
        text = RENDERERS["md"](report).decode("utf-8")
    assert f"`{report.outcome}`" in text
    assert f"TLP:{report.tlp.upper()}" in text
    assert not re.search(r"(?<!\\)[<>]|\]\(|[\x1b\u202e]", text)
    assert not re.search(r"(?<!\[)(://|@)|www\.", re.sub(r"\\(.)", r"\1", text))
    assert RENDERERS["md"](report) == RENDERERS["md"](report)


def test_a_timeline_has_the_columns_of_timesketch_and_one_row_for_each_dated_finding() -> None:
    rows = [json.loads(line) for line in to_jsonl(samples.MATCH).splitlines()]
    assert len(rows) == sum(finding.day is not None for finding in samples.FINDINGS)
    assert all({"message", "datetime", "timestamp_desc"} <= set(row) for row in rows)
    assert [row["datetime"] for row in rows] == sorted(row["datetime"] for row in rows)
    assert rows[0]["datetime"] == "2019-05-14T00:00:00+00:00"
    assert to_csv(samples.MATCH).count(b"\n") == len(rows) + 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_timeline_is_a_formula(start: str) -> None:
    import csv
    import io

    value = replace(samples.PROCESS, value=f"{start}cmd|' /C calc'!A0")
    claim = replace(value.attributions[0], set=f"{start}1+1")
    found = samples.finding(samples.FindingId.PROCESS_RAN, "Datausage", replace(value, attributions=(claim,)))
    table = to_csv(replace(samples.MATCH, findings=(found,))).decode("utf-8")
    [row] = list(csv.reader(io.StringIO(table)))[1:]
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
