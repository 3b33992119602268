"""JSON that comes out is JSON, whatever went in: half characters, numbers that are none, keys twice, deep nesting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st
from tests.report import samples
from tests.review import handoffs
from tests.ways_out.vectors import EVERYTHING, unprintable

from spytriage.errors import SpytriageError
from spytriage.indicators import bundle
from spytriage.jsontext import canonical, is_nested_beyond, readable
from spytriage.report import RENDERERS, from_json, render, to_json
from spytriage.report.stix import published_objects

_EXTENSION = '"extensions": {"extension-definition--0f2c7a52-6b0e-4f0c-9f55-6f3a6a1c7e12": {"extension_type": ' \
    '"property-extension", "held": %s}}'  # fmt: skip
ODD = {
    "half a character": '"\\ud800"',
    "the other half": '"\\udfff x"',
    "not a number": "NaN",
    "endless": "Infinity",
    "endless the other way": "-Infinity",
    "a number too large": "1e999",
    "a number of many digits": "1" + "0" * 4000,
    "a number of too many digits": "1" + "0" * 5000,
    "a key twice": '{"a": 1, "a": 2}',
    "a prototype": '{"__proto__": {"x": 1}, "constructor": 1}',
    "nested a little": "[" * 50 + "]" * 50,
    "nested deeply": "[" * 400 + "]" * 400,
    "nested to the brim": "[" * 900 + "]" * 900,
    "nested beyond": "[" * 200_000 + "]" * 200_000,
    "nested objects": '{"a":' * 900 + "1" + "}" * 900,
    "cut off": '{"a": ',
    "nothing": "",
    "a control character": '"\x00\x1f"',
}


def _strictly(data: bytes) -> Any:
    """Read JSON as a strict reader does: UTF-8, no key twice, no number that is none."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(pairs) == len(dict(pairs)), pairs
        return dict(pairs)

    def none(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=none)
    json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")
    return content


def _bundle(value: str, place: str) -> bytes:
    """Return a bundle with two honest indicators, and a piece of raw JSON at a place of a third."""
    third = json.dumps(samples.published(3, "[domain-name:value='odd.example.org']"))[1:]
    third = "{" + (_EXTENSION % value if place == "extension" else f'"{place}": {value}') + ", " + third
    if place in {"pattern", "id"}:
        third = "{" + third[1:].replace(f'"{place}": ', f'"x_{place}": ').replace(f'"x_{place}"', f'"{place}"', 1)
    honest = ", ".join(json.dumps(samples.OBJECTS[samples.object_id(number)]) for number in (1, 2))
    return f'{{"type": "bundle", "objects": [{honest}, {third}]}}'.encode()


@pytest.mark.parametrize("place", ["x_own", "name", "pattern", "id", "extension", "labels", "confidence"])
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_report_with_a_set_of_odd_json_is_strict_json_and_valid_stix(value: str, place: str, tmp_path: Path) -> None:
    data = _bundle(value, place)
    try:
        read = bundle.read_bundle(tmp_path / "a.stix2", data, bundle.Labels("a-set"), handoffs.TODAY)
    except SpytriageError:
        return  # refused as a whole
    findings = [samples.finding(samples.FindingId.LINK_RECEIVED, "SMS", one) for one in read.indicators]
    report = replace(samples.report(samples.Outcome.MATCH, findings), sets=(read.set,))
    files = render(report, read.objects)
    for name in ("report.json", "report.stix2", "manifest.json"):
        _strictly(files[name])
    stix2.parse(files["report.stix2"].decode(), allow_custom=False)
    again = from_json(files["report.json"])
    for make in (to_json, *RENDERERS.values()):
        assert make(again)


@pytest.mark.parametrize("place", ["objects", "tool", "findings", "demo", "limits", "x_own"])
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_a_forged_report_of_odd_json_is_refused_or_rendered(value: str, place: str) -> None:
    honest = to_json(samples.MATCH).decode()
    forged = honest.replace(f'"{place}": ', f'"x_{place}": ', 1)
    put_in = '[{"a": ' + value + "}]" if place == "objects" else value
    forged = forged.replace("{", f'{{"{place}": {put_in}, ', 1)
    try:
        report = from_json(forged.encode("utf-8"))
    except SpytriageError:
        return
    for make in (to_json, *RENDERERS.values()):
        make(report).decode("utf-8")
    _strictly(to_json(report))


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(EVERYTHING),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=10,
)


@given(_anything)
def test_readable_json_steers_no_terminal_and_says_the_same(value: Any) -> None:
    text = readable(value).decode("utf-8")
    assert not unprintable(text)
    if not any(half in json.dumps(value) for half in ("\\ud", "NaN", "Infinity")):
        assert json.loads(text) == value


@given(_anything)
def test_canonical_json_is_ascii_and_the_same_for_the_same(value: Any) -> None:
    data = canonical(value)
    assert data.isascii()
    assert canonical(json.loads(data)) == data


@pytest.mark.parametrize("depth", [33, 990, 1200, 9000])
def test_a_published_object_that_is_nested_deeply_is_neither_kept_nor_read(depth: int) -> None:
    """Python 3.12 reads what it cannot write: 1200 levels were a traceback there."""
    held: Any = []
    for _level in range(depth):
        held = [held]
    published = samples.OBJECTS[samples.object_id(1)]
    report = samples.report(samples.Outcome.MATCH, samples.FINDINGS[:1])
    assert published_objects(report, {published["id"]: {**published, "x_held": held}}) == ()
    text = to_json(report).decode().replace('"objects": []', '"objects": [{"a": ' + "[" * depth + "]" * depth + "}]")
    with pytest.raises(SpytriageError):
        from_json(text.encode())


@pytest.mark.parametrize(("value", "depth"), [(1, 0), ([], 1), ({}, 1), ([[]], 2), ({"a": [1, {"b": 2}]}, 3)])
def test_depth_is_counted_in_lists_and_objects(value: Any, depth: int) -> None:
    assert not is_nested_beyond(value, depth)
    assert depth == 0 or is_nested_beyond(value, depth - 1)
