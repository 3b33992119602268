"""What happened on the invented phone: who wrote what, when, and which of it is a planted trace.

A journalist of an invented Mexican newsroom. In 2021 their old phone looked up an account of an
operator, and the record moved on to the new one. In September 2024 a WhatsApp message about a
parcel arrives, then an iMessage with a link; the owner forwards it to a colleague to ask about it;
minutes later a page sends the browser on to the same site, a process appears that nobody knows, and
a file. Around it stands ordinary life, some of it easily mistaken for a trace, and text that tries
to steer whatever shows it.

Everything is invented: telephone numbers are from a range reserved for fiction, sites are under
reserved names, people are called examples. The indicators are those of the set "demo"
(indicators/demo.yaml). Whether iOS would put all of this into a backup without a password is left
aside: every artefact that MVT reads is there.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from spytriage.demo.backup_format import App, BackupFile, Device
from spytriage.demo.records import (
    Call,
    Event,
    Lookup,
    Message,
    Permission,
    Person,
    Record,
    StoredFile,
    Story,
    Usage,
    Visit,
)
from spytriage.models import IndicatorType

_DOMAIN = IndicatorType.DOMAIN

_HOSTILE = (
    "hostil-terminal \x1b[2J\x1b[31mrojo\x1b[0m \x1b]0;título\x07 \x9b1m"
    " \x1b]8;;https://example.org/osc8-enlace\x07aquí\x1b]8;;\x07",
    "hostil-marcado [bold red]fuerte[/bold red] [link=https://example.org/rich-enlace]aquí[/link] [/]",
    "hostil-html <script>alert('demo')</script><img src=x onerror=alert(1)>&lt;b&gt; {{ 7*7 }}",
    "hostil-bidi \u202efdp.exe\u202c \u2066oculto\u2069 \u200bancho cero\u200f \ufeff",
    '=HYPERLINK("https://example.org/hoja-enlace";"hostil-formula")',
)
_SMALL_TALK = (
    "¿Ya llegó la nota de la marcha? La subo antes de las siete.",
    "Nos vemos en el café de siempre, llevo las copias.",
    "Thanks for the interview, the draft is nearly done.",
    "La fuente confirma la cita del jueves, sin teléfonos.",
    "هل وصلت الصور؟ سنتحدث مساء اليوم إن شاء الله",
    "Please call me back when the edit is closed.",
    "Te mando el contrato inventado, revísalo con calma.",
    "El plazo para la convocatoria cierra el viernes a mediodía.",
)
# Easily mistaken for a trace, and none.
_LOOK_ALIKES = (
    "Mira la nota: https://news.example.org/2024/que-es-free-news-alert.example-y-quien-lo-usa",
    "La nueva página es https://free-news-alert.example.org/portada-nueva",
    "Ojo, notfree-news-alert.example no es el mismo sitio, solo termina igual.",
    "El formato de inscripción: https://bit.ly/demo-formato-2024",
)
_PAGES = (
    ("https://news.example.org/internacional-0907", "Noticias inventadas: internacional"),
    ("https://www.example.com/recetas-mole-negro", "Mole negro en cuatro horas"),
    (
        "https://vendor.example.com/lawful-interception-products",
        "Products for lawful interception (invented vendor)",
    ),
    ("https://news.example.org/que-es-free-news-alert.example", "¿Qué es free-news-alert.example? Explicado"),
    ("https://archive.example.net/ley-prensa-2024.html", "أرشيف قانون الصحافة"),
    (
        "https://www.example.com/hostil-pagina",
        "hostil-titulo <b>\u202eoculto\u202c</b> [red]rojo[/red] \x1b[31m",
    ),
)
_ATTACHMENT = "Library/SMS/Attachments/de/14/foto-inventada.jpg"
_FILE_NAMES = ("entrevista-inventada.m4a", "hostil-archivo <b>\u202egpj.exe [red]\x1b[31m.txt", "ملف تجريبي.txt")
_FAMILY = ("Ejemplo", "Inventada", "Muestra", "Ficticio", "Imaginaria")
_GIVEN = ("Ana", "Luis", "Marta", "Nadia", "Omar", "Pilar", "Sara", "Elena")
_APPS = (
    ("net.whatsapp.WhatsApp", "WhatsApp Messenger", "WhatsApp Inc."),
    ("com.google.chrome.ios", "Google Chrome", "Google LLC"),
    ("org.mozilla.ios.Firefox", "Firefox", "Mozilla"),
    ("org.example.recorder", "Grabadora Demo \x1b[31m<b>hostil-app</b>", "Ejemplo S. A. \u202eoculto"),
)
_PROCESSES = (
    ("mDNSResponder", ""),
    ("apsd", ""),
    ("demospotlightd", ""),  # named much like a planted one
    ("com.apple.WebKit.Networking", "com.apple.mobilesafari"),
    ("demosurveyhelper", ""),  # sixteen characters that begin like the planted one
    ("WhatsApp", "net.whatsapp.WhatsApp"),
    ("Chrome", "com.google.chrome.ios"),
    ("Recorder", "org.example.recorder"),
)


def tell(seed: int, *, planted: bool = True) -> Story:
    """Return the story of one phone; a seed is a phone. Without planted traces all else stays as it is."""
    rng = Random(seed)  # noqa: S311 (an invented phone holds no secret)
    day = datetime(2024, 9, 9, tzinfo=UTC) + timedelta(days=rng.randrange(14))
    people = _people(rng)
    stranger = _stranger(rng)
    story = Story(
        owner=Person("Demo Person", "+12025550100", "demo.person@example.org"),
        device=_device(rng, day),
        apps=tuple(
            App(*app, f"24.{n}.{rng.randrange(9)}", day - timedelta(days=90 + n)) for n, app in enumerate(_APPS)
        ),
        people=people,
        messages=_messages(rng, day, people, stranger),
        chats=_chats(rng, day, people, stranger),
        visits=_visits(rng, day),
        other_visits=_ordinary_visits(rng, day),
        usage=(*_usage(rng, day), _planted_usage(day, "demosurveillanceagentd")),
        daily_usage=(*_usage(rng, day), _planted_usage(day, "demospyd")),
        lookups=_lookups(rng, people),
        calls=tuple(Call(_past(rng, day), person, rng.randrange(0, 900)) for person in people),
        events=tuple(
            Event(
                day + timedelta(days=number, hours=16),
                f"Junta de redacción {number}",
                _HOSTILE[number],
                person,
            )
            for number, person in enumerate(people)
        ),
        permissions=tuple(
            Permission(_past(rng, day), service, bundle_id)
            for bundle_id, _name, _artist in _APPS
            for service in ("kTCCServiceMicrophone", "kTCCServiceCamera", "kTCCServicePhotos")
        ),
        files=_files(rng, day),
    )
    return story if planted else _without_traces(story)


def _without_traces(story: Story) -> Story:
    def kept(value: Any) -> Any:
        if not isinstance(value, tuple):
            return value
        return tuple(item for item in value if not (isinstance(item, Record) and item.trace))

    return replace(story, **{part.name: kept(getattr(story, part.name)) for part in fields(story)})


def _past(rng: Random, day: datetime) -> datetime:
    """Return some waking moment of the weeks before the day."""
    return day - timedelta(days=rng.randrange(2, 40)) + timedelta(seconds=rng.randrange(13 * 3600, 27 * 3600))


def _people(rng: Random) -> tuple[Person, ...]:
    given, family = rng.sample(_GIVEN, 4), rng.sample(_FAMILY, 4)
    numbers = rng.sample(range(101, 170), 5)
    named = [
        Person(f"{first} {last}", f"+12025550{number}", f"{first.lower()}.{last.lower()}{number}@example.com")
        for first, last, number in zip(given, family, numbers, strict=False)
    ]
    hostile = Person("Nombre <i>hostil-nombre</i> [b]\u202e", f"+12025550{numbers[4]}", "nombre.hostil@example.net")
    return (*named, hostile)


def _stranger(rng: Random) -> Person:
    return Person("Desconocido Ejemplo", f"+12025550{rng.randrange(170, 200)}", "")


def _device(rng: Random, day: datetime) -> Device:
    return Device(
        name="iPhone de Demo Person <b>\u202e",
        udid=f"00008110-0000DE30{rng.randrange(16**8):08X}",
        serial=f"DEMO{rng.randrange(16**6):06X}",
        imei=f"001010000{rng.randrange(10**6):06}",  # 001010: the number block of test devices
        iccid=f"89000000000000{rng.randrange(10**6):06}",
        phone_number="+1 (202) 555-0100",
        product_type="iPhone14,5",
        ios="17.6.1",
        build="21G93",
        backed_up=day + timedelta(days=9, hours=17, minutes=rng.randrange(60)),
    )


def _messages(rng: Random, day: datetime, people: tuple[Person, ...], stranger: Person) -> tuple[Message, ...]:
    code, lure = f"{rng.randrange(16**6):06x}", (_DOMAIN, "free-news-alert.example")
    texts = (*_SMALL_TALK, *_LOOK_ALIKES, *_HOSTILE)
    ordinary = [
        Message(_past(rng, day), rng.choice(people), text, sent=rng.random() < 0.4, service=service)
        for text in texts
        for service in ("iMessage", "SMS")
    ]
    picture = Message(_past(rng, day), people[0], "La foto inventada de ayer", attachment=f"~/{_ATTACHMENT}")
    received = Message(
        day + timedelta(hours=16, minutes=4, seconds=rng.randrange(60)),
        stranger,
        f"Urgente: publicaron tus fotos. Míralo antes de que lo borren https://free-news-alert.example/n/{code}-red",
        trace=lure,
    )
    forwarded = Message(
        received.at + timedelta(minutes=2),
        people[0],
        f"¿Conoces este sitio? Me llegó de un número raro: https://free-news-alert.example/n/{code}-red",
        sent=True,
        trace=lure,
    )
    return tuple(sorted((*ordinary, picture, received, forwarded), key=lambda message: message.at))


def _chats(rng: Random, day: datetime, people: tuple[Person, ...], stranger: Person) -> tuple[Message, ...]:
    code = f"{rng.randrange(16**6):06x}"
    ordinary = [
        Message(_past(rng, day), rng.choice(people), text, sent=rng.random() < 0.5, service="WhatsApp")
        for text in (*_SMALL_TALK, *_LOOK_ALIKES, *_HOSTILE)
    ]
    received = Message(
        day - timedelta(hours=5, seconds=rng.randrange(600)),
        stranger,
        f"Su paquete está detenido. Rastree aquí: https://mx-{code}.track-parcel.example/guia-{code}",
        service="WhatsApp",
        trace=(_DOMAIN, "track-parcel.example"),
    )
    return tuple(sorted((*ordinary, received), key=lambda message: message.at))


def _ordinary_visits(rng: Random, day: datetime) -> tuple[Visit, ...]:
    visits = (Visit(_past(rng, day), url, title) for url, title in _PAGES)
    return tuple(sorted(visits, key=lambda visit: visit.at))


def _visits(rng: Random, day: datetime) -> tuple[Visit, ...]:
    before, reading = _past(rng, day), day + timedelta(hours=16, minutes=9, seconds=rng.randrange(60))
    moved, injected = timedelta(milliseconds=300), timedelta(milliseconds=rng.randrange(150, 400))
    page, lure = (f"{rng.randrange(16**6):06x}" for _ in range(2))
    return (
        *_ordinary_visits(rng, day - timedelta(days=60)),
        Visit(before, "http://www.example.com/portada-antigua", "Portada"),
        Visit(before + moved, "https://www.example.com/portada-antigua", "Portada", redirected=True),
        Visit(reading, f"http://news.example.org/portada-{page}", "Portada de hoy, inventada"),
        Visit(
            reading + injected,
            f"https://free-news-alert.example/n/{lure}-inj",
            "Cargando la página inventada",
            redirected=True,
            trace=(_DOMAIN, "free-news-alert.example"),
        ),
    )


def _usage(rng: Random, day: datetime) -> tuple[Usage, ...]:
    first, last = _past(rng, day - timedelta(days=60)), _past(rng, day)
    return tuple(
        Usage(process, bundle_id, first + timedelta(hours=number), last, rng.randrange(10**8), 4096)
        for number, (process, bundle_id) in enumerate(_PROCESSES)
    )


def _planted_usage(day: datetime, process: str) -> Usage:
    first = day + timedelta(hours=16, minutes=11)
    trace = (IndicatorType.PROCESS, process)
    return Usage(process, "", first, first + timedelta(days=2), 412_672, 38_797_312, trace=trace)


def _lookups(rng: Random, people: tuple[Person, ...]) -> tuple[Lookup, ...]:
    day = datetime(2021, 6, 2, 15, tzinfo=UTC)  # iOS 14.7 (July 2021) and later keep no such records
    operator = "demo.operator@example.org"
    return (
        *(Lookup(_past(rng, day), account) for person in people for account in (person.number, person.email)),
        Lookup(day + timedelta(seconds=rng.randrange(3600)), operator, trace=(IndicatorType.EMAIL, operator)),
    )


def _files(rng: Random, day: datetime) -> tuple[StoredFile, ...]:
    photos = {f"Media/DCIM/100APPLE/IMG_{number:04}.JPG": _photo(rng) for number in range(1, 13)}
    notes = dict.fromkeys((f"Documents/{name}" for name in _FILE_NAMES), b"nota inventada")
    ordinary = [
        BackupFile(domain, path, content, _past(rng, day))
        for domain, contents in (
            ("CameraRollDomain", photos),
            ("MediaDomain", {_ATTACHMENT: _photo(rng)}),
            ("AppDomain-org.example.recorder", notes),
        )
        for path, content in contents.items()
    ]
    link = BackupFile("HomeDomain", "Library/Demo/actual", b"", day, link_target="/var/mobile/Library/Demo/anterior")
    name, appeared = "demospyd.plist", day + timedelta(hours=16, minutes=13)
    planted = BackupFile("HomeDomain", f"Library/Preferences/{name}", b"demo", appeared)
    return (
        *(StoredFile(file) for file in (*ordinary, link)),
        StoredFile(planted, trace=(IndicatorType.FILE_NAME, name)),
    )


def _photo(rng: Random) -> bytes:
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + rng.randbytes(64) + b"\xff\xd9"
