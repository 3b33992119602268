"""One text in every language of a report: the person's first, the reviewer's beside it.

A rendering asks for its words through `in_each_language`, or through `texts` and `_` of this module, which do it for
every sentence of `spytriage.report.texts` and every message of a template. With one language, the text is all there is;
with more, each one stands in an element that says its language and direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from spytriage import i18n
from spytriage.i18n import current_language, current_languages, direction, language_tag, using_language
from spytriage.report import texts as _texts

_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"  # Unicode Standard Annex 9
_PARAGRAPH, _DIVISION, _TEXT = Markup("<p{0}>{1}</p>"), Markup("<div{0}>{1}</div>"), Markup("{1}")


@dataclass(frozen=True, slots=True)
class Said:
    """A text in each language of the report (at least one), by its name in `i18n.LANGUAGES`.

    What is the same in two languages, such as a count or the name of a service, stands there once.
    """

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, languages: Sequence[str], told: Sequence[str]) -> Said:
        """Return the texts of these languages, each text once."""
        parts: dict[str, str] = {}
        for language, text in zip(languages, told, strict=True):
            parts.setdefault(text, language)
        return cls(tuple((language, text) for text, language in parts.items()))

    @property
    def first(self) -> str:
        """Return the text in the person's language alone: for attributes, which hold no elements."""
        return self.parts[0][1]

    @property
    def capitalized(self) -> Said:
        """Return the text as it stands at the head of a line."""
        return Said(tuple((language, text[:1].upper() + text[1:]) for language, text in self.parts))

    @property
    def paragraph(self) -> Markup:
        """Return the text as a paragraph, or as paragraphs side by side."""
        return self._block(_PARAGRAPH, alone=_PARAGRAPH)

    @property
    def item(self) -> Markup:
        """Return the text as the content of a list item or a cell."""
        return self._block(_DIVISION, alone=_TEXT)

    def __html__(self) -> str:
        """Return the text as part of a line: the other languages follow in the same line."""
        if len(self.parts) == 1:
            return Markup.escape(self.first)
        return self._in_line(Markup(" / "))

    @property
    def lines(self) -> Markup:
        """Return the text as a heading: each language begins a line."""
        return self._in_line(Markup("<br>"))

    def _in_line(self, between: Markup) -> Markup:
        return between.join(
            Markup("<span{}>{}</span>").format(self._marks(place), text) if place else Markup.escape(text)
            for place, (_language, text) in enumerate(self.parts)
        )

    def __mod__(self, values: Mapping[str, object]) -> Said:
        """Return the text with its named places filled; words stay apart from text of the other direction."""
        return Said(tuple((language, text % _isolated(language, values)) for language, text in self.parts))

    def _block(self, each: Markup, alone: Markup) -> Markup:
        if len(self.parts) == 1:
            return alone.format("", self.first)
        sides = (each.format(self._marks(place), text) for place, (_language, text) in enumerate(self.parts))
        return Markup('<div class="pair">{}</div>').format(Markup("").join(sides))

    def _marks(self, place: int) -> Markup:
        """Return the attributes of one language: none for the first, which is the page's."""
        language = self.parts[place][0]
        marks = Markup(' class="also" lang="{}" dir="{}"').format(language_tag(language), direction(language))
        return marks if place else Markup("")


def isolate(text: str, language: str | None = None) -> str:
    """Return a value as it may stand in a sentence of that language (without one: the current language).

    In writing from right to left it is set apart, or its dots and brackets would jump to the other side.
    """
    if direction(language or current_language()) == "ltr":
        return text
    return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}"


def in_each_language(tell: Callable[..., Any], *arguments: Any) -> Any:
    """Call what returns words of the current language once for each language of the report.

    Returns:
        `Said` for a text; a tuple of them for a sequence; a mapping by field for a dataclass.
    """
    languages = current_languages()
    told = []
    for language in languages:
        with using_language(language):
            told.append(tell(*arguments))
    return _joined(languages, told)


def _joined(languages: Sequence[str], told: Sequence[Any]) -> Any:
    first = told[0]
    if isinstance(first, str):
        return Said.of(languages, told)
    if is_dataclass(first):
        return {field.name: _joined(languages, [getattr(one, field.name) for one in told]) for field in fields(first)}
    return tuple(_joined(languages, each) for each in zip(*told, strict=True))


def _isolated(language: str, values: Mapping[str, object]) -> dict[str, object]:
    return {name: isolate(value, language) if isinstance(value, str) else value for name, value in values.items()}


class _Texts:
    """Every function of `report.texts`, in each language."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(in_each_language, getattr(_texts, name))


texts = _Texts()


def _(message: str) -> Said:
    """Return a message in each language."""
    said: Said = in_each_language(i18n._, message)
    return said


def ngettext(singular: str, plural: str, count: int) -> Said:
    """Return the form that fits the count, in each language."""
    said: Said = in_each_language(i18n.ngettext, singular, plural, count)
    return said
