"""An iOS backup folder as Finder, iTunes and idevicebackup2 write it, from a list of files.

Layout (iOS 10 and later): each file lies under `xx/<fileID>`, where fileID is the SHA-1 of "domain-
relativePath" and `xx` its first two characters; Manifest.db lists all of them, each with an
`MBFile` object archived by NSKeyedArchiver; three property lists describe the device, the backup
and its state. Sources: the backups that libimobiledevice writes, and the readers
`iphone_backup_decrypt` and MVT.

What lands on disk is decided in one place, `write_backup`, and what the manifest says of a file in
`mbfile`.
"""

from __future__ import annotations

import hashlib
import plistlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from spytriage.atomic import filled_folder
from spytriage.demo.formats import binary_plist, database, plist_date
from spytriage.errors import SpytriageError
from spytriage.i18n import _

_FILE, _FOLDER, _LINK = 1, 2, 4  # Files.flags
_MODES = {_FILE: 0o100644, _FOLDER: 0o040755, _LINK: 0o120755}
MANIFEST_COLUMNS = "Files (fileID, domain, relativePath, flags, file)"
PROTECTION_CLASS = 3  # of every file here: readable after the first unlock
_MOBILE = 501  # user and group id of the user "mobile"


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One entry of the manifest."""

    domain: str  # such as "HomeDomain"
    path: str  # relative to the domain; "" is the domain's own folder
    content: bytes
    modified: datetime  # UTC
    link_target: str = ""  # where a symbolic link points; "" for other entries
    is_folder: bool = False

    @property
    def file_id(self) -> str:
        """Return the name that the file has in the backup."""
        return hashlib.sha1(f"{self.domain}-{self.path}".encode(), usedforsecurity=False).hexdigest()

    @property
    def flags(self) -> int:
        """Return what kind of entry the manifest says it is."""
        if self.is_folder:
            return _FOLDER
        return _LINK if self.link_target else _FILE


@dataclass(frozen=True, slots=True)
class App:
    """An app from the App Store, as Info.plist lists it."""

    bundle_id: str
    name: str
    artist: str
    version: str
    bought: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Device:
    """What the three property lists say of the phone."""

    name: str
    udid: str
    serial: str
    imei: str
    iccid: str
    phone_number: str
    product_type: str  # such as "iPhone14,5"
    ios: str
    build: str
    backed_up: datetime  # UTC


class Seal(Protocol):
    """Encrypts a backup; `encryption.Keybag` is the one there is."""

    def file_key(self, file_id: str) -> bytes:
        """Return the key of a file, wrapped, as its manifest entry holds it."""

    def file(self, file_id: str, content: bytes) -> bytes:
        """Return a file's content, encrypted."""

    def manifest(self, content: bytes) -> bytes:
        """Return Manifest.db, encrypted if its key is in `manifest_plist`."""

    def manifest_plist(self) -> Mapping[str, Any]:
        """Return what Manifest.plist holds beside what it holds anyway."""


def write_backup(
    folder: Path, device: Device, apps: Sequence[App], files: Sequence[BackupFile], seal: Seal | None = None
) -> None:
    """Write a backup into a folder that does not exist yet or is empty; all of it or nothing.

    Args:
        folder: where to.
        device: the phone.
        apps: what Info.plist lists.
        files: what was on the phone.
        seal: encrypts it; None leaves it in clear.

    Raises:
        SpytriageError: the folder is in use or cannot be written.
    """
    entries = [*_folders(files), *files]
    manifest = database("Manifest.db", {MANIFEST_COLUMNS: _manifest_rows(entries, seal)})
    front = {"Manifest.db": seal.manifest(manifest) if seal else manifest, **property_lists(device, apps, seal)}
    try:
        write_all(folder, chain(front.items(), _stored(entries, seal)))
    except OSError as error:
        raise SpytriageError(
            _("The invented phone could not be written."),
            path=folder,
            hint=_("Choose a folder that you can write to, on a disk with free space."),
        ) from error


def property_lists(device: Device, apps: Sequence[App], seal: Seal | None = None) -> dict[str, bytes]:
    """Return the three property lists beside Manifest.db, by their names."""
    keys = seal.manifest_plist() if seal else {}
    return {
        "Manifest.plist": binary_plist({**_manifest_plist(device, apps), **keys}),
        "Status.plist": binary_plist(_status_plist(device)),
        "Info.plist": plistlib.dumps(_info_plist(device, apps)),
    }


def mbfile(file: BackupFile, inode: int, wrapped_key: bytes = b"") -> bytes:
    """Return the archived `MBFile` object of an entry; an encrypted file has a wrapped key."""
    stamp = int(file.modified.timestamp())
    fields: dict[str, Any] = {
        "$class": plistlib.UID(3),
        "Birth": stamp,
        "Flags": 0,
        "GroupID": _MOBILE,
        "InodeNumber": inode,
        "LastModified": stamp,
        "LastStatusChange": stamp,
        "Mode": _MODES[file.flags],
        "ProtectionClass": PROTECTION_CLASS if file.flags == _FILE else 0,
        "RelativePath": plistlib.UID(2),
        "Size": len(file.content),
        "UserID": _MOBILE,
    }
    objects: list[Any] = ["$null", fields, file.path, {"$classes": ["MBFile", "NSObject"], "$classname": "MBFile"}]
    if file.link_target:
        fields["Target"] = plistlib.UID(len(objects))
        objects.append(file.link_target)
    if wrapped_key:
        fields["EncryptionKey"] = plistlib.UID(len(objects))
        objects.append({"$class": plistlib.UID(len(objects) + 1), "NS.data": wrapped_key})
        objects.append({"$classes": ["NSMutableData", "NSData", "NSObject"], "$classname": "NSMutableData"})
    archive = {
        "$archiver": "NSKeyedArchiver",
        "$objects": objects,
        "$top": {"root": plistlib.UID(1)},
        "$version": 100000,
    }
    return binary_plist(archive)


def _folders(files: Sequence[BackupFile]) -> list[BackupFile]:
    """Return the entries of all folders that the files lie in, down from each domain's own."""
    found: dict[tuple[str, str], datetime] = {}
    for file in files:
        for parent in PurePosixPath(file.path).parents:
            key = (file.domain, "" if str(parent) == "." else str(parent))
            found[key] = min(found.get(key, file.modified), file.modified)
    return [BackupFile(domain, path, b"", at, is_folder=True) for (domain, path), at in sorted(found.items())]


def _manifest_rows(entries: Sequence[BackupFile], seal: Seal | None) -> Iterable[tuple[str, str, str, int, bytes]]:
    for inode, file in enumerate(entries, start=10_000):
        key = seal.file_key(file.file_id) if seal and file.content else b""
        yield file.file_id, file.domain, file.path, file.flags, mbfile(file, inode, key)


def _stored(entries: Sequence[BackupFile], seal: Seal | None) -> Iterator[tuple[str, bytes]]:
    for file in entries:
        if file.flags == _FILE:
            content = seal.file(file.file_id, file.content) if seal and file.content else file.content
            yield f"{file.file_id[:2]}/{file.file_id}", content


def _info_plist(device: Device, apps: Sequence[App]) -> dict[str, Any]:
    return {
        "Applications": {app.bundle_id: {"iTunesMetadata": _itunes_metadata(app)} for app in apps},
        "Build Version": device.build,
        "Device Name": device.name,
        "Display Name": device.name,
        "GUID": hashlib.sha256(device.udid.encode()).hexdigest()[:32].upper(),
        "ICCID": device.iccid,
        "IMEI": device.imei,
        "Installed Applications": [app.bundle_id for app in apps],
        "Last Backup Date": plist_date(device.backed_up),
        "Phone Number": device.phone_number,
        "Product Type": device.product_type,
        "Product Version": device.ios,
        "Serial Number": device.serial,
        "Target Identifier": device.udid,
        "Target Type": "Device",
        "Unique Identifier": device.udid,
        "iTunes Version": "12.13.2",
    }


def _itunes_metadata(app: App) -> bytes:
    bought = app.bought.strftime("%Y-%m-%dT%H:%M:%SZ")
    return binary_plist(
        {
            "artistName": app.artist,
            "bundleShortVersionString": app.version,
            "bundleVersion": app.version,
            "com.apple.iTunesStore.downloadInfo": {"purchaseDate": bought},
            "itemName": app.name,
            "softwareVersionBundleId": app.bundle_id,
            "sourceApp": "com.apple.AppStore",
        }
    )


def _manifest_plist(device: Device, apps: Sequence[App]) -> dict[str, Any]:
    return {
        "Applications": {
            app.bundle_id: {"CFBundleIdentifier": app.bundle_id, "CFBundleVersion": app.version} for app in apps
        },
        "Date": plist_date(device.backed_up),
        "IsEncrypted": False,
        "Lockdown": {
            "BuildVersion": device.build,
            "DeviceName": device.name,
            "ProductType": device.product_type,
            "ProductVersion": device.ios,
            "SerialNumber": device.serial,
            "UniqueDeviceID": device.udid,
        },
        "SystemDomainsVersion": "24.0",
        "Version": "10.0",
        "WasPasscodeSet": True,
    }


def _status_plist(device: Device) -> dict[str, Any]:
    return {
        "BackupState": "new",
        "Date": plist_date(device.backed_up),
        "IsFullBackup": True,
        "SnapshotState": "finished",
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, device.udid)).upper(),
        "Version": "3.3",
    }


def write_all(folder: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write files by their names into a folder that does not exist yet or is empty; all of them or nothing.

    Raises:
        SpytriageError: the folder is in use.
        OSError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SpytriageError(
            _("The folder for the invented phone is already in use."),
            path=folder,
            hint=_("Choose a folder that does not exist yet."),
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filled_folder(folder) as partial:
        for name, content in contents:
            target = partial / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
