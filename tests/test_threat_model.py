"""The threat model promises what a test holds, the same in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ENGLISH, SPANISH = (TESTS.parent / "docs" / place / "threat-model.md" for place in ("explanation", "es/explanation"))
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
_PART = re.compile(r"^## .*\n(?:(?!## ).*\n)*", re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), sorted(set(_NAMED.findall(ENGLISH.read_text("utf-8")))))
def test_every_test_that_it_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^ *(?:async )?def {name}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    for page in (ENGLISH, SPANISH):
        text = page.read_text("utf-8")
        promises = re.findall(r"^- (?:.|\n(?!-|\n))*", text, re.MULTILINE)
        assert len(promises) > 20
        assert all(_NAMED.search(promise) for promise in promises)


def test_every_attacker_has_what_we_do_and_what_we_do_not() -> None:
    for page, words in (
        (ENGLISH, ("What we do:", "What we do not:")),
        (SPANISH, ("Lo que hacemos:", "Lo que no hacemos:")),
    ):
        attackers = _PART.findall(page.read_text("utf-8"))[:-1]
        assert len(attackers) == 7
        assert all(word in part for part in attackers for word in words)


def test_both_languages_make_the_same_promises() -> None:
    english, spanish = (_PART.findall(page.read_text("utf-8")) for page in (ENGLISH, SPANISH))
    assert [_NAMED.findall(part) for part in english] == [_NAMED.findall(part) for part in spanish]
