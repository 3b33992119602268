"""The report's folder: all of it, or nothing.

Everything is rendered in memory, looked at (the redaction tripwire), written into a private folder beside the
target, and then renamed into place, which the file system does in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.evidence import EVIDENCE_FILE
from spytriage.i18n import _
from spytriage.models import Report
from spytriage.report.html import to_html
from spytriage.report.stix import to_stix
from spytriage.report.wire import SCHEMA_VERSION, consent, to_json, tool


def write_report(
    report: Report,
    objects: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    inspect: Callable[[Mapping[str, bytes]], None] | None = None,
    seal: Callable[[bytes], bytes] | None = None,
) -> tuple[Path, ...]:
    """Write report.json, report.html, report.stix2, manifest.json and, when asked to, evidence.age.

    Args:
        report: what to write.
        objects: the published STIX objects by their id (`IndicatorIndex.objects`).
        folder: where to; must not exist, or be an empty folder. It gets mode 700 and its files 600.
        inspect: called with every file's bytes by name before anything is written; it stops the report by raising.
        seal: makes evidence.age of report.json's bytes.

    Returns:
        The files, the manifest last.

    Raises:
        SpytriageError: the folder is in use or cannot be written. Nothing is left behind then, nor when
            `inspect` raises.
    """
    folder = require_unused(folder)
    outputs = render(report, objects, seal)
    if inspect:
        inspect(outputs)
    try:
        _put_in_place(outputs, folder)
    except OSError as error:
        raise _unwritable(folder) from error
    return tuple(folder / name for name in outputs)


def render(
    report: Report, objects: Mapping[str, Mapping[str, Any]], seal: Callable[[bytes], bytes] | None = None
) -> dict[str, bytes]:
    """Return every file of a report by name, the manifest last; see `write_report`."""
    outputs = {
        "report.json": to_json(report),
        "report.html": to_html(report),
        "report.stix2": to_stix(report, objects),
    }
    if seal:
        outputs[EVIDENCE_FILE] = seal(outputs["report.json"])
    outputs["manifest.json"] = _manifest(report, outputs)
    return outputs


def require_unused(folder: Path) -> Path:
    """Return the real path of a folder that a report can be written to; call it before a long check.

    Raises:
        SpytriageError: the folder holds something, is no folder, is the current one, or its parent cannot be
            written to.
    """
    try:
        folder = folder.resolve()
        if os.path.lexists(folder) and (any(folder.iterdir()) or folder == Path.cwd()):
            raise SpytriageError(
                _("The output folder is already in use."),
                path=folder,
                hint=_("Give --output the name of a new folder. Nothing was written or replaced."),
            )
    except NotADirectoryError as error:
        raise SpytriageError(
            _("The output is a file, not a folder."),
            path=folder,
            hint=_("Give --output the name of a new folder."),
        ) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise _unwritable(folder) from error
    if not os.access(folder.parent, os.W_OK | os.X_OK):
        raise _unwritable(folder)
    return folder


def _unwritable(folder: Path) -> SpytriageError:
    return SpytriageError(
        _("The report could not be written."),
        path=folder,
        hint=_(
            "Give --output a new folder inside a folder that exists, that you may write to and that has space left."
        ),
    )


def _manifest(report: Report, outputs: Mapping[str, bytes]) -> bytes:
    """Return what lets a reviewer see that nothing changed: canonical JSON (RFC 8785) without machine, user or path.

    Its keys and strings are ASCII and its numbers whole, for which sorted keys and no spaces are the canonical form.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome.value,
        "demo": report.demo,
        "tool": tool(report.tool),
        "files": [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in sorted(outputs.items())
        ],
        "indicator_sets": sorted({loaded.sha256 for loaded in report.sets}),
        "consent": {name: value for name, value in consent(report.consent).items() if isinstance(value, bool)},
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _put_in_place(outputs: Mapping[str, bytes], folder: Path) -> None:
    # mkdtemp gives mode 700; beside the target, because a rename cannot cross file systems.
    private = Path(tempfile.mkdtemp(prefix=".spytriage-", dir=folder.parent))
    try:
        for name, data in outputs.items():
            _write(private / name, data)
        _sync_folder(private)
        private.replace(folder)
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        raise
    with contextlib.suppress(OSError):  # the report is complete; some file systems cannot sync a folder
        _sync_folder(folder.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
