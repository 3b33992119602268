"""Makes a closed word, a count or yes/no of a field: the only ways in which a record's value shapes a report.

Each function takes the field's raw value and the whole record, both hostile, and returns facts or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from spytriage.models import Fact, Term

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
    return ((Fact.LINKS, len(value)),) if isinstance(value, list) else ()


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
}
"""How a policy may generalise a field, by name."""
