"""Makes small acquisitions of every kind, and packs folders in every way; everything in them is invented."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

DUMP_LINE = "-" * 78
SMS_ENTRY = "apps/com.android.providers.telephony/d_f/000000_sms_backup"


def write(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(folder: Path, target: Path, parent: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, parent + path.relative_to(folder).as_posix())
    return target


def tarred(folder: Path, target: Path, parent: str = "", mode: str = "w:gz") -> Path:
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, parent.rstrip("/") or ".")
    return target


def text_messages(*bodies: str) -> bytes:
    rows = [{"address": "+12025550143", "body": body, "date": "1726128000000", "date_sent": "1726128000000",
             "type": "1"} for body in bodies]  # fmt: skip
    return zlib.compress(json.dumps(rows).encode())


def android_backup(
    files: Mapping[str, bytes], *, version: int = 5, compressed: bool = True, password: str = ""
) -> bytes:
    """An .ab file, as BackupManagerService writes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    body = zlib.compress(out.getvalue()) if compressed else out.getvalue()
    header = f"ANDROID BACKUP\n{version}\n{int(compressed)}\n"
    if not password:
        return f"{header}none\n".encode() + body
    return f"{header}AES-256\n".encode() + _encrypted(body, version, password)


def _encrypted(body: bytes, version: int, password: str) -> bytes:
    user_salt, checksum_salt, user_iv, iv, key = (os.urandom(n) for n in (64, 64, 16, 16, 32))

    def derive(secret: bytes, salt: bytes) -> bytes:
        return PBKDF2HMAC(hashes.SHA1(), 32, salt, 1000).derive(secret)

    def cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
        padder, cipher = padding.PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        return cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()

    # From version 2 on the key is taken for text when its checksum is made: bytes above 127 become three.
    as_text = b"".join(bytes([b]) if b < 128 else chr(0xFF00 | b).encode() for b in key) if version > 1 else key
    checksum = derive(as_text, checksum_salt)
    blob = b"".join(bytes([len(part)]) + part for part in (iv, key, checksum))
    lines = [user_salt.hex(), checksum_salt.hex(), "1000", user_iv.hex(),
             cbc(derive(password.encode(), user_salt), user_iv, blob).hex()]  # fmt: skip
    return "\n".join([*lines, ""]).encode() + cbc(key, iv, body)


def bugreport_files(dump: str = "") -> dict[str, str]:
    text = dump or (
        f"== dumpstate: 2024-09-12 08:00:00\n------ SYSTEM PROPERTIES (getprop) ------\n[ro.product.model]: [Demo 8]\n"
        f"[ro.build.version.release]: [14]\n{DUMP_LINE}\nDUMP OF SERVICE package:\nPackages:\n"
        f"  Package [org.example.demospy] (a1):\n    versionName=1.0\n{DUMP_LINE}\n"
    )
    return {"main_entry.txt": "bugreport-demo.txt", "bugreport-demo.txt": text}


def dns_event(host: str) -> str:
    return json.dumps({"dns_event": {"hostname": host, "ip_addresses": [], "package_name": "com.android.chrome",
                                     "event_time": 1726128000000}}) + "\n"  # fmt: skip


SHUTDOWN_LOG = (
    "After 0.30s, these clients are still here:\n\t\tremaining client pid: 72 (/usr/libexec/fseventsd)\n"
    "\t\tremaining client pid: 90 (/private/var/db/demospy/stage2/agent)\nSIGTERM: [1726128000] All buffers flushed\n"
)


def sysdiagnose_files() -> dict[str, str]:
    crash = json.dumps({"app_name": "demobridged", "timestamp": "2024-09-12 08:00:00.00 +0000", "bug_type": "309"})
    body = json.dumps({"procName": "demobridged", "procPath": "/usr/libexec/demobridged", "usedImages": []}, indent=1)
    return {
        "sysdiagnose.log": "2024-09-12 iPhone OS 17.4.1 sysdiagnose started\n",
        "ps.txt": "USER UID PID PPID COMMAND\nroot 0 1 0 /sbin/launchd\nmobile 501 9 1 /usr/libexec/demospyd --now\n",
        "system_logs.logarchive/Extra/shutdown.log": SHUTDOWN_LOG,
        "crashes_and_spins/demobridged-2024.ips": f"{crash}\n{body}",
    }


def filesystem(folder: Path) -> Path:
    write(folder, {
        "private/var/db/diagnostics/shutdown.log": SHUTDOWN_LOG,
        "private/var/db/demospy/stage2/agent": b"\x00",
        "private/var/mobile/Library/Preferences/demospyd.plist": b"",
    })  # fmt: skip
    cache = folder / "private/var/mobile/Library/Caches/Cache.db"
    cache.parent.mkdir(parents=True)
    with closing(sqlite3.connect(cache)) as database:
        database.execute("CREATE TABLE cfurl_cache_response (a, b, c, d, e, f)")
        database.execute(
            "INSERT INTO cfurl_cache_response VALUES (1, 0, 0, 0, 'https://free-news-alert.example/x', '2024-09-12')"
        )
        database.commit()
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "android-backup": lambda p: write(p, {"phone.ab": android_backup({SMS_ENTRY: text_messages("hola")})}) / "phone.ab",
    "android-bugreport": lambda p: write(p / "b", bugreport_files()),
    "android-intrusion-logs": lambda p: write(p / "l", {"2024.txt": dns_event("track-parcel.example")}),
    "ios-sysdiagnose": lambda p: write(p / "s", sysdiagnose_files()),
    "ios-filesystem": lambda p: filesystem(p / "f"),
}
"""Small acquisitions of the kinds that the demo does not make."""
