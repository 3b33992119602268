"""Acquisitions of the kinds beside the iPhone backup, with a planted trace in every artefact that can carry one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import plistlib
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from tests.acquisitions import DUMP_LINE, SHUTDOWN_LOG, SMS_ENTRY, android_backup, sysdiagnose_files, text_messages
from tests.faults.phones import APP, LINK, PLACE, PROCESS, files_of_iphone

Files = dict[str, bytes]
"""Content by name, relative to the acquisition."""

_APPS = ("com.android.settings", "com.android.chrome", APP)
_PS = "USER PID PPID VSZ RSS WCHAN ADDR S NAME\n" + "".join(
    f"u0_a1 {place} 1 57912 2084 0 0 S {name}\n" for place, name in enumerate(("init", "com.whatsapp", PROCESS), 100)
)
_PROPERTIES = (
    "[ro.build.version.release]: [14]\n[ro.product.model]: [Demo 8]\n[persist.sys.timezone]: [UTC]\n"
    "[demo.planted.property]: [1]\n"
)
_TOMBSTONE = f"""*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
Build fingerprint: 'demo/demo:14/DEMO/1:user/release-keys'
Revision: '0'
ABI: 'arm64'
Timestamp: 2024-09-12 08:00:00.000000000+0000
Process uptime: 40s
Cmdline: {PROCESS}
pid: 100, tid: 100, name: {PROCESS}  >>> {PROCESS} <<<
uid: 10100
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x0
backtrace:
      #00 pc 0000000000000000
"""


def _resolver(table: str) -> str:
    return f"{table} Resolver Table:\n  Non-Data Actions:\n      demo.action:\n        a1b2c3 {APP}/.Main\n\n"


def services() -> dict[str, str]:
    """What dumpsys prints for each service, in its order."""
    return {
        "accessibility": (
            f"User state[\n     attributes:{{id=0}}\n     installed services: {{\n       0 : {APP}/.Spy\n     }}\n"
        ),
        "appops": f"  Uid 10100:\n    state=cch\n    Package {APP}:\n      CAMERA (allow):\n",
        "batterystats": (
            "Battery History [Format: 36] (0% used, 1KB used of 4096KB):\n"
            "     0 (14) RESET:TIME: 2024-09-12-08-00-00\n"
            f'     +1s000ms (1) 100 +job=u0a100:"{APP}/.Spy"\n\n'
            "  Daily from 2024-09-11-00-00-00 to 2024-09-12-00-00-00:\n"
            f"    Update {APP} vers=1\n"
        ),
        "dbinfo": (
            f"Connection pool for /data/user/0/{APP}/databases/x.db:\n  Connection #0:\n"
            "    isPrimaryConnection: true\n    Most recently executed operations:\n"
            '        0: [2024-09-12 08:00:00.000] [Pid:(9)]execute took 1ms - succeeded, sql="SELECT 1"'
            f", path=/data/user/0/{APP}/databases/x.db\n"
        ),
        "package": _resolver("Activity") + _resolver("Receiver") + "Packages:\n"
        + "".join(f"  Package [{app}] (a1b2c3):\n    versionName=1.0\n" for app in _APPS) + "\n",
        "platform_compat": f"ChangeId(1; name=DEMO; disabled; rawOverrides={{{APP}=false}}; overridable)\n",
        "settings": "GLOBAL SETTINGS (user 0)\n_id:1 name:adb_enabled pkg:android value:0 default:0\n\n",
    }  # fmt: skip


def dumpstate(parts: Mapping[str, str] | None = None) -> str:
    """A dump in the form of Android 14: the services that run are listed, and each part says when it ended."""
    parts = services() if parts is None else parts
    listed = "".join(f"  {name}\n" for name in services())
    dumps = "".join(
        f"{DUMP_LINE}\nDUMP OF SERVICE {name}:\n{text}"
        f"--------- 0.002s was the duration of dumpsys {name}, ending at: 2024-09-12 08:00:00\n"
        for name, text in parts.items()
    )
    return (
        "== dumpstate: 2024-09-12 08:00:00\n"
        f"------ SYSTEM PROPERTIES (getprop) ------\n{_PROPERTIES}"
        "------ 0.010s was the duration of 'SYSTEM PROPERTIES' ------\n"
        f"------ PROCESSES AND THREADS (ps -A -T) ------\n{_PS}"
        "------ 0.010s was the duration of 'PROCESSES AND THREADS' ------\n"
        f"------ DUMPSYS (dumpsys) ------\nCurrently running services:\n{listed}{dumps}"
        "------ 1.000s was the duration of 'DUMPSYS' ------\n== dumpstate: done (id 1)\n"
    )


def bugreport() -> Files:
    return {
        "main_entry.txt": b"bugreport-demo.txt",
        "bugreport-demo.txt": dumpstate().encode(),
        "FS/data/tombstones/tombstone_00": _TOMBSTONE.encode(),
        "FS/proc/100/mountinfo": f"20 1 8:1 / {PLACE}/x rw - ext4 /dev/block/dm-0 rw\n".encode(),
    }


def intrusion_logs() -> Files:
    chrome = {"package_name": "com.android.chrome", "event_time": 1726128000000}
    events = [
        {"dns_event": {"hostname": "www.example.com", "ip_addresses": [], **chrome}},
        {"connect_event": {"ip_address": "192.0.2.1", "port": 443, **chrome, "package_name": APP}},
        {"security_event": {"event_time": 1726128000000000000, "package_installed": {"package_name": APP}}},
        {"dns_event": {"hostname": "cdn.weather-updates.example", "ip_addresses": [], **chrome}},
    ]
    return {"2024-09-12.txt": "".join(json.dumps(event) + "\n" for event in events).encode()}


def android_backup_files(content: bytes | None = None) -> Files:
    rows = text_messages("hola", "¿ya llegaste?", LINK) if content is None else content
    return {"backup.ab": android_backup({SMS_ENTRY: rows})}


def androidqf(report: Callable[[Files], bytes], change: Callable[[str, bytes], bytes] | None = None) -> Files:
    """An acquisition in the form that AndroidQF writes, with its list of digests.

    Args:
        report: packs a bug report.
        change: says what a file holds before AndroidQF makes its list of digests.
    """
    package = {"installer": "com.android.vending", "uid": 10100, "disabled": False, "system": False,
               "third_party": True, "files": []}  # fmt: skip
    stamp = 1726128000
    listed = [
        {"path": path, "size": 1, "mode": "-rw-rw----", "access_time": stamp, "changed_time": stamp,
         "modified_time": stamp, "context": "", "sha256": ""}
        for path in ("/sdcard/Download/a", "/sdcard/Download/b", f"{PLACE}/x")
    ]  # fmt: skip
    files: Files = {
        "acquisition.json": json.dumps({"uuid": "demo", "started": "2024-09-12T08:00:00Z"}).encode(),
        "packages.json": json.dumps([{"name": app, **package} for app in _APPS]).encode(),
        "files.json": json.dumps(listed).encode(),
        "root_binaries.json": json.dumps(["/system/xbin/demo"]).encode(),
        "mounts.json": json.dumps(["/dev/a on / type ext4 (ro)", f"/dev/b on {PLACE}/x type ext4 (ro)"]).encode(),
        "getprop.txt": _PROPERTIES.encode(),
        "ps.txt": _PS.encode(),
        "settings_global.txt": b"adb_enabled=0\n",
        "logs/radio.log": b"x\n",
        "backup.ab": android_backup_files()["backup.ab"],
        "bugreport.zip": report(bugreport()),
        "intrusion_logs/2024-09-12.txt": intrusion_logs()["2024-09-12.txt"],
    }
    if change:
        files = {name: change(name, content) for name, content in files.items()}
    table = io.StringIO()
    for name, content in files.items():
        csv.writer(table).writerow([f"/home/demo/acquisition/{name}", hashlib.sha256(content).hexdigest()])
    return files | {"hashes.csv": table.getvalue().encode()}


def sysdiagnose() -> Files:
    return {name: text.encode() for name, text in sysdiagnose_files().items()}


_MOBILE = "private/var/mobile/"
_CONTAINER = f"{_MOBILE}Containers/Data/Application/DE30/"
_GROUP = f"{_MOBILE}Containers/Shared/AppGroup/DE30/"
_ELSEWHERE = {
    "DataUsage.sqlite": "private/var/wireless/Library/Databases/",
    "clients.plist": f"{_MOBILE}Library/Caches/locationd/",
    "browser.db": f"{_MOBILE}profile.profile/",
    "History": f"{_CONTAINER}Library/Application Support/Google/Chrome/Default/",
    "Favicons": f"{_CONTAINER}Library/Application Support/Google/Chrome/Default/",
    "ChatStorage.sqlite": _GROUP,
    "ContactsV2.sqlite": _GROUP,
    "LID.sqlite": _GROUP,
    "observations.db": f"{_CONTAINER}Library/WebKit/WebsiteData/ResourceLoadStatistics/",
    "full_browsing_session_resourceLog.plist": f"{_CONTAINER}Library/WebKit/WebsiteData/ResourceLoadStatistics/",
}


def filesystem() -> Files:
    """A dump of the file system of the iPhone of `phones`."""
    phone = files_of_iphone()
    files: Files = {
        "private/var/db/diagnostics/shutdown.log": SHUTDOWN_LOG.encode(),
        "private/var/db/demospy/stage2/agent": b"\x00",
        f"{_CONTAINER}Library/Caches/Cache.db": made(
            "CREATE TABLE cfurl_cache_response (a, b, c, d, e, f)",
            f"INSERT INTO cfurl_cache_response VALUES (1, 0, 0, 0, '{LINK}', '2024-09-12')",
        ),
        f"{_MOBILE}Library/Image Cache/Favicons/Favicons.db": made(
            "CREATE TABLE page_url (uuid, url)", "CREATE TABLE icon_info (uuid, url, timestamp)",
            "CREATE TABLE rejected_resources (page_url, icon_url, timestamp)",
            f"INSERT INTO page_url VALUES ('a', '{LINK}')", f"INSERT INTO icon_info VALUES ('a', '{LINK}', 1)",
        ),
        "private/var/networkd/netusage.sqlite": phone["WirelessDomain", "Library/Databases/DataUsage.sqlite"],
        "private/var/Keychains/Analytics/x.db": _analytics(),
        f"{_CONTAINER}Library/WebKit/WebsiteData/IndexedDB/https_free-news-alert.example_0/x": b"",
        f"{_CONTAINER}Library/WebKit/WebsiteData/LocalStorage/https_free-news-alert.example_0/x": b"",
        f"{_CONTAINER}SystemData/com.apple.SafariViewService/Library/WebKit/WebsiteData/"
        "https_free-news-alert.example_0/x": b"",
        "private/var/containers/Bundle/Application/DE30/iTunesMetadata.plist": plistlib.dumps(
            {"softwareVersionBundleId": APP, "itemName": "Demo", "sourceApp": "com.apple.AppStore"}
        ),
    }  # fmt: skip
    for (domain, path), content in phone.items():
        name = path.rpartition("/")[2]
        if name in _ELSEWHERE:
            files.setdefault(_ELSEWHERE[name] + name, content)
        elif domain == "HomeDomain":
            files[_MOBILE + path] = content
    return files


def _analytics() -> bytes:
    data = plistlib.dumps({"process": PROCESS}, fmt=plistlib.FMT_BINARY)
    tables = [f"CREATE TABLE {name} (timestamp, data)" for name in ("hard_failures", "soft_failures", "all_events")]
    return made(*tables, f"INSERT INTO all_events VALUES (700000000, x'{data.hex()}')")


def made(*statements: str) -> bytes:
    """Return the bytes of a database that these statements make."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return bytes(connection.serialize())


def laid(folder: Path, files: Files) -> Path:
    """Write the files of an acquisition."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
