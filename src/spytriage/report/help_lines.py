"""Who helps people at risk: the entries of help_lines.yaml, which a person has reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from spytriage.yamltext import loaded

_FILE = Path(__file__).parent / "help_lines.yaml"

ENDONYMS = {"ar": "العربية", "en": "English", "es": "español", "fr": "français", "pt": "português", "ru": "русский"}
"""What languages call themselves, so that whoever speaks one recognises it; never translated."""


@dataclass(frozen=True, slots=True)
class HelpLine:
    """One organisation; the fields are those of help_lines.yaml."""

    id: str
    organisation: str
    serves: str  # a key of `texts.SERVES`
    languages: tuple[str, ...]
    contact: str
    source: str
    reviewed_on: date


@cache
def help_lines() -> tuple[HelpLine, ...]:
    """Return every entry, in the order of the file."""
    entries = loaded(_FILE.read_bytes())
    return tuple(HelpLine(**{**entry, "languages": tuple(entry["languages"])}) for entry in entries)
