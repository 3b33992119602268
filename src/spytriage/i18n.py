"""Sentences in the user's language, through gettext.

Text is marked with `_()` where it is used and looked up when it is used, so that one process can render in
more than one language. `deferred()` marks text in a table that is looked up later.
Machine-readable fields (keys, enum values, digits, dates) are never translated.

There are two catalogues (gettext domains) for each language: `statements`, the few sentences that a frightened
person relies on (`spytriage.statements`), kept apart so that a native speaker can review all of them in one sitting,
and `spytriage`, the rest.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("en", "es", "pt_BR", "fr", "ar")
"""The languages of the program, each named as gettext names its folder under `locale/`."""

DOMAINS = ("spytriage", "statements")
_RIGHT_TO_LEFT = frozenset({"ar"})
_NOT_A_LANGUAGE = frozenset({"", "c", "posix"})  # locales without a language: English, and nothing to say about it
_LOCALE = Path(__file__).parent / "locale"
_current: ContextVar[tuple[str, ...]] = ContextVar("languages", default=("en",))
_loaded: dict[str, gettext.NullTranslations] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """The languages that a run uses.

    Attributes:
        languages: members of `LANGUAGES`, the person's first, each once; never empty.
        missing: what was asked for by name and has no translation, as it was written.
    """

    languages: tuple[str, ...]
    missing: tuple[str, ...] = ()


def _translations(language: str) -> gettext.NullTranslations:
    if language not in _loaded:
        _loaded[language] = gettext.NullTranslations()
        if language != "en":
            for domain in DOMAINS:
                _loaded[language].add_fallback(gettext.translation(domain, _LOCALE, [language], fallback=True))
    return _loaded[language]


def _(message: str) -> str:
    """Return the message in the current language (English when there is no translation)."""
    return _translations(current_language()).gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Return the form of the message that fits the count, in the current language."""
    return _translations(current_language()).ngettext(singular, plural, count)


def deferred(message: str) -> str:
    """Mark a message in a table for extraction; `_()` looks it up when it is shown."""
    return message


def every_message() -> tuple[str, ...]:
    """Return everything that the program can say: in English, and in each of the current languages."""
    english = (key if isinstance(key, str) else key[0] for key in _entries(LANGUAGES[1]))
    own = (text for language in current_languages() for text in _entries(language).values())
    return tuple(dict.fromkeys((*english, *own)))


def _entries(language: str) -> dict[str | tuple[str, int], str]:
    """Return the catalogues of a language as gettext holds them: by the English message, and the number of a plural."""
    found: dict[str | tuple[str, int], str] = {}
    catalogue: gettext.NullTranslations | None = _translations(language)
    while catalogue is not None:
        found |= getattr(catalogue, "_catalog", {})
        catalogue = getattr(catalogue, "_fallback", None)
    return {key: text for key, text in found.items() if key}  # the empty key is the head of the catalogue


def current_language() -> str:
    """Return the language in use, a member of `LANGUAGES`: of the screen, and the first one of a report."""
    return _current.get()[0]


def current_languages() -> tuple[str, ...]:
    """Return the languages of a report, the person's first; one, unless more were asked for."""
    return _current.get()


def set_language(*languages: str) -> None:
    """Use this language, or these for a report, from here on (the command line calls this once)."""
    _current.set(languages)


@contextmanager
def using_language(*languages: str) -> Iterator[None]:
    """Use a language, or several for a report, for the length of a block."""
    token = _current.set(languages)
    try:
        yield
    finally:
        _current.reset(token)


def language_tag(language: str) -> str:
    """Return a member of `LANGUAGES` as HTML writes it (BCP 47): `pt-BR`."""
    return language.replace("_", "-")


def direction(language: str) -> str:
    """Return `rtl` for a language that is written from right to left, else `ltr`."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def use_for_libraries() -> None:
    """Let libraries that use Python's global gettext, such as Click, find their words in our catalogue."""
    os.environ["LANGUAGE"] = current_language()
    gettext.bindtextdomain("spytriage", _LOCALE)
    gettext.textdomain("spytriage")


def closest(name: str) -> str | None:
    """Return the language that serves a locale or a tag best, None when there is none.

    The name is read as `es`, `es_MX.UTF-8`, `pt-PT` or `ar_EG@euro` are; another country's form of a language is
    better than English: `es_MX` gets `es`, `pt_PT` gets `pt_BR`.
    """
    plain = name.partition(".")[0].partition("@")[0].replace("-", "_").strip().casefold()
    for language in LANGUAGES:
        if language.casefold() == plain:
            return language
    spoken = plain.partition("_")[0]
    return next((language for language in LANGUAGES if language.partition("_")[0] == spoken), None)


def choose_languages(wanted: str | None, environment: Mapping[str, str] = os.environ) -> Choice:
    """Choose the languages of a run.

    Args:
        wanted: what `--lang` says, names with commas between (`es,en`); None or empty when it says nothing. Then
            LANGUAGE (names with colons between), or else the first of LC_ALL, LC_MESSAGES and LANG that is set,
            decides, as in every program that uses gettext.
        environment: the environment variables.
    """
    if wanted and wanted.strip(" ,"):
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        found = tuple(dict.fromkeys(language for name in names if (language := closest(name))))
        return Choice(found or ("en",), tuple(name for name in names if closest(name) is None))
    locale = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    names = [*filter(None, environment.get("LANGUAGE", "").split(":")), locale]
    first = next((language for name in names if (language := closest(name))), None)
    named = names[0].partition(".")[0]
    return Choice((first or "en",), () if first or named.casefold() in _NOT_A_LANGUAGE else (named,))
