"""Sentences in the user's language, through gettext.

Text is marked with `_()` where it is used and looked up when it is used, so that one process can render in
more than one language. `deferred()` marks text in a table that is looked up later.
Machine-readable fields (keys, enum values, digits, dates) are never translated.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

LANGUAGES = ("en", "es")
_LOCALE = Path(__file__).parent / "locale"
_current: ContextVar[str] = ContextVar("language", default="en")
_loaded: dict[str, gettext.NullTranslations] = {}


def _translations(language: str) -> gettext.NullTranslations:
    if language not in _loaded:
        _loaded[language] = (
            gettext.NullTranslations()
            if language == "en"
            else gettext.translation("spytriage", _LOCALE, languages=[language], fallback=True)
        )
    return _loaded[language]


def _(message: str) -> str:
    """Return the message in the current language (English when there is no translation)."""
    return _translations(_current.get()).gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Return the form of the message that fits the count, in the current language."""
    return _translations(_current.get()).ngettext(singular, plural, count)


def every_message() -> tuple[str, ...]:
    """Return everything that the program can say in the current language (what the catalogues hold)."""
    catalogue = getattr(_translations("es"), "_catalog", {})  # its keys are the English messages
    english = tuple(key if isinstance(key, str) else key[0] for key in catalogue)
    return english if _current.get() == "en" else (*english, *map(str, catalogue.values()))


def deferred(message: str) -> str:
    """Mark a message in a table for extraction; `_()` looks it up when it is shown."""
    return message


def current_language() -> str:
    """Return the two-letter code of the language in use."""
    return _current.get()


def set_language(language: str) -> None:
    """Use this language from here on (the command line calls this once)."""
    _current.set(language)


def use_for_libraries() -> None:
    """Let libraries that use Python's global gettext, such as Click, find their words in our catalogue."""
    os.environ["LANGUAGE"] = _current.get()
    gettext.bindtextdomain("spytriage", _LOCALE)
    gettext.textdomain("spytriage")


@contextmanager
def using_language(language: str) -> Iterator[None]:
    """Use a language for the length of a block."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def language_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """Return the first supported language that LANGUAGE, LC_ALL, LC_MESSAGES or LANG names, else English."""
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for name in environment.get(variable, "").split(":"):
            if (code := name[:2].lower()) in LANGUAGES:
                return code
    return "en"
