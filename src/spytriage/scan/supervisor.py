"""Runs the worker, keeps the coverage ledger, and goes on with the next module when one takes the worker down."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import BackupKeys, CoverageState, Indicator, ModuleCoverage, RawAlert, Reason, ScanResult
from spytriage.scan.guard import OUT_OF_MEMORY_EXIT
from spytriage.scan.protocol import (
    MAX_LINE_BYTES,
    BadMessageError,
    CopiedToDisk,
    Finished,
    Job,
    Message,
    Planned,
    Refused,
    Started,
    decode,
)
from spytriage.scan.refusals import refusal_error
from spytriage.scan.workspace import Workspace, workspace

WORKER = (sys.executable, "-P", "-s", "-m", "spytriage.worker")
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one module may cost at most."""

    seconds: float = 1800.0  # wall clock per module (and for starting the worker)
    memory_bytes: int = 4 << 30  # of the whole worker
    output_bytes: int = 512 << 20  # alerts of one module


class Progress(Protocol):
    """Told how the scan goes."""

    def starting(self) -> None:
        """All that had to be asked has been asked; the scan begins."""

    def planned(self, modules: Sequence[str]) -> None:
        """The modules that will run, in order."""

    def started(self, module: str) -> None:
        """A module begins."""

    def ended(self, coverage: ModuleCoverage) -> None:
        """A module is finished with, however it went."""


@dataclass(slots=True)
class _Ledger:
    """What is known so far; outlives the workers."""

    plan: tuple[str, ...] = ()
    engine_version: str = ""
    coverage: dict[str, ModuleCoverage] = field(default_factory=dict)
    alerts: list[RawAlert] = field(default_factory=list)
    current: str | None = None
    current_bytes: int = 0
    copied_to_disk: bool = False
    finished: bool = False

    def take(self, message: Message, progress: Progress) -> None:
        match message:
            case Planned(modules, version):
                if not self.plan:
                    progress.planned(modules)
                    self.plan, self.engine_version = modules, version
            case Started(module):
                self.current, self.current_bytes = module, 0
                progress.started(module)
            case RawAlert():
                if message.module != self.current:
                    raise BadMessageError("an alert of a module that is not running")
                self.alerts.append(message)
            case ModuleCoverage():
                ran = message.name == self.current
                if not ran and (message.state is not CoverageState.NOT_RUN or message.name in self.coverage):
                    raise BadMessageError("a line of the ledger for a module that is not running")
                self.end(message, progress)
            case CopiedToDisk():
                self.copied_to_disk = True
            case Finished():
                self.finished = True

    def end(self, coverage: ModuleCoverage, progress: Progress) -> None:
        if coverage.name in self.plan:
            self.coverage[coverage.name] = coverage
            progress.ended(coverage)
        self.current, self.current_bytes = None, 0

    def result(self) -> ScanResult:
        missing = {
            name: ModuleCoverage(name, CoverageState.NOT_RUN, reason=Reason.STOPPED)
            for name in self.plan
            if name not in self.coverage
        }
        ledger = self.coverage | missing
        return ScanResult(
            modules=tuple(ledger[name] for name in self.plan),
            alerts=tuple(self.alerts),
            engine="mvt",
            engine_version=self.engine_version,
            copied_to_disk=self.copied_to_disk,
        )


class _WorkerLostError(Exception):
    """The worker is gone, and why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def scan(
    kind: str,
    path: Path,
    indicators: tuple[Indicator, ...],
    progress: Progress,
    limits: Limits = Limits(),
    command: Sequence[str] = WORKER,
    keys: BackupKeys | None = None,
    *,
    root: str = "",
    password: str = "",
) -> ScanResult:
    """Run every module that MVT would run over an acquisition.

    Args:
        kind: the kind of source, such as "ios-backup".
        path: absolute path of the acquisition; nothing is written to it.
        indicators: what to look for.
        progress: told how it goes.
        limits: what one module may cost; one that costs more is `failed`, and the scan goes on.
        command: how to start a worker.
        keys: what opens an iOS backup, when it is encrypted.
        root: where in an archive the acquisition begins: "" or "a/b/".
        password: of an encrypted Android backup.

    Raises:
        SpytriageError: no worker could be started, or the acquisition cannot be unpacked.
    """
    ledger = _Ledger()
    progress.starting()
    while not ledger.finished:
        with workspace() as place:  # each worker has its own: what a lost one copied is gone before the next begins
            job = Job(
                kind=kind,
                path=str(path),
                workspace=str(place.folder),
                disk=str(place.disk),
                memory_bytes=limits.memory_bytes,
                done=tuple(ledger.coverage),
                failed=tuple(line.name for line in ledger.coverage.values() if line.state is CoverageState.FAILED),
                indicators=indicators,
                keys=keys,
                root=root,
                password=password,
                seconds=limits.seconds,
            )
            try:
                with _worker(command, place) as process:
                    _listen(process, job, ledger, progress, limits)
            except _WorkerLostError as lost:
                _go_on(ledger, job, lost, progress)
    return ledger.result()


def _go_on(ledger: _Ledger, job: Job, lost: _WorkerLostError, progress: Progress) -> None:
    """Charge a lost worker to the module that it ran.

    Raises:
        SpytriageError: the worker came to nothing at all, so another one would not either.
    """
    if ledger.current is not None:
        failed = ModuleCoverage(ledger.current, CoverageState.FAILED, reason=lost.reason, detail=lost.detail)
        ledger.end(failed, progress)
    elif len(ledger.coverage) == len(job.done):
        raise SpytriageError(
            _("MVT could not be started ({reason}).").format(reason=f"{lost.reason.value} {lost.detail}".strip()),
            hint=_("Nothing was written. Install spytriage again; if that does not help, report it."),
        ) from lost


def _listen(process: subprocess.Popen[bytes], job: Job, ledger: _Ledger, progress: Progress, limits: Limits) -> None:
    """Give a worker its job and keep the ledger until it is finished or lost.

    Raises:
        _WorkerLostError: it died, hung, grew too large or said something odd.
    """
    _send(process, job)
    try:
        for line in _lines(process, limits.seconds):
            ledger.current_bytes += len(line)
            if ledger.current_bytes > limits.output_bytes:
                raise _WorkerLostError(Reason.TOO_MUCH_OUTPUT)
            message = decode(line, job.indicators)
            if isinstance(message, Refused):
                raise refusal_error(message.why)
            ledger.take(message, progress)
            if ledger.finished:
                return
    except BadMessageError as error:
        raise _WorkerLostError(Reason.WORKER_DIED, "unreadable message") from error
    raise _cause_of_death(process.wait())


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    """Write the job without waiting: the worker reads it while it starts."""
    assert process.stdin is not None
    stdin = process.stdin

    def write() -> None:
        with suppress(OSError, ValueError):  # the worker is gone already: its exit status tells why
            stdin.write(job.to_line())
            stdin.flush()

    threading.Thread(target=write, daemon=True).start()


def _lines(process: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """Yield the worker's lines until it closes its end.

    The clock runs from one start or end of a module to the next, so that a module that keeps raising alerts is
    bounded too.

    Raises:
        _WorkerLostError: a module took longer than `seconds`, or a line is too long.
    """
    assert process.stdout is not None
    stdout, waiting, deadline = process.stdout.fileno(), bytearray(), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _WorkerLostError(Reason.TIMED_OUT, f"after {seconds:g} s")
            if not (read := os.read(stdout, _READ_BYTES)):
                return
            waiting += read
            *lines, rest = waiting.split(b"\n")
            for line in lines:
                if not line.startswith(b'{"m":"alert"'):
                    deadline = time.monotonic() + seconds
                yield bytes(line)
            waiting = bytearray(rest)
            if len(waiting) > MAX_LINE_BYTES:
                raise _WorkerLostError(Reason.TOO_MUCH_OUTPUT)


def _cause_of_death(status: int) -> _WorkerLostError:
    if status == OUT_OF_MEMORY_EXIT:
        return _WorkerLostError(Reason.OUT_OF_MEMORY)
    if status == -signal.SIGXCPU:
        return _WorkerLostError(Reason.TIMED_OUT, "of processor time")
    if status < 0:
        names = {number.value: number.name for number in signal.Signals}  # real-time signals have none
        return _WorkerLostError(Reason.WORKER_DIED, names.get(-status, f"signal {-status}"))
    return _WorkerLostError(Reason.WORKER_DIED, f"exit {status}")


@contextmanager
def _worker(command: Sequence[str], place: Workspace) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker in a session of its own, so that Ctrl-C reaches only us, and end it on the way out."""
    process = subprocess.Popen(  # noqa: S603 (our own interpreter)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # MVT's log quotes the phone
        cwd="/",
        env=_environment(place.folder),
        pass_fds=place.locks,
        umask=0o077,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _environment(home: Path) -> dict[str, str]:
    """Return the whole environment of a worker: nothing of the user's gets in, MVT_STIX2 least of all."""
    return {
        "PATH": "",  # MVT runs a `sqlite3` program when it finds one; a worker starts no program
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",  # MVT 2026.10.26 reads App Store purchase dates as local time
        "PYTHONHASHSEED": "0",  # MVT orders links by set(): the same backup must give the same alerts
        "PYTHONDONTWRITEBYTECODE": "1",
        "MVT_CONFIG_FOLDER": str(home / "mvt-config"),
        "MVT_DATA_FOLDER": str(home / "mvt-data"),
        "MVT_NETWORK_ACCESS_ALLOWED": "false",
    }
