"""Phones on which every artefact that can carry an indicator carries one: what is lost with an artefact is told.

Everything is made here from the demo's invented phones; nothing binary lies in the project.
"""

from __future__ import annotations

import plistlib
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from spytriage.demo import DEMO_PASSWORD, phone_files
from spytriage.demo.backup_format import App, write_backup
from spytriage.demo.encryption import Keybag
from spytriage.demo.records import Call, Event, Permission, Person, Visit
from spytriage.demo.story import tell

AT = datetime(2024, 9, 12, 8, 0, tzinfo=UTC)
LINK = "https://free-news-alert.example/x"
EMAIL = "demo.operator@example.org"
PROCESS = "demospyd"
APP = "org.example.demospy"
PROFILE = "DEADBEEF-0000-4000-8000-00000000DE30"
PLACE = "/private/var/db/demospy/stage2"

Artefact = tuple[str, str]
"""Domain and relative path of a file in a backup."""

SMS = ("HomeDomain", "Library/SMS/sms.db")
WHATSAPP_CONTACTS = ("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ContactsV2.sqlite")
_PROFILES = "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles"
_EDITS: dict[Artefact, str] = {
    SMS: f"UPDATE attachment SET filename = '{PLACE}/x'",
    WHATSAPP_CONTACTS: f"UPDATE ZWAADDRESSBOOKCONTACT SET ZABOUTTEXT = 'mailto:{EMAIL}'",
    ("HomeDomain", "Library/CoreDuet/People/interactionC.db"): f"UPDATE ZINTERACTIONS SET ZBUNDLEID = '{APP}'",
}


def iphone(folder: Path, *, encrypted: bool = False, change: Callable[[Artefact, bytes], bytes] | None = None) -> Path:
    """Write the backup of a phone with a planted trace in every artefact.

    Args:
        folder: does not exist yet.
        encrypted: whether it is encrypted, with the demo's password.
        change: is given every file before it is backed up, and says what it holds instead.
    """
    story = tell(2021)
    operator = Person("Operador Inventado", EMAIL, EMAIL)
    story = replace(
        story,
        people=(*story.people, operator),
        calls=(*story.calls, Call(AT, operator, 5)),
        events=(*story.events, Event(AT, "Cita", "Notas", operator)),
        other_visits=(Visit(AT, LINK, "Página inventada"), *story.other_visits),
        permissions=(*story.permissions, Permission(AT, "kTCCServiceMicrophone", PROCESS)),
        apps=(*story.apps, App(APP, "Demo", "Ejemplo", "1.0", AT)),
    )
    files = []
    for file in phone_files(story):
        content = _planted((file.domain, file.path), file.content)
        if change and not file.is_folder and not file.link_target:
            content = change((file.domain, file.path), content)
        files.append(replace(file, content=content))
    write_backup(
        folder, story.device, story.apps, files, Keybag(DEMO_PASSWORD, story.device.udid) if encrypted else None
    )
    return folder


@cache
def files_of_iphone() -> dict[Artefact, bytes]:
    """Return the files of such a phone."""
    found: dict[Artefact, bytes] = {}

    def note(artefact: Artefact, content: bytes) -> bytes:
        found[artefact] = content
        return content

    with tempfile.TemporaryDirectory() as folder:
        iphone(Path(folder) / "backup", change=note)
    return found


def _planted(artefact: Artefact, content: bytes) -> bytes:
    if statement := _EDITS.get(artefact):
        return edited(content, statement)
    domain, path = artefact
    if domain == _PROFILES:
        plist = plistlib.loads(content)
        if path.endswith(".stub"):
            plist["PayloadUUID"] = PROFILE
        else:
            plist["ProfileEvents"][0][next(iter(plist["ProfileEvents"][0]))]["Process"] = PROCESS
        return plistlib.dumps(plist, fmt=plistlib.FMT_BINARY)
    return content


def edited(database: bytes, *statements: str) -> bytes:
    """Return the bytes of a database after some statements."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return bytes(connection.serialize())
