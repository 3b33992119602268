"""What is taken for a valid indicator by its shape alone is one that the STIX library takes for valid, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spytriage.indicators.data import data_file
from spytriage.report.published import _PLAIN, is_plain

SHARED = Path(__file__).parents[3] / "shared" / "indicators"
PLAIN = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": "indicator--73770275-d9e5-5b34-8788-83b7f504260e",
    "created_by_ref": "identity--655696eb-fcce-56af-8229-99c3e1f7557e",
    "created": "2026-01-01T00:00:00.000Z",
    "modified": "2026-01-01T00:00:00.000Z",
    "valid_from": "2026-01-01T00:00:00Z",
    "indicator_types": ["malicious-activity"],
    "pattern": "[domain-name:value = 'traces.example']",
    "pattern_type": "stix",
    "pattern_version": "2.1",
    "external_references": [{"source_name": "A publisher", "description": "A page", "url": "https://example.org"}],
}
IDS = st.builds("{}--{}".format, st.sampled_from(["indicator", "identity", "malware"]), st.uuids())
INSTANTS = st.one_of(
    st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    st.from_regex(r"\A20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,9})?Z?\Z"),
)
VALUES = st.one_of(
    st.text(max_size=12), st.sampled_from(["d" * 32, "d" * 40, "d" * 64, "a\\'b", "\u202e", "😀", "]", "'"])
)
PATTERNS = st.builds(
    "{}{}{}'{}'{}".format, st.sampled_from(["[", "", "[[", "[NOT "]), st.sampled_from([*_PLAIN.values(), "true:false"]),
    st.sampled_from([" = ", "=", " != ", " LIKE ", "  =  "]), VALUES,
    st.sampled_from(["]", "", "] OR [file:name='x']"]),
)  # fmt: skip
REFERENCES = st.lists(
    st.dictionaries(st.sampled_from(["source_name", "description", "url", "external_id"]), VALUES), max_size=2
)
ANYTHING = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.text(max_size=3), max_size=2))
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["indicator", "malware"]),
        "spec_version": st.sampled_from(["2.1", "2.0", None]),
        "id": IDS,
        "created_by_ref": IDS,
        "created": INSTANTS,
        "modified": INSTANTS,
        "valid_from": INSTANTS,
        "indicator_types": st.lists(st.sampled_from(["malicious-activity", "benign", ""]), max_size=2),
        "pattern": PATTERNS,
        "pattern_type": st.sampled_from(["stix", "yara"]),
        "pattern_version": st.sampled_from(["2.1", "2.0"]),
        "external_references": REFERENCES,
        "x_own": ANYTHING,
        "name": ANYTHING,
    },
)


def is_valid(published: dict[str, Any]) -> bool:
    try:
        stix2.parse(published, allow_custom=False, version="2.1")
    except Exception:  # noqa: BLE001 (as the program does)
        return False
    return True


@given(
    CHANGES,
    st.sets(st.sampled_from(sorted(PLAIN)), max_size=2),
    st.dictionaries(st.sampled_from(sorted(PLAIN)), ANYTHING, max_size=1),
)
@example({}, set(), {})
@example({"created": "2026-01-02T00:00:00.000Z"}, set(), {})
def test_the_library_agrees(changes: dict[str, Any], left_out: set[str], anything: dict[str, Any]) -> None:
    published = {name: value for name, value in (PLAIN | changes | anything).items() if name not in left_out}
    assert is_valid(published) or not is_plain(published)


@pytest.mark.parametrize("path", _PLAIN.values())
@settings(deadline=None)
@given(value=VALUES)
def test_the_library_agrees_about_every_path(path: str, value: str) -> None:
    published = {**PLAIN, "pattern": f"[{path}='{value}']"}
    assert is_valid(published) or not is_plain(published)


def test_what_is_valid_in_another_shape_is_left_to_the_library() -> None:
    published = {**PLAIN, "name": "A name", "pattern": "[domain-name:value = 'a.example' OR url:value LIKE 'b%']"}
    assert is_valid(published)
    assert not is_plain(published)


def plain_share(path: Path) -> float:
    found = [item for item in json.loads(path.read_text())["objects"] if item["type"] == "indicator"]
    return sum(map(is_plain, found)) / len(found)


@pytest.mark.parametrize("name", ["demo.stix2", "pegasus-core.stix2"])
def test_our_own_sets_are_plain(name: str) -> None:
    assert plain_share(data_file(name)) > 0.9


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published sets in ../shared")
def test_the_published_pegasus_set_is_plain() -> None:
    assert plain_share(SHARED / "pegasus.stix2") == 1
