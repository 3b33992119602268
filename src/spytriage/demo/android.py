"""An invented Android phone in the form that AndroidQF writes, with planted traces of the set "demo".

A colleague of the journalist in `story`. A text message about a parcel carries a link; a day later a package that
nobody knows is on the phone, its process runs, and the phone asks for the address of a published site. Everything is
invented: numbers are from a range reserved for fiction, sites under reserved names.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from spytriage.demo import DemoPhone, Planted
from spytriage.demo.backup_format import write_all
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import IndicatorType

_LINK_DOMAIN, _DNS_DOMAIN = "free-news-alert.example", "cdn.weather-updates.example"
_APP, _PROCESS = "org.example.demospy", "demospyd"
_APK_SHA256 = "64656d6f" * 8
_STAMP = (2024, 9, 12, 8, 0, 0)
_AT = datetime(2024, 9, 12, 8, 0, tzinfo=UTC)
_TALK = (
    "¿Ya llegó la nota de la marcha? La subo antes de las siete.",
    "Nos vemos en el café de siempre, llevo las copias.",
    "Please call me back when the edit is closed.",
    "Mira: https://news.example.org/portada-inventada",
)
_APPS = ("com.android.settings", "com.android.chrome", "com.whatsapp", "org.mozilla.firefox")


def write_android_phone(folder: Path, *, seed: int = 2021, planted: bool = True) -> DemoPhone:
    """Write the AndroidQF acquisition of an invented phone.

    Args:
        folder: does not exist yet, or is empty; all of the acquisition is written, or nothing.
        seed: one seed is one phone: the same bytes in every file.
        planted: whether traces of the set "demo" are on the phone.

    Raises:
        SpytriageError: the folder is in use or cannot be written.
    """
    random = Random(seed)  # noqa: S311 (an invented phone, not a secret)
    serial = f"DEMO{random.randrange(10**8):08d}"
    number = f"+1202555{random.randrange(100, 200):04d}"
    link = f"https://{_LINK_DOMAIN}/paquete-{random.randrange(10**6):06d}"
    files = _files(serial, number, link if planted else "", planted=planted)
    try:
        write_all(folder, files.items())
    except OSError as error:
        raise SpytriageError(
            _("The demo phone cannot be written here."), path=folder, hint=_("Choose a folder that you may write to.")
        ) from error
    return DemoPhone(serial, _planted() if planted else (), (serial, number, link, *_TALK))


def _planted() -> tuple[Planted, ...]:
    kinds = IndicatorType
    return (
        Planted("AQFPackages", kinds.APP_ID, _APP),
        Planted("AQFPackages", kinds.FILE_SHA256, _APK_SHA256),
        Planted("AQFProcesses", kinds.PROCESS, _PROCESS),
        Planted("AQFFiles", kinds.FILE_SHA256, _APK_SHA256),
        Planted("DumpsysPackages", kinds.APP_ID, _APP),
        Planted("AndroidSMS", kinds.DOMAIN, _LINK_DOMAIN),
        Planted("DnsEvent", kinds.DOMAIN, _DNS_DOMAIN),
    )


def _files(serial: str, number: str, link: str, *, planted: bool) -> dict[str, bytes]:
    apps = (*_APPS, _APP) if planted else _APPS
    properties = _properties(serial)
    texts: dict[str, Any] = {
        "acquisition.json": {"uuid": serial, "started": _AT.isoformat(), "completed": _AT.isoformat()},
        "packages.json": [_package(app) for app in apps],
        "files.json": [_file(app) for app in apps],
        "root_binaries.json": [],
        "mounts.json": ["/dev/block/dm-0 on / type ext4 (ro,seclabel,relatime)"],
    }
    return {name: json.dumps(content, indent=1).encode() for name, content in texts.items()} | {
        "getprop.txt": properties.encode(),
        "ps.txt": _processes(planted=planted).encode(),
        "settings_global.txt": b"adb_enabled=1\npackage_verifier_user_consent=1\n",
        "logs/radio.log": b"",
        "backup.ab": _backup(number, link),
        "bugreport.zip": _bugreport(properties, apps),
        "intrusion_logs/2024-09-12.txt": _intrusion_log(planted=planted).encode(),
    }


def _properties(serial: str) -> str:
    values = {
        "ro.product.model": "Demo 8",
        "ro.build.version.release": "14",
        "ro.boot.serialno": serial,
        "persist.sys.timezone": "America/Mexico_City",
    }
    return "".join(f"[{name}]: [{value}]\n" for name, value in values.items())


def _package(name: str) -> dict[str, Any]:
    is_planted = name == _APP
    digest = _APK_SHA256 if is_planted else f"{zlib.crc32(name.encode()):064x}"
    return {
        "name": name,
        "files": [{"path": f"/data/app/{name}/base.apk", "sha256": digest, "sha1": "", "md5": ""}],
        "installer": "com.android.vending",
        "uid": 10000 + zlib.crc32(name.encode()) % 1000,
        "disabled": False,
        "system": False,
        "third_party": True,
    }


def _file(name: str) -> dict[str, Any]:
    stamp = int(_AT.timestamp())
    return {
        "path": f"/sdcard/Download/{name}.apk",
        "size": 36,
        "mode": "-rw-rw----",
        "access_time": stamp,
        "changed_time": stamp,
        "modified_time": stamp,
        "context": "",
        "sha256": _APK_SHA256 if name == _APP else "",
    }


def _processes(*, planted: bool) -> str:
    names = ["init", "system_server", "com.whatsapp", *([_PROCESS] if planted else [])]
    rows = [f"u0_a1 {100 + place} 1 57912 2084 0 0 S {name}" for place, name in enumerate(names)]
    return "\n".join(["USER PID PPID VSZ RSS WCHAN ADDR S NAME", *rows, ""])


def _bugreport(properties: str, apps: tuple[str, ...]) -> bytes:
    line = "-" * 78
    packages = "".join(f"  Package [{app}] (a1b2c3):\n    versionName=1.0\n" for app in apps)
    dump = (
        f"== dumpstate: {_AT:%Y-%m-%d %H:%M:%S}\n------ SYSTEM PROPERTIES (getprop) ------\n{properties}\n"
        f"------ PROCESSES AND THREADS (ps -A) ------\n{_processes(planted=False)}\n"
        f"{line}\nDUMP OF SERVICE package:\nPackages:\n{packages}\n{line}\n"
    )
    return _zip({"main_entry.txt": b"bugreport-demo.txt", "bugreport-demo.txt": dump.encode()})


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _STAMP), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _backup(number: str, link: str) -> bytes:
    """Return an Android backup with text messages, as `adb backup com.android.providers.telephony` writes it."""
    texts = [*_TALK, *([f"Su paquete espera: {link}"] if link else [])]
    messages = [
        {
            "address": number,
            "body": text,
            "date": str(int((_AT - timedelta(hours=place)).timestamp() * 1000)),
            "date_sent": str(int((_AT - timedelta(hours=place)).timestamp() * 1000)),
            "type": "1",
        }
        for place, text in enumerate(texts)
    ]
    content = zlib.compress(json.dumps(messages).encode())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("apps/com.android.providers.telephony/d_f/000000_sms_backup")
        entry.size, entry.mtime = len(content), int(_AT.timestamp())
        tar.addfile(entry, io.BytesIO(content))
    return b"ANDROID BACKUP\n5\n1\nnone\n" + zlib.compress(out.getvalue())


def _intrusion_log(*, planted: bool) -> str:
    hosts = ["www.example.com", *([_DNS_DOMAIN] if planted else [])]
    events = [
        {"dns_event": {"hostname": host, "ip_addresses": [], "package_name": "com.android.chrome",
                       "event_time": int(_AT.timestamp() * 1000)}}
        for host in hosts
    ]  # fmt: skip
    return "".join(json.dumps(event) + "\n" for event in events)
