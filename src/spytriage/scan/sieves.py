"""Lets through only the rows of a phone's databases that a module of MVT has something to say about.

MVT 2026.10.26 makes a record of every row, keeps them all, and looks through them at the end. A phone has a million
rows, and next to none of them matters. So each row is judged as it leaves the database: one that cannot raise an alert
is counted and forgotten; the others take MVT's own way, so that its alerts are what they would be.

A sieve must never hold back a row that MVT would have an alert for. Where a value is not of the type that a column
should have, the row passes, and MVT says what is wrong with it. tests/scan/test_sieves.py compares the alerts of each
module with and without its sieve.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from spytriage.models import Matcher
from spytriage.scan.more_checks import MORE_CHECKS, addresses
from spytriage.scan.observing import Aside

Row = Sequence[Any]
Judge = Callable[..., bool]
"""Takes the values of a sieve's columns; returns whether the row matters."""

_REMEMBERED = 50_000  # rows that differ in nothing that is looked up
_TOLD_EVERY_ROWS, _TOLD_EVERY_SECONDS = 2048, 0.5


@dataclass(frozen=True, slots=True)
class Sieve:
    """What is looked at of the rows of a module.

    Attributes:
        columns: names of columns in the result of a query; a query that lacks one is not sieved, nor one that has a
            name more often than it stands here: MVT may look at the other one.
        judge: makes the judge of a query.
        optional: columns that some versions of iOS lack; the judge gets None for them, after the others.
    """

    columns: tuple[str, ...]
    judge: Callable[[Matcher, sqlite3.Connection], Judge]
    optional: tuple[str, ...] = ()

    def places(self, names: Sequence[str]) -> list[int] | None:
        """Return where in a row the judge's values are, -1 for what it lacks; None for a query that is not meant."""
        if any(names.count(column) != self.columns.count(column) for column in self.columns):
            return None
        if any(names.count(column) > 1 for column in self.optional):
            return None
        left = list(names)
        found: list[int] = []
        for column in self.columns:
            found.append(left.index(column))
            left[left.index(column)] = ""
        return found + [names.index(column) if column in names else -1 for column in self.optional]


class Rows:
    """The rows that flow past while one module reads.

    Attributes:
        held_back: how many did not matter.
        holes: how many have a text with a NUL in its midst: a disk that lost a part of a file reads it as zeros.
    """

    def __init__(
        self,
        module: str,
        matcher: Matcher,
        told: Callable[[int], None],
        *,
        whole: bool = False,
        aside: Aside | None = None,
    ) -> None:
        """Prepare for a module.

        Args:
            module: its name.
            matcher: what is looked for.
            told: takes the number of rows that were read so far, every now and then.
            whole: whether to hold nothing back.
            aside: takes the records of rows that would be held back, when they are to be looked at for later checks.
        """
        self.held_back = self.holes = 0
        self._sieve, self._matcher, self._told = None if whole else SIEVES.get(module), matcher, told
        self._aside, self._read, self._told_at = aside, 0, time.monotonic()

    def flow(self, cursor: sqlite3.Cursor, step: Callable[[], Row]) -> Iterator[Row]:
        """Give the rows of a query that matter; `step` fetches the next one."""
        matters = self._judge_of(cursor)
        number = 0
        try:
            for number, row in enumerate(iter(step, None), 1):
                if matters is None:
                    self.holes += has_hole(row)
                if not number % _TOLD_EVERY_ROWS:
                    self._tell(number)
                links = self._matcher.shortened_links
                if matters is None or matters(row):
                    yield row
                elif self._aside is None or self._aside.keep_row(cursor.description, row):
                    self.held_back += 1
                else:
                    mark = self._aside.mark()
                    yield row  # and by the time that the next one is asked for, the module has made a record of it
                    taken = self._aside.take(mark)
                    self.held_back += taken
                    if not taken:  # the module has it still, and is going to ask, and count, again
                        self._matcher.shortened_links = links
        finally:
            self._read += number

    def _tell(self, number: int) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TOLD_EVERY_SECONDS:
            self._told_at = now
            self._told(self._read + number)

    def _judge_of(self, cursor: sqlite3.Cursor) -> Callable[[Row], bool] | None:
        names = [column[0] for column in cursor.description or ()]
        places = self._sieve.places(names) if self._sieve else None
        if self._sieve is None or places is None:
            return None
        judge, matcher = self._sieve.judge(self._matcher, cursor.connection), self._matcher
        values = itemgetter(*places, 0)  # of one place alone, it would give no tuple

        def matters(row: Row) -> bool:
            judged = values((*row, None))[:-1]
            if has_hole(judged):
                self.holes += 1
                return True
            before = matcher.shortened_links
            if judge(*judged):
                matcher.shortened_links = before  # the module is going to ask, and count, again
                return True
            return False

        return matters


def has_hole(values: Iterable[Any]) -> bool:
    """Return whether a text has a NUL before its end; behind its end, some programs write one."""
    for value in values:  # noqa: SIM110 (asked of every row: a generator costs three times as much)
        if isinstance(value, str) and "\0" in value and "\0" in value.rstrip("\0"):
            return True
    return False


# --- Judges -----------------------------------------------------------------------------------------------------

_LINK = re.compile(r"https?://[^\s]+", re.IGNORECASE)
"""What MVT's `check_for_links` takes for a link."""

_LINK_IN_RICH_TEXT = re.compile(r"https?://[^\s\x00-\x1f\ufffd\"<>]+", re.IGNORECASE)

_STRING_IN_RICH_TEXT = re.compile(rb"\x84\x01\+(?:\x81(..)|\x82(....)|([\x01-\x7f]))", re.DOTALL)
"""What stands before a string of a typedstream: its length in bytes, in one byte or marked as of two or four."""

_INNER_DOT = re.compile(r"\.[a-z]{2}", re.IGNORECASE)  # most dots end a sentence
_LETTER = r"\w\u00c0-\u024f"  # of a name; a Chinese word may stand right beside one
_NAME = re.compile(
    rf"(?<![{_LETTER}@./%~+-])(?:[a-z0-9-]{{1,63}}\.)+([a-z]{{2,24}}|xn--[a-z0-9-]{{1,59}})(?![{_LETTER}@-]|\.\w)"
    r"(?:[/:?#]\S*)?",
    re.ASCII | re.IGNORECASE,
)


def links_in(text: str) -> list[str]:
    """Return the links in a text as MVT finds them, and those that name no scheme."""
    return [*(_LINK.findall(text) if "://" in text else ()), *names_in(text)]


def names_in(text: str) -> list[str]:
    """Return the links without a scheme in a text (`name.org/page`): phones let people tap on them too."""
    if not _INNER_DOT.search(text):
        return []
    rest = _LINK.sub(" ", text) if "://" in text else text
    return [found[0] for found in _NAME.finditer(rest) if _ends_public_suffix(found[1].lower())]


def links_in_rich_text(body: bytes) -> list[str]:
    """Return the links in the archived NSAttributedString of a message, whose string is plain UTF-8."""
    links = _LINK_IN_RICH_TEXT.findall(body.decode("utf-8", errors="replace")) if b"://" in body else []
    end = 0
    while b"." in body and (begun := _STRING_IN_RICH_TEXT.search(body, end)):
        end = begun.end() + int.from_bytes(begun[1] or begun[2] or begun[3], "little")
        links += names_in(body[begun.end() : end].decode("utf-8", errors="replace"))
    return links


def _any_url(matcher: Matcher, links: Iterable[str]) -> bool:
    """Look up all links of a row, as MVT does: each of them may be a shortened one, which is counted."""
    return any(tuple(matcher.url(link.rstrip("\x00")) for link in links))


def _message(matcher: Matcher, _: sqlite3.Connection) -> Judge:
    def judge(text: Any, body: Any) -> bool:
        if not isinstance(text, str | None) or not isinstance(body, bytes | None):
            return True
        links = links_in(text) if text else []
        if body:
            links = list(dict.fromkeys([*links, *links_in_rich_text(body)]))
        return _any_url(matcher, links) or bool(text and text.startswith("ALERT: "))

    return judge


_OWN_MEDIA = ("https://mmg-fna.whatsapp.net/", "https://mmg.whatsapp.net/")


def _whatsapp_message(matcher: Matcher, _: sqlite3.Connection) -> Judge:
    def judge(*texts: Any) -> bool:
        links: set[str] = set()
        for text in texts:
            if text is None:
                continue
            if not isinstance(text, str):
                return True
            links.update(link for link in links_in(text) if not link.startswith(_OWN_MEDIA))
        return _any_url(matcher, links)

    return judge


def _urls(matcher: Matcher, _: sqlite3.Connection) -> Judge:
    def judge(*values: Any) -> bool:
        return any(not isinstance(value, str) or matcher.url(value.rstrip("\x00")) for value in values)

    return judge


# Each column with its table: on another iOS both may have one of the name.
_REDIRECTS_FROM_HTTP = """
    SELECT history_visits.redirect_destination
    FROM history_visits JOIN history_items ON history_items.id = history_visits.history_item
    WHERE history_visits.redirect_destination IS NOT NULL AND lower(substr(history_items.url, 1, 7)) = 'http://'
"""


def _visit(matcher: Matcher, database: sqlite3.Connection) -> Judge:
    """Keep both ends of each redirect that begins without TLS: MVT takes quick ones for injections."""
    destinations = {row[0] for row in sqlite3.Cursor(database).execute(_REDIRECTS_FROM_HTTP)}

    def judge(url: Any, _item: Any, visit: Any, destination: Any) -> bool:
        if not isinstance(url, str) or matcher.url(url.rstrip("\x00")) or visit in destinations:
            return True
        return bool(destination) and url[:7].lower() == "http://"

    return judge


_PLAIN_HOST = re.compile(r"[a-z0-9 ~()+,=&'.-]*?(\.?)([a-z0-9-]*)(?:/|\Z)")
"""A text that begins with a host of plain characters: the last part of its name, and whether there are others."""


@lru_cache(maxsize=10_000)
def _ends_public_suffix(label: str) -> bool:
    from tld import get_tld

    return get_tld(f"http://a.b.c.{label}", fail_silently=True) is not None


def _is_no_host(text: str) -> bool:
    """Return whether MVT takes no host out of a text, for want of a public suffix: `img.jpg`, `library/caches`."""
    plain = _PLAIN_HOST.match(text)
    if plain is None:
        return False
    return not plain[1] or (plain[2] != "" and not _ends_public_suffix(plain[2]))


def _path(matcher: Matcher, _: sqlite3.Connection) -> Judge:
    """MVT compares the path, and its parts between underscores in case one is a host."""
    file_path, url = matcher.file_path, matcher.url

    def judge(path: Any) -> bool:
        if not path or not isinstance(path, str):
            return bool(path)
        if file_path(f"/{path}".rstrip("\x00")):
            return True
        before = matcher.shortened_links
        for part in path.lower().split("_"):
            if not _is_no_host(part) and (url(part.rstrip("\x00")) or matcher.shortened_links != before):
                return True
        return False

    return judge


def _attachment(matcher: Matcher, _: sqlite3.Connection) -> Judge:
    def judge(name: Any) -> bool:
        if not isinstance(name, str | None):
            return True
        path = name or "NULL"  # as MVT calls it
        return path.startswith("/var/tmp/") or matcher.file_path(path.rstrip("\x00")) is not None  # noqa: S108

    return judge


def _looked_up(look_ups: Callable[[Row], Iterable[tuple[str, Any]]]) -> Callable[[Matcher, sqlite3.Connection], Judge]:
    """Make a judge for records that only `more_checks` compares: most rows repeat the values of another one."""

    def make(matcher: Matcher, _: sqlite3.Connection) -> Judge:
        harmless: set[Row] = set()

        def judge(*values: Any) -> bool:
            if values in harmless:
                return False
            before = matcher.shortened_links
            if any(isinstance(value, bytes) for value in values):
                return True
            if any(getattr(matcher, method)(value) for method, value in look_ups(values)):
                return True
            if matcher.shortened_links == before:
                if len(harmless) >= _REMEMBERED:
                    harmless.clear()
                harmless.add(values)
            return False

        return judge

    return make


_OF_INTERACTIONS = ("sender_identifier", "domain_identifier", "account", "interaction_content_url", "bundle_id")
_OF_SOME_INTERACTIONS = ("recipient_identifier", "custom_id", "attachment_content_url", "target_bundle_id")


def _interaction(values: Row) -> Iterable[tuple[str, Any]]:
    names = (*_OF_INTERACTIONS, *_OF_SOME_INTERACTIONS)
    return MORE_CHECKS["InteractionC"].look_ups(dict(zip(names, values, strict=True)))


SIEVES: Mapping[str, Sieve] = {
    "Manifest": Sieve(("relativePath",), _path),
    "SMS": Sieve(("text",), _message, ("attributedBody",)),
    "SMSAttachments": Sieve(("filename",), _attachment),
    "Whatsapp": Sieve(("ZTEXT", "ZMEDIAURL", "ZCONTENT1", "ZCONTENT2", "ZMATCHEDTEXT"), _whatsapp_message),
    "SafariHistory": Sieve(("url", "id", "id", "redirect_destination"), _visit),
    "ChromeHistory": Sieve(("url",), _urls),
    "ChromeFavicon": Sieve(("page_url", "url"), _urls),
    "FirefoxHistory": Sieve(("url",), _urls),
    "FirefoxFavicon": Sieve(("url", "url"), _urls),
    "InteractionC": Sieve(_OF_INTERACTIONS, _looked_up(_interaction), _OF_SOME_INTERACTIONS),
    "Calls": Sieve(("ZADDRESS",), _looked_up(addresses)),
    "Contacts": Sieve(("value",), _looked_up(addresses)),
}
