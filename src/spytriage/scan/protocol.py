"""What the parent and the worker say to each other: one JSON object a line, typed, bounded; never pickle.

A worker gets its job, tells what there is to run, and is then handed one module after another. It reads hostile
evidence, so the parent believes nothing that it says: each message is parsed here into a
frozen type, and a message that does not parse ends the worker. An alert names its indicators by their place in the
job, so a worker cannot make one up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spytriage.finding_kinds import Level
from spytriage.models import (
    Attribution,
    BackupKeys,
    CoverageState,
    Indicator,
    IndicatorType,
    LookUp,
    Match,
    MatchRule,
    ModuleCoverage,
    Observable,
    RawAlert,
    Reason,
)
from spytriage.scan.refusals import Refusal

MAX_LINE_BYTES = 8 * 1024 * 1024
"""The longest message of a worker. A record of the phone is cut down to fit before it is sent."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is to do."""

    kind: str  # of source: "ios-backup"
    path: str  # absolute path of the acquisition
    workspace: str  # private folder, in memory-backed storage where there is any
    disk: str  # private folder for what does not fit there; may be the same. A worker writes nowhere else
    memory_bytes: int  # limit of the worker's memory
    indicators: tuple[Indicator, ...]
    keys: BackupKeys | None = None  # of an encrypted iOS backup
    root: str = ""  # where in an archive the acquisition begins: "" or "a/b/"
    password: str = field(default="", repr=False)  # of an encrypted Android backup
    keep: bool = False  # whether to tell what was looked up
    seconds: float = 1800.0  # of processor time for one module, and for starting
    file_bytes: int = 16 << 30  # of the largest file that the worker writes
    open_files: int = 512  # at the same time

    def to_line(self) -> bytes:
        """Return the job as one line."""
        return _line(
            {
                "kind": self.kind,
                "path": self.path,
                "workspace": self.workspace,
                "disk": self.disk,
                "memory_bytes": self.memory_bytes,
                "indicators": [
                    [i.type, i.value, [[a.set, a.family, a.sha256, a.object_id] for a in i.attributions]]
                    for i in self.indicators
                ],
                "root": self.root,
                "password": self.password,
                "keep": self.keep,
                "limits": [self.seconds, self.file_bytes, self.open_files],
                "keys": self.keys and _keys_to_json(self.keys),
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """Read a job; the parent wrote it, so it is trusted."""
        data = json.loads(line)
        indicators = tuple(
            Indicator(IndicatorType(kind), value, tuple(Attribution(*a) for a in attributions))
            for kind, value, attributions in data["indicators"]
        )
        return cls(
            data["kind"],
            data["path"],
            data["workspace"],
            data["disk"],
            data["memory_bytes"],
            indicators,
            data["keys"] and _keys_from_json(data["keys"]),
            data["root"],
            data["password"],
            data["keep"],
            *data["limits"],
        )


def _keys_to_json(keys: BackupKeys) -> dict[str, Any]:
    classes = [[number, key.hex()] for number, key in keys.classes.items()]
    return {"classes": classes, "manifest": keys.manifest and keys.manifest.hex()}


def _keys_from_json(data: dict[str, Any]) -> BackupKeys:
    manifest = data["manifest"]
    return BackupKeys(
        {number: bytes.fromhex(key) for number, key in data["classes"]}, manifest and bytes.fromhex(manifest)
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What a worker is to run next. It goes to a worker, each after the end of the one before."""

    module: str
    broken: tuple[str, ...] = ()  # modules that took a worker down or broke: not to be run again for another's sake

    def to_line(self) -> bytes:
        """Return the request as one line."""
        return _line({"module": self.module, "broken": self.broken})

    @classmethod
    def from_line(cls, line: bytes) -> Run:
        """Read a request; the parent wrote it, so it is trusted."""
        data = json.loads(line)
        return cls(data["module"], tuple(data["broken"]))


@dataclass(frozen=True, slots=True)
class Planned:
    """What there is to run: a worker says so when it is ready."""

    chains: tuple[tuple[str, ...], ...]  # modules that need each other's results, in the order to run them
    not_run: Mapping[str, Reason]  # modules that MVT has and does not run
    modules: tuple[str, ...]  # all of both, in MVT's order
    engine_version: str


@dataclass(frozen=True, slots=True)
class Started:
    """A module begins."""

    module: str


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """How many rows the current module has read."""

    module: str
    rows: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Some of what the running module looked up, and how much more there was than is kept."""

    module: str
    observables: tuple[Observable, ...] = field(repr=False)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class CopiedToDisk:
    """A copy in clear is about to be written to disk: memory-backed storage has no room for it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The acquisition cannot be unpacked, so nothing can be checked."""

    why: Refusal


Message = Planned | Started | ReadSoFar | CopiedToDisk | RawAlert | Observed | ModuleCoverage | Refused


class BadMessageError(Exception):
    """The worker said something that no worker of ours says."""


def encode(message: Message, places: Mapping[tuple[str, str], int]) -> bytes:
    """Return a message as one line; `places` gives each indicator's place in the job by its key."""
    match message:
        case Planned(chains, not_run, modules, version):
            return _line(
                {"m": "planned", "chains": chains, "not_run": dict(not_run), "modules": modules, "version": version}
            )
        case Started(module):
            return _line({"m": "started", "module": module})
        case ReadSoFar(module, rows):
            return _line({"m": "read", "module": module, "rows": rows})
        case ModuleCoverage():
            return _line(
                {
                    "m": "ended",
                    "module": message.name,
                    "state": message.state,
                    "records": message.records,
                    "reason": message.reason,
                    "detail": message.detail,
                    "shortened": message.shortened_links,
                }
            )
        case RawAlert():
            found = message.match and {
                "indicators": [places[indicator.key] for indicator in message.match.indicators],
                "rule": message.match.rule,
            }
            return _line(
                {
                    "m": "alert",
                    "module": message.module,
                    "level": message.level,
                    "message": message.message,
                    "time": message.event_time,
                    "event": message.event,
                    "match": found,
                }
            )
        case Observed(module, observables, left_out):
            seen = [[o.look_up, o.value, o.day and o.day.isoformat(), o.count, o.sent] for o in observables]
            return _line({"m": "observed", "module": module, "rows": seen, "left_out": left_out})
        case CopiedToDisk():
            return _line({"m": "copied-to-disk"})
        case Refused(why):
            return _line({"m": "refused", "why": why})


def decode(line: bytes, indicators: Sequence[Indicator]) -> Message:
    """Parse a worker's line.

    Raises:
        BadMessageError: it is not one of the messages above.
    """
    try:
        return _decode(json.loads(line), indicators)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise BadMessageError(type(error).__name__) from error


def _decode(data: dict[str, Any], indicators: Sequence[Indicator]) -> Message:
    match data["m"]:
        case "planned":
            return _planned(data)
        case "started":
            return Started(_text(data["module"]))
        case "read":
            return ReadSoFar(_text(data["module"]), _count(data["rows"]))
        case "ended":
            return ModuleCoverage(
                name=_text(data["module"]),
                state=CoverageState(data["state"]),
                records=None if data["records"] is None else _count(data["records"]),
                reason=None if data["reason"] is None else Reason(data["reason"]),
                detail=_text(data["detail"]),
                shortened_links=_count(data["shortened"]),
            )
        case "alert":
            return RawAlert(
                module=_text(data["module"]),
                level=Level(data["level"]),
                message=_text(data["message"]),
                event_time=_text(data["time"]),
                event=dict(data["event"]),
                match=_match(data["match"], indicators),
            )
        case "observed":
            module = _text(data["module"])
            rows = tuple(_observable(module, *row) for row in data["rows"])
            return Observed(module, rows, _count(data["left_out"]))
        case "copied-to-disk":
            return CopiedToDisk()
        case "refused":
            return Refused(Refusal(data["why"]))
        case _:
            raise ValueError("unknown message")


def _planned(data: dict[str, Any]) -> Planned:
    if not re.fullmatch(r"[\w.+-]{1,40}", data["version"], re.ASCII):
        raise ValueError("not a version")
    planned = Planned(
        chains=tuple(tuple(_text(name) for name in chain) for chain in data["chains"]),
        not_run={_text(name): Reason(reason) for name, reason in data["not_run"].items()},
        modules=tuple(_text(name) for name in data["modules"]),
        engine_version=_text(data["version"]),
    )
    named = [*planned.not_run, *(name for chain in planned.chains for name in chain)]
    if sorted(named) != sorted(set(planned.modules)):
        raise ValueError("every module is run or not run, once")
    return planned


def _match(data: dict[str, Any] | None, indicators: Sequence[Indicator]) -> Match | None:
    if data is None:
        return None
    places = data["indicators"]
    if not places or not all(isinstance(place, int) and 0 <= place < len(indicators) for place in places):
        raise ValueError("an alert names indicators of the job")
    return Match(tuple(indicators[place] for place in places), MatchRule(data["rule"]))


def _observable(module: str, look_up: object, value: object, day: object, count: object, sent: object) -> Observable:
    if not isinstance(sent, bool):
        raise TypeError("expected yes or no")
    first = None if day is None else date.fromisoformat(_text(day))
    return Observable(LookUp(_text(look_up)), _text(value), module, first, _count(count), sent)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("expected a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _line(data: dict[str, Any]) -> bytes:
    # ASCII only: a lone surrogate from the phone stays an escape and cannot break the pipe.
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
