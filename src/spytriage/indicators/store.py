"""The sets that are installed on this machine: imported from files, or fetched from where the catalogue says.

    <data folder>/indicators/NAME.json       a small record: what the set is called, its SHA-256, when it came
    <data folder>/indicators/<sha256>.stix2  the bundle, by its content

The record is what installs a set; it is written last and in one step, so that a set is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from spytriage.atomic import replace_file
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.bundle import Bundle, Labels, merge, read_bundle, read_bytes
from spytriage.indicators.catalogue import entry_of
from spytriage.indicators.sets import EMBEDDED, bundle_files, labels_of, read_embedded, read_file
from spytriage.models import IndicatorIndex

OLD_AFTER_DAYS = 90
"""A set that nobody looked after for longer than this is shown with a warning."""


@dataclass(frozen=True, slots=True)
class Record:
    """An installed set, as its record says."""

    name: str
    title: str
    publisher: str
    family: str
    sha256: str
    imported_on: str  # YYYY-MM-DD, UTC
    official: bool = False  # fetched from the place that the catalogue names
    total: int = 0
    usable: int = 0

    @property
    def catalogued(self) -> bool:
        """Return whether these are the bytes that the catalogue pins."""
        return entry_of(self.sha256) is not None

    def age(self, today: date) -> int:
        """Return the days since the catalogue's pin, or since the import of a set that is not pinned."""
        entry = entry_of(self.sha256)
        since = entry.pinned_on if entry and entry.pinned_on else date.fromisoformat(self.imported_on)
        return max(0, (today - since).days)


_NOT_TEXT = {"official": bool, "total": int, "usable": int}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bundle that was read and may be installed."""

    data: bytes
    bundle: Bundle
    official: bool = False


def data_folder() -> Path:
    """Return the folder for installed data of this user, by the conventions of the platform."""
    if given := os.environ.get("SPYTRIAGE_DATA_FOLDER"):
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME", "")
    if base.startswith("/") and sys.platform != "darwin":  # the XDG specification says to ignore what is not absolute
        return Path(base) / "spytriage"
    try:
        home = Path.home()
    except RuntimeError as error:  # a user whom the system does not know
        raise SpytriageError(
            _("This user has no home folder, so there is no place for installed indicator sets."),
            hint=_("Set HOME, or SPYTRIAGE_DATA_FOLDER, to a folder of yours."),
        ) from error
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "spytriage"


def _folder() -> Path:
    return data_folder() / "indicators"


def records() -> list[Record]:
    """Return the installed sets by name.

    Raises:
        SpytriageError: a record cannot be read.
    """
    return [_read_record(path) for path in sorted(_folder().glob("*.json"))]


def _read_record(path: Path) -> Record:
    try:
        record = Record(**json.loads(path.read_bytes()))
        if any(type(value) is not _NOT_TEXT.get(name, str) for name, value in asdict(record).items()):
            raise TypeError("not what a record holds")  # noqa: TRY301 (one error for all of them)
        date.fromisoformat(record.imported_on)
    except (OSError, ValueError, TypeError) as error:
        hint = _("Delete this file and import the set again.")
        raise SpytriageError(_("The record of an installed set is damaged."), path=path, hint=hint) from error
    return record


def is_installed(name: str) -> bool:
    """Return whether a set of that name is installed (the embedded one is not: it is always there)."""
    return any(record.name == name for record in records())


def installed_sets(today: date | None = None) -> IndicatorIndex:
    """Return what all installed sets and the embedded core set look for together.

    Raises:
        SpytriageError: an installed set is missing or was changed.
    """
    return merge([*(_read_installed(record, today) for record in records()), read_embedded(today)])


def select(paths: Sequence[Path], names: Sequence[str], today: date | None = None) -> IndicatorIndex:
    """Return what a check looks for: exactly the given files and named sets, or all that is installed.

    Raises:
        SpytriageError: a file or a set cannot be read, or there is none of that name.
    """
    if not paths and not names:
        return installed_sets(today)
    return merge(
        [*(read_file(path, today) for path in bundle_files(paths)), *(read_set(name, today) for name in names)]
    )


def read_set(name: str, today: date | None = None) -> Bundle:
    """Return one installed set, or the embedded one.

    Raises:
        SpytriageError: no set of that name is installed, or it was changed.
    """
    if name == EMBEDDED:
        return read_embedded(today)
    for record in records():
        if record.name == name:
            return _read_installed(record, today)
    message = _("No set of the name %(name)s is installed.") % {"name": name}
    raise SpytriageError(message, hint=_("See `spytriage indicators list` for the names."))


def stored_bundle(record: Record) -> tuple[Path, bytes]:
    """Return the place and bytes of an installed set.

    Raises:
        SpytriageError: it is missing, or not what was installed.
    """
    path = _folder() / f"{record.sha256}.stix2"
    hint = _("Import the set again.")
    if not path.exists():
        raise SpytriageError(_("An installed set is missing."), path=path, hint=hint)
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise SpytriageError(_("An installed set was changed after it was imported."), path=path, hint=hint)
    return path, data


def _read_installed(record: Record, today: date | None) -> Bundle:
    path, data = stored_bundle(record)
    labels = Labels(record.name, record.title, record.publisher, catalogued=record.catalogued)
    return read_bundle(path, data, labels, today)


def candidate(path: Path, data: bytes) -> Candidate:
    """Return a bundle ready to be installed, under the catalogue's labels or the file's name.

    Raises:
        SpytriageError: it is no bundle, or holds no indicators.
    """
    return Candidate(data, read_bundle(path, data, labels_of(path, hashlib.sha256(data).hexdigest())))


def install(candidates: Iterable[Candidate], today: date | None = None) -> list[Record]:
    """Install bundles that were read, each whole or not at all; a set of the same name is replaced.

    The embedded set is left out: it is always there.

    Raises:
        SpytriageError: the data folder cannot be written, or two of the sets have one name.
    """
    folder = _folder()
    day = (today or datetime.now(UTC).date()).isoformat()
    installed = []
    for ready in _distinct(candidates):
        found = ready.bundle.set
        record = Record(
            found.name, found.title, found.publisher, ", ".join(found.families[:3]), found.sha256, day,
            ready.official, found.total, found.usable,
        )  # fmt: skip
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            hint = _("Check that you may write there, and that the disk is not full.")
            raise SpytriageError(_("The set cannot be installed."), path=folder, hint=hint) from error
        replace_file(folder / f"{record.sha256}.stix2", ready.data)
        replace_file(folder / f"{record.name}.json", json.dumps(asdict(record), indent=1).encode())
        installed.append(record)
    _forget_unused(folder)
    return installed


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    by_name: dict[str, Candidate] = {}
    for ready in candidates:
        found = ready.bundle.set
        known = by_name.setdefault(found.name, ready)
        if known.bundle.set.sha256 != found.sha256:
            message = _("Two different sets have the name %(name)s. Nothing was installed.") % {"name": found.name}
            raise SpytriageError(message, hint=_("Rename one of the files."))
    return [ready for ready in by_name.values() if not ready.bundle.set.embedded]


def _forget_unused(folder: Path) -> None:
    used = {f"{record.sha256}.stix2" for record in records()}
    for path in folder.glob("*.stix2"):
        if path.name not in used:
            with suppress(OSError):
                path.unlink()
