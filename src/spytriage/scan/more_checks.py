"""Comparisons that MVT 2026.10.26 does not make, with records that its modules read anyway.

By module: which values of a record to look up, and how. Records are hostile: a value may be of any type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spytriage.finding_kinds import Level

LookUps = Iterator[tuple[str, Any]]
"""Names of the matcher's methods, and the value for each."""


@dataclass(frozen=True, slots=True)
class More:
    """What to look up of a module's records.

    Attributes:
        look_ups: gives the look-ups of one record.
        level: of the alert, in MVT's words.
        instead: whether this takes the place of the module's own comparison.
    """

    look_ups: Callable[[Mapping[str, Any]], LookUps]
    level: Level = Level.HIGH
    instead: bool = False


def spelt(value: Any) -> str | None:
    """Return the text that a value spells: a database may hold the same text as a BLOB, or with a NUL at its end.

    Of a text with a NUL in its midst, this is what a program shows that takes it for the end.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if isinstance(value, str) and "\0" in value:
        return value.lstrip("\0").partition("\0")[0]
    return value if isinstance(value, str) else None


_ADDRESS = re.compile(r"[^\s<>:;,\"']+@[^\s<>:;,\"']+")


def addresses(values: Iterable[Any]) -> LookUps:
    """Give the e-mail addresses in some values ("mailto:a@b", "A <a@b>" and bare ones) and the links."""
    for text in filter(None, map(spelt, values)):
        for address in _ADDRESS.findall(text[:2000]):
            yield "email", address
        if text.startswith(("http://", "https://")):
            yield "url", text


def _of_fields(*fields: str) -> Callable[[Mapping[str, Any]], LookUps]:
    return lambda record: addresses(record.get(field) for field in fields)


def _interaction(record: Mapping[str, Any]) -> LookUps:
    yield from addresses(
        record.get(field)
        for field in ("sender_identifier", "recipient_identifier", "domain_identifier", "account", "custom_id",
                      "interaction_content_url", "attachment_content_url")
    )  # fmt: skip
    for field in ("bundle_id", "target_bundle_id"):
        yield "app_id", spelt(record.get(field))


def _installed_apps(record: Mapping[str, Any]) -> LookUps:
    names = record.get("Installed Applications")
    for name in map(spelt, names if isinstance(names, list) else []):
        yield "app_id", name
        yield "process", name  # as MVT does with the apps that it knows more of


def _path(record: Mapping[str, Any]) -> LookUps:
    """MVT compares paths relative to the dump: a published path, which begins with a slash, never matches them."""
    path = record.get("path")
    if isinstance(path, str):
        yield "file_path", f"/{path}"
        yield "file_path", path
        yield "file_path_process", path


def _shutdown_client(record: Mapping[str, Any]) -> LookUps:
    yield "file_path", record.get("client")
    yield "file_path_process", record.get("client")


def _process(record: Mapping[str, Any]) -> LookUps:
    for field in ("process", "path"):
        value = record.get(field)
        yield "process", value
        yield "file_path_process", value
    yield "file_path", record.get("path")
    yield "app_id", record.get("bundle_id")


MORE_CHECKS: Mapping[str, More] = {
    "InteractionC": More(_interaction),
    "Contacts": More(_of_fields("value")),
    "Calls": More(_of_fields("number")),
    "WhatsappContacts": More(_of_fields("whatsapp_id", "user_name", "about_text", "notes")),
    "BackupInfo": More(_installed_apps, Level.CRITICAL),
    "Filesystem": More(_path, instead=True),
    # MVT asks its own lists for names of processes here, which ours does not fill.
    "ShutdownLog": More(_shutdown_client, Level.CRITICAL, instead=True),
    "SysdiagnoseShutdown": More(_process, Level.CRITICAL, instead=True),
    "SysdiagnoseProcesses": More(_process, Level.CRITICAL, instead=True),
    "SysdiagnoseCrashes": More(_process, Level.CRITICAL, instead=True),
}
