"""The seams in what MVT has for Android: the part of `mvt_engine` that a check of an iPhone does without.

The engine imports MVT's classes and hands them in by their names, as `mvt`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from spytriage.models import Reason
from spytriage.scan.file_notes import FileNotes, json_failures_noted
from spytriage.scan.layouts import ENTRY_POINTS, Laid
from spytriage.scan.patching import Patched

_EVENTS = {"dns_event", "connect_event", "security_event"}
_SAYS = {"dns_event": "hostname", "connect_event": "ip_address"}
"""What an event is about: without it, MVT has nothing to compare."""


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_event(value: Any) -> bool:
    if not isinstance(value, dict) or not value.keys() <= _EVENTS:
        return False
    return all(isinstance(v, dict) and _says_what(kind, v) for kind, v in value.items())


def _says_what(kind: str, event: dict[str, Any]) -> bool:
    return kind not in _SAYS or isinstance(event.get(_SAYS[kind]), str)


def _names_packages(value: Any) -> bool:
    """MVT takes a package without a name for one whose name was not published."""
    return isinstance(value, list) and all(
        isinstance(package, dict) and isinstance(package.get("name"), str) and package["name"] for package in value
    )


_JSON_LISTS = {"RootBinaries": _is_list_of_text, "Mounts": _is_list_of_text, "AQFPackages": _names_packages}


def seams(mvt: Any, notes: FileNotes, current: Callable[[], str]) -> Sequence[AbstractContextManager[Any]]:
    """Return what is in place while MVT reads a folder.

    Args:
        mvt: MVT's classes for Android, by their names.
        notes: takes down what is read.
        current: names the module that runs.
    """
    return (
        _file_seams(mvt, notes, mvt.AndroidQFModule, "parent_path"),
        _file_seams(mvt, notes, mvt.BugReportModule, "extract_path"),
        _file_seams(mvt, notes, mvt.BackupModule, "backup_path"),
        _helper_seam(mvt, notes),
        _section_seam(notes, mvt.AndroidArtifact, "extract_dumpsys_section"),
        _section_seam(notes, mvt.BugReportModule, "extract_command_section"),
        _tombstone_seam(mvt, notes, "parse_text_record"),
        _tombstone_seam(mvt, notes, "parse_protobuf_record"),
        _intrusion_logs_seam(mvt, notes),
        *(_event_seam(notes, module) for module in mvt.INTRUSION_LOGS_MODULES),
        _last_line_seam(notes, mvt.Processes, lambda first, last: len(last.split()) >= len(first.split())),
        _last_line_seam(notes, mvt.GetProp, lambda _first, last: last.rstrip().endswith("]")),
        _last_line_seam(
            notes, mvt.Mounts, lambda _first, last: re.search(r" - \S+ \S+ \S+\s*$", last), "parse_mountinfo"
        ),
        json_failures_noted(notes, _JSON_LISTS, current),
    )


def _ends_as_a_mount(_first: str, last: str) -> object:
    return re.search(r" - \S+ \S+ \S+\s*$", last)


def _file_seams(mvt: Any, notes: FileNotes, base: type[Any], folder: str) -> Patched:
    by_pattern = base._get_files_by_pattern

    def get_files_by_pattern(module: Any, pattern: str) -> Sequence[str]:
        found = by_pattern(module, pattern)
        if not found and base is mvt.BugReportModule and pattern == ENTRY_POINTS[-1]:
            found = _dumps(module.extract_files, Path(module.extract_path))
        return notes.matched(pattern, found)

    def get_file_content(module: Any, file_path: str) -> bytes:
        path = notes.readable_file(Path(getattr(module, folder), file_path))
        return path.read_bytes() if base is mvt.BackupModule else notes.as_text(path)

    return Patched(base, _get_files_by_pattern=get_files_by_pattern, _get_file_content=get_file_content)


def _dumps(names: Sequence[str], folder: Path) -> Sequence[str]:
    """Give the texts that begin as a dump: without an entry point, MVT 2026.10.26 reads none of them."""
    texts = sorted(name for name in names if name.endswith(".txt") and "/" not in name and (folder / name).is_file())
    return [name for name in texts if _begins_as_a_dump(folder / name)]


def _begins_as_a_dump(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"== dumpstate:" in file.read(4096)
    except OSError:
        return False


def _helper_seam(mvt: Any, notes: FileNotes) -> Patched:
    """The phone's time zone is no artefact of the modules that ask for it."""
    original = mvt.AndroidQFModule._get_device_timezone

    def get_device_timezone(module: Any) -> Any:
        with notes.helping():
            return original(module)

    return Patched(mvt.AndroidQFModule, _get_device_timezone=get_device_timezone)


def _section_seam(notes: FileNotes, owner: type[Any], name: str) -> Patched:
    """A dump may lack the part that a module reads: MVT takes that for a part without entries."""
    original = getattr(owner, name)

    def extract(*args: Any, **options: Any) -> Any:
        text = original(*args, **options)
        texts = (str(part, "utf-8", "replace") if isinstance(part, bytes) else part for part in (text, *args))
        notes.section(*texts, is_binary=isinstance(text, bytes))
        return text

    return Patched(owner, **{name: staticmethod(extract)})


def _tombstone_seam(mvt: Any, notes: FileNotes, name: str) -> Patched:
    """MVT keeps what went wrong with a crash record in the record, or nowhere."""
    original = getattr(mvt.TombstoneCrashArtifact, name)

    def parse(*args: Any) -> Any:
        try:
            return original(*args)
        except Exception:
            notes.note(Reason.DAMAGED)
            raise

    return Patched(mvt.TombstoneCrashArtifact, **{name: parse})


def _intrusion_logs_seam(mvt: Any, notes: FileNotes) -> Patched:
    """MVT reads these logs once for all modules, and passes over lines that do not parse."""
    load = mvt.IntrusionLogsModule.load_all_events

    def collect_txt(module: Any, source: str) -> None:
        if module.il_events_by_type is None:
            paths = sorted(Path(source).rglob("*.txt"))
            module.il_files = [(path.name, notes.as_text(path).decode()) for path in paths]

    def load_all_events(module: Any, source: str) -> dict[str, list[dict[str, Any]]]:
        with json_failures_noted(notes, {"": _is_event}, str):
            events: dict[str, list[dict[str, Any]]] = load(module, source)
        notes.keep(len(module.il_files))
        return events

    return Patched(mvt.IntrusionLogsModule, collect_txt=collect_txt, load_all_events=load_all_events)


def _event_seam(notes: FileNotes, module: type[Any]) -> Patched:
    """MVT passes over an event with a value that it did not expect."""
    original = module.process_event

    def process_event(self: Any, event: dict[str, Any]) -> None:
        try:
            original(self, event)
        except Exception:
            notes.note(Reason.DAMAGED)
            raise

    return Patched(module, process_event=process_event)


def _last_line_seam(
    notes: FileNotes, artifact: type[Any], is_whole: Callable[[str, str], object], name: str = "parse"
) -> Patched:
    """MVT passes over lines that it cannot read. Where the last one is such a line, the text was cut."""
    original = inspect.getattr_static(artifact, name)

    def parse(*args: Any) -> Any:
        lines = [line for line in args[-1 if name == "parse" else 0].splitlines() if line.strip()]
        if lines and not is_whole(lines[0], lines[-1]):
            notes.note(Reason.DAMAGED)
        return original(*args)

    return Patched(artifact, **{name: staticmethod(parse) if isinstance(original, staticmethod) else parse})


def command(mvt: Any, part: str) -> type[Any]:
    """Return MVT's command for a part of an acquisition, by its name in `layouts`."""
    commands: Mapping[str, type[Any]] = {
        "androidqf": _androidqf(mvt.CmdAndroidCheckAndroidQF),
        "bugreport": mvt.CmdAndroidCheckBugreport,
        "backup": mvt.CmdAndroidCheckBackup,
        "intrusion-logs": mvt.CmdAndroidCheckIntrusionLogs,
    }
    return commands[part]


def _androidqf(base: type[Any]) -> type[Any]:
    class AndroidQF(base):
        def _get_file_content(self, file_path: str) -> bytes:
            """Read what describes the acquisition, which MVT does before its modules; a pipe would hang it."""
            folder = Path(self.target_path).absolute()
            return FileNotes(Laid(folder)).readable_file(folder.parent / file_path).read_bytes()

        def finish(self) -> None:
            """What is nested is a part of its own: MVT would read it past our seams."""

    return AndroidQF
