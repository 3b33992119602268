"""Runs MVT's commands inside the worker: the only module that imports MVT.

It stands at the seams that MVT has and tells what MVT keeps to itself:

- `run_module`, the one place each module passes through, becomes `_Engine.run_module`. MVT's own swallows every
  exception into its log; ours turns what happened into a line of the coverage ledger. It leaves out the timeline and
  the list of URLs, which triage does not need.
- `Indicators.check_*`, the only matching entry points, lead to our matcher.
- `IOSExtraction._get_backup_file_from_id`, `_get_backup_files_from_manifest`, `_get_stored_backup_file_ids` and
  `_open_sqlite_db`, the only ways to a file of an iOS backup, lead to the files in clear (`backup_files.BackupFiles`)
  and note what was there, what was missing and what could be read (`reading.Reading`).

Each work-around says what MVT does, and tests/scan/test_mvt_contract.py notices when it changes.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.parsers.expat import ExpatError

import mvt.common.command
from mvt.common.alerts import Alert, AlertLevel, AlertStore
from mvt.common.indicators import Indicator as MVTIndicator
from mvt.common.indicators import IndicatorMatch, Indicators
from mvt.common.module import (
    DatabaseCorruptedError,
    DatabaseNotFoundError,
    EncryptedBackupError,
    InsufficientPrivileges,
    MVTModule,
)
from mvt.common.version import MVT_VERSION
from mvt.ios.cmd_check_backup import CmdIOSCheckBackup
from mvt.ios.modules.base import IOSExtraction
from mvt.ios.modules.mixed.webkit_resource_load_statistics import WebkitResourceLoadStatistics

from spytriage.finding_kinds import Level
from spytriage.models import CoverageState, Match, Matcher, ModuleCoverage, RawAlert, Reason
from spytriage.scan.backup_files import BackupFiles
from spytriage.scan.copies import Copies
from spytriage.scan.guard import OUT_OF_MEMORY_EXIT, Guard
from spytriage.scan.protocol import CopiedToDisk, Finished, Job, Message, Planned, Started
from spytriage.scan.reading import Reading, plist_failures_noted
from spytriage.scan.records import bounded

Emit = Callable[[Message], None]

_COMMANDS: dict[str, type[Any]] = {"ios-backup": CmdIOSCheckBackup}
_LEVELS = {
    AlertLevel.INFORMATIONAL: Level.INFORMATIONAL,
    AlertLevel.LOW: Level.LOW,
    AlertLevel.MEDIUM: Level.MEDIUM,
    AlertLevel.HIGH: Level.HIGH,
    AlertLevel.CRITICAL: Level.CRITICAL,
}
# Modules that open their artefact by name, not through the manifest. Every backup has these files.
_ALWAYS_THERE = {"BackupInfo": "Info.plist", "Applications": "Info.plist", "Manifest": "Manifest.db"}
# Modules whose artefact is in every backup, so that one without it is cut short: every iPhone has sms.db.
_IN_EVERY_BACKUP = {"SMS"}


def run(job: Job, matcher: Matcher, guard: Guard, emit: Emit, extra_modules: Sequence[type[Any]] = ()) -> None:
    """Run the modules of a job that are not done yet, reporting as it goes.

    Args:
        job: what to check.
        matcher: what to look for.
        guard: the lock of this process; tells whether a module tried to open a connection.
        emit: takes each message.
        extra_modules: MVT modules to run beside MVT's own.
    """
    logging.disable(logging.CRITICAL)  # MVT's log quotes the phone, and formatting it costs time
    _Engine(job, matcher, guard, emit).run(extra_modules)


class _Engine:
    def __init__(self, job: Job, matcher: Matcher, guard: Guard, emit: Emit) -> None:
        self.job, self.matcher, self.guard, self.emit = job, matcher, guard, emit
        copies = Copies(Path(job.workspace), Path(job.disk), lambda: emit(CopiedToDisk()))
        self.files = BackupFiles(Path(job.path), job.keys, copies)
        self.reading = Reading(self.files)
        self.needed: set[str] = set()  # modules whose results another one asks for

    def run(self, extra_modules: Sequence[type[Any]]) -> None:
        command = self._command(extra_modules)
        ordered = command._ordered_modules() or []
        all_modules = [module.__name__ for module in command._available_modules()]
        names = [module.__name__ for module in ordered]
        self.needed = {dependency.__name__ for module in ordered for dependency in module.dependencies}
        off = [name for name in all_modules if name not in names]
        self.emit(Planned((*names, *off), MVT_VERSION))
        mvt.common.command.run_module = self.run_module
        with self._seams(), plist_failures_noted(self.reading):
            command.run()
        for name in off:
            if name not in self.job.done:
                self.emit(ModuleCoverage(name, CoverageState.NOT_RUN, reason=Reason.DISABLED))
        self.emit(Finished())

    def _command(self, extra_modules: Sequence[type[Any]]) -> Any:
        return _COMMANDS[self.job.kind](
            target_path=str(self.files.root),
            results_path=None,  # writes nothing
            iocs=_MatcherIndicators(self.matcher, self.reading),
            disable_version_check=True,
            disable_indicator_check=True,
            custom_modules=list(extra_modules),
        )

    # --- One module --------------------------------------------------------------------------------------------

    def run_module(self, module: MVTModule) -> None:
        """Take the place of MVT's `run_module`."""
        name = type(module).__name__
        if name in self.job.done:
            self._run_again(module, name)
            return
        self.emit(Started(name))
        self.reading.begin(uses_embedded_plists=name != "Manifest")
        self.matcher.shortened_links = self.guard.network_attempts = 0
        module.alertstore = _StreamingAlerts(name, self.emit)
        coverage = self._ledger_line(module, name)
        self.files.forget()
        if name not in self.needed:
            module.results = []  # MVT keeps them all until the end: 5.8 GB on a full phone
        self.emit(coverage)
        if coverage.reason is Reason.OUT_OF_MEMORY:
            raise SystemExit(OUT_OF_MEMORY_EXIT)  # what is left of this process cannot be relied on

    def _run_again(self, module: MVTModule, name: str) -> None:
        """Give a later module the results of one that ran in a worker that is gone; say nothing of it."""
        if name in self.needed and name not in self.job.failed:
            try:
                module.run()
            except Exception:  # noqa: BLE001 (its ledger line is written already)
                module.results = []
            self.files.forget()

    def _ledger_line(self, module: MVTModule, name: str) -> ModuleCoverage:
        records: int | None = None
        state, reason, detail = CoverageState.CHECKED, None, ""
        try:
            module.run()
            _AFTER_RUN.get(name, _nothing)(module)
            records = _count(module.results)
            if _matches_nothing(module):
                state = CoverageState.EXTRACTED_ONLY
            else:
                module.check_indicators()
        except MemoryError:
            state, reason = CoverageState.FAILED, Reason.OUT_OF_MEMORY
        except Exception as error:  # noqa: BLE001 (whatever a module raises is a line of the ledger)
            state, reason, detail = _classify(error)
        if self.guard.network_attempts:
            state, reason, detail = CoverageState.FAILED, Reason.NETWORK_REFUSED, ""
        self.reading.settle()
        if state in {CoverageState.CHECKED, CoverageState.EXTRACTED_ONLY, CoverageState.NO_DATA}:
            state, reason, detail = self._as_read(name, state, records)
        if state in {CoverageState.NO_DATA, CoverageState.NOT_RUN}:
            records = None
        return ModuleCoverage(name, state, records, reason, detail, self.matcher.shortened_links)

    def _as_read(
        self, name: str, state: CoverageState, records: int | None
    ) -> tuple[CoverageState, Reason | None, str]:
        """Correct what a module says of itself by what was seen of its reading."""
        reading = self.reading
        if name == "Manifest" and self.files.is_unfinished():
            reading.note(Reason.PARTLY_READ)
            reading.settle()
        if name in _ALWAYS_THERE:
            if state is CoverageState.NO_DATA:
                lost = self.files.problem if name == "Manifest" else None
                return CoverageState.UNREADABLE, lost or Reason.ARTEFACT_MISSING, ""
            # Info.plist may be there without the list of apps that Applications reads from it.
            reading.found += 1 if records else 0
        if reading.problems:
            if reading.readable:
                return CoverageState.UNREADABLE, Reason.PARTLY_READ, reading.proportion()
            return CoverageState.UNREADABLE, reading.problems[0], ""
        if not reading.found:
            if name in _IN_EVERY_BACKUP:
                return CoverageState.UNREADABLE, Reason.ARTEFACT_MISSING, ""
            return CoverageState.NO_DATA, Reason.NOT_IN_SOURCE, ""
        return state, None, ""

    # --- The seams ---------------------------------------------------------------------------------------------

    def _seams(self) -> ExitStack:
        reading, stored = self.reading, SimpleNamespace(target_path=str(self.files.backup), log=logging.getLogger())
        original_query = IOSExtraction._get_backup_files_from_manifest
        original_inventory = IOSExtraction._get_stored_backup_file_ids
        original_observations = WebkitResourceLoadStatistics._process_observations_db

        def get_backup_file_from_id(module: Any, file_id: str) -> str | None:  # noqa: ARG001
            found = reading.file(file_id)
            return str(found) if found else None

        def get_backup_files_from_manifest(
            module: Any, relative_path: str | None = None, domain: str | None = None
        ) -> Iterator[dict[str, Any]]:
            with reading.looking_up():
                return iter(list(original_query(module, relative_path, domain)))

        def get_stored_backup_file_ids(module: Any) -> set[str] | None:  # noqa: ARG001
            ids: set[str] | None = original_inventory(stored)
            return ids

        def open_sqlite_db(module: Any, file_path: str) -> sqlite3.Connection:
            path = module._recovered_sqlite_paths.get(file_path, file_path)
            return reading.connect(Path(path))

        def process_observations_db(module: Any, **options: Any) -> None:
            # MVT 2026.10.26 swallows whatever this raises and goes on as if there were no observations.
            try:
                original_observations(module, **options)
            except Exception:
                reading.note(Reason.DAMAGED)
                raise

        stack = ExitStack()
        stack.enter_context(_Patched(WebkitResourceLoadStatistics, _process_observations_db=process_observations_db))
        seams = _Patched(
            IOSExtraction,
            _get_backup_file_from_id=get_backup_file_from_id,
            _get_backup_files_from_manifest=get_backup_files_from_manifest,
            _get_stored_backup_file_ids=get_stored_backup_file_ids,
            _open_sqlite_db=open_sqlite_db,
        )
        stack.enter_context(seams)
        return stack


class _Patched:
    """Replaces attributes of a class for the length of a block."""

    def __init__(self, owner: type[Any], **replacements: Any) -> None:
        self._owner, self._new = owner, replacements
        self._old = {name: getattr(owner, name) for name in replacements}

    def __enter__(self) -> None:
        for name, value in self._new.items():
            setattr(self._owner, name, value)

    def __exit__(self, *exc: object) -> None:
        for name, value in self._old.items():
            setattr(self._owner, name, value)


def _classify(error: Exception) -> tuple[CoverageState, Reason, str]:
    """Say what an exception of a module means for its coverage."""
    unreadable, kind = CoverageState.UNREADABLE, type(error).__name__
    match error:
        case DatabaseNotFoundError():
            return CoverageState.NO_DATA, Reason.NOT_IN_SOURCE, ""
        case InsufficientPrivileges() | PermissionError():
            return unreadable, Reason.PERMISSION_DENIED, ""
        case sqlite3.OperationalError() if re.match("no such (table|column)", str(error)):
            return unreadable, Reason.UNKNOWN_LAYOUT, ""
        case DatabaseCorruptedError() | EncryptedBackupError() | sqlite3.DatabaseError() | ExpatError():
            return unreadable, Reason.DAMAGED, ""
        case ValueError() if kind in {"InvalidFileException", "UnicodeDecodeError", "NotImplementedError"}:
            return unreadable, Reason.DAMAGED, ""
        case OSError():
            return unreadable, Reason.EXCEPTION, kind
        case _:
            return CoverageState.FAILED, Reason.EXCEPTION, kind if kind.isidentifier() else ""


def _matches_nothing(module: MVTModule) -> bool:
    return type(module).check_indicators is MVTModule.check_indicators


def _count(results: Any) -> int:
    """Count records: MVT keeps a list, or a dictionary of lists by file, or one dictionary."""
    if isinstance(results, dict):
        return sum(len(value) if isinstance(value, list) else 1 for value in results.values())
    return len(results)


def _nothing(module: MVTModule) -> None:
    pass


_URL_IN_RICH_TEXT = re.compile(r"https?://[^\s\x00-\x1f\ufffd\"<>]+", re.IGNORECASE)


def _links_of_rich_text(module: MVTModule) -> None:
    """Add the links in the rich bodies of messages.

    MVT 2026.10.26 looks for links in `message.text` alone. Since iOS 16 many messages leave it empty and keep their
    text in `attributedBody`, an archived NSAttributedString ("typedstream") whose string is plain UTF-8 between
    length bytes: links in it are never seen by MVT.
    """
    for message in module.results:
        if body := message.get("attributedBody"):
            text = b64decode(body).decode("utf-8", errors="replace")
            message["links"] = list(dict.fromkeys([*message.get("links", ()), *_URL_IN_RICH_TEXT.findall(text)]))


_AFTER_RUN: dict[str, Callable[[MVTModule], None]] = {"SMS": _links_of_rich_text}


# --- Alerts and indicators --------------------------------------------------------------------------------------


class _StreamingAlerts(AlertStore):
    """Sends each alert on as it is raised."""

    def __init__(self, module: str, emit: Emit) -> None:
        super().__init__(log=None)
        self._module, self._emit = module, emit

    def _get_calling_module(self) -> str:
        return self._module  # MVT walks the whole stack to find it out

    def add(self, alert: Alert) -> None:
        indicator = alert.matched_indicator
        event, message = bounded(alert.event, alert.message)
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

    def __init__(self, matcher: Matcher, reading: Reading) -> None:
        super().__init__()
        self._matcher, self._reading = matcher, reading
        self.total_ioc_count = 1  # MVT gives modules no indicators when this is 0

    def _look_up(self, find: Callable[[object], Match | None], value: Any) -> IndicatorMatch | None:
        return _as_mvt(find(self._spelt(value)))

    def _spelt(self, value: Any) -> str | None:
        if isinstance(value, str):
            return value.rstrip("\x00")
        if isinstance(value, bytes):
            return value.decode("utf-8", errors="replace").rstrip("\x00")
        if value is not None:
            self._reading.note(Reason.DAMAGED)
        return None

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
