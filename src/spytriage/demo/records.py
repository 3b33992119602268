"""What an invented phone remembers: plain records, in the words of people and not of any database.

A record that is a planted trace says which indicator it holds in `trace`; all others leave that empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spytriage.demo.backup_format import App, BackupFile, Device
from spytriage.models import IndicatorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Base of everything that can be a planted trace."""

    trace: tuple[IndicatorType, str] | None = None  # type and value of the planted indicator


@dataclass(frozen=True, slots=True)
class Person(Record):
    """Somebody in the address book, or a stranger who is not."""

    name: str
    number: str  # E.164, from a range reserved for fiction
    email: str  # "" for a stranger


@dataclass(frozen=True, slots=True)
class Message(Record):
    """A message to or from a person; `service` is "iMessage", "SMS" or "WhatsApp"."""

    at: datetime
    person: Person
    text: str
    sent: bool = False
    service: str = "iMessage"
    attachment: str = ""  # a path on the phone
    rich_text: bytes = b""  # the text once more as an attributed string; since iOS 16 often the only one


@dataclass(frozen=True, slots=True)
class Visit(Record):
    """A page that a browser opened."""

    at: datetime
    url: str
    title: str
    redirected: bool = False  # the visit before it led here by itself


@dataclass(frozen=True, slots=True)
class Usage(Record):
    """What a process sent and received over the network."""

    process: str
    bundle_id: str  # "" for a process of the system
    first: datetime
    last: datetime
    received: int  # bytes
    sent: int  # bytes


@dataclass(frozen=True, slots=True)
class Lookup(Record):
    """The phone asked Apple whether an account can be reached."""

    at: datetime
    account: str  # an e-mail address or telephone number


@dataclass(frozen=True, slots=True)
class Call(Record):
    """A telephone call."""

    at: datetime
    person: Person
    seconds: int


@dataclass(frozen=True, slots=True)
class Event(Record):
    """An entry of the calendar, lasting an hour."""

    at: datetime
    summary: str
    notes: str
    organiser: Person


@dataclass(frozen=True, slots=True)
class Permission(Record):
    """An app was allowed to use something."""

    at: datetime
    service: str
    bundle_id: str


@dataclass(frozen=True, slots=True)
class StoredFile(Record):
    """An ordinary file in the backup."""

    file: BackupFile


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is on the phone."""

    owner: Person
    device: Device
    apps: tuple[App, ...]
    people: tuple[Person, ...]
    messages: tuple[Message, ...]
    chats: tuple[Message, ...]  # WhatsApp
    visits: tuple[Visit, ...]  # Safari, in the order of time
    other_visits: tuple[Visit, ...]  # Chrome and Firefox
    usage: tuple[Usage, ...]  # DataUsage
    daily_usage: tuple[Usage, ...]  # osanalytics.addaily
    lookups: tuple[Lookup, ...]
    calls: tuple[Call, ...]
    events: tuple[Event, ...]
    permissions: tuple[Permission, ...]
    files: tuple[StoredFile, ...]
