"""An encrypted backup checked by spytriage and by MVT, on the same input in the same run. Prints ratios.

    python benchmarks/encrypted.py --folder /var/tmp/bench          (100,000 files, 2 GB: needs 7 GB of disk, minutes)
    python benchmarks/encrypted.py --folder /var/tmp/bench --files 2000

MVT gets one decryption job, which is faster than its default of four, and writes no results.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from spytriage.demo import phone_files
from spytriage.demo.backup_format import BackupFile, write_backup
from spytriage.demo.encryption import Keybag
from spytriage.demo.records import Story
from spytriage.demo.story import tell
from spytriage.indicators.data import data_file
from spytriage.source.ios_keybag import Lock

PASSWORD = "invented-password"
ROUNDS = (10_000_000, 10_000)  # as iPhones ask for
MESSAGES, VISITS = 100_000, 20_000
RUNS = 3  # of ours; the fastest counts, since the difference between two of them is wanted
# How many of a hundred files have which size; 20.5 kB in the mean.
SIZES = [(3_000, 60), (12_000, 25), (50_000, 10), (210_000, 5)]
BIN = Path(sys.executable).parent


def full_phone(files: int) -> tuple[Story, list[BackupFile]]:
    """Make the demo phone with years of messages and pages, and ordinary files up to a number."""
    story = tell(2021, planted=True)
    messages = [
        replace(old, at=old.at - timedelta(minutes=7 * number), text=f"{old.text} {number:06d}", trace=None)
        for number in range(MESSAGES)
        for old in [story.messages[number % len(story.messages)]]
    ]
    visits = [
        replace(old, at=old.at - timedelta(minutes=9 * number), url=f"https://site-{number}.example.com/{number:x}",
                redirected=False, trace=None)
        for number in range(VISITS)
        for old in [story.visits[number % len(story.visits)]]
    ]  # fmt: skip
    story = replace(story, messages=(*messages, *story.messages), visits=(*visits, *story.visits))
    found, rng = phone_files(story), random.Random(2021)
    blobs = [rng.randbytes(size) for size, _share in SIZES]
    for number in range(files - len(found)):
        content = rng.choices(blobs, [share for _size, share in SIZES])[0]
        path = f"Media/DCIM/{100 + number // 999}APPLE/IMG_{number:06d}.HEIC"
        found.append(BackupFile("CameraRollDomain", path, content, story.device.backed_up))
    return story, found


@dataclass
class Cost:
    """What a command took."""

    seconds: float = 0.0
    memory: int = 0  # bytes: the largest sum of resident memory of its processes, and of files in /dev/shm
    disk: int = 0  # bytes: the most that lay in the folders it may write to


def run(command: Sequence[str | Path], private: Path, made: Sequence[Path], expected: set[int]) -> Cost:
    """Run a command with its own home and temporary folder, watching it five times a second.

    `made` are the folders that it fills.
    """
    temporary = private / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(private), "TMPDIR": str(temporary), "LANG": "C.UTF-8",
        "MVT_NETWORK_ACCESS_ALLOWED": "false", "MVT_CONFIG_FOLDER": str(private), "MVT_DATA_FOLDER": str(private),
    }  # fmt: skip
    cost, shared, begin = Cost(), _used("/dev/shm"), time.perf_counter()
    process = subprocess.Popen(command, cwd=private, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            cost.memory = max(cost.memory, _resident(process.pid) + max(0, _used("/dev/shm") - shared))
            cost.disk = max(cost.disk, _size(temporary))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    cost.seconds = time.perf_counter() - begin
    done.set()
    watcher.join()
    cost.disk += sum(map(_size, made))
    if code not in expected:
        raise SystemExit(f"exit {code}: {command}")
    return cost


def _used(mount: str) -> int:
    return shutil.disk_usage(mount).used


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total


def _resident(pid: int) -> int:
    total = 0
    with suppress(OSError, ValueError):
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            total += _resident(int(child))
    return total


def first_line(backup: Path, private: Path, consent: Path) -> float:
    """Return the seconds from typing the password to the first line of coverage on a terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [BIN / "spytriage", "check", backup, "--consent", consent, "-o", private / "on-a-terminal"],
        stdin=child, stdout=child, stderr=child, cwd=private,
        env={"PATH": os.environ["PATH"], "HOME": str(private), "TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(child)
    said = b""
    while b"not shown" not in said:
        said += os.read(parent, 4096)
    time.sleep(0.3)  # echo is switched off
    os.write(parent, PASSWORD.encode() + b"\n")
    begin = time.perf_counter()
    while not any(state in said for state in (b": checked", b": read, but")):
        said += os.read(parent, 4096)
    seconds = time.perf_counter() - begin
    with suppress(OSError):
        while os.read(parent, 4096):
            pass
    process.wait()
    os.close(parent)
    return seconds


@contextmanager
def phones(folder: Path, files: int) -> Iterator[tuple[Path, Path]]:
    """Write the same phone in clear and encrypted; remove both at the end."""
    story, found = full_phone(files)
    device = replace(story.device)
    made = folder / "phones"
    try:
        write_backup(made / "plain", device, story.apps, found)
        write_backup(made / "encrypted", device, story.apps, found, Keybag(PASSWORD, device.udid, ROUNDS))
        size = sum(len(file.content) for file in found)
        print(f"phone: {len(found)} files, {size / 1e9:.2f} GB, {MESSAGES} messages, {VISITS} visits")
        yield made / "plain", made / "encrypted"
    finally:
        shutil.rmtree(made, ignore_errors=True)


def compare(plain: Path, encrypted: Path, folder: Path) -> None:
    private, clear = folder / "private", folder / "decrypted"
    private.mkdir()
    password, consent = private / "password", private / "consent.yaml"
    password.write_text(PASSWORD)
    spytriage: list[str | Path] = [BIN / "spytriage"]
    run([*spytriage, "consent", "new", "-o", consent, "--grant", "analyse"], private, [], {0})
    check = [*spytriage, "check", "--consent", consent, "-q", "-i", data_file("pegasus-core.stix2")]

    begin = time.perf_counter()
    Lock(encrypted).derive(PASSWORD.encode())
    derivation = time.perf_counter() - begin
    outcomes, out = {0, 3, 4, 5}, private / "report"
    in_clear, ours = Cost(float("inf")), Cost(float("inf"))
    for _ in range(RUNS):
        cost = run([*check, plain, "-o", out], private, [], outcomes)
        in_clear = min(in_clear, cost, key=lambda one: one.seconds)
        shutil.rmtree(out)
        cost = run([*check, encrypted, "-o", out, "--password-file", password], private, [], outcomes)
        ours = min(ours, cost, key=lambda one: one.seconds)
        shutil.rmtree(out)
    shown = first_line(encrypted, private, consent)
    try:
        decrypt = run([BIN / "mvt-ios", "decrypt-backup", "--jobs", "1", "-p", PASSWORD, "-d", clear, encrypted],
                      private, [clear], {0})  # fmt: skip
        mvt = run([BIN / "mvt-ios", "check-backup", "-i", data_file("pegasus-core.stix2"), clear], private, [], {0})
    finally:
        shutil.rmtree(clear, ignore_errors=True)
    theirs = decrypt.seconds + mvt.seconds
    peak = max(decrypt.memory, mvt.memory)
    print(f"spytriage check, encrypted: {ours.seconds:.1f} s, {ours.memory / 1e6:.0f} MB, {ours.disk} bytes on disk")
    print(f"MVT decrypt-backup: {decrypt.seconds:.1f} s, {decrypt.memory / 1e6:.0f} MB, {decrypt.disk} bytes on disk")
    print(f"MVT check-backup: {mvt.seconds:.1f} s, {mvt.memory / 1e6:.0f} MB")
    print(f"ratio: {theirs / ours.seconds:.1f} times as fast, {peak / ours.memory:.1f} times less memory at the peak")
    added = ours.seconds - in_clear.seconds
    print(
        f"in clear: {in_clear.seconds:.1f} s; encryption adds {added:.2f} s, of which the key takes {derivation:.2f} s"
    )
    print(f"password to the first line of coverage: {shown:.2f} s, {shown - derivation:.2f} s beside the key")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="new folder on a disk with room")
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    options.folder.mkdir(mode=0o700)
    try:
        with phones(options.folder, options.files) as (plain, encrypted):
            compare(plain, encrypted, options.folder)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
