"""Small things that tests use: fixed day and key, a progress that remembers, damage to backups, MVT itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from spytriage.demo import DEMO_PASSWORD
from spytriage.demo.backup_format import BackupFile, mbfile
from spytriage.demo.encryption import Keybag
from spytriage.models import BackupKeys, CoverageState, ModuleCoverage, ScanResult
from spytriage.redaction import CaseKey
from spytriage.source.ios_keybag import Lock

DAY = date(2026, 5, 4)
KEY = CaseKey(b"k" * 32)

SMS = ("HomeDomain", "Library/SMS/sms.db")
SAFARI_HISTORY = ("HomeDomain", "Library/Safari/History.db")
CALENDAR = ("HomeDomain", "Library/Calendar/Calendar.sqlitedb")
WEBKIT = ("AppDomain-com.apple.mobilesafari", "Library/WebKit/WebsiteData/ResourceLoadStatistics/observations.db")
DATA_USAGE = ("WirelessDomain", "Library/Databases/DataUsage.sqlite")

IOS_BACKUP_MODULES = frozenset({
    "BackupInfo", "ConfigurationProfiles", "Manifest", "ProfileEvents", "Calls", "ChromeFavicon", "ChromeHistory",
    "Contacts", "FirefoxFavicon", "FirefoxHistory", "IDStatusCache", "InteractionC", "LocationdClients",
    "OSAnalyticsADDaily", "Datausage", "SafariBrowserState", "SafariHistory", "TCC", "SMS", "SMSAttachments",
    "WebkitResourceLoadStatistics", "WebkitSessionResourceLog", "Whatsapp", "WhatsappContacts", "Shortcuts",
    "Applications", "Calendar", "GlobalPreferences",
})  # fmt: skip


class Recorder:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.plan: tuple[str, ...] = ()
        self.running: list[str] = []
        self.rows: dict[str, int] = {}
        self.coverage: list[ModuleCoverage] = []

    def starting(self) -> None:
        pass

    def planned(self, modules: Sequence[str]) -> None:
        self.plan = tuple(modules)

    def started(self, module: str) -> None:
        self.running.append(module)

    def read(self, module: str, rows: int) -> None:
        self.rows[module] = rows

    def ended(self, coverage: ModuleCoverage) -> None:
        self.coverage.append(coverage)


def file_id(domain: str, relative_path: str) -> str:
    return hashlib.sha1(f"{domain}-{relative_path}".encode()).hexdigest()


def stored(backup: Path, artefact: tuple[str, str]) -> Path:
    """Where a file of the phone lies in its backup."""
    identifier = file_id(*artefact)
    return backup / identifier[:2] / identifier


@contextmanager
def edited(backup: Path, artefact: tuple[str, str]) -> Iterator[sqlite3.Connection]:
    """Open a database of a backup to change it."""
    with closing(sqlite3.connect(stored(backup, artefact))) as connection, connection:
        yield connection


def state_of(result: ScanResult, module: str) -> ModuleCoverage:
    return next(line for line in result.modules if line.name == module)


def states(result: ScanResult) -> dict[str, CoverageState]:
    return {line.name: line.state for line in result.modules}


def digest_of(folder: Path) -> dict[str, str]:
    """What every file of a folder holds, by its relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run_mvt(backup: Path, sets: Sequence[Path], private: Path, kind: str = "ios-backup") -> dict[str, Any]:
    """Run MVT's own command on an acquisition; see mvt_reference.py for what comes back."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(private),
        "TZ": "UTC",
        "MVT_CONFIG_FOLDER": str(private),
        "MVT_DATA_FOLDER": str(private),
        "MVT_NETWORK_ACCESS_ALLOWED": "false",
    }
    script = Path(__file__).with_name("mvt_reference.py")
    done = subprocess.run(
        [sys.executable, script, kind, backup, *sets], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def slug(module: str) -> str:
    """The name that MVT's alerts give to the module of a class (MVTModule.get_slug)."""
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", module)).lower()


def keys_of(backup: Path, password: str = DEMO_PASSWORD) -> BackupKeys:
    """What opens an encrypted backup."""
    lock = Lock(backup)
    keys = lock.open(lock.derive(password.encode()))
    assert keys is not None
    return keys


@dataclass(frozen=True)
class Opened:
    """A backup that a test changes, as whoever holds its keys could."""

    folder: Path
    seal: Keybag | None  # None: it is not encrypted

    @contextmanager
    def manifest(self) -> Iterator[sqlite3.Connection]:
        """Open Manifest.db to change it."""
        with closing(sqlite3.connect(":memory:")) as connection:
            key = keys_of(self.folder).manifest if self.seal else None
            connection.deserialize(decrypted(key, (self.folder / "Manifest.db").read_bytes()))
            with connection:
                yield connection
            content = connection.serialize()
        (self.folder / "Manifest.db").write_bytes(self.seal.manifest(content) if self.seal else content)

    def read(self, artefact: tuple[str, str]) -> bytes:
        key = self.seal.key(file_id(*artefact)) if self.seal else None
        return decrypted(key, stored(self.folder, artefact).read_bytes())

    def write(self, artefact: tuple[str, str], content: bytes) -> None:
        """Replace a file, or add one, with its entry in the manifest."""
        file = BackupFile(*artefact, content, datetime(2026, 5, 4, tzinfo=UTC))
        wrapped = self.seal.file_key(file.file_id) if self.seal and content else b""
        place = stored(self.folder, artefact)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(self.seal.file(file.file_id, content) if self.seal and content else content)
        with self.manifest() as manifest:
            row = (file.file_id, *artefact, file.flags, mbfile(file, 1, wrapped))
            manifest.execute("INSERT OR REPLACE INTO Files VALUES (?, ?, ?, ?, ?)", row)


def decrypted(key: bytes | None, content: bytes) -> bytes:
    if key is None:
        return content
    return unpad(AES.new(key, AES.MODE_CBC, iv=bytes(16)).decrypt(content), AES.block_size)


def edited_copy(database: bytes, folder: Path, statement: str) -> bytes:
    """Return the bytes of a database after a statement."""
    path = folder / "edited.db"
    path.write_bytes(database)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    return path.read_bytes()


def nameless(archive: bytes) -> bytes:
    """Take the name of the last entry, of one letter, out of the list of a zip."""
    place = archive.rindex(b"PK\x01\x02")
    entry = archive[place:]
    entry = entry[:28] + b"\0\0" + entry[30:46] + entry[47:]
    size = int.from_bytes(entry[-10:-6], "little") - 1
    return archive[:place] + entry[:-10] + size.to_bytes(4, "little") + entry[-6:]
