"""A worker whose engine has one more module, which misbehaves. Its name is the first argument."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from mvt.common.module import MVTModule
from mvt.ios.modules.base import IOSExtraction
from mvt.ios.modules.mixed.whatsapp_contacts import WhatsappContacts

from spytriage.worker import main


class _Bad(MVTModule):
    supported_commands = (("ios", "check-backup"),)

    def check_indicators(self) -> None:
        pass


class Crashes(_Bad):
    def run(self) -> None:
        signal.raise_signal(signal.SIGSEGV)


class CrashesAfterContacts(_Bad):
    dependencies = (WhatsappContacts,)

    def run(self) -> None:
        signal.raise_signal(signal.SIGKILL)


class DiesWithCopies(_Bad, IOSExtraction):
    def run(self) -> None:
        domain, path = "HomeDomain", "Library/SMS/sms.db"
        copy = self._get_backup_file_from_id(hashlib.sha1(f"{domain}-{path}".encode()).hexdigest())
        assert Path(copy or "").read_bytes().startswith(b"SQLite format 3")
        signal.raise_signal(signal.SIGKILL)


class Exits(_Bad):
    def run(self) -> None:
        os._exit(3)


class Hangs(_Bad):
    def run(self) -> None:
        time.sleep(600)


class HangsInAll(_Bad):
    """Every module hangs, so that no worker runs out of work."""

    def run(self) -> None:
        time.sleep(600)


class EatsMemory(_Bad):
    def run(self) -> None:
        while True:
            self.results.append(bytearray(1 << 24))


class Chatters(_Bad):
    def run(self) -> None:
        while True:
            self.alertstore.low("x" * 50_000, "", {})


class Lies(_Bad):
    def run(self) -> None:
        # The pipe to the parent is the only one open for writing beside standard error.
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b'{"m":"alert","module":"Lies"}\n')
            except OSError:
                continue


class DiesNamelessly(_Bad):
    def run(self) -> None:
        signal.raise_signal(40)  # a real-time signal: Python has no name for it


class ForgesTheLedger(_Bad):
    def run(self) -> None:
        line = b'{"m":"ended","module":"SMS","state":"checked","records":7,"reason":null,"detail":"","shortened":0}\n'
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, line)
            except OSError:
                continue


class Raises(_Bad):
    def run(self) -> None:
        self.results.append(1 / 0)


class OpensSocket(_Bad):
    def run(self) -> None:
        socket.create_connection(("127.0.0.1", 9))


class LooksUpHost(_Bad):
    def run(self) -> None:
        socket.getaddrinfo("example.org", 80)


class WritesOutside(_Bad):
    def run(self) -> None:
        (Path(self.target_path) / "new-file").write_text("x")


class StartsProgram(_Bad):
    def run(self) -> None:
        subprocess.run(["/bin/true"], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "HangsInAll":
        for name in ("_find_ios_database", "_open_sqlite_db"):
            setattr(IOSExtraction, name, lambda *_args, **_options: time.sleep(600))
    main([globals()[sys.argv[1]]])
