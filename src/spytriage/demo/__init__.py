"""An invented iPhone, written as a backup folder like those of Finder, iTunes and idevicebackup2.

    story          what happened on the phone: who wrote what, when, which of it is a planted trace
    records        the plain records that a story is made of
    databases      records to the bytes of each database and property list (tables: schemas.sql)
    formats        SQLite and property lists as bytes, the same ones for the same content
    backup_format  files to a backup folder: Manifest.db and its property lists
    encryption     the keybag of an encrypted backup, and what it encrypts

`write_phone` puts them together. Nothing here reads a clock or chance that the seed does not give.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spytriage.demo import databases as make
from spytriage.demo.backup_format import BackupFile, write_backup
from spytriage.demo.encryption import Keybag
from spytriage.demo.records import Story
from spytriage.demo.story import tell
from spytriage.models import IndicatorType

__all__ = ["DEMO_PASSWORD", "DemoPhone", "Planted", "write_phone"]

DEMO_PASSWORD = "invented-password"  # noqa: S105 (printed in the help: nobody's data is behind it)

_GROUP = "AppDomainGroup-group."
_WHATSAPP = _GROUP + "net.whatsapp.WhatsApp.shared"
_CHROME = "AppDomain-com.google.chrome.ios"
_SAFARI = "AppDomain-com.apple.mobilesafari"
_PROFILES = "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles"
_CHROME_DATA = "Library/Application Support/Google/Chrome/Default"
_WEBKIT_DATA = "Library/WebKit/WebsiteData/ResourceLoadStatistics"
_PROFILE_DATA = "Library/ConfigurationProfiles"
_PROFILE = ("org.example.redaccion.wifi-hostil", "Wi-Fi inventada <b>\u202e")

# MVT's module that meets the traces of each part of a story.
_MODULES = {
    "messages": "SMS",
    "chats": "Whatsapp",
    "visits": "SafariHistory",
    "usage": "Datausage",
    "daily_usage": "OSAnalyticsADDaily",
    "lookups": "IDStatusCache",
    "files": "Manifest",
}
# Fields of records that hold somebody's words, names, numbers, places.
_PRIVATE_FIELDS = {
    "name", "number", "email", "text", "attachment", "url", "title", "account", "summary", "notes",
    "udid", "serial", "imei", "iccid", "phone_number", "path", "artist",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted trace."""

    module: str  # MVT's class name
    indicator_type: IndicatorType
    value: str  # as the set "demo" publishes it


@dataclass(frozen=True, slots=True)
class DemoPhone:
    """What is on an invented phone."""

    udid: str
    planted: tuple[Planted, ...]
    secrets: tuple[str, ...]
    """Strings of eight characters and more that must never stand in a report; no indicator is among them."""


def write_phone(folder: Path, *, seed: int = 2021, planted: bool = True, encrypted: bool = False) -> DemoPhone:
    """Write the backup of an invented iPhone.

    Args:
        folder: does not exist yet, or is empty; all of the backup is written, or nothing.
        seed: one seed is one phone: the same bytes in every file.
        planted: whether traces of the set "demo" are on the phone; all else is the same without them.
        encrypted: whether the backup is encrypted, with `DEMO_PASSWORD`.

    Raises:
        SpytriageError: the folder is in use or cannot be written.
    """
    story = tell(seed, planted=planted)
    seal = Keybag(DEMO_PASSWORD, story.device.udid) if encrypted else None
    write_backup(folder, story.device, story.apps, phone_files(story), seal)
    return DemoPhone(story.device.udid, tuple(_planted(story)), _secrets(story))


def phone_files(story: Story) -> list[BackupFile]:
    """Return every file of the phone: the artefacts where iOS keeps them, then the ordinary ones."""
    at, pages = story.device.backed_up, story.other_visits
    installed = at - timedelta(days=200)
    talk = sorted((*story.messages, *story.chats), key=lambda message: message.at)
    home = {
        "Library/SMS/sms.db": make.sms(story.messages, story.owner),
        "Library/Safari/History.db": make.safari_history(story.visits),
        "Library/Safari/BrowserState.db": make.safari_tabs(pages),
        "Library/CoreDuet/People/interactionC.db": make.interactions(talk),
        "Library/TCC/TCC.db": make.tcc(story.permissions),
        "Library/Calendar/Calendar.sqlitedb": make.calendar(story.events),
        "Library/CallHistoryDB/CallHistory.storedata": make.calls(story.calls),
        "Library/AddressBook/AddressBook.sqlitedb": make.contacts(story.people, "Redacción Inventada"),
        "Library/Shortcuts/Shortcuts.sqlite": make.shortcuts(pages),
        "Library/Preferences/com.apple.osanalytics.addaily.plist": make.daily_usage(story.daily_usage),
        "Library/Preferences/com.apple.identityservices.idstatuscache.plist": make.lookups(story.lookups),
        "Library/Preferences/.GlobalPreferences.plist": make.global_preferences(lockdown_mode=True),
    }
    elsewhere = {
        ("WirelessDomain", "Library/Databases/DataUsage.sqlite"): make.data_usage(story.usage, missing=5),
        ("RootDomain", "Library/Caches/locationd/clients.plist"): make.location_clients(story.permissions),
        (_SAFARI, f"{_WEBKIT_DATA}/observations.db"): make.webkit_observations(pages),
        (_SAFARI, f"{_WEBKIT_DATA}/full_browsing_session_resourceLog.plist"): make.webkit_session_log(pages),
        (_CHROME, f"{_WEBKIT_DATA}/observations.db"): make.webkit_observations(pages[:3]),
        (_CHROME, f"{_CHROME_DATA}/History"): make.chrome_history(pages),
        (_CHROME, f"{_CHROME_DATA}/Favicons"): make.chrome_favicons(pages),
        (_GROUP + "org.mozilla.ios.Firefox", "profile.profile/browser.db"): make.firefox(pages),
        (_WHATSAPP, "ChatStorage.sqlite"): make.whatsapp_chats(story.chats),
        (_WHATSAPP, "ContactsV2.sqlite"): make.whatsapp_contacts(story.people, at),
        (_WHATSAPP, "LID.sqlite"): make.whatsapp_lids(story.people, at),
        (_PROFILES, f"{_PROFILE_DATA}/profile-de30.stub"): make.profile(installed, *_PROFILE),
        (_PROFILES, f"{_PROFILE_DATA}/MCProfileEvents.plist"): make.profile_events(installed, _PROFILE[0]),
    }
    places = {("HomeDomain", path): content for path, content in home.items()} | elsewhere
    artefacts = [BackupFile(domain, path, content, at) for (domain, path), content in places.items()]
    return [*artefacts, *(stored.file for stored in story.files)]


def _planted(story: Story) -> Iterator[Planted]:
    for part, module in _MODULES.items():
        for record in getattr(story, part):
            if record.trace:
                yield Planted(module, *record.trace)


def _secrets(story: Story) -> tuple[str, ...]:
    """Return what must not leave: private fields whole, and the telling parts of links and hostile text."""
    indicators = {planted.value for planted in _planted(story)}
    whole = {*_private(story), *_PROFILE}
    parts = set[str]()
    for text in whole:
        parts |= {text.removeprefix("+"), *re.findall(r"hostil-\w+", text)}
        for url in re.findall(r"https?://[^\s\x07\]\"]+", text):
            host = urlsplit(url).hostname or ""
            parts |= {url, urlsplit(url).path.strip("/")}
            if any(indicator in host for indicator in indicators):
                parts.add(host)  # what stands before a published domain can be made for one person
    return tuple(sorted(secret for secret in whole | parts if len(secret) >= 8 and secret not in indicators))


def _private(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for item in value:
            yield from _private(item)
    elif is_dataclass(value):
        for field in fields(value):
            inner = getattr(value, field.name)
            if not isinstance(inner, str):
                yield from _private(inner)
            elif field.name in _PRIVATE_FIELDS:
                yield inner
