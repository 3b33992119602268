"""The report's folder: all of it, or nothing.

Everything is rendered in memory, looked at (the redaction tripwire), written into a private folder beside the
target, and then renamed into place, which the file system does in one step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from spytriage import custody
from spytriage.atomic import put_folder_in_place
from spytriage.errors import SpytriageError
from spytriage.handoff import CUSTODY, MANIFEST, SIGNATURE, listed, signed_comment
from spytriage.i18n import _
from spytriage.jsontext import canonical
from spytriage.models import Report
from spytriage.report.html import to_html
from spytriage.report.read import from_json
from spytriage.report.stix import published_objects, to_stix
from spytriage.report.wire import SCHEMA_VERSION, consent, to_json, tool
from spytriage.signing import Signer


def write_report(
    report: Report,
    objects: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    inspect: Callable[[Mapping[str, bytes]], None] | None = None,
    seal: Callable[[bytes], Mapping[str, bytes]] | None = None,
    signer: Signer | None = None,
) -> tuple[Path, ...]:
    """Write every file of a hand-off (`spytriage.handoff.KNOWN`); evidence and signature only when asked to.

    Args:
        report: what to write.
        objects: the published STIX objects by their id (`IndicatorIndex.objects`).
        folder: where to; must not exist, or be an empty folder. It gets mode 700 and its files 600.
        inspect: called with every file's bytes by name before anything is written; it stops the report by raising.
        seal: makes the sealed files, by name, of report.json's bytes.
        signer: signs the manifest.

    Returns:
        The files, report.json first, the manifest and its signature last.

    Raises:
        SpytriageError: the folder is in use or cannot be written. Nothing is left behind then, nor when
            `inspect` raises.
    """
    folder = require_unused(folder)
    outputs = render(report, objects, seal, signer)
    if inspect:
        inspect(outputs)
    try:
        put_folder_in_place(outputs, folder)
    except OSError as error:
        raise _unwritable(folder) from error
    return tuple(folder / name for name in outputs)


def render(
    report: Report,
    objects: Mapping[str, Mapping[str, Any]],
    seal: Callable[[bytes], Mapping[str, bytes]] | None = None,
    signer: Signer | None = None,
) -> dict[str, bytes]:
    """Return every file of a hand-off by name, the manifest and its signature last; see `write_report`."""
    report = replace(report, signer=signer.id if signer else None, objects=published_objects(report, objects))
    content = to_json(report)
    # The others are rendered from what report.json holds, and from nothing else: they can be made again from it.
    report = from_json(content)
    outputs = {"report.json": content, **renderings(report)}
    log = custody.append(b"", custody.Event.CHECKED, custody.Role.OPERATOR, report.tool.checked_on)
    if seal:
        outputs |= seal(content)
        log = custody.append(log, custody.Event.SEALED, custody.Role.OPERATOR, report.tool.checked_on)
    manifest = to_manifest(report, outputs, custody.bound(log))
    outputs |= {CUSTODY: log, MANIFEST: manifest}
    if signer:
        outputs[SIGNATURE] = signer.sign(manifest, signed_comment(manifest, report.tool.checked_on))
    return outputs


def renderings(report: Report) -> dict[str, bytes]:
    """Return the files of a hand-off that are made from its report.json, in the current language."""
    return {"report.html": to_html(report), "report.stix2": to_stix(report)}


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


def to_manifest(report: Report, files: Mapping[str, bytes], custody_bound: Mapping[str, Any]) -> bytes:
    """Return what lets a reviewer see that nothing changed: canonical JSON without machine, user or path.

    Args:
        report: what the files say.
        files: the files to list, by name.
        custody_bound: the lines of custody.jsonl that it covers (`custody.bound`).
    """
    return canonical({
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome.value,
        "demo": report.demo,
        "tool": tool(report.tool),
        "files": listed(files),
        "custody": dict(custody_bound),
        "indicator_sets": sorted({loaded.sha256 for loaded in report.sets}),
        "consent": {name: value for name, value in consent(report.consent).items() if isinstance(value, bool)},
        "signer": report.signer,
    })  # fmt: skip
