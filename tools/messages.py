"""`make messages`: bring the gettext catalogues up to date with the sources, compile them, name what lacks.

Every msgid that the sources have lost goes (git remembers it), a new one comes with an empty translation. Nothing is
guessed: a "fuzzy" translation would put the words of one sentence under another. A sentence that moves between the
domains keeps its translation. tests/test_languages.py holds the catalogues to the sources with the functions below.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.core import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from spytriage.i18n import LANGUAGES

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "src" / "spytriage" / "locale"
TRANSLATED = LANGUAGES[1:]  # the sources are English
# The sentences of one module are a catalogue of their own, for the review by a native speaker (see `i18n.DOMAINS`).
DOMAINS = {"spytriage": None, "statements": "statements.py"}
METHODS = [("**.py", "python"), ("**.jinja", "jinja2")]
KEYWORDS = {"_": None, "ngettext": (1, 2), "deferred": None}
_COMMENT = """\
# {} translation of spytriage.
# docs/reference/languages.md has the words to use, and what X-Native-Review below means."""
_DAY = datetime(2026, 11, 21, tzinfo=UTC)  # git knows the days; a new date would change every file
_REVIEW = re.compile(rb'^"X-Native-Review: .*\\n"\n', re.MULTILINE)
_NOT_REVIEWED = b'"X-Native-Review: none\\n"\n'

Text = str | tuple[str, ...]


def forms(text: object) -> tuple[str, ...]:
    """Return the forms of a message or of its translation: one, or one for each plural; none when there is none."""
    return (text,) if isinstance(text, str) else tuple(text) if isinstance(text, list | tuple) else ()


def extract(domain: str) -> tuple[Text, ...]:
    """Return the messages of a domain in the order of the sources: a text, or singular and plural."""
    found = extract_from_dir(ROOT / "src" / "spytriage", METHODS, keywords=KEYWORDS)
    own = DOMAINS[domain]
    others = {name for name in DOMAINS.values() if name}
    return tuple(
        dict.fromkeys(
            message
            for file, _line, message, _comments, _context in found
            if (Path(file).name == own if own else Path(file).name not in others)
        )
    )


def path_of(language: str, domain: str) -> Path:
    """Return the place of a catalogue."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def read(language: str, domain: str) -> Catalog:
    """Return a catalogue; an empty one when there is no file yet."""
    path = path_of(language, domain)
    if not path.exists():
        return Catalog(locale=language, domain=domain)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=domain)


def updated(language: str, domain: str) -> bytes:
    """Return the .po file of a domain as the sources ask for it, with the translations that there are."""
    known = {name: read(language, name) for name in sorted(DOMAINS, key=lambda name: name != domain)}
    new = Catalog(
        locale=language, domain=domain, header_comment=_COMMENT.format(Locale.parse(language).english_name),
        project="spytriage", version="0.1.0", creation_date=_DAY, revision_date=_DAY, fuzzy=False,
        last_translator="the spytriage authors", language_team=language, msgid_bugs_address="the spytriage project",
    )  # fmt: skip
    for text in extract(domain):
        found = (entry.string for catalogue in known.values() if (entry := catalogue.get(forms(text)[0])))
        translation = next(found, None)
        new.add(text, translation if type(translation) is type(text) else None)
    written = io.BytesIO()
    write_po(written, new, width=110, no_location=True)
    return _with_review(written.getvalue(), path_of(language, domain))


def _with_review(data: bytes, path: Path) -> bytes:
    """Keep our own header field, which Babel drops, and leave out Babel's version, which would change the file."""
    field = _REVIEW.search(path.read_bytes()) if path.exists() else None
    return re.sub(
        rb'^"Generated-By: .*\n', lambda _: field[0] if field else _NOT_REVIEWED, data, count=1, flags=re.MULTILINE
    )


def missing(language: str) -> Iterator[Message]:
    """Yield the messages that lack a translation, or one of its plural forms."""
    for domain in DOMAINS:
        for message in read(language, domain):
            if message.id and not (forms(message.string) and all(forms(message.string))):
                yield message


def main() -> int:
    """Update and compile every catalogue; print what lacks and return 1 when something does."""
    lacking = 0
    for language in TRANSLATED:
        # All are made before one is written: a sentence may be on its way from one to the other.
        for path, data in [(path_of(language, domain), updated(language, domain)) for domain in DOMAINS]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            with path.with_suffix(".mo").open("wb") as compiled:
                write_mo(compiled, read_po(io.BytesIO(data), locale=language))
        for message in missing(language):
            lacking += 1
            print(f"{language}: {message.id!r}")
    print(f"{lacking} translations missing")
    return int(lacking > 0)


if __name__ == "__main__":
    sys.exit(main())
