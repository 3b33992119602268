"""Deletes a case: what its consent says must go, in every place that we know; a line of custody stays.

Deleting a file does not overwrite it, and on most disks overwriting would not help: what protects a case that was
deleted is that the disk is encrypted, and that what was sealed opens for its recipients only. What cannot be deleted
from here is told (`out_of_reach`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from spytriage import custody
from spytriage.atomic import replace_file
from spytriage.batch import strike
from spytriage.custody import Event, Role
from spytriage.errors import SpytriageError
from spytriage.handoff import CUSTODY, KNOWN, LARGEST, SEALED, read_handoff
from spytriage.i18n import _

REPORT = "report.json"
_DEEPEST = 3
"""Folders below a given one in which cases are looked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case in a place: the folder of its report, a zip of it, or both."""

    folder: Path  # where its custody stays, also when there is only a zip
    zip: Path | None  # of the same report
    keep_until: date | None  # as the person said


@dataclass(slots=True)
class Forgotten:
    """What became of a case."""

    removed: list[Path] = field(default_factory=list)
    struck: list[Path] = field(default_factory=list)  # files of its batch that do not name it any more
    left: list[Path] = field(default_factory=list)  # could not be removed, or is not ours
    noted: bool = False  # a line stands in its custody
    unwritten: bool = False  # that line cannot be written, so the report is left: whoever makes room can ask us again


def read_case(path: Path) -> Case:
    """Return the case of a folder or a zip.

    Raises:
        SpytriageError: there is no report in it that says how long it may be kept.
    """
    folder = path.with_name(path.name.removesuffix(".zip")) if path.is_file() else path
    archive = path if path.is_file() else path.resolve().with_name(path.resolve().name + ".zip")
    packed = _report_in_zip(archive) if archive.is_file() else None
    content = _read(folder / REPORT) if (folder / REPORT).is_file() else packed
    if content is None:
        raise SpytriageError(
            _("There is no report here, so nothing was deleted."),
            path=path,
            hint=_("Give the folder that `spytriage check` wrote, or the zip that `spytriage pack` made of it."),
        )
    if path.is_file() and packed != content:
        raise SpytriageError(
            _("The folder beside this zip is another case."),
            path=path,
            hint=_("Rename one of the two, so that only what you mean is deleted."),
        )
    return Case(folder, archive if packed == content else None, _keep_until(content, path))


def require_due(case: Case, today: date) -> None:
    """Make sure that the person's day has come.

    Raises:
        SpytriageError: it has not, or no day was said.
    """
    if case.keep_until is None or case.keep_until >= today:
        raise SpytriageError(
            _("This case is to be kept until {day}.").format(day=case.keep_until)
            if case.keep_until
            else _("The person has not said until when this case is to be kept."),
            path=case.folder,
            hint=_("Give --now to delete it all the same, for example because the person asks for it."),
        )


def forget(case: Case, today: date) -> Forgotten:
    """Delete a case: its name, what is sealed, then the report; its custody gets a line that says so, and stays.

    Its name goes out of the batch that checked it, which goes on knowing that this phone is done; so does the file
    beside it that says where and of whom it is (`spytriage.aggregate`). Files that no hand-off has are left where they
    are. What a full disk has no room for is written when the deleting has made some.
    """
    line = _line(case, today)
    done = Forgotten(noted=line is not None and _note(case, line))
    done.struck, named_still = strike(case.folder)
    _remove(_place_of(case.folder), done)
    names = [*SEALED, *(name for name in KNOWN if name not in {*SEALED, CUSTODY, REPORT})]
    report = case.folder / REPORT
    # Last: without it nobody could ask us again. Of a zip alone that is the zip.
    last, *first = [report, case.zip] if report.is_file() else [case.zip]
    for path in [*first, *(case.folder / name for name in names)]:
        _remove(path, done)
    done.noted = done.noted or (line is not None and _note(case, line))
    if named_still:
        struck, named_still = strike(case.folder)
        done.struck += struck
    done.left += named_still
    done.unwritten = line is not None and not done.noted
    if done.unwritten and last:
        done.left.append(last)
    else:
        _remove(last, done)
    if case.folder.is_dir():
        ours = {CUSTODY, *(path.name for path in done.left)}
        done.left += sorted(path for path in case.folder.iterdir() if path.name not in ours)
        _sync(case.folder)
    return done


def _place_of(folder: Path) -> Path | None:
    """Return the file that says where a report belongs, if there is one."""
    from spytriage.aggregate.cases import beside  # noqa: PLC0415 (start-up stays fast)

    path = folder.with_name(f"{folder.name}.yaml")
    try:
        return path if path.is_file() and beside(folder) else None
    except SpytriageError:
        return None  # a file of the user's own


def _line(case: Case, today: date) -> bytes | None:
    """Return the custody of a case with a line more, None when it is missing or broken: that is left as it is."""
    path = case.folder / CUSTODY
    try:
        log = _read(path) if path.is_file() else read_handoff(case.zip)[CUSTODY] if case.zip else b""
        return custody.extend(log, Event.DELETED, Role.OPERATOR, today)
    except (SpytriageError, KeyError):
        return None


def _note(case: Case, log: bytes) -> bool:
    """Write the custody of a case; whether that could be done."""
    try:
        case.folder.mkdir(mode=0o700, exist_ok=True)
        replace_file(case.folder / CUSTODY, log)
    except (SpytriageError, OSError):
        return False
    return True


def _remove(path: Path | None, done: Forgotten) -> None:
    if path is None or not os.path.lexists(path):
        return
    try:
        path.unlink()
    except OSError:
        done.left.append(path)
    else:
        done.removed.append(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some file systems cannot sync a folder
    finally:
        os.close(descriptor)


def out_of_reach() -> tuple[str, ...]:
    """Return what deleting a case does not reach, a sentence each."""
    return (
        _("Copies that were handed over, mailed or put on a memory stick: ask those who have them to delete theirs."),
        _("Addenda and reviews of this case in other folders, summaries of rechecks, and the consent record."),
        _("The backup or acquisition of the phone: spytriage does not note where it lies."),
        _("Backups and snapshots that this machine makes of its disk."),
        _("What a flash disk keeps of deleted files in cells that no program reaches. Only an encrypted disk helps."),
    )


# --- What is overdue ----------------------------------------------------------------------------------------------


def find_overdue(folders: list[Path], today: date) -> Iterator[tuple[Path, date | None]]:
    """Yield each case below these folders whose consent has run out, with its day; None when it cannot be read."""
    for path in (found for folder in folders for found in _cases_below(folder, _DEEPEST)):
        try:
            keep_until = read_case(path).keep_until
        except SpytriageError:
            yield path, None
        else:
            if keep_until and keep_until < today:
                yield path, keep_until


def _cases_below(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / REPORT).is_file():
        yield folder
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        yield folder  # a zip; or nobody can tell what is in it, which must not pass for nothing
        return
    for path in inside:
        if path.is_dir() and not path.is_symlink() and depth:
            yield from _cases_below(path, depth - 1)
        elif path.suffix == ".zip" and not (path.with_suffix("") / REPORT).is_file() and _report_in_zip(path):
            yield path


# --- Reading ------------------------------------------------------------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(LARGEST)
    except OSError as error:
        raise SpytriageError(
            _("This file cannot be read."), path=path, hint=_("Check that you may read it. Nothing was deleted.")
        ) from error


def _report_in_zip(path: Path) -> bytes | None:
    """Return the report in a hand-off's zip; None when it is none of ours."""
    try:
        return read_handoff(path).get(REPORT)
    except SpytriageError:
        return None


def _keep_until(content: bytes, path: Path) -> date | None:
    try:
        text: Any = json.loads(content)["consent"]["keep_until"]
        return None if text is None else date.fromisoformat(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SpytriageError(
            _("This report does not say until when it may be kept: it is damaged."),
            path=path,
            hint=_("Delete its folder and its zip by hand."),
        ) from error
