"""Invented phones of any size, for measuring: the phone of `spytriage demo`, with years of use behind it.

    python -m benchmarks.phones FOLDER --size middling [--encrypted]

One seed is one phone, the same bytes in every file. Its databases are those of the demo, with more rows; traces of
the sets "demo" and "pegasus-core" are on it, every so many records. Ordinary files are hard links to a few contents
of ordinary sizes: two million of them take minutes to write and no room, and no module opens them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sqlite3
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path

from spytriage.demo import phone_files
from spytriage.demo.backup_format import MANIFEST_COLUMNS, App, BackupFile, mbfile, property_lists
from spytriage.demo.encryption import Keybag
from spytriage.demo.formats import WRITER, Rows, fill
from spytriage.demo.records import Call, Event, Lookup, Message, Permission, Person, Story, Usage, Visit
from spytriage.demo.story import tell
from spytriage.models import IndicatorType

PASSWORD = "invented-password"
ROUNDS = (10_000_000, 10_000)  # of the key derivation, as iPhones ask for


@dataclass(frozen=True, slots=True)
class Size:
    """How much is on a phone; everything else grows with it."""

    files: int
    messages: int  # in sms.db
    visits: int  # in Safari's History.db
    interactions: int  # in interactionC.db; those that are no SMS are WhatsApp's


SIZES = {
    "small": Size(20_000, 10_000, 10_000, 20_000),
    "middling": Size(100_000, 50_000, 50_000, 100_000),
    "full": Size(500_000, 200_000, 200_000, 500_000),
    "huge": Size(2_000_000, 1_000_000, 1_000_000, 2_000_000),
}


@dataclass(frozen=True, slots=True)
class Phone:
    """What was written."""

    files: int  # entries of the manifest, folders among them
    size: int  # bytes of all files
    databases: tuple[str, ...]  # the SQLite files that modules read, relative to the backup
    beyond_mvt: Mapping[tuple[str, str], int]
    """Traces that MVT does not look at and spytriage does: module and indicator, and how many alerts."""


# --- What happened on the phone -----------------------------------------------------------------------------------

_END = datetime(2024, 9, 1, tzinfo=UTC)  # before what the story of the demo tells
_LURE, _PARCEL, _OPERATOR = "free-news-alert.example", "track-parcel.example", "demo.operator@example.org"
_PROCESS, _APP, _FILE = "demospyd", "org.example.demospy", "demospyd.plist"
# Of the set pegasus-core: in a path MVT sees only sites whose top level exists, and none of the demo's does.
_STORED = "smsmensaje.mx"
_DOMAIN = IndicatorType.DOMAIN
# One in so many records holds a trace, or something else that a module has to look at closely.
_TRACE, _RICH_TRACE, _LINK, _REDIRECT, _INJECTION, _SHORTENED = 5_000, 20_000, 8, 50, 5_000, 1_000
_FILE_TRACE, _PATH_TRACE = 10_000, 7_000
_WORDS = (
    "la nota que enviamos ayer ya salió en portada", "mañana hay junta", "gracias por la foto", "nos vemos pronto",
    "the draft is nearly done", "see you at the usual place", "sin teléfonos", "de acuerdo", "¿a qué hora?", "thanks",
)  # fmt: skip


def _grown(size: Size, rng: random.Random) -> Story:
    """Add years of ordinary life to the story of the demo."""
    story = tell(2021, planted=True)
    people = (*story.people, *_people(size.messages))
    pages = max(len(story.other_visits), size.visits // 100)
    return replace(
        story,
        people=people,
        apps=(*story.apps, *_apps(40), App(_APP, "Demo", "Ejemplo", "1.0", _END)),
        messages=(*_messages(size.messages - len(story.messages), people, rng), *story.messages),
        chats=(*_chats(size.interactions - size.messages - len(story.chats), people, rng), *story.chats),
        visits=(*_visits(size.visits - len(story.visits), rng), *story.visits),
        other_visits=(*_visits(pages - len(story.other_visits), rng, every=100), *story.other_visits),
        usage=(*_usage(400, rng), *story.usage),
        daily_usage=(*_usage(300, rng), *story.daily_usage),
        lookups=(*_lookups(people), *story.lookups),
        calls=(*_calls(size.messages // 10, people, rng), *story.calls),
        events=(*_events(size.messages // 50, people), *story.events),
        permissions=(*_permissions(), *story.permissions),
    )


def _back(number: int, minutes: float) -> datetime:
    return _END - timedelta(minutes=minutes * number)


def _people(messages: int) -> Iterator[Person]:
    for number in range(min(1_000, 100 + messages // 500)):  # as many numbers as are reserved for fiction
        yield Person(f"Persona {number:03d}", f"+447700900{number:03d}", f"persona.{number:03d}@example.com")


def _apps(count: int) -> Iterator[App]:
    for number in range(count):
        yield App(f"org.example.app{number}", f"App {number}", "Ejemplo", f"1.{number}", _back(number, 9_000))


def _host(rng: random.Random) -> str:
    """Return one of a few hosts that come all the time, or one of many that come a few times."""
    return f"host{rng.randrange(300)}.example.com" if rng.random() < 0.5 else f"www.site-{rng.randrange(40_000)}.org"


def _text(number: int, rng: random.Random) -> str:
    words = " ".join(rng.choices(_WORDS, k=rng.randint(1, 6)))
    return f"{words} https://{_host(rng)}/{rng.getrandbits(40):x}" if number % _LINK == 0 else words


def _messages(count: int, people: tuple[Person, ...], rng: random.Random) -> Iterator[Message]:
    for number in reversed(range(count)):
        text, trace = _text(number, rng), None
        if number % _TRACE == 7:
            text, trace = f"{text} https://{_LURE}/n/{number:x}", (_DOMAIN, _LURE)
        rich_only = number % 4 == 1  # as many messages are since iOS 16
        if number % _RICH_TRACE == 17:
            text = f"{text} https://{_PARCEL}/guia-{number:x}"
        picture = f"~/Library/SMS/Attachments/{number % 256:02x}/{number}.heic" if number % 20 == 0 else ""
        service = "SMS" if number % 9 == 0 else "iMessage"
        shown = "" if rich_only else text
        sent = number % 5 < 2
        yield Message(
            _back(number, 7), rng.choice(people), shown, sent, service, picture, _attributed(text), trace=trace
        )


def _attributed(text: str) -> bytes:
    """Return an NSAttributedString of one run as NSArchiver writes it ("typedstream"), as iMessage keeps texts.

    Source: the readers of imessage-exporter (github.com/ReagentX/imessage-exporter, crate imessage-database).
    """
    data, units = text.encode(), len(text.encode("utf-16-le")) // 2
    return b"".join(
        (
            b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00",
            b"\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+",
            _streamed(len(data)) + data + b"\x86\x84\x02iI\x01" + _streamed(units),
            b"\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96",
            b"\x1d__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00",
            b"\x94\x84\x01*\x84\x99\x99\x00\x86\x86\x86",
        )
    )


def _streamed(number: int) -> bytes:
    """Return a number of at most 16 bits as a typedstream holds it."""
    return bytes([number]) if number < 0x80 else b"\x81" + number.to_bytes(2, "little")


def _chats(count: int, people: tuple[Person, ...], rng: random.Random) -> Iterator[Message]:
    for number in reversed(range(count)):
        text, trace = _text(number, rng), None
        if number % _TRACE == 9:
            text, trace = f"{text} https://{_PARCEL}/p/{number:x}", (_DOMAIN, _PARCEL)
        yield Message(_back(number, 5), rng.choice(people), text, number % 2 == 0, "WhatsApp", trace=trace)


def _visits(count: int, rng: random.Random, every: int = _TRACE) -> Iterator[Visit]:
    host = ""
    for number in reversed(range(count)):
        at, redirected, trace = _back(number, 4), number % _REDIRECT == 0, None
        scheme = "http" if number % _REDIRECT == 1 else "https"
        if redirected:  # the visit before it was to http://
            at += timedelta(minutes=-4, milliseconds=300)
        if not redirected or number % _INJECTION == 0:
            host = _host(rng)
        if number % _SHORTENED == 11:
            host = "bit.ly"
        if number % every == 13:
            host, trace = _LURE, (_DOMAIN, _LURE)
        url = f"{scheme}://{host}/{rng.getrandbits(44):x}?id={number}"
        yield Visit(at, url, f"Página inventada {number}", redirected, trace=trace)


def _usage(count: int, rng: random.Random) -> Iterator[Usage]:
    for number in range(count):
        bundle_id = f"org.example.app{number}" if number % 3 else ""
        yield Usage(
            f"proceso{number}d", bundle_id, _back(number, 900), _END, rng.randrange(10**8), rng.randrange(10**7)
        )


def _lookups(people: Iterable[Person]) -> Iterator[Lookup]:
    for number, person in enumerate(people):
        yield Lookup(datetime(2021, 5, 1, tzinfo=UTC) - timedelta(hours=number), person.email)


def _calls(count: int, people: tuple[Person, ...], rng: random.Random) -> Iterator[Call]:
    for number in range(count):
        yield Call(_back(number, 70), rng.choice(people), rng.randrange(900))


def _events(count: int, people: tuple[Person, ...]) -> Iterator[Event]:
    operator = Person("Operador Ejemplo", "+12025550198", _OPERATOR)
    for number in range(count):
        planted = number % 500 == 3
        organiser = operator if planted else people[number % len(people)]
        trace = (IndicatorType.EMAIL, _OPERATOR) if planted else None
        yield Event(_back(number, 3_000), f"Junta {number}", "Nota inventada", organiser, trace=trace)


def _permissions() -> Iterator[Permission]:
    for number in range(150):
        for service in ("kTCCServiceMicrophone", "kTCCServiceCamera"):
            yield Permission(_back(number, 5_000), service, f"org.example.app{number}")
    yield Permission(_END, "kTCCServiceMicrophone", _PROCESS, trace=(IndicatorType.PROCESS, _PROCESS))


# --- Ordinary files -----------------------------------------------------------------------------------------------


def _uuid(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08X}-0000-4000-8000-{number:012X}"


_CHATS = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
_SAFARI, _STORAGE = "AppDomain-com.apple.mobilesafari", "Library/WebKit/WebsiteData/LocalStorage"
# Of a hundred files, how many are of which kind: the domain and the path of the one with a number.
_PHOTOS = "Media/PhotoData"
_KINDS: tuple[tuple[int, str, Callable[[int], str]], ...] = (
    (40, "CameraRollDomain", lambda n: f"Media/DCIM/{100 + n // 999}APPLE/IMG_{n:07d}.HEIC"),
    (6, "CameraRollDomain", lambda n: f"{_PHOTOS}/Thumbnails/V2/DCIM/{100 + n // 999}APPLE/IMG_{n:07d}.HEIC/5005.JPG"),
    (2, "CameraRollDomain", lambda n: f"{_PHOTOS}/Mutations/DCIM/{100 + n // 999}APPLE/IMG_{n:07d}/Adjustments.plist"),
    (14, _CHATS, lambda n: f"Message/Media/447700900{n // 3000:03d}@s.whatsapp.net/{n % 16:x}/{_uuid(n)}.jpg"),
    (4, "MediaDomain", lambda n: f"Library/SMS/Attachments/{n % 256:02x}/{n % 16:02d}/{_uuid(n)}/IMG_{n:04d}.heic"),
    (30, "AppDomain-org.example.recorder", lambda n: f"Documents/cache/{n % 64:02x}/{_uuid(n)}.dat"),
    (2, "HomeDomain", lambda n: f"Library/Biome/streams/public/{n % 90}/local/{n}"),
    (2, _SAFARI, lambda n: f"{_STORAGE}/https_www.site-{n}.org_0.localstorage"),
)
# How many of a hundred contents have which size: 20.5 kB in the mean.
_CONTENTS = ((3_000, 60), (12_000, 25), (50_000, 10), (210_000, 5))
_LINKS = 30_000  # to one inode; ext4 allows 65,000, others fewer


def _ordinary(count: int) -> Iterator[tuple[str, str]]:
    """Give the domain and the path of each ordinary file, a domain after the other as iOS does."""
    given = 0
    for position, (share, domain, path_of) in enumerate(_KINDS):
        many = count - given if position == len(_KINDS) - 1 else count * share // 100
        for number in range(many):
            yield domain, path_of(number)
        given += many


def _traces(count: int) -> Iterator[tuple[str, str]]:
    """Give the files with planted names: one in so many."""
    for number in range(1 + count // _FILE_TRACE):
        yield "HomeDomain", f"Library/Caches/inventado-{number}/{_FILE}"
    for number in range(1 + count // _PATH_TRACE):
        yield _SAFARI, f"{_STORAGE}/{number}/https_{_STORED}_0.localstorage"


@dataclass(frozen=True, slots=True)
class _Content:
    """A content that many files have, and the key that they have in common in an encrypted backup."""

    data: bytes
    stored: bytes
    wrapped_key: bytes


def _contents(rng: random.Random, seal: Keybag | None) -> list[_Content]:
    found = []
    for number, (size, share) in enumerate(_CONTENTS):
        data, name = rng.randbytes(size), f"content {number}"
        stored = seal.file(name, data) if seal else data
        found += [_Content(data, stored, seal.file_key(name) if seal else b"")] * share
    rng.shuffle(found)
    return found


# Stand-ins that a template's bytes are searched for, each as long as what takes its place.
_INODE, _STAMP, _SIZE, _KEY = 0x7ABCDEF1, 0x66DCBA98, 0x0101A5, b"\xee" * 44
_STAMP_AT = datetime.fromtimestamp(_STAMP, UTC)


class _Template:
    """An archived MBFile for paths of one length; parsing and writing a property list for each file takes minutes."""

    def __init__(self, length: int, *, is_folder: bool, has_key: bool) -> None:
        path = "~" * length
        content = b"" if is_folder else bytes(_SIZE)
        file = BackupFile("", path, content, _STAMP_AT, is_folder=is_folder)
        self._bytes = mbfile(file, _INODE, _KEY if has_key else b"")
        self._inode = self._at(b"\x12" + struct.pack(">I", _INODE)) + 1
        self._stamp = self._at(b"\x12" + struct.pack(">I", _STAMP)) + 1
        self._size = None if is_folder else self._at(b"\x12" + struct.pack(">I", _SIZE)) + 1
        self._key = self._at(_KEY) if has_key else None
        self._path = slice(self._at(path.encode()), self._at(path.encode()) + length) if length else None

    def _at(self, value: bytes) -> int:
        if self._bytes.count(value) != 1:
            raise AssertionError("a template holds each stand-in once")
        return self._bytes.index(value)

    def filled(self, path: str, inode: int, stamp: int, size: int, key: bytes) -> bytes:
        made = bytearray(self._bytes)
        struct.pack_into(">I", made, self._inode, inode)
        struct.pack_into(">I", made, self._stamp, stamp)
        if self._size is not None:
            struct.pack_into(">I", made, self._size, size)
        if self._key is not None:
            made[self._key : self._key + len(_KEY)] = key
        if self._path is not None:
            made[self._path] = path.encode("ascii")
        return bytes(made)


@cache
def _template(length: int, is_folder: bool, has_key: bool) -> _Template:
    return _Template(length, is_folder=is_folder, has_key=has_key)


Row = tuple[str, str, str, int, bytes]


class _Writer:
    """Writes the files of a backup as it gives the rows of its manifest."""

    def __init__(self, folder: Path, seal: Keybag | None, rng: random.Random) -> None:
        self._folder, self._seal, self._rng = folder, seal, rng
        self._inode = 10_000
        self._folders: set[tuple[str, str]] = set()
        self._linked: dict[int, tuple[Path, int]] = {}  # where a content lies, and how often it is linked
        self.size = 0
        for number in range(256):
            (folder / f"{number:02x}").mkdir(parents=True)

    def rows(self, artefacts: Iterable[BackupFile], ordinary: Iterable[tuple[str, str]]) -> Iterator[Row]:
        for file in artefacts:
            yield from self._folder_rows(file.domain, file.path)
            yield self._artefact(file)
        contents = _contents(self._rng, self._seal)
        for number, (domain, path) in enumerate(ordinary):
            yield from self._folder_rows(domain, path)
            yield self._file(domain, path, contents[number % len(contents)])

    def _artefact(self, file: BackupFile) -> Row:
        self._inode += 1
        key, stored = b"", file.content
        if self._seal and file.content:
            key, stored = self._seal.file_key(file.file_id), self._seal.file(file.file_id, file.content)
        if file.flags == 1:
            (self._folder / file.file_id[:2] / file.file_id).write_bytes(stored)
        self.size += len(stored)
        return file.file_id, file.domain, file.path, file.flags, mbfile(file, self._inode, key)

    def _file(self, domain: str, path: str, content: _Content) -> Row:
        self._inode += 1
        file_id = _file_id(domain, path)
        self._store(f"{self._folder}/{file_id[:2]}/{file_id}", content)
        self.size += len(content.stored)
        template = _template(len(path), False, bool(content.wrapped_key))
        blob = template.filled(path, self._inode, _stamp(self._inode), len(content.data), content.wrapped_key)
        return file_id, domain, path, 1, blob

    def _store(self, place: str, content: _Content) -> None:
        first, links = self._linked.get(id(content), (Path(), 0))
        if links % _LINKS == 0:
            first = Path(place)
            first.write_bytes(content.stored)
        else:
            os.link(first, place)
        self._linked[id(content)] = first, links + 1

    def _folder_rows(self, domain: str, path: str) -> Iterator[Row]:
        """Give the rows of the folders of a file that have none yet, down from the domain's own."""
        missing, parent = [], path
        while parent:
            parent = parent.rpartition("/")[0]
            if (domain, parent) in self._folders:
                break
            self._folders.add((domain, parent))
            missing.append(parent)
        for name in reversed(missing):
            self._inode += 1
            blob = _template(len(name), True, False).filled(name, self._inode, _stamp(self._inode), 0, b"")
            yield _file_id(domain, name), domain, name, 2, blob


def _file_id(domain: str, path: str) -> str:
    return hashlib.sha1(f"{domain}-{path}".encode(), usedforsecurity=False).hexdigest()


def _stamp(inode: int) -> int:
    return int(_END.timestamp()) - inode % 60_000_000


def write_phone(
    folder: Path, size: Size, *, seed: int = 2021, password: str = "", rounds: tuple[int, int] = ROUNDS
) -> Phone:
    """Write a phone's backup.

    Args:
        folder: does not exist yet.
        size: how much is on it.
        seed: one seed is one phone.
        password: encrypts the backup; "" leaves it in clear.
        rounds: of the key derivation.
    """
    rng = random.Random(seed)
    story = _grown(size, rng)
    seal = Keybag(password, story.device.udid, rounds) if password else None
    writer = _Writer(folder, seal, rng)
    artefacts = phone_files(story)
    count = max(0, size.files - len(artefacts))
    planted = list(_traces(count))
    ordinary = chain(planted, _ordinary(count - len(planted)))
    manifest, rows = folder / "Manifest.db", Counter[str]()

    def counted() -> Iterator[Row]:
        for row in writer.rows(artefacts, ordinary):
            rows["all"] += 1
            yield row

    _write_database(manifest, "Manifest.db", {MANIFEST_COLUMNS: counted()})
    if seal:
        manifest.write_bytes(seal.manifest(manifest.read_bytes()))
    for name, content in property_lists(story.device, story.apps, seal).items():
        (folder / name).write_bytes(content)
    databases = [
        f"{file.file_id[:2]}/{file.file_id}" for file in artefacts if file.content.startswith(b"SQLite format 3\0")
    ]
    return Phone(rows["all"], writer.size, ("Manifest.db", *databases), _beyond_mvt(story))


def _write_database(path: Path, name: str, rows: Rows) -> None:
    """Write an SQLite file that need not fit into memory; otherwise as the demo's `database`."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    fill(connection, name, rows)
    connection.close()
    with path.open("r+b") as file:
        file.seek(WRITER.start)
        file.write(bytes(4))


def _beyond_mvt(story: Story) -> dict[tuple[str, str], int]:
    rich = sum(_PARCEL.encode() in message.rich_text and not message.text for message in story.messages)
    traced_rich = sum(_LURE.encode() in message.rich_text and not message.text for message in story.messages)
    found = Counter({("SMS", _PARCEL): rich, ("SMS", _LURE): traced_rich, ("BackupInfo", _APP): 1})
    return {key: number for key, number in found.items() if number}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="does not exist yet")
    parser.add_argument("--size", choices=SIZES, default="middling")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--encrypted", action="store_true", help=f"with the password {PASSWORD}")
    options = parser.parse_args()
    begin = time.perf_counter()
    password = PASSWORD if options.encrypted else ""
    phone = write_phone(options.folder, SIZES[options.size], seed=options.seed, password=password)
    print(f"{phone.files} entries, {phone.size / 1e9:.2f} GB, in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
