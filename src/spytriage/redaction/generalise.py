"""Makes a closed word, a count or yes/no of a field: the only ways in which a record's value shapes a report.

Each function takes the field's raw value and the whole record, both hostile, and returns facts or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from spytriage.models import Fact, Term

_MOST_LINKS = 1000  # a message with more says no more

Facts = tuple[tuple[Fact, Term | int | bool], ...]
Generaliser = Callable[[Any, Mapping[str, Any]], Facts]


def _word(fact: Fact, words: Mapping[str, Term]) -> Generaliser:
    """Return a generaliser that knows some words and calls any other text `other`."""

    def generalise(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
        return ((fact, words.get(value.casefold(), Term.OTHER)),) if isinstance(value, str) else ()

    return generalise


def _read(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    return ((Fact.READ, bool(value)),)


def _links(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    return ((Fact.LINKS, min(len(value), _MOST_LINKS)),) if isinstance(value, list) else ()


def _whatsapp_direction(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    return ((Fact.DIRECTION, Term.SENT if value == 1 else Term.RECEIVED), (Fact.SERVICE, Term.WHATSAPP))


def _traffic(value: Any, record: Mapping[str, Any]) -> Facts:
    """Say the order of magnitude of all bytes of a usage record: mobile data, and Wi-Fi where it is kept."""
    amounts = [value, *(record.get(key) for key in ("wwan_out", "wifi_in", "wifi_out"))]
    total = sum(amount for amount in amounts if isinstance(amount, int | float) and amount > 0)
    steps = (
        (1, Term.BYTES_NONE),
        (1_000, Term.BYTES_UNDER_1_KB),
        (1_000_000, Term.BYTES_UNDER_1_MB),
        (100_000_000, Term.BYTES_UNDER_100_MB),
    )
    return ((Fact.TRAFFIC, next((word for limit, word in steps if total < limit), Term.BYTES_OVER_100_MB)),)


def _span(value: Any, record: Mapping[str, Any]) -> Facts:
    """Say how many days lie between the first and the last record of a process."""
    try:
        first, last = datetime.fromisoformat(record["first_isodate"]), datetime.fromisoformat(value)
        return ((Fact.SPAN_DAYS, abs((last - first).days)),)
    except (KeyError, TypeError, ValueError):
        return ()


def _redirect(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    return ((Fact.REDIRECT, bool(value)),)


def _status(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    return ((Fact.STATUS, value),) if isinstance(value, int) and 0 <= value < 10 else ()


def _apple_service(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    if not isinstance(value, str):
        return ()
    known = {"com.apple.madrid": Term.IMESSAGE, "com.apple.ess": Term.FACETIME}
    other = Term.APPLE_SERVICE if value.startswith("com.apple.") else Term.OTHER
    return ((Fact.SERVICE, known.get(value, other)),)


def _domain_class(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    """Say in what part of a backup a file lies, without the app that it belongs to."""
    if not isinstance(value, str):
        return ()
    classes = (
        ("AppDomainGroup-", Term.APP_GROUP),
        ("AppDomain", Term.APP),
        ("HomeDomain", Term.HOME),
        ("RootDomain", Term.ROOT),
        ("MediaDomain", Term.MEDIA),
        ("CameraRollDomain", Term.MEDIA),
        ("Sys", Term.SYSTEM),
        ("Wireless", Term.SYSTEM),
    )
    return ((Fact.DOMAIN_CLASS, next((word for start, word in classes if value.startswith(start)), Term.OTHER)),)


def _payload_type(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    try:
        payload = value["PayloadContent"][0]["PayloadType"]
    except (KeyError, IndexError, TypeError):
        return ((Fact.PAYLOAD_TYPE, Term.UNKNOWN),)
    notifications = payload == "com.apple.notificationsettings"
    return ((Fact.PAYLOAD_TYPE, Term.NOTIFICATION_SETTINGS if notifications else Term.OTHER),)


def _android_installer(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    """Say what kind of program installed an app. MVT writes "null" for one that came over a cable or from nowhere."""
    word = _ANDROID_INSTALLERS.get(value, Term.OTHER) if isinstance(value, str) else Term.UNKNOWN
    return ((Fact.INSTALLER, word),)


def _yes_or_no(fact: Fact) -> Generaliser:
    def generalise(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
        return ((fact, value),) if isinstance(value, bool) else ()

    return generalise


def _dangerous_permissions(value: Any, record: Mapping[str, Any]) -> Facts:
    """Count the dangerous permissions that an Android app was granted, for all users of the phone together."""
    users = record.get("users")
    each = users if isinstance(users, list) else []
    lists = [value, *(user.get("permissions") for user in each if isinstance(user, dict))]
    granted = {
        permission.get("name")
        for permissions in lists
        if isinstance(permissions, list)
        for permission in permissions
        if isinstance(permission, dict) and permission.get("granted") is not False
    }
    return ((Fact.DANGEROUS_PERMISSIONS, len(_DANGEROUS & {str(name) for name in granted})),)


def _signal(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    name = value.get("name") if isinstance(value, dict) else None
    return ((Fact.SIGNAL, _SIGNALS.get(name, Term.OTHER)),) if isinstance(name, str) else ()


def _uid_class(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    """Say whose rights a process had: 0 is root, up to 9999 the system, from 10000 on apps (Android's own numbers)."""
    if not isinstance(value, int) or value < 0:
        return ()
    words = (Term.ROOT_USER, Term.SYSTEM_USER, Term.APP_USER)
    return ((Fact.UID_CLASS, words[(value > 0) + (value % 100_000 >= 10_000)]),)


def _android_version(value: Any, record: Mapping[str, Any]) -> Facts:  # noqa: ARG001
    """Take the major version out of a build fingerprint, as in maker/model/device:13/build."""
    found = re.match(r"[^:]*:(\d{1,2})(?:\.[\d.]*)?/", value, re.ASCII) if isinstance(value, str) else None
    return ((Fact.ANDROID_VERSION, int(found.group(1))),) if found else ()


_ANDROID_INSTALLERS = {
    "com.android.vending": Term.PLAY_STORE,
    "com.google.android.feedback": Term.PLAY_STORE,
    "com.android.packageinstaller": Term.BROWSER,
    "com.google.android.packageinstaller": Term.BROWSER,
    "com.android.chrome": Term.BROWSER,
    "org.mozilla.firefox": Term.BROWSER,
    "com.sec.android.app.samsungapps": Term.OTHER_STORE,
    "com.huawei.appmarket": Term.OTHER_STORE,
    "com.xiaomi.mipicks": Term.OTHER_STORE,
    "com.amazon.venezia": Term.OTHER_STORE,
    "org.fdroid.fdroid": Term.OTHER_STORE,
    "null": Term.UNKNOWN,
    "": Term.UNKNOWN,
}
_SIGNALS = {term.value: term for term in (
    Term.SIGABRT, Term.SIGBUS, Term.SIGFPE, Term.SIGILL, Term.SIGSEGV, Term.SIGSYS, Term.SIGTRAP,
)}  # fmt: skip
# Android's runtime permissions ("dangerous" in its documentation) that spyware asks for.
_DANGEROUS = frozenset(
    "android.permission." + name
    for name in (
        "ACCESS_BACKGROUND_LOCATION", "ACCESS_COARSE_LOCATION", "ACCESS_FINE_LOCATION", "CAMERA", "GET_ACCOUNTS",
        "PROCESS_OUTGOING_CALLS", "READ_CALENDAR", "READ_CALL_LOG", "READ_CONTACTS", "READ_EXTERNAL_STORAGE",
        "READ_PHONE_NUMBERS", "READ_PHONE_STATE", "READ_SMS", "RECEIVE_MMS", "RECEIVE_SMS", "RECEIVE_WAP_PUSH",
        "RECORD_AUDIO", "SEND_SMS", "SYSTEM_ALERT_WINDOW", "USE_SIP", "WRITE_CALL_LOG", "WRITE_CONTACTS",
    )
)  # fmt: skip

GENERALISERS: dict[str, Generaliser] = {
    "direction": _word(Fact.DIRECTION, {"received": Term.RECEIVED, "sent": Term.SENT}),
    "service": _word(Fact.SERVICE, {"sms": Term.SMS, "imessage": Term.IMESSAGE, "rcs": Term.RCS}),
    "read": _read,
    "links": _links,
    "whatsapp-direction": _whatsapp_direction,
    "traffic": _traffic,
    "span": _span,
    "redirect": _redirect,
    "status": _status,
    "apple-service": _apple_service,
    "domain-class": _domain_class,
    "installer": _word(
        Fact.INSTALLER,
        {
            "com.apple.appstore": Term.APP_STORE,
            "com.apple.appstore.productpageextension": Term.APP_STORE,
            "com.apple.dmd": Term.DEVICE_MANAGEMENT,
            "dmd": Term.DEVICE_MANAGEMENT,
            "com.apple.testflight": Term.TESTFLIGHT,
        },
    ),
    "payload-type": _payload_type,
    "operation": _word(Fact.OPERATION, {"install": Term.INSTALL, "remove": Term.REMOVE}),
    "android-installer": _android_installer,
    "system-app": _yes_or_no(Fact.SYSTEM_APP),
    "disabled-app": _yes_or_no(Fact.DISABLED_APP),
    "dangerous-permissions": _dangerous_permissions,
    "signal": _signal,
    "uid-class": _uid_class,
    "architecture": _word(
        Fact.ARCHITECTURE, {"arm": Term.ARM, "arm64": Term.ARM64, "x86": Term.X86, "x86_64": Term.X86_64}
    ),
    "android-version": _android_version,
}
"""How a policy may generalise a field, by name."""
