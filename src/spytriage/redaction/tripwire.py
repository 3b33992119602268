"""The tripwire: reads everything that is about to leave, and stops it when something of the phone is in it.

It shares no code with redaction and trusts none of it. Two kinds of rules:

- shapes: telephone numbers, e-mail addresses, IMEI, ICCID, UDID, serial numbers, digests that nothing explains,
  wherever they come from;
- sealed text: eight or more characters in a row out of the sealed records, in any encoding of `_views`.

What may stand in an output all the same has to come from somewhere else than the phone: the published sets
(`published`) and the words of the report itself (`fixed`: the same report, rendered from made-up findings).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import itertools
import json
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import Finding
from spytriage.redaction.policy import Policy

GRAM = 8
"""Characters in a row that sealed records and outputs must not share."""

_STEP = 3
_PART = GRAM - _STEP + 1  # a gram holds one part that begins at a multiple of the step, wherever it stands

_COUNT = re.compile(r"\d+|\{\w+\}|%\(\w+\)[ds]")
_MOST_COUNT_DIGITS = 3  # in a gram: a date or a telephone number has more
_FEWEST_ALPHANUMERICS = 4  # of a gram: rows of spaces or dashes are nobody's


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that must not leave, and the name of the field that holds it."""

    field: str  # such as "SMS.text": named by the code, never by the phone
    text: str


def secrets_of(findings: Iterable[Finding], policy: Policy) -> Iterator[Secret]:
    """Yield every text and number of the records behind findings (as many times as it occurs)."""
    for finding in findings:
        alert, listed = finding.alert, policy.rules_for(finding.alert.module)
        module = alert.module if alert.module in policy.modules else "UnlistedModule"
        yield Secret(f"{module}.message", alert.message)
        yield Secret(f"{module}.event_time", alert.event_time)
        for name, value in alert.event.items():
            known = name in listed
            place = f"{module}.{name if known else 'unlisted'}"
            for text in (*([] if known else [name]), *_texts(value)):
                yield Secret(place, text)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value: keys too, bytes both as base64 and as what they spell."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


# --- Encodings --------------------------------------------------------------------------------------------------

_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}")
_STRETCH = re.compile(r"[^>,]+[>,]*|[>,]+")  # all of a text, in pieces that end in the same places of its views
_NUMBER = re.compile(r"\d(?:[\s().\-/]{0,2}\d){7,}")


def _views(text: str) -> Iterator[str]:
    """Yield a text as it stands and as each decoding of it spells it, ready for comparison."""
    plain = {text, _not_defanged(text)}
    if "&" in text:
        plain.add(html.unescape(text))
    if "%" in text or "+" in text:
        plain |= {urllib.parse.unquote(text), urllib.parse.unquote_plus(text)}
    if "\\" in text:
        plain.add(_ESCAPE.sub(_unescaped, text).replace('\\"', '"').replace("\\/", "/").replace("\\n", " "))
    for one in plain:
        yield _normal(one)
    for found in _NUMBER.finditer(text):
        yield _digits(found.group())  # alone: with a blank before it, seven digits would do
    hidden = [
        *map(_spelt_base64, dict.fromkeys(_BASE64.findall(text))),
        *map(_spelt_hex, dict.fromkeys(_HEX.findall(text))),
    ]
    for spelt in hidden:
        for one in spelt:
            yield _normal(one)
            if "%" in one:
                yield _normal(urllib.parse.unquote(one))


def _views_of(texts: Iterable[str]) -> Iterator[str]:
    return itertools.chain.from_iterable(map(_views, texts))


def _not_defanged(text: str) -> str:
    return text.replace("[", "").replace("]", "")


def _normal(text: str) -> str:
    """Return a text in one spelling, with a single blank for each row of spaces and line breaks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    first, last = (" " if end.isspace() else "" for end in (text[:1], text[-1:]))
    return f"{first}{' '.join(text.split())}{last}".casefold() if text.strip() else text[:1] and " "


def _unescaped(found: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{found.group()}"'))
    except ValueError:
        return found.group()


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(char)) for char in text if char.isdigit())


def _spelt_base64(run: str) -> list[str]:
    """Return what a run of base64 spells, wherever in it the encoding began."""
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    if body.islower() or body.isupper() or body.isdigit():
        return []  # a word, or a number
    spelt = []
    for start in range(4):
        part = body[start:]
        part = part[: len(part) - (len(part) % 4 == 1)]
        try:
            data = base64.b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            continue
        spelt += _spelt(data)
    return spelt


def _spelt_hex(run: str) -> list[str]:
    return _spelt(bytes.fromhex(run)) + (_spelt(bytes.fromhex("0" + run[:-1])) if len(run) > 2 * GRAM else [])


def _spelt(data: bytes) -> list[str]:
    """Return the readable stretches of bytes, as UTF-8 and as UTF-16."""
    texts = [data.decode("utf-8", "replace")]
    if b"\x00" in data:
        texts += [data.decode("utf-16-le", "replace"), data.decode("utf-16-be", "replace")]
    return [part for text in texts for part in re.split(r"[\ufffd\x00-\x1f]+", text) if len(part) >= GRAM]


def _stretches(texts: Iterable[str]) -> set[str]:
    """Return what texts that are much alike, as the views of one output are, consist of.

    They share most of it, so that each stretch is looked at once: with as much of what follows it as a gram that
    begins in it reaches into.
    """
    return {text[found.start() : found.end() + GRAM - 1] for text in texts for found in _STRETCH.finditer(text)}


def _grams(texts: Iterable[str]) -> set[str]:
    """Return the grams of texts."""
    return {part[start : start + GRAM] for part in _stretches(texts) for start in range(len(part) - GRAM + 1)}


def _shared(texts: Iterable[str], grams: Collection[str]) -> set[str]:
    """Return those of some grams that occur in texts; it looks at every third place for part of one first."""
    parts = {gram[start : start + _PART] for gram in grams for start in range(_STEP)}
    return {
        gram
        for stretch in (_stretches(texts) if grams else ())
        for place in range(0, len(stretch) - _PART + 1, _STEP)
        if stretch[place : place + _PART] in parts
        for start in range(max(0, place - _STEP + 1), place + 1)
        if (gram := stretch[start : start + GRAM]) in grams
    }


def _counts_alike(text: str) -> str:
    """Return a text with one digit for each number, and for each place where a sentence takes one."""
    return _COUNT.sub("0", text)


def _is_words_and_a_count(gram: str, sentences: str) -> bool:
    """Return whether a gram is part of a sentence of the report with another count in it, such as "8 more f"."""
    return sum(map(str.isdigit, gram)) <= _MOST_COUNT_DIGITS and _counts_alike(gram) in sentences


def _not_said(grams: set[str], words: str) -> set[str]:
    """Return those of some grams that some words of the report do not explain."""
    plain = _normal(words)
    left = {gram for gram in grams if gram not in plain}  # mostly none, and the other views are spared
    if left:
        sentences = _counts_alike(plain)
        left -= _shared(_views(words), left)
        left = {gram for gram in left if not _is_words_and_a_count(gram, sentences)}
    return left


def _telling(gram: str) -> bool:
    return sum(map(str.isalnum, gram)) >= _FEWEST_ALPHANUMERICS


# --- Shapes -----------------------------------------------------------------------------------------------------


def _luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _is_telephone_number(text: str) -> bool:
    import phonenumbers  # noqa: PLC0415 (slow to import)

    digits = _digits(text)
    if not text.startswith(("+", "＋")):
        digits = digits.removeprefix("00")
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(f"+{digits}")))
    except phonenumbers.NumberParseException:
        return False


def _is_imei(text: str) -> bool:
    return _luhn(_digits(text))


def _is_serial(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= 3 and sum(map(str.isalpha, text)) >= 3


def _always(text: str) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True, slots=True)
class _Shape:
    """A rule that needs no knowledge of the phone."""

    name: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = _always
    spans_lines: bool = False


SHAPES: tuple[_Shape, ...] = (
    _Shape(
        "telephone-number",
        re.compile(r"[+＋][\s(]{0,2}\d(?:[\s().\-/]{0,2}\d){6,14}"),
        _is_telephone_number,
        spans_lines=True,
    ),
    _Shape("telephone-number", re.compile(r"(?<![\d.])00[1-9]\d{8,13}(?!\d)"), _is_telephone_number),
    _Shape("e-mail-address", re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")),
    _Shape("imei", re.compile(r"(?<![\w.])\d{2}[- ]?\d{6}[- ]?\d{6}[- ]?\d(?![\w.])"), _is_imei),
    _Shape("iccid", re.compile(r"(?<!\w)89\d{16,18}(?!\w)")),
    _Shape("udid", re.compile(r"(?<![\w-])(?:[0-9a-fA-F]{40}|[0-9A-F]{8}-[0-9A-F]{16})(?![\w-])")),
    # A hash without a key hides no telephone number: all of them can be tried. What the report shows by right was
    # taken out before.
    _Shape("unexplained-digest", re.compile(r"(?<![\w-])[0-9a-fA-F]{32,128}(?![\w-])")),
    _Shape("serial-number", re.compile(r"(?<![\w-])(?:[A-Z0-9]{10}|[A-Z0-9]{12})(?![\w-])"), _is_serial),
)


# --- The wire ---------------------------------------------------------------------------------------------------

_STIX_ID = re.compile(r"\b[a-z][a-z-]*--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_DIGEST = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{16,64}(?![0-9a-zA-Z])")
_ENCRYPTED = b"age-encryption.org/"  # how a file that age encrypted begins
_DIGEST_START = 16  # the HTML shows so many digits of one


class _Remembered:
    """Texts that are made when somebody first gets that far, and kept."""

    def __init__(self, texts: Iterable[str | bytes]) -> None:
        self._kept: list[str] = []
        self._others = iter(texts)

    def __iter__(self) -> Iterator[str]:
        for place in itertools.count():
            if place == len(self._kept):
                try:
                    text = next(self._others)
                except StopIteration:
                    return
                text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
                self._kept.append(f"\n{text}\n")  # words of their own, as they are in an output
            yield self._kept[place]


@dataclass(frozen=True, slots=True, repr=False)
class Tripwire:
    """Stops an output that holds something of the phone."""

    secrets: tuple[Secret, ...]
    published: str  # texts of the published sets
    fixed: Iterable[str]  # the report's own words, rendered only as far as something has to be looked for in them
    digests: frozenset[str]  # SHA-256 values that stand in the report by right, and how each begins

    @classmethod
    def make(
        cls,
        secrets: Iterable[Secret],
        *,
        published: Iterable[str],
        fixed: Iterable[str | bytes],
        digests: Collection[str],
    ) -> Tripwire:
        """Make a tripwire.

        Args:
            secrets: what must not leave.
            published: texts that anybody can read in the indicator sets.
            fixed: outputs that no record of the phone went into, what explains most first.
            digests: SHA-256 values (hexadecimal) that the report shows.
        """
        unique = {secret.text: secret for secret in secrets}
        return cls(
            secrets=tuple(unique.values()),
            # Also as report.json writes them: MVT's messages quote an indicator in the same way.
            published="".join(f'{text}\n: "{text}"\n' for text in published),
            fixed=_Remembered(fixed),
            digests=frozenset(digests) | {digest[:_DIGEST_START] for digest in digests},
        )

    def inspect(self, outputs: Mapping[str, bytes]) -> None:
        """Read outputs by name; the names are read too.

        Raises:
            SpytriageError: one of them holds something of the phone. The message names the output, the field and the
                rule, never the value.
        """
        own = self.digests | {hashlib.sha256(data).hexdigest() for data in outputs.values()}  # the manifest's
        readable = {name: data for name, data in outputs.items() if not data.startswith(_ENCRYPTED)}
        texts = {name: _without_digests(data.decode("utf-8", "replace"), own) for name, data in readable.items()}
        texts["file names"] = "\x00".join(outputs)  # a blank would join the end of one to the next
        self._check_shapes(texts)
        self._check_sealed_texts(texts)

    def _check_shapes(self, texts: Mapping[str, str]) -> None:
        views = {
            view: name
            for name, text in texts.items()
            for view in (text, html.unescape(text), _not_defanged(text), urllib.parse.unquote(text))
        }
        # Views of an output share most of their lines, and outputs some: each is looked at once.
        lines = {line: name for view, name in views.items() for line in view.split("\n")}
        page = "\n".join(lines)
        for shape in SHAPES:
            for text in views if shape.spans_lines else (page,):
                for found in map(re.Match.group, shape.pattern.finditer(text)):
                    if shape.holds(found) and not self._is_public(found):
                        name = next(name for part, name in (*views.items(), *lines.items()) if found in part)
                        raise _tripped(name, _("no field"), shape.name)

    def _is_public(self, text: str) -> bool:
        return text in self.published or any(text in words for words in self.fixed)

    def _check_sealed_texts(self, texts: Mapping[str, str]) -> None:
        sealed = [secret for secret in self.secrets if len(secret.text) >= GRAM]
        shared = _shared(_views_of(texts.values()), _grams(_views_of(secret.text for secret in sealed)))
        found = set(filter(_telling, shared))
        found -= _shared(_views(self.published), found)
        for words in self.fixed if found else ():
            found = _not_said(found, words)
            if not found:
                break  # before more words are rendered
        for secret in sealed if found else ():
            for gram in sorted(found & _grams(_views(secret.text))):
                output = next(name for name, text in texts.items() if _shared(_views(text), {gram}))
                raise _tripped(output, secret.field, "sealed-text")


def _without_digests(text: str, digests: frozenset[str]) -> str:
    """Take out what is random by right: by chance, some of it would resemble numbers of the phone."""
    text = _STIX_ID.sub(" ", text)
    return _DIGEST.sub(lambda found: " " if found.group() in digests else found.group(), text)


def _tripped(output: str, where: str, rule: str) -> SpytriageError:
    return SpytriageError(
        _("The report was stopped: {output} would hold something of the phone (field: {field}, rule: {rule}).").format(
            output=output, field=where, rule=rule
        ),
        hint=_(
            "Nothing was written. This is a fault of spytriage, and nothing leaks as long as it stops here: "
            "report this message, and nothing of the phone with it."
        ),
    )
