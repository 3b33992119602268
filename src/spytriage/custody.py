"""custody.jsonl: who had a hand-off and what was done with it, by role, never by name.

One line of canonical JSON for each event, only ever added to. A line holds the SHA-256 of everything above it
(`above`), so nothing above can change, go or come in without notice, and its own digest (`digest`), so that a damaged
last line is noticed too. The manifest, and with it a signature, holds the SHA-256 of the lines that were there when
the report was made; later lines are what those who passed it on say, chained but not signed.

    head -n 2 custody.jsonl | sha256sum
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.jsontext import canonical

_MOST_EVENTS = 1000


class Event(StrEnum):
    """What can happen to the evidence, the report, or both."""

    ACQUIRED = "acquired"  # the backup was made
    CHECKED = "checked"
    SEALED = "sealed"  # evidence was sealed for recipients
    PACKED = "packed"
    VERIFIED = "verified"
    REVIEWED = "reviewed"
    HANDED_OVER = "handed-over"
    DELETED = "deleted"  # the backup, the report or the sealed evidence


class Role(StrEnum):
    """Who did it."""

    DATA_OWNER = "data-owner"  # who used the phone
    OPERATOR = "operator"  # who runs spytriage: a trainer, a defender
    REVIEWER = "reviewer"
    COURIER = "courier"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    number: int  # from 1
    event: Event
    role: Role
    day: date  # UTC
    above: str  # SHA-256 of everything above the line

    def line(self) -> bytes:
        """Return the line with its end."""
        content: dict[str, Any] = {
            "number": self.number,
            "event": self.event.value,
            "role": self.role.value,
            "day": self.day.isoformat(),
            "above": self.above,
        }
        return canonical(content | {"digest": hashlib.sha256(canonical(content)).hexdigest()}) + b"\n"


def append(log: bytes, event: Event, role: Role, day: date) -> bytes:
    """Return the log with one more line."""
    number = log.count(b"\n") + 1
    return log + Entry(number, event, role, day, hashlib.sha256(log).hexdigest()).line()


def read(log: bytes) -> tuple[Entry, ...]:
    """Return the events of a log.

    Raises:
        ValueError: a line was changed, taken out or put in, or is none.
    """
    lines = log.splitlines(keepends=True)
    if not lines or len(lines) > _MOST_EVENTS:
        raise ValueError("a log has between one and a thousand lines")
    entries: list[Entry] = []
    above = hashlib.sha256()
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        # Written again it must be the same bytes: canonical form, the digest, and nothing beside it.
        if entry.line() != line or entry.number != number or entry.above != above.hexdigest():
            raise ValueError("the chain is broken")
        # Only the acquisition may be written down after what came later.
        if entries and entry.event is not Event.ACQUIRED and entry.day < max(known.day for known in entries):
            raise ValueError("an event lies before one above it")
        entries.append(entry)
        above.update(line)
    return tuple(entries)


def checked(log: bytes) -> tuple[Entry, ...]:
    """Return the events of a log.

    Raises:
        SpytriageError: the chain is broken.
    """
    try:
        return read(log)
    except ValueError as error:
        raise SpytriageError(
            _("The chain of custody is broken."), hint=_("See what else is wrong: `spytriage verify`.")
        ) from error


def extend(log: bytes, event: Event, role: Role, day: date) -> bytes:
    """Return a log that came from elsewhere with one more line.

    A clock that is behind the one that wrote the last line does not break the chain: the later day stands.

    Raises:
        SpytriageError: the chain is broken: adding to it would hide that.
    """
    return append(log, event, role, max(day, *(entry.day for entry in checked(log))))


def _entry(line: bytes) -> Entry:
    try:
        content = json.loads(line)
        number, above = content["number"], content["above"]
        if type(number) is not int or not isinstance(above, str):
            raise ValueError("not an entry")
        return Entry(number, Event(content["event"]), Role(content["role"]), date.fromisoformat(content["day"]), above)
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("not an entry") from error


def bound(log: bytes) -> dict[str, Any]:
    """Return what the manifest says of a log: how many lines, and the SHA-256 of them."""
    return {"entries": log.count(b"\n"), "sha256": hashlib.sha256(log).hexdigest()}


def is_bound(log: bytes, claim: object) -> bool:
    """Return whether a log begins with the lines that the manifest names."""
    if not isinstance(claim, dict) or type(entries := claim.get("entries")) is not int or entries < 1:
        return False
    return bound(b"".join(log.splitlines(keepends=True)[:entries])) == claim
