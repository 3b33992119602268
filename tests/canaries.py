"""Texts that must never come out again: unique, in many scripts and shapes, and a search for them in any encoding."""

from __future__ import annotations

import base64
import html
import itertools
import json
import random
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ahocorasick

SCRIPTS = {
    "latin": "abcdefghijklmnopqrstuvwxyzñáéíóú",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "cjk": "金丝雀密语来源会面地点时间电话记者律师安全消息照片录音",
}
_LENGTH = 12


class Canaries:
    """Makes canaries, remembers them, and looks for them."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._numbers = itertools.count(self._random.randrange(70_000))
        self.words: list[str] = []
        self.digits: list[str] = []

    def __len__(self) -> int:
        return len(self.words) + len(self.digits)

    def word(self, script: str | None = None) -> str:
        alphabet = SCRIPTS[script or self._random.choice(list(SCRIPTS))]
        self.words.append("".join(self._random.choices(alphabet, k=_LENGTH)))
        return self.words[-1]

    def number(self) -> tuple[str, str, str]:
        """A telephone number out of the exchange that is reserved for fiction: area code, 555-01, two digits."""
        place = next(self._numbers)
        area, line = f"{200 + place // 100 % 800}", f"01{place % 100:02}"
        self.digits.append(f"1{area}555{line}")
        return area, "555", line

    def value(self, shape: str) -> Any:
        return _SHAPES[shape](self)

    def found_in(self, outputs: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the canaries that stand in outputs, in any encoding of `_encodings`."""
        automaton = ahocorasick.Automaton()
        for word in (*self.words, *self.digits):
            for needle in _encodings(word):
                automaton.add_word(needle.casefold(), word)
        if not len(automaton):
            return []
        automaton.make_automaton()
        return sorted({
            (name, word)
            for name, text in outputs.items()
            for view in (text, re.sub(r"[\s().\-/\[\]]", "", text), unicodedata.normalize("NFKC", text))
            for _end, word in automaton.iter(view.casefold())
        })  # fmt: skip


def _encodings(word: str) -> Iterator[str]:
    for form in {word, unicodedata.normalize("NFD", word)}:
        yield form
        yield urllib.parse.quote(form)
        yield form.encode().hex()
        yield json.dumps(form)[1:-1]
        yield "".join(f"&#{ord(char)};" for char in form)
        yield html.escape(form)
        data = form.encode()
        for start in range(3):  # base64 of it, wherever it begins in what is encoded; the ends depend on neighbours
            encoded = base64.b64encode(b"\x00" * start + data).decode().rstrip("=")
            yield encoded[4 if start else 0 : -2]


def _path(canaries: Canaries) -> str:
    return f"/private/var/mobile/{canaries.word()}/{canaries.word('latin')}.plist"


def _url(canaries: Canaries) -> str:
    host, path, query = canaries.word("latin"), canaries.word(), canaries.word()
    return f"https://{host}.example.org/{urllib.parse.quote(path)}?q={urllib.parse.quote_plus(query)}"


def _spaced(canaries: Canaries) -> str:
    return "+1 ({}) {}-{}".format(*canaries.number())


def _nested(canaries: Canaries) -> dict[str, Any]:
    return {
        canaries.word(): [{"PayloadContent": [{canaries.word("latin"): canaries.word()}]}, canaries.word()],
        "$bytes": base64.b64encode(canaries.word().encode()).decode(),
    }


def _encoded(canaries: Canaries) -> str:
    return base64.b64encode(f"bplist00 {canaries.word()} {canaries.word('latin')}".encode()).decode()


_SHAPES: dict[str, Callable[[Canaries], Any]] = {
    "word": lambda canaries: canaries.word(),
    "sentence": lambda canaries: f"{canaries.word('latin')} — {canaries.word('arabic')} {canaries.word('cjk')}\n<b>&",
    "decomposed": lambda canaries: unicodedata.normalize("NFD", canaries.word("latin")),
    "email": lambda canaries: f"{canaries.word('latin')}@example.org",
    "number": lambda canaries: "+1{}{}{}".format(*canaries.number()),
    "spaced number": _spaced,
    "jid": lambda canaries: "1{}{}{}@s.whatsapp.net".format(*canaries.number()),
    "integer": lambda canaries: int("1{}{}{}".format(*canaries.number())),
    "url": _url,
    "path": _path,
    "nested": _nested,
    "list": lambda canaries: [canaries.word(), _url(canaries)],
    "base64": _encoded,
    "bytes": lambda canaries: {"$bytes": _encoded(canaries)},
    "steering": lambda canaries: f"\x1b[31m{canaries.word()}\u202e{canaries.word('latin')}\x00",
}
SHAPES = tuple(_SHAPES)
