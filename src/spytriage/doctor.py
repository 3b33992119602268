"""Tells whether this machine leaves traces of a check, and whether what a check relies on is in order.

Reads only what every user may read; asks for no password and changes nothing. What cannot be told is `unknown`, never
guessed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _, deferred
from spytriage.text import printable

_OLD_SETS_DAYS = 30
_LEAST_MEMORY = 512 << 20  # bytes of memory-backed storage: room for the databases of a full phone
_CLOCK_YEARS = 10
_LANDLOCK_WITH_TRUNCATE = 3  # of Linux 6.2; earlier ones let a file be cut short (landlock(7))


class State(StrEnum):
    """How one thing stands."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at. `word` says how it stands, `values` with which numbers."""

    id: str
    state: State
    word: str
    values: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Return what was found, in the current language."""
        return _(_SENTENCES[self.id, self.word]).format(**self.values)

    @property
    def advice(self) -> str:
        """Return what to do about it, in the current language; "" when there is nothing to do."""
        return _(_ADVICE[self.id]) if self.state is State.PROBLEM else ""


def _run(command: Sequence[str]) -> str | None:
    """Return what a program of the system prints, or None when it cannot be asked."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 (fixed)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that is looked at; a test gives another one."""

    root: Path = Path("/")
    platform: str = sys.platform
    run: Callable[[Sequence[str]], str | None] = _run
    home: Path = field(default_factory=lambda: Path(os.path.expanduser("~")))  # noqa: PTH111 (some users have none)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def read(self, path: str) -> str | None:
        """Return a small file of the system, or None."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


def diagnose(machine: Machine | None = None) -> tuple[Diagnosis, ...]:
    """Look at everything, in the order in which it is told."""
    machine = machine or Machine()
    traces = (look(machine) for look in (_swap, _core_dumps, _memory, _disk))
    return (*traces, *_worker(machine), *(look(machine) for look in (_clock, _mvt, _sets)))


# --- Traces on this machine -------------------------------------------------------------------------------------


def _swap(machine: Machine) -> Diagnosis:
    if machine.platform == "darwin":
        usage = machine.run(["/usr/sbin/sysctl", "-n", "vm.swapusage"])
        if usage is None:
            return Diagnosis("swap", State.UNKNOWN, "unknown")
        encrypted = "encrypted" in usage
        return Diagnosis("swap", State.OK if encrypted else State.PROBLEM, "encrypted" if encrypted else "plain")
    table = machine.read("/proc/swaps")
    if table is None:
        return Diagnosis("swap", State.UNKNOWN, "unknown")
    devices = [line.split()[0] for line in table.splitlines()[1:] if line.strip()]
    on_disk = [device for device in devices if not Path(device).name.startswith("zram")]
    if not on_disk:
        return Diagnosis("swap", State.OK, "none")
    if all(_is_encrypted_device(machine, Path(device).name) for device in on_disk):
        return Diagnosis("swap", State.OK, "encrypted")
    return Diagnosis("swap", State.PROBLEM, "plain")


def _core_dumps(machine: Machine) -> Diagnosis:
    pattern = (machine.read("/proc/sys/kernel/core_pattern") or "").strip()
    if pattern.startswith("|"):  # core(5): a limit of 0 does not hold for programs that collect dumps
        return Diagnosis("core-dumps", State.PROBLEM, "collected")
    soft, _hard = resource.getrlimit(resource.RLIMIT_CORE)
    return Diagnosis("core-dumps", State.OK, "off") if soft == 0 else Diagnosis("core-dumps", State.PROBLEM, "on")


def _memory(machine: Machine) -> Diagnosis:
    mounts = machine.read("/proc/mounts") or ""
    if not any(line.split()[1:3] == ["/dev/shm", "tmpfs"] for line in mounts.splitlines()):  # noqa: S108
        return Diagnosis("memory-storage", State.PROBLEM, "none")
    try:
        free = shutil.disk_usage(machine.root / "dev/shm").free
    except OSError:
        return Diagnosis("memory-storage", State.UNKNOWN, "unknown")
    state, word = (State.OK, "there") if free >= _LEAST_MEMORY else (State.PROBLEM, "small")
    return Diagnosis("memory-storage", state, word, {"megabytes": free >> 20})


def _disk(machine: Machine) -> Diagnosis:
    if machine.platform == "darwin":
        status = machine.run(["/usr/bin/fdesetup", "status"]) or ""
        words = {True: (State.OK, "encrypted"), False: (State.PROBLEM, "plain")}
        known = "FileVault is" in status
        return Diagnosis("disk", *(words["FileVault is On" in status] if known else (State.UNKNOWN, "unknown")))
    device = _device_of(machine, machine.home)
    if device is None or not (machine.root / "sys/class/block" / device).exists():
        return Diagnosis("disk", State.UNKNOWN, "unknown")
    if _is_encrypted_device(machine, device):
        return Diagnosis("disk", State.OK, "encrypted")
    return Diagnosis("disk", State.PROBLEM, "plain")


def _device_of(machine: Machine, folder: Path) -> str | None:
    """Return the name of the block device that a folder lies on, such as "dm-0" or "sda2".

    Takes the mount point that is the longest beginning of the path (proc_pid_mountinfo(5): the fifth field is the
    mount point, and the second after the lone hyphen the source).
    """
    found: tuple[int, str] | None = None
    for line in (machine.read("/proc/self/mountinfo") or "").splitlines():
        left, _hyphen, right = line.partition(" - ")
        fields, source = left.split(), right.split()
        if len(fields) < 5 or len(source) < 2:
            continue
        point = Path(fields[4].replace("\\040", " "))
        if (folder == point or point in folder.parents) and (found is None or len(point.parts) >= found[0]):
            found = len(point.parts), source[1]
    if found is None or not found[1].startswith("/dev/"):
        return None
    device = machine.root / found[1].lstrip("/")
    return device.resolve().name


def _is_encrypted_device(machine: Machine, name: str) -> bool:
    """Return whether a block device, or every one that it stands on, is dm-crypt's (its UUID begins with CRYPT-)."""
    if (machine.read(f"/sys/class/block/{name}/dm/uuid") or "").startswith("CRYPT-"):
        return True
    below = machine.root / "sys/class/block" / name / "slaves"
    names = sorted(entry.name for entry in below.iterdir()) if below.is_dir() else []
    return bool(names) and all(_is_encrypted_device(machine, entry) for entry in names)


# --- What holds the worker that reads the evidence --------------------------------------------------------------


def _worker(machine: Machine) -> tuple[Diagnosis, Diagnosis]:
    """Ask a process that cuts itself off as a worker does what the kernel holds it by (`spytriage.scan.isolation`)."""
    said = machine.run([sys.executable, "-P", "-s", "-m", "spytriage.scan.isolation"])
    if not said:
        unknown = State.UNKNOWN, "unknown"
        return Diagnosis("worker-network", *unknown), Diagnosis("worker-evidence", *unknown)
    held = json.loads(said)
    network = (State.OK, "none") if held["network"] else (State.PROBLEM, "refused")
    if held["evidence"]:
        evidence = State.OK, "read-only"
    else:
        kernel = held["landlock"] >= _LANDLOCK_WITH_TRUNCATE
        evidence = (State.OK, "kernel") if kernel else (State.PROBLEM, "refused")
    return Diagnosis("worker-network", *network), Diagnosis("worker-evidence", *evidence)


# --- What a check relies on -------------------------------------------------------------------------------------


def _clock(machine: Machine) -> Diagnosis:
    from spytriage.indicators.catalogue import catalogue  # noqa: PLC0415 (start-up stays fast)

    newest = max((entry.pinned_on for entry in catalogue() if entry.pinned_on), default=date(2026, 1, 1))
    today = machine.now.date()
    plausible = newest <= today and today.year < newest.year + _CLOCK_YEARS
    state, word = (State.OK, "plausible") if plausible else (State.PROBLEM, "wrong")
    return Diagnosis("clock", state, word, {"day": today.isoformat()})


def _mvt(machine: Machine) -> Diagnosis:  # noqa: ARG001 (the same for all)
    try:
        installed = metadata.version("mvt")
        pinned = next(line for line in metadata.requires("spytriage") or () if line.startswith("mvt=="))
    except (metadata.PackageNotFoundError, StopIteration):
        return Diagnosis("mvt", State.PROBLEM, "missing")
    wanted = pinned.removeprefix("mvt==").split(";")[0].strip()
    values = {"installed": installed, "wanted": wanted}
    return Diagnosis("mvt", *((State.OK, "pinned") if installed == wanted else (State.PROBLEM, "other")), values)


def _sets(machine: Machine) -> Diagnosis:
    from spytriage.indicators.store import installed_sets, records  # noqa: PLC0415

    try:
        installed = records()
        installed_sets()  # reads them: one that is missing or was changed cannot be relied on
    except SpytriageError:
        return Diagnosis("sets", State.PROBLEM, "damaged")
    if not installed:
        return Diagnosis("sets", State.PROBLEM, "embedded-only")
    age = min(record.age(machine.now.date()) for record in installed)
    values = {"count": len(installed), "days": age}
    return Diagnosis("sets", *((State.OK, "fresh") if age <= _OLD_SETS_DAYS else (State.PROBLEM, "old")), values)


def leftovers(count: int) -> Diagnosis:
    """Tell of the private folders that runs have left, of which `spytriage.scan` says how many there are."""
    return Diagnosis("leftovers", *((State.PROBLEM, "there") if count else (State.OK, "none")), {"count": count})


def look_for_overdue(folders: Sequence[Path], machine: Machine | None = None) -> tuple[Diagnosis, ...]:
    """Look for cases below these folders that their consent does not allow to be kept any longer."""
    from spytriage.forget import find_overdue  # noqa: PLC0415

    today = (machine or Machine()).now.date()
    found = tuple(
        Diagnosis("kept", State.PROBLEM, "overdue", {"path": printable(str(path)), "day": day.isoformat()})
        if day
        else Diagnosis("kept", State.UNKNOWN, "unreadable", {"path": printable(str(path))})
        for path, day in find_overdue(list(folders), today)
    )
    return found or (Diagnosis("kept", State.OK, "none"),)


# --- Words ------------------------------------------------------------------------------------------------------

_OTHERS_DUMP = deferred(
    "Core dumps: spytriage keeps itself out, but other programs that crash leave their memory on this machine."
)
_SENTENCES: Mapping[tuple[str, str], str] = {
    ("swap", "none"): deferred("Swap: memory is not written to the disk."),
    ("swap", "encrypted"): deferred("Swap: it is encrypted."),
    ("swap", "plain"): deferred("Swap: memory can be written to the disk in clear."),
    ("swap", "unknown"): deferred("Swap: this cannot be told."),
    ("core-dumps", "off"): deferred("Core dumps: off."),
    ("core-dumps", "on"): _OTHERS_DUMP,
    ("core-dumps", "collected"): _OTHERS_DUMP,
    ("memory-storage", "there"): deferred("Storage in memory: {megabytes} MB free for temporary copies."),
    ("memory-storage", "small"): deferred("Storage in memory: only {megabytes} MB free for temporary copies."),
    ("memory-storage", "none"): deferred("Storage in memory: none, so temporary copies lie on the disk."),
    ("memory-storage", "unknown"): deferred("Storage in memory: this cannot be told."),
    ("disk", "encrypted"): deferred("Disk: your home folder lies on an encrypted one."),
    ("disk", "plain"): deferred("Disk: your home folder lies on one that is not encrypted."),
    ("disk", "unknown"): deferred("Disk: whether it is encrypted cannot be told."),
    ("leftovers", "none"): deferred("Temporary copies: no run that was stopped has left any."),
    ("leftovers", "there"): deferred("Temporary copies: folders that a stopped run has left: {count}."),
    ("worker-network", "none"): deferred("Network: the process that reads the evidence has none."),
    ("worker-network", "refused"): deferred(
        "Network: this system leaves it to the process that reads the evidence; only spytriage refuses it."
    ),
    ("worker-network", "unknown"): deferred("Network: whether the system takes it away cannot be told."),
    ("worker-evidence", "read-only"): deferred("Evidence: it is mounted read-only for the process that reads it."),
    ("worker-evidence", "kernel"): deferred("Evidence: the system keeps the process that reads it from writing to it."),
    ("worker-evidence", "refused"): deferred(
        "Evidence: this system lets the process that reads it write to it; only spytriage refuses that."
    ),
    ("worker-evidence", "unknown"): deferred(
        "Evidence: whether the system keeps it from being written cannot be told."
    ),
    ("clock", "plausible"): deferred("Clock: {day} is plausible."),
    ("clock", "wrong"): deferred("Clock: {day} cannot be right."),
    ("mvt", "pinned"): deferred("MVT: {installed}, the version that spytriage was tested with."),
    ("mvt", "other"): deferred("MVT: {installed}, but spytriage was tested with {wanted}."),
    ("mvt", "missing"): deferred("MVT: it is not installed as it should be."),
    ("sets", "fresh"): deferred("Indicator sets: {count} installed, the newest {days} days old."),
    ("sets", "old"): deferred("Indicator sets: {count} installed, the newest {days} days old."),
    ("sets", "embedded-only"): deferred("Indicator sets: only the embedded core set is there."),
    ("kept", "none"): deferred("Cases: none in these folders has to be deleted by today."),
    ("kept", "overdue"): deferred("Case {path}: its consent ran until {day}."),
    ("kept", "unreadable"): deferred("Case {path}: whether it has to be deleted cannot be told."),
    ("sets", "damaged"): deferred("Indicator sets: one is missing or was changed."),
}
_ADVICE: Mapping[str, str] = {
    "swap": deferred("Switch swap off for the check (sudo swapoff -a), or use a machine whose swap is encrypted."),
    "core-dumps": deferred("Switch off what collects crashes (apport, systemd-coredump) before you open evidence."),
    "memory-storage": deferred("Work on an encrypted disk, and close other programs."),
    "disk": deferred("Keep backups and reports on an encrypted disk or memory stick only."),
    "leftovers": deferred("Start a check: it removes them first. `spytriage demo` will do."),
    "worker-network": deferred("Disconnect this machine from every network before you check a phone."),
    "worker-evidence": deferred("Check a copy, or a memory stick or disk that is mounted read-only."),
    "clock": deferred("Set the clock: the report states the day of the check, and consent can expire."),
    "mvt": deferred("Install spytriage again."),
    "kept": deferred("Delete it with `spytriage forget`."),
    "sets": deferred("Get current sets with `spytriage indicators update`, on a machine with network."),
}
