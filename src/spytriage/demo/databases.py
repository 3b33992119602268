"""The databases and property lists of an iPhone, each made from plain records (tables: schemas.sql).

Every function takes records and returns the bytes of one file; the same records give the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from spytriage.demo.formats import binary_plist, database, plist_date
from spytriage.demo.records import Call, Event, Lookup, Message, Permission, Person, Usage, Visit

_MAC_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_CHROME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _mac(at: datetime) -> float:
    return (at - _MAC_EPOCH).total_seconds()


def _microseconds(at: datetime, epoch: datetime) -> int:
    return (at - epoch) // timedelta(microseconds=1)


def _uuid(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, repr(parts))).upper()


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


# --- Messages and people ------------------------------------------------------------------------------------


def sms(messages: Sequence[Message], owner: Person) -> bytes:
    """Return sms.db: SMS and iMessage, with attachments. iOS 11 and later count nanoseconds."""
    handles = list(dict.fromkeys((message.person.number, message.service) for message in messages))
    known = {handle: number for number, handle in enumerate(handles, 1)}
    account, rows, attachments = f"E:{owner.email}", [], []
    for number, message in enumerate(messages, 1):
        at, seconds = _microseconds(message.at, _MAC_EPOCH) * 1000, int(_mac(message.at))
        read = 0 if message.sent else at + 45 * 10**9
        handle = known[message.person.number, message.service]
        guid = _uuid("message", number, message.text)
        what = (number, guid, message.text or None, message.rich_text or None, handle, message.service)
        flags = (message.sent, not message.sent, message.sent, bool(message.attachment))
        rows.append((*what, account, owner.number, at, read, *flags))
        if message.attachment:
            name = message.attachment.rpartition("/")[2]
            guid = _uuid("attachment", number, name)
            attachments.append((number, guid, seconds, seconds, message.attachment, message.sent, name))
    return database(
        "sms.db",
        {
            "handle (ROWID, id, country, service)": [(n, h, "us", service) for (h, service), n in known.items()],
            "chat (ROWID, guid, chat_identifier, service_name, account_login)": [
                (n, f"{service};-;{handle}", handle, service, account) for (handle, service), n in known.items()
            ],
            "message (ROWID, guid, text, attributedBody, handle_id, service, account, destination_caller_id,"
            " date, date_read, is_from_me, is_read, is_sent, cache_has_attachments)": rows,
            "attachment (ROWID, guid, created_date, start_date, filename, is_outgoing, transfer_name)": (attachments),
            "chat_message_join (chat_id, message_id)": [(row[4], row[0]) for row in rows],
            "message_attachment_join (message_id, attachment_id)": [(row[0], row[0]) for row in attachments],
        },
    )


def _jid(person: Person) -> str:
    return person.number.removeprefix("+") + "@s.whatsapp.net"


def _lid(person: Person) -> str:
    return person.number[-4:].rjust(15, "0") + "@lid"


def whatsapp_chats(messages: Sequence[Message]) -> bytes:
    """Return ChatStorage.sqlite; the first chat goes by LID, WhatsApp's newer kind of address."""
    people = list(dict.fromkeys(message.person for message in messages))
    sessions = {person: number for number, person in enumerate(people, 1)}
    jids = {person: _jid(person) for person in people} | {people[0]: _lid(people[0])}
    rows, times = [], dict[Person, list[float]]()
    for number, message in enumerate(messages, 1):
        times.setdefault(message.person, []).append(_mac(message.at))
        jid, name = jids[message.person], message.person.name
        ends = (None, jid, None) if message.sent else (jid, None, name)
        stanza = _uuid("stanza", number, message.text).replace("-", "")
        rows.append((number, message.sent, sessions[message.person], _mac(message.at), *ends, stanza, message.text))
    return database(
        "ChatStorage.sqlite",
        {
            "ZWACHATSESSION (Z_PK, ZCONTACTJID, ZPARTNERNAME, ZMESSAGECOUNTER, ZLASTMESSAGEDATE)": [
                (number, jids[person], person.name, len(times[person]), max(times[person]))
                for person, number in sessions.items()
            ],
            "ZWAMESSAGE (Z_PK, ZISFROMME, ZCHATSESSION, ZMESSAGEDATE, ZFROMJID, ZTOJID, ZPUSHNAME, ZSTANZAID,"
            " ZTEXT)": rows,
            "ZWAMEDIAITEM (ZMESSAGE, ZMEDIAURL)": [(1, "https://mmg.whatsapp.net/v/t62.7118-24/demo.enc")],
        },
    )


def _whatsapp_names(person: Person) -> tuple[str, ...]:
    return person.name, person.name.partition(" ")[0], person.number, _jid(person), _lid(person)


def whatsapp_contacts(people: Sequence[Person], updated: datetime) -> bytes:
    """Return ContactsV2.sqlite; messages of the first person's chat disappear after a week."""
    columns = "ZFULLNAME, ZGIVENNAME, ZPHONENUMBER, ZWHATSAPPID, ZLID, ZDISAPPEARINGMODEDURATION, ZLASTUPDATED"
    rows = [(*_whatsapp_names(person), 604_800 if person == people[0] else 0, _mac(updated)) for person in people]
    return database("ContactsV2.sqlite", {f"ZWAADDRESSBOOKCONTACT ({columns})": rows})


def whatsapp_lids(people: Sequence[Person], updated: datetime) -> bytes:
    """Return LID.sqlite: which LID belongs to which telephone number."""
    rows = [(_mac(updated), _lid(person), _jid(person)) for person in people]
    return database("LID.sqlite", {"ZWAPHONENUMBERLIDPAIR (ZTIMESTAMP, ZLID, ZPHONENUMBER)": rows})


def contacts(people: Sequence[Person], organisation: str) -> bytes:
    """Return AddressBook.sqlitedb."""
    names = [(number, *person.name.split(" ", 1), organisation) for number, person in enumerate(people, 1)]
    values = [
        (number, kind, value)
        for number, person in enumerate(people, 1)
        for kind, value in ((3, person.number), (4, person.email))  # 3: telephone, 4: e-mail
    ]
    return database(
        "AddressBook.sqlitedb",
        {
            "ABPerson (ROWID, First, Last, Organization)": names,
            "ABMultiValue (record_id, property, value)": values,
        },
    )


def calls(records: Sequence[Call]) -> bytes:
    """Return CallHistory.storedata."""
    rows = [(_mac(call.at), call.seconds, call.seconds > 0, call.person.number, "Washington") for call in records]
    return database("CallHistory.storedata", {"ZCALLRECORD (ZDATE, ZDURATION, ZANSWERED, ZADDRESS, ZLOCATION)": rows})


def calendar(events: Sequence[Event]) -> bytes:
    """Return Calendar.sqlitedb; every event lasts an hour and was made a week before."""
    items, organisers = [], []
    for number, event in enumerate(events, 1):
        made = _mac(event.at - timedelta(days=7))
        times = (_mac(event.at), _mac(event.at + timedelta(hours=1)), made, made)
        items.append((number, event.summary, event.notes, *times, number, _uuid("event", number, event.summary)))
        organisers.append((number, _uuid("organiser", number), event.organiser.email, made))
    return database(
        "Calendar.sqlitedb",
        {
            "CalendarItem (ROWID, summary, description, start_date, end_date, last_modified, creation_date,"
            " organizer_id, UUID)": items,
            "Participant (ROWID, UUID, email, last_modified)": organisers,
        },
    )


def interactions(messages: Sequence[Message]) -> bytes:
    """Return interactionC.db: who was in touch with the phone, through which app."""
    people = list(dict.fromkeys(message.person for message in messages))
    numbers = {person: number for number, person in enumerate(people, 1)}
    first, last = _mac(messages[0].at), _mac(messages[-1].at)
    rows = []
    for number, message in enumerate(messages, 1):
        app = "net.whatsapp.WhatsApp" if message.service == "WhatsApp" else "com.apple.MobileSMS"
        sender, at = None if message.sent else numbers[message.person], _mac(message.at)
        rows.append((number, message.sent, sender, at, at, at, app))
    return database(
        "interactionC.db",
        {
            "ZCONTACTS (Z_PK, ZDISPLAYNAME, ZIDENTIFIER, ZCREATIONDATE, ZFIRSTINCOMINGSENDERDATE,"
            " ZLASTINCOMINGSENDERDATE)": [
                (number, person.name, person.number, first, first, last) for person, number in numbers.items()
            ],
            "ZINTERACTIONS (Z_PK, ZDIRECTION, ZSENDER, ZSTARTDATE, ZENDDATE, ZCREATIONDATE, ZBUNDLEID)": rows,
            "Z_2INTERACTIONRECIPIENT (Z_2RECIPIENTS, Z_3INTERACTIONRECIPIENT)": [
                (numbers[message.person], number) for number, message in enumerate(messages, 1) if message.sent
            ],
        },
    )


def lookups(records: Sequence[Lookup]) -> bytes:
    """Return the idstatuscache property list: accounts that the phone asked Apple about, for iMessage."""
    entries = {
        ("mailto:" if "@" in lookup.account else "tel:") + lookup.account: {
            "IDStatus": 1,
            "LookupDate": _mac(lookup.at),
        }
        for lookup in records
    }
    return binary_plist({"com.apple.madrid": entries, "CacheVersion": 1})


# --- Browsers -----------------------------------------------------------------------------------------------


def safari_history(visits: Sequence[Visit]) -> bytes:
    """Return Safari's History.db."""
    items = {url: number for number, url in enumerate(dict.fromkeys(visit.url for visit in visits), 1)}
    rows = []
    for number, (visit, following) in enumerate(zip(visits, [*visits[1:], None], strict=True), 1):
        source = number - 1 if visit.redirected else None
        destination = number + 1 if following and following.redirected else None
        rows.append((number, items[visit.url], _mac(visit.at), source, destination, visit.title))
    return database(
        "History.db",
        {
            "history_items (id, url, domain_expansion)": [(number, url, _host(url)) for url, number in items.items()],
            "history_visits (id, history_item, visit_time, redirect_source, redirect_destination, title)": rows,
        },
    )


def safari_tabs(visits: Sequence[Visit]) -> bytes:
    """Return Safari's BrowserState.db with one tab per page."""
    tabs, sessions = [], []
    for number, visit in enumerate(visits, 1):
        tab = _uuid("tab", number, visit.url)
        entry = {"SessionHistoryEntryURL": visit.url, "SessionHistoryEntryTitle": visit.title}
        session = binary_plist({"SessionHistory": {"SessionHistoryEntries": [entry]}})
        tabs.append((tab, visit.title, visit.url, visit.url, number, _mac(visit.at)))
        sessions.append((tab, b"\x00\x00\x00\x02" + session))  # four bytes, then a property list
    return database(
        "BrowserState.db",
        {
            "tabs (uuid, title, url, user_visible_url, order_index, last_viewed_time)": tabs,
            "tab_sessions (tab_uuid, session_data)": sessions,
        },
    )


def webkit_observations(visits: Sequence[Visit]) -> bytes:
    """Return WebKit's observations.db: which sites an app loaded."""
    seen = {_host(visit.url): visit.at.timestamp() for visit in visits}
    return database("observations.db", {"ObservedDomains (registrableDomain, lastSeen)": list(seen.items())})


def webkit_session_log(visits: Sequence[Visit]) -> bytes:
    """Return WebKit's full_browsing_session_resourceLog.plist: sites, and the page that embedded them."""
    entries = [
        {
            "PrevalentResourceOrigin": _host(visit.url),
            "hadUserInteraction": True,
            "lastSeen": plist_date(visit.at),
            "mostRecentUserInteraction": plist_date(visit.at),
            "subresourceUnderTopFrameOrigins": [{"origin": _host(visits[0].url), "count": 1}],
        }
        for visit in visits
    ]
    return binary_plist({"browsingStatistics": entries, "version": 11})


def chrome_history(visits: Sequence[Visit]) -> bytes:
    """Return Chrome's History."""
    timed = [(number, visit, _microseconds(visit.at, _CHROME_EPOCH)) for number, visit in enumerate(visits, 1)]
    return database(
        "Chrome History",
        {
            "urls (id, url, title, last_visit_time)": [(n, visit.url, visit.title, at) for n, visit, at in timed],
            "visits (url, visit_time)": [(n, at) for n, _, at in timed],
        },
    )


def chrome_favicons(visits: Sequence[Visit]) -> bytes:
    """Return Chrome's Favicons."""
    timed = [(number, visit, _microseconds(visit.at, _CHROME_EPOCH)) for number, visit in enumerate(visits, 1)]
    return database(
        "Chrome Favicons",
        {
            "favicons (id, url)": [(n, f"https://{_host(visit.url)}/favicon.ico") for n, visit, _ in timed],
            "favicon_bitmaps (icon_id, last_updated)": [(n, at) for n, _, at in timed],
            "icon_mapping (page_url, icon_id)": [(visit.url, n) for n, visit, _ in timed],
        },
    )


def firefox(visits: Sequence[Visit]) -> bytes:
    """Return Firefox's browser.db: history and favicons."""
    numbered = list(enumerate(visits, 1))
    return database(
        "browser.db",
        {
            "history (id, guid, url, title)": [(n, _uuid(visit.url), visit.url, visit.title) for n, visit in numbered],
            "visits (siteID, date)": [(n, _microseconds(visit.at, _UNIX_EPOCH)) for n, visit in numbered],
            "favicons (url, date)": [
                (f"https://{_host(visit.url)}/{n}.ico", visit.at.timestamp()) for n, visit in numbered
            ],
            "favicon_sites (siteID, faviconID)": [(n, n) for n, _ in numbered],
        },
    )


# --- Processes, permissions, settings -----------------------------------------------------------------------


def data_usage(usage: Sequence[Usage], missing: int) -> bytes:
    """Return DataUsage.sqlite; iOS removed the record number `missing`, as it does on every phone."""
    processes, traffic = [], []
    for position, record in enumerate(sorted(usage, key=lambda record: record.first), 1):
        number, first = position + (position >= missing), _mac(record.first)
        name = record.process[:16]  # the kernel keeps 16 characters of a name
        processes.append((number, first, _mac(record.last), record.bundle_id or None, name))
        traffic.append((number, number, first, record.received, record.sent))
    return database(
        "DataUsage.sqlite",
        {
            "ZPROCESS (Z_PK, ZFIRSTTIMESTAMP, ZTIMESTAMP, ZBUNDLENAME, ZPROCNAME)": processes,
            "ZLIVEUSAGE (Z_PK, ZHASPROCESS, ZTIMESTAMP, ZWWANIN, ZWWANOUT)": traffic,
        },
    )


def daily_usage(usage: Sequence[Usage]) -> bytes:
    """Return com.apple.osanalytics.addaily.plist: time, bytes over Wi-Fi and mobile, in and out each."""
    baseline = {
        record.process: [plist_date(record.last), 0.0, 0.0, float(record.received), float(record.sent)]
        for record in usage
    }
    return binary_plist({"netUsageBaseline": baseline})


def tcc(permissions: Sequence[Permission]) -> bytes:
    """Return TCC.db in its third version (iOS 14 and later): what the person allowed to apps."""
    rows = [(permission.service, permission.bundle_id, int(permission.at.timestamp())) for permission in permissions]
    return database(
        "TCC.db", {"admin (key, value)": [("version", 23)], "access (service, client, last_modified)": rows}
    )


def location_clients(permissions: Sequence[Permission]) -> bytes:
    """Return locationd's clients.plist."""
    clients: dict[str, Any] = {
        permission.bundle_id + ":": {
            "Authorization": 2,
            "BundleId": permission.bundle_id,
            "LocationTimeStopped": _mac(permission.at),
            "Registered": f"/private/var/containers/Bundle/Application/{_uuid(permission.bundle_id)}",
        }
        for permission in permissions
    }
    return binary_plist(clients | {"migrationVersion": 2})


def global_preferences(*, lockdown_mode: bool) -> bytes:
    """Return .GlobalPreferences.plist of a phone in Mexican Spanish."""
    return binary_plist({"AppleLanguages": ["es-MX"], "AppleLocale": "es_MX", "LDMGlobalEnabled": lockdown_mode})


def shortcuts(visits: Sequence[Visit]) -> bytes:
    """Return Shortcuts.sqlite with one shortcut per page, which opens it."""
    actions = [
        {
            "WFWorkflowActionIdentifier": "is.workflow.actions.openurl",
            "WFWorkflowActionParameters": {"WFInput": visit.url},
        }
        for visit in visits
    ]
    rows = [(n, visit.title, _mac(visit.at), _mac(visit.at), _uuid(visit.url)) for n, visit in enumerate(visits, 1)]
    return database(
        "Shortcuts.sqlite",
        {
            "ZSHORTCUT (Z_PK, ZNAME, ZCREATIONDATE, ZMODIFICATIONDATE, ZWORKFLOWID)": rows,
            "ZSHORTCUTACTIONS (ZSHORTCUT, ZDATA)": [(n, binary_plist([action])) for n, action in enumerate(actions, 1)],
        },
    )


def profile(installed: datetime, identifier: str, name: str) -> bytes:
    """Return a configuration profile that sets up a Wi-Fi network."""
    network = {"PayloadType": "com.apple.wifi.managed", "PayloadUUID": _uuid("wifi", identifier)}
    return binary_plist(
        {
            "InstallDate": plist_date(installed),
            "PayloadContent": [network],
            "PayloadDescription": name,
            "PayloadDisplayName": name,
            "PayloadIdentifier": identifier,
            "PayloadType": "Configuration",
            "PayloadUUID": _uuid("profile", identifier),
        }
    )


def profile_events(installed: datetime, identifier: str) -> bytes:
    """Return MCProfileEvents.plist: somebody installed the profile in Settings."""
    event = {"Operation": "install", "Process": "Preferences", "Timestamp": plist_date(installed)}
    return binary_plist({"ProfileEvents": [{identifier: event}]})
