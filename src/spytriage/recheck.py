"""Rechecks cases with newer indicator sets: what was kept of each is opened in memory, compared, and let go.

A composer like `pipeline`: it joins what was kept (observables), indicators, findings, redaction and report. The sets
that a report names decide what is looked up at all; the keys of a case decide whether more of it is opened. One case
is one row of the summary whatever becomes of it; a process that a case takes down costs that case only.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from spytriage import __version__
from spytriage.atomic import fill_folder, filled_folder, put_folder_in_place
from spytriage.errors import SpytriageError
from spytriage.evidence import parse_identities
from spytriage.finding_kinds import Level
from spytriage.findings import grade
from spytriage.handoff import LARGEST, MANIFEST, OBSERVABLES, SEALED, SKETCH, read_handoff
from spytriage.i18n import _, current_language, using_language
from spytriage.indicators.kept import NOT_KEPT_FOR, KeptMatcher, keys_by_set, keys_of_indicator
from spytriage.jsontext import readable
from spytriage.models import (
    Addendum,
    CodeName,
    Depth,
    Indicator,
    IndicatorIndex,
    IndicatorSet,
    Kept,
    Match,
    MatchRule,
    Observable,
    Outcome,
    RawAlert,
    RedactedFinding,
    Report,
    TimePrecision,
)
from spytriage.observables import (
    DamagedError,
    NotOpenedError,
    OtherVersionError,
    fingerprint,
    open_observables,
    open_sketch,
)
from spytriage.redaction import CaseKey, load_policy, redact
from spytriage.report import from_json, require_unused
from spytriage.report.addendum import render_addendum, sign_addendum
from spytriage.report.wire import SCHEMA_VERSION
from spytriage.review import outcome_of_addendum
from spytriage.scan import forbid_core_dumps, forbid_network
from spytriage.signing import SIGNATURE_SUFFIX, Signer

SUMMARY = "summary.json"
_BATCH = 16
"""Cases that a process is given at a time: few enough to lose, many enough to keep it busy."""


class Status(StrEnum):
    """What became of a case."""

    NEW = "new"  # newer indicators match: somebody is to be called back
    SIMILAR = "similar"  # nothing new but what meets newer indicators by a loose rule, which is no match
    WITHDRAWN = "withdrawn"  # nothing new, but an indicator of a finding is no longer published
    UNCHANGED = "unchanged"
    REPORT_ONLY = "report-only"  # no observables were kept: only the report's findings were compared
    OVERDUE = "overdue"  # the consent has run out: it was not opened, and is to be deleted
    DUPLICATE = "duplicate"  # another case of this name came before it
    NOT_A_CASE = "not-a-case"
    OTHER_VERSION = "other-version"  # another version of spytriage wrote it
    WRONG_IDENTITY = "wrong-identity"  # sealed for somebody else, or changed
    DAMAGED = "damaged"
    NOT_WRITTEN = "not-written"  # the addendum could not be written: a full disk
    CRASHED = "crashed"  # it ended the process that looked at it

    @property
    def is_done(self) -> bool:
        """Return whether the case was compared with the newer sets as far as it allows."""
        return self in {Status.NEW, Status.SIMILAR, Status.WITHDRAWN, Status.UNCHANGED}


@dataclass(frozen=True, slots=True)
class Row:
    """A case in the summary."""

    case: str  # the name of its folder or zip
    status: Status
    new: int = 0
    still_there: int = 0
    withdrawn: int = 0
    left_out: int = 0  # values that exceeded what is kept
    depth: Depth | None = None
    outcome: Outcome | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as it stands in summary.json."""
        return {
            "case": self.case,
            "status": self.status.value,
            "outcome": self.outcome and self.outcome.value,
            "new": self.new,
            "still_there": self.still_there,
            "withdrawn": self.withdrawn,
            "left_out": self.left_out,
            "depth": self.depth and self.depth.value,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """What to recheck cases with.

    Attributes:
        index: the newer sets.
        known: what earlier sets look for, as far as their files are here (`keys_by_set`): indicators that a check
            looked for are not looked up again.
        identity: the bytes of the file with the secret key.
        today: the day (UTC).
        signer_id: of the key that addenda will be signed with.
        language: of the addenda.
    """

    index: IndicatorIndex
    known: Mapping[tuple[str, int], frozenset[tuple[str, str]]]
    identity: bytes = field(repr=False)
    today: date
    signer_id: str | None = None
    language: str = "en"

    @classmethod
    def make(
        cls,
        index: IndicatorIndex,
        earlier: Iterable[IndicatorIndex],
        identity: bytes,
        today: date,
        signer: Signer | None,
    ) -> Request:
        """Make a request; `earlier` are sets that cases may have been checked with."""
        known = keys_by_set([index, *earlier])
        return cls(index, known, identity, today, signer.id if signer else None, current_language())


# --- Which cases there are ----------------------------------------------------------------------------------------


def find_cases(paths: Sequence[Path]) -> tuple[list[tuple[str, Path]], list[Row]]:
    """Return the cases at these paths by name, and a row for each path that is none and for each name that is taken.

    A path is the folder of a report, its zip, or a folder of such folders and zips, whose name comes before that of
    each case when there are several; a zip beside a folder of its name is that case's own.
    """
    cases: dict[str, Path] = {}
    rows: list[Row] = []
    for path in paths:
        found = _cases_in(path)
        # `batch` numbers the cases of each of its folders from 1.
        of_folder = f"{path.resolve().name}-" if found and len(paths) > 1 else ""
        for case in found or [path]:
            name = of_folder + (case.name.removesuffix(".zip") if case.is_file() else case.resolve().name)
            if not _is_case(case):
                rows.append(Row(name, Status.DAMAGED if found else Status.NOT_A_CASE))
            elif name in cases:
                rows.append(Row(name, Status.DUPLICATE))
            else:
                cases[name] = case
    return list(cases.items()), rows


def _is_case(path: Path) -> bool:
    return (path / "report.json").is_file() if path.is_dir() else path.suffix == ".zip" and path.is_file()


def _cases_in(path: Path) -> list[Path]:
    """Return the cases in a folder of cases; nothing when the path is no such folder."""
    if not path.is_dir() or _is_case(path):
        return []
    try:
        names = sorted(child.name for child in path.iterdir() if not child.name.startswith("."))
    except OSError:
        return []
    # Also one that lacks its report: it would be passed over in silence. Of a deleted case there is its custody alone.
    ours = ("report.json", "report.html", *SEALED)
    folders = {name for name in names if any((path / name / file).is_file() for file in ours)}
    zips = [name for name in names if name.endswith(".zip") and name.removesuffix(".zip") not in folders]
    return [path / name for name in sorted([*folders, *zips])]


# --- One case -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Delta:
    """What newer sets look for beyond what a check looked for."""

    matcher: KeptMatcher
    numbers: frozenset[int]


class _Work:
    """What a process keeps from case to case."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.identities = parse_identities(request.identity, Path("identity"))
        self.published = {indicator.key: indicator for indicator in request.index.indicators}
        self._deltas: dict[frozenset[tuple[str, int]], _Delta | None] = {}

    def delta(self, sets: Iterable[IndicatorSet]) -> _Delta | None:
        """Return what has to be looked up of a case that was checked with these sets; None when there is nothing."""
        used = frozenset((loaded.sha256, loaded.usable) for loaded in sets)
        if used not in self._deltas:
            looked_for = frozenset().union(*(self.request.known.get(one, frozenset()) for one in used))
            added = [indicator for key, indicator in self.published.items() if key not in looked_for]
            numbers = frozenset(fingerprint(key) for indicator in added for key in keys_of_indicator(indicator))
            self._deltas[used] = _Delta(KeptMatcher(added), numbers) if added else None
        return self._deltas[used]

    def recheck(self, name: str, path: Path) -> tuple[Row, dict[str, bytes]]:
        """Return the row of a case, and the files of its addendum when there is something to tell."""
        try:
            return self._recheck(name, path)
        except NotOpenedError:
            return Row(name, Status.WRONG_IDENTITY), {}
        except OtherVersionError:
            return Row(name, Status.OTHER_VERSION), {}
        except (DamagedError, SpytriageError, OSError, MemoryError):
            return Row(name, Status.DAMAGED), {}

    def _recheck(self, name: str, path: Path) -> tuple[Row, dict[str, bytes]]:
        files = _CaseFiles(path)
        try:
            return self._compare(name, files)
        except NotOpenedError:
            if files.are_as_listed():
                raise
            raise DamagedError("a sealed file is not the one that the manifest lists") from None

    def _compare(self, name: str, files: _CaseFiles) -> tuple[Row, dict[str, bytes]]:
        content = files.read("report.json")
        if content is None:
            return Row(name, Status.NOT_A_CASE), {}
        report = _report(content)
        if report.consent.keep_until and report.consent.keep_until < self.request.today:
            return Row(name, Status.OVERDUE), {}
        addendum = self._addendum(report, hashlib.sha256(content).hexdigest(), files)
        row = _row(name, addendum)
        if not (addendum.new or addendum.withdrawn):
            return row, {}
        with using_language(self.request.language):
            return row, render_addendum(addendum, self.request.signer_id)

    def _addendum(self, report: Report, digest: str, files: _CaseFiles) -> Addendum:
        still_there, withdrawn = self._compared(report.findings)
        # MVT names one match of a record: where it is withdrawn, another that was looked for may stand behind it.
        delta = self.delta(() if withdrawn else report.sets)
        depth, new, left_out = self._look_up(report, digest, files, delta)
        listed = {module.name for module in report.modules}
        addendum = Addendum(
            report=report,
            report_sha256=digest,
            outcome=Outcome.INCONCLUSIVE,  # until the next line
            new=new,
            still_there=still_there,
            withdrawn=withdrawn,
            sets=self.request.index.sets,
            depth=depth,
            not_kept_for=() if depth is Depth.SETS else (NOT_KEPT_FOR,),
            left_out=tuple((CodeName(name), count) for name, count in sorted(left_out.items()) if name in listed),
            version=__version__,
            rechecked_on=self.request.today,
        )
        return replace(addendum, outcome=outcome_of_addendum(addendum))

    def _look_up(
        self, report: Report, digest: str, files: _CaseFiles, delta: _Delta | None
    ) -> tuple[Depth, tuple[RedactedFinding, ...], Mapping[str, int]]:
        """Look for what the check did not look for, opening no more than that needs."""
        if delta is None:
            return Depth.SETS, (), {}
        if (packed := files.read(SKETCH)) is None:
            return Depth.REPORT, (), {}
        sketch = open_sketch(packed, self.identities, digest)
        if not sketch.may_hold(delta.numbers):
            return Depth.KEYS, (), sketch.left_out
        if (sealed := files.read(OBSERVABLES)) is None:
            raise DamagedError("the keys are there, and what they are the keys of is not")
        kept = open_observables(sealed, self.identities, digest)
        return Depth.OBSERVABLES, _new_findings(self._seen(kept, delta), report), kept.left_out

    def _seen(self, kept: Kept, delta: _Delta) -> Iterator[tuple[Observable, Match]]:
        """Yield what meets an indicator that the check did not look for, as a check with all of them would say it."""
        for seen in kept.observables:
            match = delta.matcher.match(seen.look_up, seen.value)
            if match and match.rule.is_loose:
                # A check tries loose rules only where no other gives a match, be it with an indicator that is not new.
                everything = self.delta(()) or delta
                whole = everything.matcher.match(seen.look_up, seen.value)
                match = match if whole and whole.rule.is_loose else None
            if match:
                yield seen, match

    def _compared(
        self, findings: Iterable[RedactedFinding]
    ) -> tuple[tuple[RedactedFinding, ...], tuple[RedactedFinding, ...]]:
        """Return the findings of a report with the indicators that are still published, and with those that are not."""
        still_there, withdrawn = [], []
        for finding in findings:
            now = tuple(self.published[i.key] for i in finding.indicators if i.key in self.published)
            gone = tuple(i for i in finding.indicators if i.key not in self.published)
            if now:
                still_there.append(replace(finding, indicators=now))
            if gone:
                withdrawn.append(replace(finding, indicators=gone))
        return tuple(still_there), tuple(withdrawn)


class _CaseFiles:
    """The files of a case, read when they are asked for: of a folder, no more than a recheck needs."""

    def __init__(self, path: Path) -> None:
        self._folder = path if path.is_dir() else None
        self._files = {} if path.is_dir() else read_handoff(path)

    def read(self, name: str) -> bytes | None:
        if self._folder is None:
            return self._files.get(name)
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as handle:
            data = handle.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise DamagedError("larger than a hand-off can be")
        return data

    def are_as_listed(self) -> bool:
        """Return whether the sealed files are those that the manifest lists, if there is one that can be read."""
        try:
            listed = {entry["name"]: entry["sha256"] for entry in json.loads(self.read(MANIFEST) or b"")["files"]}
        except (ValueError, TypeError, KeyError, RecursionError):
            return True
        sealed = {name: self.read(name) for name in (SKETCH, OBSERVABLES)}
        return all(listed.get(name) == hashlib.sha256(data).hexdigest() for name, data in sealed.items() if data)


def _report(content: bytes) -> Report:
    try:
        return from_json(content)
    except SpytriageError:
        try:
            version = json.loads(content)["schema_version"]
        except (ValueError, TypeError, KeyError, RecursionError):
            version = None
        if type(version) is int and version != SCHEMA_VERSION:
            raise OtherVersionError(str(version)[:20]) from None
        raise


def _row(name: str, addendum: Addendum) -> Row:
    status = Status.UNCHANGED
    if addendum.matches:
        status = Status.NEW
    elif addendum.new:
        status = Status.SIMILAR
    elif addendum.depth is Depth.REPORT:
        status = Status.REPORT_ONLY
    elif addendum.withdrawn:
        status = Status.WITHDRAWN
    return Row(
        name,
        status,
        new=len(addendum.new),
        still_there=len(addendum.still_there),
        withdrawn=len(addendum.withdrawn),
        left_out=sum(count for _name, count in addendum.left_out),
        depth=addendum.depth,
        outcome=addendum.outcome,
    )


def _new_findings(seen_again: Iterable[tuple[Observable, Match]], report: Report) -> tuple[RedactedFinding, ...]:
    """Return what is found that the report does not name: graded and redacted as a check does it."""
    reported = {(finding.module, indicator.key) for finding in report.findings for indicator in finding.indicators}
    found: dict[tuple[str, MatchRule, tuple[Indicator, ...], bool], tuple[date | None, int]] = {}
    for seen, match in seen_again:
        fresh = tuple(indicator for indicator in match.indicators if (seen.module, indicator.key) not in reported)
        if fresh:
            key = (seen.module, match.rule, fresh, seen.sent)
            day, count = found.get(key, (None, 0))
            days = [at for at in (day, seen.day) if at]
            found[key] = (min(days) if days else None, count + seen.count)
    alerts = [
        RawAlert(
            module=module,
            level=Level.CRITICAL,  # what MVT would have said is not known; an addendum does not show it
            message="",
            event_time=day.isoformat() if day else "",
            event={"direction": "sent"} if sent else {},
            match=Match(indicators, rule),
        )
        for (module, rule, indicators, sent), (day, _count) in found.items()
    ]
    policy = load_policy("public" if report.redaction.time is TimePrecision.WEEK else "review")
    first = max((finding.ref for finding in report.findings), default=0)
    redacted = redact(grade(alerts), policy, CaseKey.new())
    counts = {id(alert): count for alert, (_day, count) in zip(alerts, found.values(), strict=True)}
    return tuple(
        replace(
            finding,
            ref=first + finding.ref,
            count=sum(counts[id(raw.alert)] for raw in redacted.behind[finding.ref]),
        )
        for finding in redacted.findings
    )


# --- All cases ----------------------------------------------------------------------------------------------------

Done = tuple[Row, dict[str, bytes]]
_Case = tuple[str, Path]


def recheck(cases: Sequence[_Case], request: Request, output: Path, signer: Signer | None, jobs: int) -> Iterator[Row]:
    """Recheck cases and write an addendum for each that has something new or withdrawn; yield each one's row.

    Args:
        cases: names and paths (`find_cases`).
        request: what to recheck them with.
        output: an existing folder; an addendum goes into a folder of the case's name in it.
        signer: signs the addenda.
        jobs: how many processes.
    """
    for row, files in _looked_at(cases, request, jobs):
        try:
            if files:
                signed = sign_addendum(files, signer, request.today) if signer else files
                put_folder_in_place(signed, output / row.case)
        except OSError:
            yield replace(row, status=Status.NOT_WRITTEN)
        else:
            yield row


def _looked_at(cases: Sequence[_Case], request: Request, jobs: int) -> Iterator[Done]:
    if jobs == 1 or len(cases) <= _BATCH:
        work = _Work(request)
        yield from (work.recheck(name, path) for name, path in cases)
        return
    batches = iter([cases[start : start + _BATCH] for start in range(0, len(cases), _BATCH)])
    lost: list[_Case] = []
    while True:
        yield from _in_processes(batches, request, jobs, 2 * jobs, lost)
        if not lost:
            return
        # A case took its process down, and with it all others: those that were under way are looked at one by one.
        alone = iter([[case] for case in lost])
        lost = []
        while True:
            culprits: list[_Case] = []
            yield from _in_processes(alone, request, 1, 1, culprits)
            if not culprits:
                break
            yield from ((Row(name, Status.CRASHED), {}) for name, _path in culprits)


def _in_processes(
    batches: Iterator[Sequence[_Case]], request: Request, jobs: int, most: int, lost: list[_Case]
) -> Iterator[Done]:
    """Look at batches in processes, at most so many at a time.

    When a process dies, the cases that were under way are added to `lost`, and nothing new is begun.
    """
    # Started anew and not forked: a process of ours may have threads, and macOS does not fork.
    context = multiprocessing.get_context("spawn")
    pending: dict[Future[list[Done]], Sequence[_Case]] = {}
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(request,)) as pool:
        while True:
            for batch in itertools.islice(batches, 0 if lost else most - len(pending)):
                try:
                    pending[pool.submit(_recheck_batch, batch)] = batch
                except BrokenProcessPool:
                    lost += batch
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                batch = pending.pop(future)
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    lost += batch


_works: list[_Work] = []  # of this process, when it is one of the pool


def _begin(request: Request) -> None:
    """Make a process of the pool ready: it holds what was kept of phones, and is gone with its parent."""
    forbid_network()
    forbid_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _works.append(_Work(request))


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _recheck_batch(batch: Sequence[_Case]) -> list[Done]:
    return [_works[0].recheck(name, path) for name, path in batch]


def exit_code(rows: Iterable[Row]) -> int:
    """Return 3 when newer indicators match a case, else 5 when a case could not be rechecked, else 0."""
    statuses = {row.status for row in rows}
    if Status.NEW in statuses:
        return Outcome.MATCH.exit_code
    return 0 if all(status.is_done for status in statuses) else Outcome.INCONCLUSIVE.exit_code


def summary(rows: Sequence[Row], request: Request) -> dict[str, Any]:
    """Return the content of summary.json: every case in the order of the names."""
    return {
        "summary_version": 1,
        "tool": {"name": "spytriage", "version": __version__, "rechecked_on": request.today.isoformat()},
        "indicator_sets": sorted({loaded.sha256 for loaded in request.index.sets}),
        "counts": {status.value: sum(row.status is status for row in rows) for status in Status},
        "cases": [row.to_json() for row in sorted(rows, key=lambda row: (row.case, row.status))],
        "signer": request.signer_id,
    }


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Give a private folder for addenda and summary, which takes its name when the block ends well.

    A recheck that was stopped leaves nothing that passes for all cases, and nothing in the way of the next one.

    Raises:
        SpytriageError: the folder holds something already, or cannot be written.
    """
    output = require_unused(output)
    try:
        with filled_folder(output) as private:
            yield private
    except OSError as error:
        raise SpytriageError(
            _("The addenda and their summary could not be written."),
            path=output,
            hint=_("Give --output a new folder with space left. Nothing was written."),
        ) from error


def write_summary(rows: Sequence[Row], request: Request, folder: Path, signer: Signer | None) -> None:
    """Write summary.json, and its signature, into a private folder.

    Raises:
        OSError: it cannot be written.
    """
    content = readable(summary(rows, request))
    files = {SUMMARY: content}
    if signer:
        comment = f"spytriage {SUMMARY} sha256:{hashlib.sha256(content).hexdigest()} day:{request.today}"
        files[SUMMARY + SIGNATURE_SUFFIX] = signer.sign(content, comment)
    fill_folder(files, folder)
