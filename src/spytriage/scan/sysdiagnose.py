"""Reads what a sysdiagnose archive of an iPhone says of processes: MVT 2026.10.26 compares nothing in one.

Three small parsers, each for files that an attacker may have written: the log of processes that delayed a shutdown,
the list of running processes, and reports of crashes and hangs. A file that cannot be read raises ValueError.
Sources: Kaspersky GReAT, A lightweight method to detect potential iOS malware, 2024 (shutdown.log); Apple,
Interpreting the JSON format of a crash report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MAX_BYTES = 64 << 20
"""Size of one log or report."""
MAX_NODES = 200_000
"""Values of one report that are looked at."""
UNREAD = frozenset({"UnifiedLogs"})
"""Parts of a sysdiagnose that nobody reads yet."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parser:
    """How one kind of file is found and read.

    Attributes:
        name: stands in the ledger.
        patterns: of the files' names, relative to the archive's own folder.
        parse: gives the records of one file's text; the file's name dates some.
    """

    name: str
    patterns: tuple[str, ...]
    parse: Callable[[str], Iterator[Record]]


def read_text(path: Path, as_text: Callable[[Path], bytes] = Path.read_bytes) -> str:
    """Return a file's text; `as_text` gives it as UTF-8.

    Raises:
        ValueError: it is too large.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("larger than any such file")
    return as_text(path).decode("utf-8", errors="replace")


_CLIENT = re.compile(r"remaining client pid: (\d{1,10}) \((.{1,1000})\)\s*$")
_SIGTERM = re.compile(r"SIGTERM: \[(\d{1,12})\]|SIGTERM:.{0,80}?@(\d{10})")


def shutdown_log(text: str) -> Iterator[Record]:
    """Give the processes that were still there when the phone was told to shut down, dated by the line after them.

    Raises:
        ValueError: at the end, when there was nothing known in it, or the last line is not whole.
    """
    waiting: list[Record] = []
    for line in text.splitlines():
        stripped = line.strip()
        if found := _CLIENT.match(stripped):
            waiting.append({"isodate": "", "pid": found[1], "path": found[2], "process": found[2].rpartition("/")[2]})
        elif found := _SIGTERM.search(stripped[:200]):
            at = _iso(int(found[1] or found[2]))
            yield from ({**record, "isodate": at} for record in waiting)
            waiting = []
    yield from waiting  # the last shutdown may not have ended
    if not is_whole_shutdown_log(text):
        raise ValueError("not a log of shutdowns, or one that was cut")


def is_whole_shutdown_log(text: str) -> bool:
    """Return whether a text has entries of a shutdown log and ends with a whole line."""
    return text.endswith("\n") and ("remaining client pid:" in text or "SIGTERM:" in text)


def process_list(text: str) -> Iterator[Record]:
    """Give the processes of `ps`.

    Raises:
        ValueError: there is no header that names a command, or, at the end, the last line is not whole.
    """
    lines = iter(text.splitlines())
    header = next((line.split() for line in lines if "COMMAND" in line.split()), None)
    if header is None or header[-1] != "COMMAND":
        raise ValueError("not a list of processes")
    for line in lines:
        fields = line.split(None, len(header) - 1)
        if len(fields) == len(header):
            program = fields[-1].split()[0]
            yield {"isodate": "", "path": program, "process": fields[-1].strip()[:1000]}
    if not text.endswith("\n"):
        raise ValueError("a list of processes that was cut")


_TEXT_FIELD = re.compile(r"^(?:Process|Command|Path|Parent(?: Process)?|Responsible):[ \t]{1,40}(.{1,1000}?)"
                         r"(?:[ \t]{1,4}\[\d{1,10}\])?[ \t]*$", re.MULTILINE)  # fmt: skip
_NAMES = {"procName", "procname", "parentProc", "responsibleProc", "coalitionName", "app_name", "name", "process"}
_PATHS = {"procPath", "path"}
_APPS = {"bundleID", "bundle_id", "CFBundleIdentifier"}


def crash_report(text: str) -> Iterator[Record]:
    """Give the names and paths of processes and of what they had loaded, from a report of a crash, hang or shortage.

    Raises:
        ValueError: it is neither a report in JSON nor one in words.
    """
    first, _, rest = text.partition("\n")
    header, body = _json(first), _json(rest)
    fields = _TEXT_FIELD.findall(rest if header else text) if body is None else []
    if not fields and (header is None or (body is None and rest.strip())):
        raise ValueError("not a report, or one that was cut")
    at = str(header.get("timestamp", "")) if isinstance(header, dict) else ""
    seen: set[tuple[str, str]] = set()
    found = [*_named(header), *_named(body), *((_kind_of(value), value) for value in fields)]
    for kind, value in found:
        if (kind, value) not in seen:
            seen.add((kind, value))
            yield {"isodate": at[:40], kind: value}


def _kind_of(value: str) -> str:
    return "path" if value.startswith("/") else "process"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _named(report: Any) -> Iterator[tuple[str, str]]:
    """Give what names a process or an app, wherever it stands in a report; without recursion, within a bound."""
    waiting, looked_at = [report], 0
    while waiting and looked_at < MAX_NODES:
        node = waiting.pop()
        looked_at += 1
        if isinstance(node, list):
            waiting.extend(reversed(node))
        elif isinstance(node, dict):
            for key, value in node.items():
                if not isinstance(value, str):
                    waiting.append(value)
                elif kind := _kind_of_key(key):
                    yield kind, value[:1000]


def _kind_of_key(key: str) -> str:
    if key in _NAMES:
        return "process"
    if key in _PATHS:
        return "path"
    return "bundle_id" if key in _APPS else ""


def _iso(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(sep=" ")
    except (ValueError, OverflowError, OSError):
        return ""


PARSERS = (
    Parser("SysdiagnoseShutdown", ("*shutdown.log", "*shutdown.[0-9]*.log"), shutdown_log),
    Parser("SysdiagnoseProcesses", ("*ps.txt", "*ps_thread.txt"), process_list),
    Parser("SysdiagnoseCrashes", ("*.ips", "*.ips.*", "*.spin", "*.hang", "*.diag", "*.crash"), crash_report),
)
PATTERNS = tuple(pattern for parser in PARSERS for pattern in parser.patterns)
