"""The tripwire looks at stretches that texts share once; what it decides is what a look at every gram decides."""

from __future__ import annotations

import html
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spytriage.errors import SpytriageError
from spytriage.redaction import tripwire
from spytriage.redaction.tripwire import GRAM, Secret, Tripwire

PIECES = st.sampled_from([
    "a", "b c", "nos vemos", "la plaza", " ", "  ", "\n", "\t", "\u00a0", ", ", ">", ">>", "<p>", ",,", "[.]", "[", "]",
    "&amp;", "&#97;", "%61", "%20", "+", "\\u0061", "\\n", "12", "7 more", "2021-07-18", "bm9zIHZlbW9zIGVuIGxh",
    "6e6f732076656d6f7320656e206c61", "\u212b", "\ufb01", "\u0301", "Straße",
])  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def all_grams(texts: Iterable[str]) -> set[str]:
    views = [view for text in texts for view in tripwire._views(text)]
    return {view[start : start + GRAM] for view in views for start in range(len(view) - GRAM + 1)}


def would_trip(secret: str, output: str, published: str, fixed: list[str]) -> bool:
    """The decision in the plainest words."""
    if len(secret) < GRAM:
        return False
    shared = {gram for gram in all_grams([secret]) & all_grams([output, "report.md"]) if tripwire._telling(gram)}
    fixed = [f"\n{words}\n" for words in fixed]
    sentences = [tripwire._counts_alike(tripwire._normal(words)) for words in fixed]
    shared -= all_grams([f'{published}\n: "{published}"\n', *fixed])
    return any(not any(tripwire._is_words_and_a_count(gram, said) for said in sentences) for gram in shared)


@given(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=3))
@example("nos vemos en la plaza", "x, nos vemos>en la", "", [])
@example("nos vemos en la plaza", "vemos en, nos ve", "nos vemos en", ["la plaza"])
def test_it_trips_over_what_a_look_at_every_gram_finds(
    secret: str, output: str, published: str, fixed: list[str]
) -> None:
    wire = Tripwire.make([Secret("SMS.text", secret)], published=[published], fixed=fixed, digests=[])
    expected = would_trip(secret, output, published, fixed)
    tripped = False
    try:
        wire._check_sealed_texts({"report.md": output, "file names": "report.md"})
    except SpytriageError:
        tripped = True
    assert tripped == expected


@given(st.lists(TEXTS, max_size=4))
def test_shared_stretches_lose_no_gram(texts: list[str]) -> None:
    plain = {text[start : start + GRAM] for text in texts for start in range(len(text) - GRAM + 1)}
    assert tripwire._grams(texts) == plain


@given(*[st.one_of(TEXTS, st.text("ab>", max_size=60))] * 2)
def test_shared_grams_are_those_of_both(text: str, other: str) -> None:
    both = tripwire._grams([text]) & tripwire._grams([other])
    assert tripwire._shared([text], tripwire._grams([other])) == both


@given(st.one_of(TEXTS, st.text(), st.text("\u2003\x1c\x85\n \u212a\u3000a")))
def test_a_row_of_spaces_is_one_blank_and_a_letter_has_one_spelling(text: str) -> None:
    plainly = re.sub(r"\s{2,}|[^\S ]", " ", unicodedata.normalize("NFKC", text)).casefold()
    assert tripwire._normal(text) == plainly


NUMBERS = st.sampled_from([
    "+1 202 555 0147", "+44\n7700 900123", "0044", "7700900123", "a@b.example", "@", ".example", "+", "\n", "\n\n", " ",
    "-", "49015420323751", "8", "89", "014103211118510", "720", "C39", "DN1", "PN0XXX", "0" * 16, "ab" * 8, "00008101",
    "000A1B2C3D4E5F60", "[", "]", "&#43;", "%2B", "%0A", "&#10;", "x", "published", ", ",
])  # fmt: skip


@given(st.lists(st.lists(NUMBERS, max_size=8).map("".join), max_size=3))
def test_looking_at_each_line_once_finds_every_shape(outputs: list[str]) -> None:
    texts = dict(zip("abc", outputs, strict=False))
    views = [
        view for text in outputs
        for view in (text, html.unescape(text), re.sub(r"[\[\]]", "", text), urllib.parse.unquote(text))
    ]  # fmt: skip
    wire = Tripwire.make([], published=["a@b.example published"], fixed=["C39DN1PN0XXX"], digests=[])
    shapes = {
        shape.name for shape in tripwire.SHAPES for view in views for found in shape.pattern.finditer(view)
        if shape.holds(found.group()) and not wire._is_public(found.group())
    }  # fmt: skip
    said = ""
    try:
        wire._check_shapes(texts)
    except SpytriageError as error:
        said = error.message
    assert any(name in said for name in shapes) if shapes else not said


def test_words_of_the_report_are_rendered_only_as_far_as_they_are_needed() -> None:
    asked = []

    def words() -> Iterator[str]:
        for text in ("the published words of every report", "more words, that are costly to render"):
            asked.append(text)
            yield text

    wire = Tripwire.make([Secret("SMS.text", "published words")], published=[], fixed=words(), digests=[])
    for _time in range(2):
        wire.inspect({"report.md": b"published words"})
    assert len(asked) == 1


def inspect(secret: str, output: str) -> None:
    wire = Tripwire.make([Secret("Manifest.status_changed", secret)], published=[], fixed=[], digests=[])
    wire.inspect({"report.json": output.encode()})


def test_a_number_of_the_report_is_no_part_of_a_time_on_the_phone() -> None:
    inspect("2024-08-31 21:11:12.000000", '"offset_seconds": 1200000, "count": 4')


@pytest.mark.parametrize("output", ["call 12025550100", '"count": 2025550100, '])
def test_a_number_of_the_phone_trips_however_it_is_spaced(output: str) -> None:
    with pytest.raises(SpytriageError):
        inspect("1 (202) 555-0100", output)
