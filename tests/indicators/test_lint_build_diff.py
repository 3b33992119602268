"""For those who make sets: what is wrong with one, how to make one, what changed between two."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.indicators.conftest import bundle_of, ident, indicator

from spytriage.errors import SpytriageError
from spytriage.indicators import lint as lint_module
from spytriage.indicators.build import build_bundle, read_facts
from spytriage.indicators.data import data_file
from spytriage.indicators.diff import compare
from spytriage.indicators.lint import Severity, lint
from spytriage.indicators.sets import load, read_file

Write = Callable[..., Path]

MALWARE = {"type": "malware", "id": "malware--1", "name": "Made"}


def related(number: int = 1) -> dict[str, str]:
    return {"type": "relationship", "source_ref": ident("indicator", number), "target_ref": "malware--1"}


def problems(path: Path) -> list[tuple[str, str]]:
    return [(problem.severity.value, problem.text) for problem in lint(path).problems]


def test_a_good_set_has_no_problems() -> None:
    for name in ("pegasus-core.stix2", "demo.stix2"):
        assert lint(data_file(name)).problems == ()


@pytest.mark.parametrize(
    ("pattern", "severity", "says"),
    [
        ("[domain-name:value='com']", Severity.ERROR, "match everything"),
        ("[domain-name:value='com.mx']", Severity.ERROR, "anybody can register"),
        ("[domain-name:value='github.io']", Severity.ERROR, "anybody can register"),
        ("[domain-name:value='nas.local']", Severity.ERROR, "private"),
        ("[domain-name:value='apple.com']", Severity.WARNING, "Apple or Google"),
        ("[domain-name:value='updates.cdn-apple.com']", Severity.WARNING, "Apple or Google"),
        ("[domain-name:value='a.example' AND process:name='x']", Severity.WARNING, "AND"),
        ("[domain-name:value='a.example'", Severity.ERROR, "not valid STIX"),
    ],
)
def test_each_problem_is_named_with_line_and_id(write: Write, pattern: str, severity: Severity, says: str) -> None:
    made = bundle_of(MALWARE, indicator("[process:name='x']", 2), related(2), indicator(pattern), related())
    path = write(json.dumps(made, indent=1))
    (problem,) = lint(path).problems
    assert problem.severity is severity
    assert says in problem.text
    assert problem.object_id == ident("indicator", 1)
    assert problem.line is not None
    assert ident("indicator", 1) in path.read_text().splitlines()[problem.line - 1]


def test_a_set_without_family_or_with_a_value_twice_is_warned_of(write: Write) -> None:
    path = write(bundle_of(indicator("[process:name='x']"), indicator("[process:name='x']", 2)))
    assert [severity for severity, _text in problems(path)] == ["warning"] * 3
    assert any("more than once" in text for _severity, text in problems(path))


def test_a_file_that_is_no_bundle_is_one_error_with_its_line(write: Write) -> None:
    verdict = lint(write('{\n"type": "bundle",\n oops}'))
    assert verdict.bundle is None
    assert [(problem.severity, problem.line) for problem in verdict.problems] == [(Severity.ERROR, 3)]


def test_every_reason_that_a_module_gives_has_words() -> None:
    import re

    from spytriage.indicators import bundle, hosts, patterns

    given: set[str] = set()
    for module in (bundle, hosts, patterns):
        source = Path(module.__file__).read_text(encoding="utf-8")
        given |= set(
            re.findall(r'(?:return|Refusal\(|refuse\(entry,|if host == "localhost" else) ?"([a-z-]+)"', source)
        )
        given |= set(re.findall(r'return "([a-z-]+)" if', source))
    given |= {reason for _token, reason in patterns._JOINED.values()} | set(patterns._REFUSED.values())
    assert len(given) > 20
    assert given <= lint_module.REASONS.keys()


FACTS = """
name: made
title: Made set
publisher: Somebody
family: Made
dated: 2026-01-01
sources:
  one: {title: A page, url: "https://example.org/"}
  two: {title: Another page}
indicators:
  - {type: domain, source: one, values: [evil.example]}
  - {type: process, source: one, values: ["o'hare\\\\x", bh]}
  - {type: process, source: two, values: [bh]}
  - {type: ip-address, source: one, values: ["2001:db8::1", 93.184.216.0/24]}
"""


def test_the_same_facts_give_the_same_bytes_and_every_value_comes_back(write: Write) -> None:
    facts = write(FACTS, "made.yaml")
    built = build_bundle(read_facts(facts))
    assert built == build_bundle(read_facts(facts))
    index = load([write(built)])
    assert [one.value for one in index.indicators] == [
        "evil.example", "o'hare\\x", "bh", "2001:db8::1", "93.184.216.0/24",
    ]  # fmt: skip
    assert index.sets[0].publisher == "Somebody"
    assert {one.attributions[0].family for one in index.indicators} == {"Made"}
    references = index.objects[index.indicators[2].attributions[0].object_id]["external_references"]
    assert [reference["source_name"] for reference in references] == ["A page", "Another page"]


def test_ids_depend_on_type_and_value_alone(write: Write) -> None:
    first = json.loads(build_bundle(read_facts(write(FACTS, "a.yaml"))))
    second = json.loads(build_bundle(read_facts(write(FACTS.replace("2026-01-01", "2026-02-02"), "b.yaml"))))
    assert [entry["id"] for entry in first["objects"]] == [entry["id"] for entry in second["objects"]]


@pytest.mark.parametrize("name", ["pegasus-core", "demo"])
def test_the_shipped_bundles_are_what_their_facts_give(name: str) -> None:
    assert build_bundle(read_facts(data_file(f"{name}.yaml"))) == data_file(f"{name}.stix2").read_bytes()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "cannot be read as YAML"),
        ("a: [", "cannot be read as YAML"),
        ("[]", "format at “sources”"),
        (FACTS.replace("publisher: Somebody\n", ""), "format at “publisher”"),
        (FACTS.replace("title: Another page", "url: x"), "format at “sources.two.title”"),
        (FACTS.replace("type: domain", "type: nonsense"), "format at “indicators.1.type”"),
        (FACTS.replace("source: two", "source: three"), "format at “indicators.3.source”"),
        (FACTS.replace("2026-01-01", "yesterday"), "format at “dated”"),
        (FACTS.replace("[evil.example]", "[com]"), "single-label-host"),
        (FACTS.replace("[evil.example]", "[5]"), "format at “indicators.1.values.1”"),
        ("!!python/object/apply:os.system [true]", "cannot be read as YAML"),
    ],
)
def test_bad_facts_are_one_clear_error(write: Write, content: str | bytes, says: str) -> None:
    with pytest.raises(SpytriageError, match=says):
        read_facts(write(content, "bad.yaml"))


def test_a_difference_goes_by_type_and_value_not_by_id(write: Write) -> None:
    old = write(
        bundle_of(MALWARE, indicator("[process:name='kept']"), related(), indicator("[process:name='gone']", 2))
    )
    new = write(
        bundle_of({**MALWARE, "name": "Renamed"}, indicator("[process:name='kept']", 1), related(),
                  indicator("[process:name='came']", 9), indicator("[domain-name:value='com']", 8)),
        "new.stix2",
    )  # fmt: skip
    difference = compare(read_file(old), read_file(new))
    assert difference.added == (("process", "came"),)
    assert difference.withdrawn == (("process", "gone"),)
    assert difference.changed == ((("process", "kept"), ("Made",), ("Renamed",)),)
    assert difference.unusable == (0, 1)
    assert compare(read_file(old), read_file(old)).is_empty
