"""Hands the modules to workers, keeps the coverage ledger, and goes on when a module takes its worker down."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import (
    BackupKeys,
    CoverageState,
    Indicator,
    Kept,
    ModuleCoverage,
    RawAlert,
    Reason,
    ScanResult,
)
from spytriage.scan.guard import OUT_OF_MEMORY_EXIT
from spytriage.scan.keeping import Collected
from spytriage.scan.protocol import (
    MAX_LINE_BYTES,
    BadMessageError,
    CopiedToDisk,
    Job,
    Message,
    Observed,
    Planned,
    ReadSoFar,
    Refused,
    Run,
    Started,
    decode,
)
from spytriage.scan.refusals import refusal_error
from spytriage.scan.workspace import MVT_SETTINGS, Workspace, workspace
from spytriage.undo import undone

WORKER = (sys.executable, "-P", "-s", "-m", "spytriage.worker")
PATIENCE = 1.0
"""Seconds of work after which another worker is started: it takes nearly as long to start."""

_READ_BYTES = 1 << 20
_LONGEST_WAIT = 3600.0  # seconds; select takes no infinity
_LONGEST = ("Manifest", "InteractionC", "SMS", "SafariHistory", "Whatsapp")
_ALERT = b'{"m":"alert"'  # how a line begins that holds one
_OBSERVED = b'{"m":"observed"'  # `Collected` has bounds of its own


@dataclass(frozen=True, slots=True)
class Limits:
    """What one module may cost at most."""

    seconds: float = 1800.0  # wall clock per module (and for starting the worker)
    memory_bytes: int = 4 << 30  # of the whole worker
    output_bytes: int = 256 << 20  # alerts of one module, and whatever else it says but its look-ups
    all_output_bytes: int = 512 << 20  # alerts of all modules together; more costs the modules that would add to them


class Progress:
    """Told how the scan goes; this one shows nothing of it."""

    def starting(self) -> None:
        """All that had to be asked has been asked; the scan begins."""

    def planned(self, modules: Sequence[str]) -> None:
        """The modules that will run or be passed over, in MVT's order."""

    def started(self, module: str) -> None:
        """A module begins; others may be running."""

    def read(self, module: str, rows: int) -> None:
        """A module has read so many rows, and goes on."""

    def ended(self, coverage: ModuleCoverage) -> None:
        """A module is finished with, however it went."""


@dataclass(slots=True)
class _Ledger:
    """What is known so far; outlives the workers."""

    plan: Planned | None = None
    coverage: dict[str, ModuleCoverage] = field(default_factory=dict)
    alerts: dict[str, list[RawAlert]] = field(default_factory=dict)
    alert_bytes: int = 0  # of all that are kept
    observed: Collected = field(default_factory=Collected)
    copied_to_disk: bool = False

    @property
    def broken(self) -> tuple[str, ...]:
        """Return the modules that failed."""
        return tuple(line.name for line in self.coverage.values() if line.state is CoverageState.FAILED)

    @property
    def is_complete(self) -> bool:
        """Return whether every module is finished with."""
        return self.plan is not None and len(self.coverage) == len(self.plan.modules)

    def result(self, *, keep: bool = False) -> ScanResult:
        """Return what came of the scan: in MVT's order, whatever order the modules ran in."""
        assert self.plan is not None
        modules = self.plan.modules
        self.observed.settle(modules)
        return ScanResult(
            modules=tuple(self.coverage[name] for name in modules),
            alerts=tuple(alert for name in modules for alert in self.alerts.get(name, ())),
            engine="mvt",
            engine_version=self.plan.engine_version,
            copied_to_disk=self.copied_to_disk,
            kept=Kept(self.observed, self.observed.left_out) if keep else None,
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
    jobs: int = 1,
    patience: float = PATIENCE,
    keep: bool = False,
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
        jobs: how many workers at most run modules of an iOS backup side by side; the result does not depend on it.
        patience: seconds of work after which another worker pays.
        keep: whether what is looked up is kept, too.

    Raises:
        SpytriageError: no worker could be started, or the acquisition cannot be unpacked.
    """

    def job(place: Workspace) -> Job:
        return Job(
            kind=kind,
            path=str(path),
            workspace=str(place.folder),
            disk=str(place.disk),
            memory_bytes=limits.memory_bytes,
            indicators=indicators,
            keys=keys,
            root=root,
            password=password,
            keep=keep,
            seconds=limits.seconds,
        )

    progress.starting()
    # Of other kinds, each worker would have to unpack the acquisition again.
    crew = _Crew(job, command, progress, limits, jobs if kind == "ios-backup" else 1, patience)
    with crew.working():
        return crew.finish().result(keep=keep)


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, as the parent knows it."""

    process: subprocess.Popen[bytes]
    indicators: tuple[Indicator, ...]
    end: ExitStack  # kills it and removes its folders
    deadline: float
    waiting: bytearray = field(default_factory=bytearray)  # the beginning of a line
    chain: deque[str] = field(default_factory=deque)  # what it is to run after the current module
    current: str | None = None
    current_bytes: int = 0
    is_ready: bool = False

    def ask(self, request: Run) -> None:
        """Hand it a module."""
        self.current, self.current_bytes = request.module, 0
        assert self.process.stdin is not None
        with suppress(OSError):  # it is gone: its exit status will tell why
            self.process.stdin.write(request.to_line())
            self.process.stdin.flush()

    def heard(self, most: int) -> Iterator[bytes]:
        """Give what it said, in whole lines.

        Args:
            most: bytes that one module may say.

        Raises:
            _WorkerLostError: it has ended; or a line is too long, or all that one module says.
        """
        assert self.process.stdout is not None
        if not (read := os.read(self.process.stdout.fileno(), _READ_BYTES)):
            raise _cause_of_death(self.process.wait())
        *lines, self.waiting = (self.waiting + read).split(b"\n")
        for line in lines:
            self.current_bytes += 0 if line.startswith(_OBSERVED) else len(line)
            if self.current_bytes > most:
                raise _WorkerLostError(Reason.TOO_MUCH_OUTPUT)
            yield bytes(line)
        if len(self.waiting) > MAX_LINE_BYTES:
            raise _WorkerLostError(Reason.TOO_MUCH_OUTPUT)


class _Crew:
    """The workers of a scan.

    There is one at first. Others follow when the work takes longer than it takes them to start.
    """

    def __init__(
        self,
        job: Callable[[Workspace], Job],
        command: Sequence[str],
        progress: Progress,
        limits: Limits,
        most: int,
        patience: float,
    ) -> None:
        self._job, self._command, self._progress, self._limits = job, command, progress, limits
        self._most, self._patience, self._hire_at = max(1, most), patience, float("inf")
        self._ledger = _Ledger()
        self._chains: list[Sequence[str]] = []  # nobody has these yet
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    @contextmanager
    def working(self) -> Iterator[None]:
        """End all workers on the way out, however it goes."""
        try:
            yield
        finally:
            for worker in list(self._workers):
                self._dismiss(worker)
            self._selector.close()

    def finish(self) -> _Ledger:
        """Have all modules run.

        Raises:
            SpytriageError: no worker could be started, or the acquisition cannot be unpacked.
        """
        self._hire()
        while not self._ledger.is_complete:
            until = min([self._hire_at, *(worker.deadline for worker in self._workers)])
            events = self._selector.select(max(0.0, min(until - time.monotonic(), _LONGEST_WAIT)))
            for key, _mask in events:
                self._attend(key.data)
            now = time.monotonic()
            for worker in [worker for worker in self._workers if worker.deadline <= now]:
                self._lose(worker, _WorkerLostError(Reason.TIMED_OUT, f"after {self._limits.seconds:g} s"))
            if self._hire_at <= now:
                self._hire_at = float("inf")
                if self._chains:
                    self._hire()
        return self._ledger

    # --- Hiring and losing -------------------------------------------------------------------------------------

    def _hire(self) -> None:
        end = ExitStack()
        with ExitStack() as failing:
            failing.push(end)
            place = end.enter_context(workspace())
            process = end.enter_context(_process(self._command, place))
            job = self._job(place)
            _send(process, job)
            failing.pop_all()
        worker = _Worker(process, job.indicators, end, time.monotonic() + self._limits.seconds)
        self._workers.append(worker)
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Decide when to hire the next worker."""
        wanted = bool(self._chains) and len(self._workers) < self._most
        self._hire_at = time.monotonic() + self._patience if wanted else float("inf")

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        worker.end.close()

    def _lose(self, worker: _Worker, lost: _WorkerLostError) -> None:
        """Charge a lost worker to the module that it ran, and pass on what it had not begun.

        Raises:
            SpytriageError: the worker came to nothing at all, so another one would not either.
        """
        self._dismiss(worker)
        if worker.current is not None:
            self._end(ModuleCoverage(worker.current, CoverageState.FAILED, reason=lost.reason, detail=lost.detail))
        if worker.chain:
            self._chains.insert(0, worker.chain)
        if worker.is_ready:
            if self._chains and not self._workers:
                self._hire()
        elif self._workers:
            self._most = len(self._workers)  # there is no room for more of them
        else:
            raise SpytriageError(
                _("MVT could not be started ({reason}).").format(reason=f"{lost.reason.value} {lost.detail}".strip()),
                hint=_("Nothing was written. Install spytriage again; if that does not help, report it."),
            ) from lost
        self._look_ahead()

    # --- What workers say --------------------------------------------------------------------------------------

    def _attend(self, worker: _Worker) -> None:
        """Hear a worker out.

        Raises:
            SpytriageError: the acquisition cannot be unpacked.
        """
        try:
            for line in worker.heard(self._limits.output_bytes):
                if worker in self._workers:  # it may have said more than it had to
                    self._make_room(line)
                    self._take(worker, decode(line, worker.indicators))
        except BadMessageError:
            self._lose(worker, _WorkerLostError(Reason.WORKER_DIED, "unreadable message"))
        except _WorkerLostError as lost:
            if worker in self._workers:
                self._lose(worker, lost)

    def _make_room(self, line: bytes) -> None:
        """Count what the alerts of all modules come to.

        Raises:
            _WorkerLostError: more than may be kept; a module whose alerts are fewer may still come.
        """
        if line.startswith(_ALERT):
            if self._ledger.alert_bytes + len(line) > self._limits.all_output_bytes:
                raise _WorkerLostError(Reason.TOO_MUCH_OUTPUT)
            self._ledger.alert_bytes += len(line)

    def _take(self, worker: _Worker, message: Message) -> None:
        """Keep the ledger, and believe no worker about a module that it was not asked to run."""
        match message:
            case Planned():
                self._plan(worker, message)
            case CopiedToDisk():
                self._ledger.copied_to_disk = True
            case Refused(why):
                raise refusal_error(why)
            case ModuleCoverage(name):
                if name != worker.current:
                    raise BadMessageError("a line of the ledger for a module that is not running")
                worker.current = None
                self._end(message)
                self._go_on(worker)
            case _:
                if message.module != worker.current:
                    raise BadMessageError("a message about a module that is not running")
                self._take_of_module(worker, message)

    def _take_of_module(self, worker: _Worker, message: Started | RawAlert | ReadSoFar | Observed) -> None:
        """Keep what the running module of a worker says."""
        match message:
            case Started(module):
                worker.deadline = time.monotonic() + self._limits.seconds
                self._progress.started(module)
            case RawAlert(module):
                self._ledger.alerts.setdefault(module, []).append(message)
            case Observed():
                self._ledger.observed.add(message)
            case ReadSoFar(module, rows):
                self._progress.read(module, rows)

    def _plan(self, worker: _Worker, plan: Planned) -> None:
        if worker.is_ready or (self._ledger.plan and self._ledger.plan != plan):
            raise BadMessageError("another plan")
        worker.is_ready = True
        if self._ledger.plan is None:
            self._ledger.plan = plan
            self._progress.planned(plan.modules)
            for name, reason in plan.not_run.items():
                self._end(ModuleCoverage(name, CoverageState.NOT_RUN, reason=reason))
            self._chains = sorted(plan.chains, key=_rank)
        self._go_on(worker)
        self._look_ahead()

    def _go_on(self, worker: _Worker) -> None:
        """Give a worker its next module; one for which there is none ends."""
        worker.deadline = time.monotonic() + self._limits.seconds
        if not worker.chain and self._chains:
            worker.chain = deque(self._chains.pop(0))
        if worker.chain:
            worker.ask(Run(worker.chain.popleft(), self._ledger.broken))
        else:
            self._dismiss(worker)

    def _end(self, coverage: ModuleCoverage) -> None:
        self._ledger.coverage[coverage.name] = coverage
        self._progress.ended(coverage)


def _rank(chain: Sequence[str]) -> int:
    """Order chains by what they take on a large phone, the longest first; the others follow in MVT's order."""
    return min(_LONGEST.index(name) if name in _LONGEST else len(_LONGEST) for name in chain)


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    """Write the job without waiting: the worker reads it while it starts."""
    assert process.stdin is not None
    stdin = process.stdin

    def write() -> None:
        with suppress(OSError, ValueError):  # the worker is gone already: its exit status tells why
            stdin.write(job.to_line())
            stdin.flush()

    threading.Thread(target=write, daemon=True).start()


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
def _process(command: Sequence[str], place: Workspace) -> Iterator[subprocess.Popen[bytes]]:
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
    with undone(partial(_end, process)):
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
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
        "MVT_CONFIG_FOLDER": str(home / MVT_SETTINGS),
        "MVT_DATA_FOLDER": str(home / "mvt-data"),
        "MVT_NETWORK_ACCESS_ALLOWED": "false",
    }
