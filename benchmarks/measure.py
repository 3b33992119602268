"""What a command costs: time, processor, memory and writing of all its processes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took."""

    wall: float  # seconds
    cpu: float  # seconds in user and system mode, of the command and every process that it waited for
    memory: int  # bytes: the largest sum over its processes (a shared page counts once), and its memory-backed files
    written: int  # bytes written to disks; where the system does not say (macOS), 0
    left: int = 0  # bytes of the files that it left behind

    def __add__(self, after: Cost) -> Cost:
        """Return the cost of one command after another."""
        return Cost(
            self.wall + after.wall,
            self.cpu + after.cpu,
            max(self.memory, after.memory),
            self.written + after.written,
            self.left + after.left,
        )


class CommandError(Exception):
    """A command did not end as it should."""


_PATIENCE = 600.0  # seconds


def run(
    command: Sequence[str | Path],
    private: Path,
    *,
    left: Path | None = None,
    exits: Sequence[int] = (0,),
) -> Cost:
    """Run a command with a home and a temporary folder of its own, and without network as far as MVT goes.

    Args:
        command: program and arguments.
        private: becomes its home.
        left: where it writes its results to.
        exits: the exit codes that count as success.

    Raises:
        CommandError: it ended otherwise; says how, with the end of what it said.
    """
    environment, said = _environment(private), private / "said.txt"
    with said.open("wb") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=private, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        with _Watch(process.pid) as watch:
            _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
    process.returncode = code = os.waitstatus_to_exitcode(status)  # subprocess must not wait for it again
    if code not in exits:
        raise CommandError(f"exit {code}: {command}\n{said.read_text(errors='replace')[-2000:]}")
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    memory = max(watch.peak, largest if watch.processes == 1 else 0)
    written = 0 if sys.platform == "darwin" else usage.ru_oublock * 512
    return Cost(wall, usage.ru_utime + usage.ru_stime, memory, written, size_of(left) if left else 0)


def seconds_on_a_terminal(
    command: Sequence[str | Path], private: Path, *, after: str, typed: str, until: Sequence[str]
) -> float:
    """Run a command on a terminal, type a line, and return the seconds until it shows one of some words.

    Args:
        command: program and arguments.
        private: becomes its home.
        after: what it shows when it waits for the line.
        typed: the line.
        until: what ends the wait; the command then runs to its end.

    Raises:
        CommandError: it ended, or fell silent, before it showed that.
    """
    parent, child = pty.openpty()
    environment = {**_environment(private), "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(command, cwd=private, env=environment, stdin=child, stdout=child, stderr=child)
    os.close(child)
    said = b""

    def wait_for(words: Sequence[str]) -> None:
        nonlocal said
        while not any(word.encode() in said for word in words):
            ready, _, _ = select.select([parent], [], [], _PATIENCE)
            try:
                said += os.read(parent, 4096) if ready else b""
            except OSError:  # how a terminal says that nobody writes to it any more
                ready = []
            if not ready:
                raise CommandError(f"it never showed {words}: {said[-2000:].decode(errors='replace')}")

    try:
        wait_for([after])
        time.sleep(0.3)  # until the echo is off
        os.write(parent, typed.encode() + b"\n")
        begin = time.perf_counter()
        wait_for(until)
        seconds = time.perf_counter() - begin
        with suppress(OSError):
            while os.read(parent, 4096):
                pass
        return seconds
    finally:
        os.close(parent)
        process.kill()
        process.wait()


def _environment(private: Path) -> dict[str, str]:
    temporary = private / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"], "HOME": str(private), "TMPDIR": str(temporary), "LANG": "C.UTF-8", "TZ": "UTC",
        "PYTHONPATH": str(ROOT), "MVT_NETWORK_ACCESS_ALLOWED": "false",
        "MVT_CONFIG_FOLDER": str(private), "MVT_DATA_FOLDER": str(private),
    }  # fmt: skip


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size if path.is_file() else 0
    return total


class _Watch:
    """Looks at the memory of a process and its descendants, twenty times a second as long as that is cheap."""

    def __init__(self, pid: int) -> None:
        self._root, self._done = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak, self.processes = 0, 1

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        pause = 0.0
        while not self._done.wait(pause):
            begin = time.perf_counter()
            with suppress(psutil.Error):
                processes = [self._root, *self._root.children(recursive=True)]
                self.processes = max(self.processes, len(processes))
                self.peak = max(self.peak, sum(map(_memory, processes)) + _memory_backed(processes))
            pause = max(0.05, 10 * (time.perf_counter() - begin))  # the kernel halts a process while it counts


def _memory(process: psutil.Process) -> int:
    """Return the proportional set size, or where there is none (macOS) what a process has for itself."""
    with suppress(psutil.Error):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    return 0


def _memory_backed(processes: Sequence[psutil.Process]) -> int:
    """Return the size of the folders in memory-backed storage in which a process has a file open: its workspaces."""
    folders = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process.pid}/fd").glob("*"):
            with suppress(OSError):
                target = descriptor.readlink()
                if target.is_relative_to("/dev/shm") and len(target.parts) > 4:
                    folders.add(Path(*target.parts[:4]))
    return sum(map(size_of, folders))
