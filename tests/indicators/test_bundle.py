"""Every indicator of a bundle is usable or listed; whatever is no bundle is one clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.indicators.conftest import bundle_of, ident, indicator

from spytriage.errors import SpytriageError
from spytriage.indicators import SetMatcher, load, select
from spytriage.models import IndicatorType

Write = Callable[..., Path]
TODAY = date(2026, 1, 1)


def reasons(path: Path) -> list[str]:
    return [entry.reason for entry in load([path], TODAY).sets[0].unusable]


def relationship(source: int, target: str) -> dict[str, str]:
    return {"type": "relationship", "source_ref": ident("indicator", source), "target_ref": target}


def test_every_indicator_of_the_published_bundles_is_usable_or_listed(shared_bundles: list[Path]) -> None:
    index = load(shared_bundles)
    assert sum(loaded.total for loaded in index.sets) == 5713
    assert all(loaded.total == loaded.usable + len(loaded.unusable) for loaded in index.sets)
    unusable = [(loaded.name, entry.reason) for loaded in index.sets for entry in loaded.unusable]
    assert unusable == [("predator", "single-label-host")]
    assert all(loaded.catalogued and loaded.publisher and loaded.title for loaded in index.sets)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (indicator("[domain-name:value='a.example' AND process:name='x']"), "and"),
        (indicator("[domain-name:value='a.example']", revoked=True), "revoked"),
        (indicator("[domain-name:value='a.example']", valid_until="2025-12-31T23:59:59.5Z"), "expired"),
        (indicator("[domain-name:value='a.example']", pattern_type="yara"), "pattern-type"),
        (indicator("[domain-name:value='com']"), "single-label-host"),
        (indicator("[domain-name:value='localhost']"), "private-host"),
        (indicator("[domain-name:value='printer.local']"), "private-host"),
        (indicator("[domain-name:value='a b']"), "not-a-host-name"),
        (indicator("[domain-name:value='evil[.]example']"), "not-a-host-name"),
        (indicator("[ipv4-addr:value='192.168.1.1']"), "private-host"),
        (indicator("[ipv4-addr:value='0.0.0.0/0']"), "too-broad"),
        (indicator("[ipv4-addr:value='300.1.1.1']"), "not-an-address"),
        (indicator("[file:path='/']"), "too-broad"),
        (indicator("[file:hashes.md5='abc']"), "not-a-hash"),
        (indicator("[process:name='']"), "empty-value"),
        (indicator("[process:name='" + "x" * 5000 + "']"), "value-too-long"),
        ({"type": "indicator", "id": ident("indicator", 1)}, "no-pattern"),
        ({"type": "indicator", "pattern": "[process:name='x']"}, "no-id"),
    ],
)
def test_what_is_not_matched_is_listed_with_its_reason(write: Write, made: dict[str, object], reason: str) -> None:
    path = write(bundle_of(made, indicator("[process:name='kept']", 2)))
    loaded = load([path], TODAY).sets[0]
    assert reasons(path) == [reason]
    assert (loaded.total, loaded.usable) == (2, 1)


def test_an_indicator_that_ends_later_is_still_matched(write: Write) -> None:
    path = write(bundle_of(indicator("[process:name='x']", valid_until="2026-01-01T00:00:01Z")))
    assert load([path], date(2026, 1, 1)).sets[0].usable == 1
    assert load([path], date(2026, 1, 2)).sets[0].usable == 0


def test_of_objects_with_one_id_the_newest_counts_and_the_others_are_listed(write: Write) -> None:
    newer = indicator("[process:name='new']", modified="2025-01-01T00:00:00Z")
    index = load([write(bundle_of(indicator("[process:name='old']"), newer, indicator("[process:name='also-old']")))])
    assert [one.value for one in index.indicators] == ["new"]
    assert [entry.reason for entry in index.sets[0].unusable] == ["duplicate-id", "duplicate-id"]
    assert index.objects[ident("indicator", 1)]["pattern"] == "[process:name='new']"


def test_stix_2_0_is_read_like_2_1(write: Write) -> None:
    old = {"type": "indicator", "id": ident("indicator", 1), "pattern": "[domain-name:value = 'evil.example']",
           "labels": ["malicious-activity"], "valid_from": "2016-01-01T00:00:00Z"}  # fmt: skip
    path = write({"type": "bundle", "id": ident("bundle", 1), "spec_version": "2.0", "objects": [old]})
    assert [one.value for one in load([path]).indicators] == ["evil.example"]


@pytest.mark.parametrize("kind", ["malware", "tool", "campaign", "threat-actor", "intrusion-set"])
def test_the_family_is_what_the_indicator_is_related_to(write: Write, kind: str) -> None:
    named = {"type": kind, "id": f"{kind}--1", "name": "Made"}
    path = write(bundle_of(named, indicator("[process:name='x']"), relationship(1, f"{kind}--1")))
    assert [a.family for a in load([path]).indicators[0].attributions] == ["Made"]


def test_a_report_names_the_family_only_when_no_relationship_does(write: Write) -> None:
    report = {"type": "report", "id": "report--1", "name": "Report",
              "object_refs": [ident("indicator", 1), ident("indicator", 2)]}  # fmt: skip
    named = {"type": "malware", "id": "malware--1", "name": "Made"}
    objects = (report, named, indicator("[process:name='x']"), indicator("[process:name='y']", 2))
    index = load([write(bundle_of(*objects, relationship(1, "malware--1")))])
    assert {one.value: one.attributions[0].family for one in index.indicators} == {"x": "Made", "y": "Report"}


def test_an_indicator_of_several_sets_keeps_all_of_its_attributions(write: Write) -> None:
    first = write(bundle_of(indicator("[process:name='x']")), "first.stix2")
    second = write(bundle_of(indicator("[process:name='x']", 7)), "second.json")
    index = load([first, second])
    assert len(index.indicators) == 1
    assert [a.set for a in index.indicators[0].attributions] == ["first", "second"]
    match = SetMatcher(index.indicators).process("x")
    assert match is not None
    assert len(match.indicators[0].attributions) == 2


def test_the_same_bytes_given_twice_count_once(write: Write) -> None:
    path = write(bundle_of(indicator("[process:name='x']")))
    index = load([path, write(path.read_bytes(), "copy.stix2")])
    assert len(index.sets) == 1
    assert len(index.indicators[0].attributions) == 1


def test_an_address_that_is_typed_as_a_domain_is_an_address(write: Write) -> None:
    path = write(bundle_of(indicator("[domain-name:value='93.184.216.34']")))
    assert load([path]).indicators[0].type is IndicatorType.IP_ADDRESS


def test_an_unlisted_set_does_not_take_the_name_of_a_known_one(write: Write) -> None:
    for name in ("pegasus.stix2", "pegasus-core.stix2"):
        loaded = load([write(bundle_of(indicator("[process:name='x']")), name)]).sets[0]
        assert loaded.name.endswith("-unlisted")
        assert not loaded.catalogued


def test_a_hostile_file_name_becomes_a_plain_set_name(write: Write) -> None:
    path = write(bundle_of(indicator("[process:name='x']")), "\x1b[31m<b>&.stix2")
    assert load([path]).sets[0].name == "31m-b"


def test_a_folder_gives_its_bundles_in_a_fixed_order(write: Write, tmp_path: Path) -> None:
    for name in ("b.stix2", "a.json", "notes.txt"):
        write(bundle_of(indicator(f"[process:name='{name}']")), name)
    assert [loaded.name for loaded in load([tmp_path]).sets] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "no STIX 2 bundle"),
        (b'{"type": "malware"}', "no STIX 2 bundle"),
        (b'{"type": "bundle"}', "no indicators"),
        (b'{"type": "bundle", "objects": []}', "no indicators"),
        (b'{"type": "bundle", "objects": {"type": "indicator"}}', "no indicators"),
        (b'{"type": "bundle", "objects": [1, null, "x", {"type": "malware"}]}', "no indicators"),
        (b'{"type": "bundle", "objects": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"type": "bundle", "objects": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_what_is_no_bundle_is_one_clear_error(write: Write, content: bytes, says: str) -> None:
    with pytest.raises(SpytriageError, match=says) as raised:
        load([write(content)])
    assert raised.value.hint


def test_a_bundle_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.stix2"
    with path.open("wb") as handle:
        handle.truncate(200_000_000)
    with pytest.raises(SpytriageError, match="larger than 160 MB"):
        load([path])


def test_missing_files_and_empty_folders_are_one_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.stix2", tmp_path):
        with pytest.raises(SpytriageError) as raised:
            load([path])
        assert raised.value.hint


def test_a_folder_that_cannot_be_listed_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SpytriageError, match="folder cannot be read"):
        load([tmp_path])


json_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=10), inner, max_size=3)),
    max_leaves=6,
)
fields = ["id", "pattern", "pattern_type", "revoked", "valid_until", "modified", "name", "source_ref", "target_ref",
          "object_refs"]  # fmt: skip
kinds = ["indicator", "malware", "relationship", "report", "identity"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            lambda kind, more: {**more, "type": kind},
            st.sampled_from(kinds),
            st.dictionaries(st.sampled_from(fields), st.one_of(json_value, st.just(ident("indicator", 1))), max_size=6),
        ),
        max_size=6,
    )
)
def test_objects_of_any_shape_raise_nothing_and_are_all_accounted_for(
    write: Write, objects: list[dict[str, object]]
) -> None:
    path = write(json.dumps({"type": "bundle", "objects": [*objects, indicator("[process:name='x']", 2)]}))
    loaded = load([path]).sets[0]
    assert loaded.total == loaded.usable + len(loaded.unusable)
    assert loaded.total >= 1 + sum(entry["type"] == "indicator" for entry in objects)


def test_reading_a_bundle_leaves_the_garbage_collector_as_it_was(write: Write) -> None:
    import gc

    load([write(bundle_of(indicator("[process:name='x']")))])
    assert gc.isenabled()
    with pytest.raises(SpytriageError):
        load([write(b"{")])
    assert gc.isenabled()


def test_the_embedded_set_holds_what_it_says() -> None:
    index = select([], ["pegasus-core"])
    loaded = index.sets[0]
    assert (loaded.name, loaded.embedded, loaded.unusable) == ("pegasus-core", True, ())
    counts = [sum(one.type is kind for one in index.indicators) for kind in IndicatorType]
    assert dict(zip(IndicatorType, counts, strict=True)) == {
        **dict.fromkeys(IndicatorType, 0),
        IndicatorType.PROCESS: 81,
        IndicatorType.EMAIL: 29,
        IndicatorType.FILE_NAME: 1,
        IndicatorType.DOMAIN: 12,
        IndicatorType.URL: 48,
    }
    assert all(one.attributions[0].family == "Pegasus" for one in index.indicators)
    assert all(index.objects[one.attributions[0].object_id]["external_references"] for one in index.indicators)


def test_the_embedded_set_holds_all_of_the_published_one_but_its_domains(shared_bundles: list[Path]) -> None:
    published = load([path for path in shared_bundles if path.stem == "pegasus"])
    ours = {one.key for one in select([], ["pegasus-core"]).indicators}
    assert {one.key for one in published.indicators if one.type is not IndicatorType.DOMAIN} <= ours
