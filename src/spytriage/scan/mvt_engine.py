"""Runs MVT's commands inside the worker: the only module that imports MVT.

It stands at the seams that MVT has and tells what MVT keeps to itself:

- `run_module`, the one place each module passes through, keeps the modules that a command made ready, for `Engine.run`
  to run one by one. MVT's own swallows every exception into its log; ours turns what happened into a line of the
  coverage ledger. It leaves out the timeline and the list of URLs, which triage does not need.
- `Indicators.check_*`, the only matching entry points, lead to our matcher.
- `IOSExtraction._get_backup_file_from_id`, `_get_backup_files_from_manifest`, `_get_stored_backup_file_ids` and
  `_open_sqlite_db`, the only ways to a file of an iOS backup, lead to the files in clear (`backup_files.BackupFiles`)
  and note what was there, what was missing and what could be read (`reading.Reading`); so do
  `_get_fs_files_from_patterns` for a file system dump (`fs_reading.FsReading`), and `_get_files_by_pattern` and
  `_get_file_content` of the modules for Android (`file_notes.FileNotes`).

An acquisition is one or more folders (`layouts`), each read by one of MVT's commands: an AndroidQF acquisition holds a
backup, a bug report and logs as well.

Each work-around says what MVT does, and tests/scan/test_mvt_contract.py notices when it changes.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.parsers.expat import ExpatError

import mvt.common.command
from mvt.common.alerts import Alert, AlertLevel, AlertStore
from mvt.common.command import Command
from mvt.common.indicators import Indicator as MVTIndicator
from mvt.common.indicators import IndicatorMatch, Indicators
from mvt.common.module import (
    DatabaseCorruptedError,
    DatabaseNotFoundError,
    EncryptedBackupError,
    InsufficientPrivileges,
    MVTModule,
)
from mvt.common.url import URL
from mvt.common.utils import convert_mactime_to_datetime, convert_mactime_to_iso
from mvt.common.version import MVT_VERSION
from mvt.ios.cmd_check_backup import CmdIOSCheckBackup
from mvt.ios.cmd_check_fs import CmdIOSCheckFS
from mvt.ios.modules.base import IOSExtraction
from mvt.ios.modules.fs.filesystem import Filesystem
from mvt.ios.modules.fs.shutdownlog import ShutdownLog
from mvt.ios.modules.mixed.safari_history import SafariHistory
from mvt.ios.modules.mixed.webkit_resource_load_statistics import WebkitResourceLoadStatistics

from spytriage.artefacts import ALWAYS_HELD
from spytriage.finding_kinds import Level
from spytriage.models import CoverageState, Match, Matcher, ModuleCoverage, RawAlert, Reason
from spytriage.scan import android_seams
from spytriage.scan.backup_files import BackupFiles
from spytriage.scan.copies import Copies
from spytriage.scan.file_notes import FileNotes, NotOpenedError
from spytriage.scan.fs_reading import FsReading
from spytriage.scan.guard import OUT_OF_MEMORY_EXIT, Guard
from spytriage.scan.layouts import Laid, Layouts
from spytriage.scan.more_checks import MORE_CHECKS, More, spelt
from spytriage.scan.observing import Aside, Cursor, Recorder
from spytriage.scan.patching import Patched
from spytriage.scan.protocol import CopiedToDisk, Job, Message, Planned, ReadSoFar, Refused, Run, Started
from spytriage.scan.reading import Reading, plist_failures_noted
from spytriage.scan.records import bounded
from spytriage.scan.refusals import Refusal, RefusedError
from spytriage.scan.sieves import Rows, has_hole, links_in_rich_text, names_in
from spytriage.scan.sysdiagnose import PARSERS, UNREAD, Parser, is_whole_shutdown_log, read_text

Emit = Callable[[Message], None]

_Notes = Reading | FileNotes
_LEVELS = {
    AlertLevel.INFORMATIONAL: Level.INFORMATIONAL,
    AlertLevel.LOW: Level.LOW,
    AlertLevel.MEDIUM: Level.MEDIUM,
    AlertLevel.HIGH: Level.HIGH,
    AlertLevel.CRITICAL: Level.CRITICAL,
}
# Modules that open their artefact by name, not through the manifest. Every backup has these files.
_ALWAYS_THERE = {"BackupInfo": "Info.plist", "Applications": "Info.plist", "Manifest": "Manifest.db"}
# Where these are, they have entries: with none, the layout is one that MVT does not know.
_NEVER_EMPTY = {"AQFPackages", "AQFProcesses", "AQFGetProp", "AQFFiles", "Mounts", "Processes", "Settings",
                "DumpsysPackages", "DumpsysGetProp", "DumpsysAppops", "SysdiagnoseProcesses",
                "BugreportMounts"}  # fmt: skip
# Two modules of one name would be one line of the ledger.
_OWN_NAMES = {
    ("mvt.android.modules.backup.sms", "SMS"): "AndroidSMS",
    ("mvt.android.modules.bugreport.mounts", "Mounts"): "BugreportMounts",
}


def _name(module: type[Any]) -> str:
    """Return the name of a module in the ledger: that of its class, where it is the only one."""
    return _OWN_NAMES.get((module.__module__, module.__name__), str(module.__name__))


@dataclass(slots=True)
class _Part:
    """One of MVT's commands and the folder that it reads."""

    command: Any
    notes: _Notes
    seams: Callable[[], Sequence[AbstractContextManager[Any]]]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Have MVT read this folder through our seams while the block runs."""
        with ExitStack() as stack:
            for seam in self.seams():
                stack.enter_context(seam)
            yield


def _chains(needs: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Put modules that need each other's results together: one worker runs them, in this order."""
    chains: list[list[str]] = []
    for name, needed in needs.items():
        joined = [chain for chain in chains if any(other in chain for other in needed)]
        chains = [chain for chain in chains if chain not in joined]
        chains.append([*(other for chain in joined for other in chain), name])
    return tuple(tuple(chain) for chain in chains)


class Engine:
    """MVT in this process, which runs the modules of a job one by one."""

    def __init__(self, job: Job, matcher: Matcher, guard: Guard, emit: Emit, recorder: Recorder | None = None) -> None:
        """Prepare to work.

        Args:
            job: what to check.
            matcher: what to look for.
            guard: the lock of this process; tells whether a module tried to open a connection.
            emit: takes each message.
            recorder: takes down what is looked up, when that is to be kept.
        """
        logging.disable(logging.CRITICAL)  # MVT's log quotes the phone, and formatting it costs time
        self.job, self.matcher, self.guard, self.emit, self.recorder = job, matcher, guard, emit, recorder
        self.modules: dict[str, tuple[MVTModule, _Part]] = {}
        self.ran: set[str] = set()  # in this process
        self.needed: set[str] = set()  # modules whose results another one asks for
        self.current = ""
        self.files: BackupFiles | None = None  # of an iOS backup
        self.rows: Rows | None = None  # of the current module

    def prepare(self, extra_modules: Sequence[type[Any]] = ()) -> bool:
        """Make ready what MVT would run, and tell of it.

        Args:
            extra_modules: MVT modules to run beside MVT's own.

        Returns:
            Whether there is anything to run: an acquisition that cannot be unpacked is refused.
        """
        try:
            parts = self._parts(extra_modules)
        except RefusedError as error:
            self.emit(Refused(error.why))
            return False
        except MemoryError:
            self.emit(Refused(Refusal.OUT_OF_MEMORY))
            return False
        for part in parts:
            self._collect(part)
        off = [
            name
            for part in parts
            for module in part.command._available_modules()
            if (name := _name(module)) not in self.modules
        ]
        not_run = {name: Reason.NOT_SUPPORTED if name in UNREAD else Reason.DISABLED for name in off}
        chains = _chains({name: self._needs(module) for name, (module, _part) in self.modules.items()})
        self.needed = {need for module, _part in self.modules.values() for need in self._needs(module)}
        self.emit(Planned(chains, not_run, (*self.modules, *not_run), MVT_VERSION))
        return True

    def _collect(self, part: _Part) -> None:
        """Let one of MVT's commands make its modules ready, and keep them instead of running them."""

        def keep(module: MVTModule) -> None:
            self.modules[_name(type(module))] = (module, part)

        mvt.common.command.run_module = keep
        with part.active():
            part.command.run()

    def _needs(self, module: MVTModule) -> list[str]:
        return [_name(type(other)) for other in module.dependency_modules.values()]

    # --- What is read by which command -------------------------------------------------------------------------

    def _parts(self, extra_modules: Sequence[type[Any]]) -> list[_Part]:
        if self.job.kind == "ios-backup":
            return [self._backup_part(extra_modules)]
        laid = self._laid()
        if self.job.kind == "ios-filesystem":
            return [self._filesystem_part(laid["filesystem"], extra_modules)]
        if self.job.kind == "ios-sysdiagnose":
            return [self._sysdiagnose_part(laid["sysdiagnose"])]
        options: dict[str, Any] = {}  # AndroidQF's command tells the others about the acquisition
        return [self._android_part(name, folder, options) for name, folder in laid.items()]

    def _laid(self) -> dict[str, Laid]:
        """Lay the acquisition out in memory-backed storage, or on disk when it does not fit there."""
        try:
            return self._laid_in(Path(self.job.workspace))
        except RefusedError as error:
            if error.why is not Refusal.NO_SPACE or self.job.disk == self.job.workspace:
                raise
        self.emit(CopiedToDisk())
        return self._laid_in(Path(self.job.disk))

    def _laid_in(self, folder: Path) -> dict[str, Laid]:
        job = self.job
        layouts = Layouts(Path(job.path), job.root, folder, job.password, _decrypt_master_key)
        match job.kind:
            case "androidqf":
                return layouts.androidqf()
            case "android-bugreport":
                return layouts.bugreport()
            case "android-backup":
                return layouts.backup()
            case "android-intrusion-logs":
                return layouts.intrusion_logs()
            case "ios-sysdiagnose":
                return layouts.sysdiagnose()
            case "ios-filesystem":
                return layouts.filesystem(_filesystem_patterns())
            case kind:
                raise NotImplementedError(kind)

    def _backup_part(self, extra_modules: Sequence[type[Any]]) -> _Part:
        job = self.job
        copies = Copies(Path(job.workspace), Path(job.disk), lambda: self.emit(CopiedToDisk()))
        self.files = files = BackupFiles(Path(job.path), job.keys, copies)
        reading = Reading(files)
        command = self._command(CmdIOSCheckBackup, reading, str(files.root), extra_modules)
        return _Part(
            command,
            reading,
            lambda: (
                _ios_seams(reading),
                _stored_files_seam(files),
                _redirects_seam(),
                _observations_seam(reading),
                plist_failures_noted(reading),
            ),
        )

    def _filesystem_part(self, laid: Laid, extra_modules: Sequence[type[Any]]) -> _Part:
        reading = FsReading(laid, Path(self.job.workspace) / "copies")
        command = self._command(CmdIOSCheckFS, reading, str(laid.folder), extra_modules)
        return _Part(
            command,
            reading,
            lambda: (
                _ios_seams(reading),
                _filesystem_seams(reading, laid),
                _redirects_seam(),
                _observations_seam(reading),
                plist_failures_noted(reading),
            ),
        )

    def _sysdiagnose_part(self, laid: Laid) -> _Part:
        notes = FileNotes(laid)
        command = self._command(_Sysdiagnose, notes, str(laid.folder))
        return _Part(command, notes, lambda: (_sysdiagnose_seam(notes, laid),))

    def _android_part(self, name: str, laid: Laid, options: dict[str, Any]) -> _Part:
        mvts = _android_classes()
        notes = FileNotes(laid, below_folder=name == "androidqf")
        command = self._command(android_seams.command(mvts, name), notes, str(laid.folder), options=options)
        return _Part(
            command,
            notes,
            lambda: android_seams.seams(mvts, notes, lambda: self.current),
        )

    def _command(
        self,
        command: type[Any],
        notes: _Notes,
        folder: str,
        extra_modules: Sequence[type[Any]] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:
        return command(
            target_path=folder,
            results_path=None,  # writes nothing
            iocs=_MatcherIndicators(self.matcher, notes),
            module_options=options,
            disable_version_check=True,
            disable_indicator_check=True,
            custom_modules=list(extra_modules),
        )

    # --- One module --------------------------------------------------------------------------------------------

    def run(self, request: Run) -> None:
        """Run one module and tell what came of it."""
        module, part = self.modules[request.module]
        with part.active():
            for need in self._needs(module):
                self._run_silently(need, request.broken)
            self._run(module, request.module, part.notes)

    def _run(self, module: MVTModule, name: str, notes: _Notes) -> None:
        self.emit(Started(name))
        self.current = name
        self.ran.add(name)
        notes.begin(uses_embedded_plists=name != "Manifest", module=name)
        aside = self._aside(module, name, notes, self.recorder) if self.recorder else None
        whole = name in self.needed  # the results of a module that others need stay whole
        self.rows = Rows(name, self.matcher, lambda rows: self.emit(ReadSoFar(name, rows)), whole=whole, aside=aside)
        if isinstance(notes, Reading):
            notes.rows = self.rows
        self.matcher.shortened_links = self.guard.network_attempts = 0
        module.alertstore = _StreamingAlerts(name, self.emit)
        coverage = self._ledger_line(module, name, notes)
        if self.recorder and aside and coverage.reason is not Reason.OUT_OF_MEMORY:
            aside.look_at_rest()
            self._observe(module, name, notes, self.recorder)
            self.recorder.tell()
        self._forget()
        if name not in self.needed:
            module.results = []  # MVT keeps them all until the end: 5.8 GB on a full phone
        self.emit(coverage)
        if coverage.reason is Reason.OUT_OF_MEMORY:
            raise SystemExit(OUT_OF_MEMORY_EXIT)  # what is left of this process cannot be relied on

    def _run_silently(self, name: str, broken: Sequence[str]) -> None:
        """Give a later module the results of one that ran in another worker; its ledger line is written there."""
        if name in self.ran or name in broken:
            return
        self.ran.add(name)
        module, part = self.modules[name]
        for need in self._needs(module):
            self._run_silently(need, broken)
        part.notes.begin(uses_embedded_plists=True)
        try:
            module.run()
        except Exception:  # noqa: BLE001 (as above)
            module.results = []
        self._forget()

    def _forget(self) -> None:
        """Drop the copies in clear that a module had."""
        if self.files is not None:
            self.files.forget()

    def _ledger_line(self, module: MVTModule, name: str, notes: _Notes) -> ModuleCoverage:
        records: int | None = None
        state, reason, detail = CoverageState.CHECKED, None, ""
        try:
            records = self._read(module, name)
            if not self._compare(module, name):
                state = CoverageState.EXTRACTED_ONLY
        except MemoryError:
            state, reason = CoverageState.FAILED, Reason.OUT_OF_MEMORY
        except Exception as error:  # noqa: BLE001 (whatever a module raises is a line of the ledger)
            state, reason, detail = _classify(error)
            if isinstance(notes, Reading) and notes.widened:
                self._ask_as_mvt_does(module, name, notes)
        if self.guard.network_attempts:
            state, reason, detail = CoverageState.FAILED, Reason.NETWORK_REFUSED, ""
        notes.settle()
        if state in {CoverageState.CHECKED, CoverageState.EXTRACTED_ONLY, CoverageState.NO_DATA}:
            state, reason, detail = self._as_read(name, notes, state, records)
        if state in {CoverageState.NO_DATA, CoverageState.NOT_RUN}:
            records = None
        return ModuleCoverage(name, state, records, reason, detail, self.matcher.shortened_links)

    def _read(self, module: MVTModule, name: str) -> int:
        """Let a module read, and return how many records there were."""
        module.run()
        _after_run(module, name)
        return _count(module.results) + (self.rows.held_back if self.rows else 0)

    def _compare(self, module: MVTModule, name: str) -> bool:
        """Look the records of a module up; return whether there is anything to look up in them."""
        if more := MORE_CHECKS.get(name):
            _check_more(module, self.matcher, more)
        if not (more and more.instead) and not _matches_nothing(module):
            module.check_indicators()
            return True
        return more is not None

    def _ask_as_mvt_does(self, module: MVTModule, name: str, reading: Reading) -> None:
        """Have a module that broke read once more, without the rows that MVT passes over: one may be what broke it."""
        assert isinstance(module.alertstore, _StreamingAlerts)
        module.alertstore.again()
        module.results = []
        with reading.as_mvt_asks(), suppress(Exception):
            self._read(module, name)
            self._compare(module, name)

    def _observe(self, module: MVTModule, name: str, notes: _Notes, recorder: Recorder) -> None:
        """Have a module look everything up once more, and take down what it asks.

        A pass of its own, in which nothing matches: after a match, modules leave out look-ups that newer sets need.
        """
        indicators, alerts = module.indicators, module.alertstore
        module.indicators = _RecordingIndicators(recorder, notes)
        module.alertstore = _StreamingAlerts(name, lambda _message: None)
        try:
            _after_run(module, name)  # what it adds, it adds once
            with recorder.watching(module):
                if more := MORE_CHECKS.get(name):
                    _check_more(module, recorder, more)
                if not (more and more.instead) and not _matches_nothing(module):
                    module.check_indicators()
        except Exception:  # noqa: BLE001 (evidence is hostile; the report's ledger says what became of the module)
            recorder.missed()
        finally:
            module.indicators, module.alertstore = indicators, alerts

    def _aside(self, module: MVTModule, name: str, notes: _Notes, recorder: Recorder) -> Aside:
        """Begin to take down what a module looks up: of rows that matter for that alone, while they are read."""

        def look_at(records: list[Any]) -> None:
            results, module.results = module.results, records
            try:
                self._observe(module, name, notes, recorder)
            finally:
                module.results = results

        def read(rows: Cursor) -> list[Any]:
            results, module.results = module.results, []
            try:
                with _reading(module, rows):
                    module.run()
                return list(module.results)
            except Exception:  # noqa: BLE001 (as above)
                recorder.missed()
                return []
            finally:
                module.results = results

        recorder.begin(name, self.emit)
        return Aside(lambda: module.results, look_at, read if name in _FETCHES_FIRST else None)

    def _as_read(
        self, name: str, reading: _Notes, state: CoverageState, records: int | None
    ) -> tuple[CoverageState, Reason | None, str]:
        """Correct what a module says of itself by what was seen of its reading."""
        if self.files and name == "Manifest" and (doubt := self.files.doubt()):
            reading.note(doubt)
            reading.settle()
        if name in _ALWAYS_THERE:
            if state is CoverageState.NO_DATA:
                lost = self.files.problem if self.files and name == "Manifest" else None
                return CoverageState.UNREADABLE, lost or Reason.ARTEFACT_MISSING, ""
            # Info.plist may be there without the list of apps that Applications reads from it.
            reading.found += 1 if records else 0
        if gap := reading.gap():
            return CoverageState.UNREADABLE, *gap
        if not reading.found:
            if name in ALWAYS_HELD[self.job.kind]:
                return CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING, ""
            return CoverageState.NO_DATA, Reason.NOT_IN_SOURCE, ""
        if not records and name in _NEVER_EMPTY:
            return CoverageState.UNREADABLE, Reason.UNKNOWN_LAYOUT, ""
        return state, None, ""


# --- The seams --------------------------------------------------------------------------------------------------


def _ios_seams(reading: Reading) -> Patched:
    original_query = IOSExtraction._get_backup_files_from_manifest

    def get_backup_file_from_id(module: Any, file_id: str) -> str | None:
        found = reading.file(file_id) if not module.is_fs_dump else None
        return str(found) if found else None

    def get_backup_files_from_manifest(
        module: Any, relative_path: str | None = None, domain: str | None = None
    ) -> Iterator[dict[str, Any]]:
        with reading.looking_up():
            return iter(list(original_query(module, relative_path, domain)))

    def open_sqlite_db(module: Any, file_path: str) -> sqlite3.Connection:
        path = module._recovered_sqlite_paths.get(file_path, file_path)
        return reading.connect(Path(path))

    return Patched(
        IOSExtraction,
        _get_backup_file_from_id=get_backup_file_from_id,
        _get_backup_files_from_manifest=get_backup_files_from_manifest,
        _open_sqlite_db=open_sqlite_db,
    )


class _StoredFiles:
    """Tells of one file whether the backup folder has it. MVT 2026.10.26 lists all, which grows with the phone."""

    def __init__(self, backup: Path) -> None:
        self._backup = backup

    def __contains__(self, file_id: object) -> bool:
        if not isinstance(file_id, str) or "/" in file_id or "\x00" in file_id:
            return False
        path = self._backup / file_id[:2] / file_id
        return path.is_file() and path.resolve().is_relative_to(self._backup)


def _stored_files_seam(files: BackupFiles) -> Patched:
    stored = _StoredFiles(files.backup)
    return Patched(IOSExtraction, _get_stored_backup_file_ids=lambda module: stored)  # noqa: ARG005


def _redirects_seam() -> Patched:
    """MVT 2026.10.26 compares every redirect with every visit. This finds the same ones by their number."""

    def find_injections(module: Any) -> None:
        visits: dict[tuple[Any, Any], list[Any]] = {}
        for visit in module.results:
            visits.setdefault((visit["safari_history_db"], visit["visit_id"]), []).append(visit)
        for visit in module.results:
            if visit["url"].lower().startswith("http://") and visit["redirect_destination"]:
                for target in visits.get((visit["safari_history_db"], visit["redirect_destination"]), ()):
                    _judge_redirect(module, visit, target)

    return Patched(SafariHistory, _find_injections=find_injections)


def _judge_redirect(module: Any, origin: Any, target: Any) -> None:
    if _domain(origin["url"]) == _domain(target["url"]):
        return
    begin, end = convert_mactime_to_datetime(origin["timestamp"]), convert_mactime_to_datetime(target["timestamp"])
    elapsed = end - begin
    if elapsed.seconds == 0:
        message = f"Redirect took less than a second! ({elapsed.microseconds / 1000} milliseconds)"
        module.alertstore.medium(message, convert_mactime_to_iso(origin["timestamp"]), origin)


def _domain(url: Any) -> str:
    try:
        return str(URL(url).domain)
    except Exception:  # noqa: BLE001 (as MVT does)
        return ""


def _observations_seam(reading: Reading) -> Patched:
    original = WebkitResourceLoadStatistics._process_observations_db

    def process_observations_db(module: Any, *args: Any, **options: Any) -> None:
        # MVT 2026.10.26 swallows whatever this raises and goes on as if there were no observations.
        try:
            original(module, *args, **options)
        except Exception:
            reading.note(Reason.DAMAGED)
            raise

    return Patched(WebkitResourceLoadStatistics, _process_observations_db=process_observations_db)


@contextmanager
def _filesystem_seams(reading: FsReading, laid: Laid) -> Iterator[None]:
    by_patterns, list_files = IOSExtraction._get_fs_files_from_patterns, Filesystem.run
    read_log = ShutdownLog.process_shutdownlog

    def get_fs_files_from_patterns(module: Any, root_paths: list[str]) -> Iterator[str]:
        for pattern in root_paths:
            yield from reading.matched(pattern, by_patterns(module, [pattern]))

    def run_filesystem(module: Any) -> None:
        reading.found += 1
        if laid.listing is None:
            list_files(module)
        else:  # of an archive, only the files that modules open were unpacked
            module.results = [{"path": path, "modified": _iso(time)} for path, time in _with_folders(laid.listing)]

    def process_shutdownlog(module: Any, content: str) -> None:
        if "\0" in content or not is_whole_shutdown_log(content):
            reading.note(Reason.DAMAGED)
        read_log(module, f"{content}\nSIGTERM: [0]\n")  # MVT drops who was there when a shutdown did not end

    with (
        Patched(IOSExtraction, _get_fs_files_from_patterns=get_fs_files_from_patterns),
        Patched(Filesystem, run=run_filesystem),
        Patched(ShutdownLog, process_shutdownlog=process_shutdownlog),
    ):
        yield


def _with_folders(listing: Sequence[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Give files and the folders that they lie in, as a walk would."""
    seen: set[str] = set()
    for path, time in listing:
        for parent in [str(parent) for parent in Path(path).parents if str(parent) != "."]:
            if parent not in seen:
                seen.add(parent)
                yield parent, 0.0
        yield path, time


def _decrypt_master_key(**parts: Any) -> Any:
    from mvt.android.parsers.backup import decrypt_master_key

    return decrypt_master_key(**parts)


def _filesystem_patterns() -> list[str]:
    """Return every pattern by which a module of a file system dump finds its files."""
    modules = CmdIOSCheckFS(disable_version_check=True, disable_indicator_check=True).modules
    lists = [
        value
        for module in modules
        for value in vars(sys.modules[module.__module__]).values()
        if isinstance(value, list)
    ]
    return sorted({text.rstrip("/") for texts in lists for text in texts if str(text).startswith("private/")})


# --- Commands that differ from MVT's ----------------------------------------------------------------------------


class _SysdiagnoseModule(MVTModule):
    """One of our parsers in the form of a module of MVT; the seam lets it run."""

    parser: Parser


class _Sysdiagnose(Command):
    """In place of MVT's command for sysdiagnose archives, which compares nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(log=logging.getLogger(__name__), **options)
        self.platform, self.name = "ios", "check-sysdiagnose"
        self.modules = [
            *(type(parser.name, (_SysdiagnoseModule,), {"parser": parser}) for parser in PARSERS),
            *(type(name, (_SysdiagnoseModule,), {"enabled": False}) for name in sorted(UNREAD)),
        ]


def _sysdiagnose_seam(notes: FileNotes, laid: Laid) -> Patched:
    def run(module: Any) -> None:
        files = sorted(path for path in laid.folder.rglob("*") if not path.is_dir())
        for pattern in module.parser.patterns:
            names = [name for path in files if fnmatch(name := path.relative_to(laid.folder).as_posix(), pattern)]
            for name in notes.matched(pattern, names):
                try:
                    path = notes.readable_file(laid.folder / name)
                    text = read_text(path, notes.as_text)
                    module.results.extend(module.parser.parse(text))
                except NotOpenedError:
                    continue
                except ValueError:
                    notes.note(Reason.DAMAGED)

    return Patched(_SysdiagnoseModule, run=run)


def _classify(error: Exception) -> tuple[CoverageState, Reason, str]:
    """Say what an exception of a module means for its coverage."""
    unreadable, kind = CoverageState.UNREADABLE, type(error).__name__
    match error:
        case DatabaseNotFoundError():
            return CoverageState.NO_DATA, Reason.NOT_IN_SOURCE, ""
        case NotOpenedError():
            return CoverageState.CHECKED, Reason.PARTLY_READ, ""  # what was noted of it says more
        case InsufficientPrivileges() | PermissionError():
            return unreadable, Reason.PERMISSION_DENIED, ""
        case sqlite3.OperationalError() if re.match("no such (table|column)", str(error)):
            return unreadable, Reason.UNKNOWN_LAYOUT, ""
        case DatabaseCorruptedError() | EncryptedBackupError() | sqlite3.DatabaseError() | ExpatError():
            return unreadable, Reason.DAMAGED, ""
        case ValueError() if kind in {
            "InvalidFileException",
            "UnicodeDecodeError",
            "NotImplementedError",
            "JSONDecodeError",
        }:
            return unreadable, Reason.DAMAGED, ""
        case OSError():
            return unreadable, Reason.EXCEPTION, kind
        case _:
            return CoverageState.FAILED, Reason.EXCEPTION, kind if kind.isidentifier() else ""


_FETCHES_FIRST = {"SMS", "ChromeFavicon"}  # all rows of the one query that they make, before they make a record


@contextmanager
def _reading(module: MVTModule, rows: Cursor) -> Iterator[None]:
    """Have a module read these rows in the place of its database."""
    stand_ins = {"_find_ios_database": lambda **_: None, "_open_sqlite_db": lambda *_: rows}
    vars(module).update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del vars(module)[name]


def _matches_nothing(module: MVTModule) -> bool:
    return type(module).check_indicators is MVTModule.check_indicators


def _count(results: Any) -> int:
    """Count records: MVT keeps a list, or a dictionary of lists by file, or one dictionary."""
    if isinstance(results, dict):
        return sum(len(value) if isinstance(value, list) else 1 for value in results.values())
    return len(results)


_TEXTS_OF_MESSAGES = {
    "SMS": ("text",),
    "Whatsapp": ("ZTEXT", "ZMATCHEDTEXT", "ZMEDIAURL", "ZCONTENT1", "ZCONTENT2"),
    "AndroidSMS": ("body",),
}


def _more_links(module: MVTModule, texts: Iterable[str]) -> None:
    """Add the links of messages that MVT does not see.

    MVT 2026.10.26 takes only what begins with `http` for a link, though phones let people tap on a plain name too, and
    looks for links in `message.text` alone. Since iOS 16 many messages leave it empty and keep their text in
    `attributedBody`, an archived NSAttributedString ("typedstream") whose string is plain UTF-8 between length bytes.
    """
    for message in module.results:
        more = [name for text in texts if isinstance(value := message.get(text), str) for name in names_in(value)]
        if body := message.get("attributedBody"):
            more += links_in_rich_text(b64decode(body))
        if more:
            message["links"] = list(dict.fromkeys([*(message.get("links") or ()), *more]))


_SMS_RECEIVED = "1"  # column `type` of Android's table of messages: 1 inbox, 2 sent, 3 to 6 on the way


def _direction_of_sms(module: MVTModule) -> None:
    """Say which way a message went.

    MVT 2026.10.26 takes a message with a `date_sent` for one that was sent. Android fills that column for messages
    that were received (Telephony.TextBasedSmsColumns), so its direction is the wrong way round.
    """
    for message in module.results:
        if str(message.get("type", "")).isdecimal():
            message["direction"] = "received" if str(message["type"]) == _SMS_RECEIVED else "sent"
        elif "msg_box" in message:  # the same column in the table of MMS
            message["direction"] = "received" if str(message["msg_box"]) == _SMS_RECEIVED else "sent"


def _after_run(module: MVTModule, name: str) -> None:
    """Mend the records of a module that has read."""
    if texts := _TEXTS_OF_MESSAGES.get(name):
        _more_links(module, texts)
    if name == "AndroidSMS":
        _direction_of_sms(module)


def _check_more(module: MVTModule, matcher: Matcher, more: More) -> None:
    """Make comparisons that MVT leaves out; one alert for each record and set of indicators."""
    raise_alert = getattr(module.alertstore, more.level.value)
    for record in module.results if isinstance(module.results, list) else [module.results]:
        raised: set[tuple[Any, ...]] = set()
        for look_up, value in more.look_ups(record):
            match: Match | None = getattr(matcher, look_up)(value)
            if match and (match.indicators, match.rule) not in raised:
                raised.add((match.indicators, match.rule))
                time = str(record.get("isodate") or "")
                raise_alert(match.rule.value, time, record, matched_indicator=_MatchedIndicator(match))


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(sep=" ")
    except (ValueError, OverflowError, OSError):
        return ""


# --- Alerts and indicators --------------------------------------------------------------------------------------


class _StreamingAlerts(AlertStore):
    """Sends each alert on as it is raised."""

    def __init__(self, module: str, emit: Emit) -> None:
        super().__init__(log=None)
        self._module, self._emit = module, emit
        self._sent: Counter[int] = Counter()  # alerts, by a number of each
        self._known: Counter[int] = Counter()

    def again(self) -> None:
        """Send what was sent before no second time."""
        self._known, self._sent = self._sent, Counter()

    def _get_calling_module(self) -> str:
        return self._module  # MVT walks the whole stack to find it out

    def add(self, alert: Alert) -> None:
        indicator = alert.matched_indicator
        event, message = bounded(alert.event, alert.message)
        number = hash((alert.level, message, repr(event)))
        self._sent[number] += 1
        if self._sent[number] <= self._known[number]:
            return
        self._emit(
            RawAlert(
                module=self._module,
                level=_LEVELS[alert.level],
                message=message,
                event_time=str(alert.event_time or ""),
                event=event,
                match=indicator.match if isinstance(indicator, _MatchedIndicator) else None,
            )
        )


class _MatchedIndicator(MVTIndicator):
    """An indicator as MVT's modules pass it on, with our match in it: all attributions and the rule."""

    def __init__(self, match: Match) -> None:
        first = match.indicators[0]
        super().__init__(
            value=first.value,
            type=first.type.value,
            name=first.attributions[0].family,
            stix2_file_name=first.attributions[0].set,
        )
        self.match = match


def _as_mvt(match: Match | None) -> IndicatorMatch | None:
    return match and IndicatorMatch(ioc=_MatchedIndicator(match), message=match.rule.value)


class _MatcherIndicators(Indicators):
    """MVT's `Indicators`, answered by our matcher.

    MVT 2026.10.26 matches text only, and silently nothing else: a database column may hold the same text as a BLOB, or
    with a NUL at its end. Such values are read as what they spell; what spells nothing is noted.
    """

    def __init__(self, matcher: Matcher, reading: _Notes) -> None:
        super().__init__()
        self._matcher, self._reading = matcher, reading
        self.total_ioc_count = 1  # MVT gives modules no indicators when this is 0

    def _look_up(self, find: Callable[[object], Match | None], value: Any) -> IndicatorMatch | None:
        match = find(self._spelt(value))
        if match and match.rule.is_loose and not isinstance(value, str):
            # MVT has no match here, and a module that asks for one thing after the other would go no further.
            return None
        return _as_mvt(match)

    def _spelt(self, value: Any) -> str | None:
        text = spelt(value)
        if (text is None and value is not None) or has_hole((value,)):
            self._reading.note(Reason.DAMAGED)
        return text

    def check_url(self, url: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.url, url)

    def check_url_batches(self, url_batches: Sequence[Sequence[str] | None]) -> list[IndicatorMatch | None]:
        url, spelt = self._matcher.url, self._spelt
        return [_as_mvt(_merged([url(spelt(link)) for link in links or ()])) for links in url_batches]

    def check_process(self, process: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.process, process)

    def check_email(self, email: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.email, email)

    def check_file_name(self, file_name: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.file_name, file_name)

    def check_file_path(self, file_path: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.file_path, file_path)

    def check_file_path_process(self, file_path: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.file_path_process, file_path)

    def check_profile(self, profile_uuid: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.profile, profile_uuid)

    def check_file_hash(self, file_hash: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.file_hash, file_hash)

    def check_app_certificate_hash(self, cert_hash: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.app_certificate, cert_hash)

    def check_app_id(self, app_id: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.app_id, app_id)

    def check_android_property_name(self, property_name: str) -> IndicatorMatch | None:
        return self._look_up(self._matcher.android_property, property_name)


class _RecordingIndicators(_MatcherIndicators):
    """Knows of which record each link is that modules ask for in batches."""

    def __init__(self, recorder: Recorder, reading: _Notes) -> None:
        super().__init__(recorder, reading)
        self._recorder = recorder

    def check_url_batches(self, url_batches: Sequence[Sequence[str] | None]) -> list[IndicatorMatch | None]:
        for place, links in enumerate(url_batches):
            self._recorder.turn_to(place, of=len(url_batches))
            super().check_url_batches([links])
        return [None] * len(url_batches)


def _merged(matches: list[Match | None]) -> Match | None:
    """Join the matches of several links of one record: the firm ones, or else the loose ones.

    MVT names the first match of a record only.
    """
    found = [match for match in matches if match]
    firm = [match for match in found if not match.rule.is_loose] or found
    if not firm:
        return None
    indicators = {indicator.key: indicator for match in firm for indicator in match.indicators}
    return Match(tuple(indicators.values()), firm[0].rule)


def _android_classes() -> SimpleNamespace:
    """Import what MVT has for Android, by its names: a check of an iPhone starts without it."""
    from mvt.android.artifacts.artifact import AndroidArtifact
    from mvt.android.artifacts.getprop import GetProp
    from mvt.android.artifacts.mounts import Mounts
    from mvt.android.artifacts.processes import Processes
    from mvt.android.artifacts.tombstone_crashes import TombstoneCrashArtifact
    from mvt.android.cmd_check_androidqf import CmdAndroidCheckAndroidQF
    from mvt.android.cmd_check_backup import CmdAndroidCheckBackup
    from mvt.android.cmd_check_bugreport import CmdAndroidCheckBugreport
    from mvt.android.cmd_check_intrusion_logs import CmdAndroidCheckIntrusionLogs
    from mvt.android.modules.androidqf.base import AndroidQFModule
    from mvt.android.modules.backup.base import BackupModule
    from mvt.android.modules.bugreport.base import BugReportModule
    from mvt.android.modules.intrusion_logs import INTRUSION_LOGS_MODULES
    from mvt.android.modules.intrusion_logs.base import IntrusionLogsModule

    return SimpleNamespace(
        AndroidArtifact=AndroidArtifact,
        GetProp=GetProp,
        Mounts=Mounts,
        Processes=Processes,
        TombstoneCrashArtifact=TombstoneCrashArtifact,
        CmdAndroidCheckAndroidQF=CmdAndroidCheckAndroidQF,
        CmdAndroidCheckBackup=CmdAndroidCheckBackup,
        CmdAndroidCheckBugreport=CmdAndroidCheckBugreport,
        CmdAndroidCheckIntrusionLogs=CmdAndroidCheckIntrusionLogs,
        AndroidQFModule=AndroidQFModule,
        BackupModule=BackupModule,
        BugReportModule=BugReportModule,
        INTRUSION_LOGS_MODULES=INTRUSION_LOGS_MODULES,
        IntrusionLogsModule=IntrusionLogsModule,
    )
