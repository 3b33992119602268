"""How each kind of acquisition beside the iOS backup is told from all others: by what it holds.

A detector takes a listing and says where in it the acquisition begins ("" or "a/b/"), or None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from spytriage.i18n import deferred
from spytriage.models import LimitId
from spytriage.source.interface import Device
from spytriage.source.listing import Listing

_NO_DEVICE = Device("", "", "")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of acquisition.

    Attributes:
        name: stands in reports.
        looked_for: what it is told by, for the error about something that is none of them.
        detect: says where in a listing it begins.
        device: reads what it says of the phone.
        facts: names of small files that identify one acquisition, relative to where it begins.
        limits: what a report of this kind must admit.
    """

    name: str
    looked_for: str
    detect: Callable[[Listing], str | None]
    device: Callable[[Listing, str], Device]
    facts: tuple[str, ...] = ()
    limits: tuple[LimitId, ...] = (LimitId.ANDROID_KEEPS_LITTLE,)


def _roots(listing: Listing, ending: str) -> Iterator[str]:
    """Give the folders that hold something whose name ends so, outermost first."""
    roots = {name[: -len(ending)] for name in listing.names if name == ending or name.endswith(f"/{ending}")}
    yield from sorted(roots, key=lambda root: (root.count("/"), root))


def _below(listing: Listing, root: str) -> set[str]:
    return {name.removeprefix(root) for name in listing.names if name.startswith(root)}


# --- AndroidQF ---------------------------------------------------------------------------------------------------

_ANDROIDQF_FILES = {"acquisition.json", "packages.json", "getprop.txt", "ps.txt", "files.json", "root_binaries.json",
                    "mounts.json", "dumpsys.txt", "bugreport.zip", "backup.ab", "env.txt", "services.txt",
                    "processes.txt", "selinux.txt"}  # fmt: skip


def _androidqf(listing: Listing) -> str | None:
    for anchor in ("packages.json", "getprop.txt", "acquisition.json"):
        for root in _roots(listing, anchor):
            if root.count("/") <= 2 and len(_below(listing, root) & _ANDROIDQF_FILES) >= 2:
                return root
    return None


def _androidqf_device(listing: Listing, root: str) -> Device:
    return _device_of_properties(listing.head(f"{root}getprop.txt", 1 << 20))


def _device_of_properties(text: bytes) -> Device:
    """Read what Android's list of properties says of the phone."""
    found = {name.decode(): value.decode("utf-8", "replace") for name, value in
             re.findall(rb"\[(ro\.[a-z.]{1,40})\]: \[([^\]\r\n]{0,100})\]", text)}  # fmt: skip
    model = found.get("ro.product.model", "")
    return Device(
        f"Android {model}".strip(), found.get("ro.build.version.release", ""), found.get("ro.boot.serialno", "")
    )


# --- Bug report --------------------------------------------------------------------------------------------------


_BESIDE_THE_DUMP = re.compile(r"((?:[^/]+/)?)FS/(?:data|proc)/")


def _bugreport(listing: Listing) -> str | None:
    if listing.form == "file":
        head = listing.head()
        return "" if b"== dumpstate:" in head[:4096] or b"DUMP OF SERVICE " in head else None
    for root in _roots(listing, "main_entry.txt"):
        if root.count("/") <= 1:
            return root
    patterns = ("dumpState_*.log",) if listing.form == "folder" else ("dumpState_*.log", "*/dumpsys.txt")
    if any(fnmatchcase(name, pattern) for name in listing.names if name.count("/") <= 1 for pattern in patterns):
        return ""
    nested = any(re.search(r"(bugreport|dumpstate)[^/]*\.zip$", name, re.IGNORECASE) for name in listing.names)
    if nested and listing.form == "zip":
        return ""
    # Without its main_entry.txt MVT still reads what a phone packs beside the dump; the ledger tells of the gap.
    return min((found[1] for name in listing.names if (found := _BESIDE_THE_DUMP.match(name))), key=len, default=None)


def _bugreport_device(listing: Listing, root: str) -> Device:
    """Read the properties of the phone, where they stand in the first megabytes of the dump."""
    entry = listing.head(f"{root}main_entry.txt", 300).decode("utf-8", "replace").strip()
    text = listing.head(f"{root}{entry}" if entry and listing.form != "file" else "", 16 << 20)
    start = text.find(b"------ SYSTEM PROPERTIES")
    device = _device_of_properties(text[start:]) if start >= 0 else _NO_DEVICE
    return device if device.product_type else Device("Android", device.os_version, device.identifier)


# --- Android backup, intrusion logs ------------------------------------------------------------------------------


def _android_backup(listing: Listing) -> str | None:
    if listing.form == "file":
        return "" if listing.head(size=15) == b"ANDROID BACKUP\n" else None
    for name in listing.names:
        if found := re.match(r"((?:[^/]+/)?)apps/[A-Za-z0-9_.]+/(_manifest|d_f/|f/|db/|sp/|r/|ef/)", name):
            return found[1] if listing.form == "folder" else None
    return None


def _android(listing: Listing, root: str) -> Device:  # noqa: ARG001 (nothing in it describes the phone)
    return Device("Android", "", "")


_EVENTS = {"dns_event", "connect_event", "security_event"}


def _intrusion_logs(listing: Listing) -> str | None:
    # A folder that holds a folder of logs may hold more than logs.
    names = [name for name in listing.names if listing.form != "folder" or "/" not in name]
    texts = [name for name in names if name.lower().endswith(".txt")]
    for name in texts[:20]:
        first = next((line for line in listing.head(name).splitlines() if line.strip()), b"")
        try:
            entry = json.loads(first)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and _EVENTS & entry.keys():
            return ""
    if texts or not names:
        return None
    zips = all(re.search(r"intrusion[^/]*\.zip$", name, re.IGNORECASE) for name in names)
    return "" if zips else None


# --- iPhone ------------------------------------------------------------------------------------------------------


def _sysdiagnose(listing: Listing) -> str | None:
    parts = ("/system_logs.logarchive/", "/crashes_and_spins/", "/sysdiagnose.log", "/ps.txt")
    roots: dict[str, set[str]] = {}
    for name in listing.names:
        for part in parts:
            if (place := f"/{name}".find(part)) >= 0:
                roots.setdefault(name[:place], set()).add(part)
    found = [root for root, seen in roots.items() if root.count("/") <= 1 and (len(seen) > 1 or parts[2] in seen)]
    return min(found, key=len) if found else None


def _filesystem(listing: Listing) -> str | None:
    for name in listing.names:
        if found := re.match(r"((?:[^/]+/){0,3}?)private/var/(mobile|db|root|networkd|Keychains)/", name):
            return found[1]
    return None


_BUILD = re.compile(rb"(?:iPhone OS|iOS|iPadOS) (\d{1,2}\.\d{1,2}(?:\.\d{1,2})?)")


def _iphone(listing: Listing, root: str) -> Device:
    """Read the version that a sysdiagnose names in its log; the model stands in reports that are not looked at here."""
    version = _BUILD.search(listing.head(f"{root}sysdiagnose.log"))
    return Device("iPhone", version[1].decode() if version else "", "")


KINDS = (
    # An AndroidQF acquisition holds a bug report, a backup and logs: it comes before them.
    Kind(
        "androidqf",
        deferred("an AndroidQF acquisition (packages.json, getprop.txt, acquisition.json)"),
        _androidqf,
        _androidqf_device,
        ("acquisition.json", "getprop.txt", "packages.json"),
    ),
    Kind("android-backup", deferred("an Android backup (a file that begins with ANDROID BACKUP, or apps/)"),
         _android_backup, _android),
    # A sysdiagnose archive and a file system dump are full of text files and zips: before bug reports and logs.
    Kind("ios-sysdiagnose", deferred("a sysdiagnose archive (sysdiagnose.log, system_logs.logarchive)"),
         _sysdiagnose, _iphone, ("sysdiagnose.log",), (LimitId.UNIFIED_LOGS_NOT_READ,)),
    Kind("ios-filesystem", deferred("a dump of an iPhone's file system (private/var)"), _filesystem, _iphone, (),
         (LimitId.IDSTATUSCACHE_EMPTY,)),
    Kind("android-bugreport", deferred("an Android bug report (main_entry.txt, dumpState_*.log, dumpsys.txt)"),
         _bugreport, _bugreport_device, ("main_entry.txt",)),
    Kind("android-intrusion-logs", deferred("Android intrusion logs (lines with dns_event or security_event)"),
         _intrusion_logs, _android),
)  # fmt: skip
