"""Sets that come in or go out as files: bundles, folders, and zips such as a kit for a machine without network."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath

from spytriage.archives import DAMAGED, MAX_DIRECTORY_BYTES, directory_bytes, is_zip
from spytriage.atomic import write_new_file
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.bundle import MAX_BUNDLE_BYTES, read_bytes
from spytriage.indicators.sets import bundle_files, is_bundle_name
from spytriage.indicators.store import Candidate, Record, candidate, install, records, stored_bundle

MANIFEST = "kit.json"
MAX_MEMBERS = 1_000
"""Most entries that a zip may have."""
MAX_TOTAL_BYTES = 400_000_000
"""Most bytes that a zip may unpack to."""
MAX_RATIO = 200
"""How many times its packed size an entry may unpack to (published bundles pack 6 to 10 times)."""

_PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # LZMA may ask for gigabytes before the first byte is unpacked
_FIRST_DAY_OF_ZIP = (1980, 1, 1, 0, 0, 0)


def import_sets(paths: Sequence[Path], today: date | None = None) -> list[Record]:
    """Install the sets of files, folders and zips: all of them, or none when one cannot be read.

    A set is recognised by its bytes: one that the catalogue does not pin is recorded as unlisted.

    Raises:
        SpytriageError: something cannot be read, is no bundle, or a zip is not what an honest one looks like.
    """
    return install(list(_candidates(paths)), today)


def export_kit(output: Path) -> list[Record]:
    """Write all installed sets into one zip, with their hashes; the same sets give the same bytes.

    Raises:
        SpytriageError: nothing is installed, the file exists already, or a set was changed.
    """
    wanted = records()
    if not wanted:
        hint = _("Import sets first: `spytriage indicators import FILE`, or `spytriage indicators update`.")
        raise SpytriageError(_("No set is installed, so there is nothing to export."), hint=hint)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        sets = [{key: getattr(record, key) for key in ("name", "title", "publisher", "sha256")} for record in wanted]
        manifest = json.dumps({"format": 1, "sets": sets}, indent=1).encode()
        archive.writestr(zipfile.ZipInfo(MANIFEST, _FIRST_DAY_OF_ZIP), manifest, zipfile.ZIP_DEFLATED)
        for record in wanted:
            _path, data = stored_bundle(record)
            archive.writestr(zipfile.ZipInfo(f"{record.name}.stix2", _FIRST_DAY_OF_ZIP), data, zipfile.ZIP_DEFLATED)
    write_new_file(output, buffer.getvalue())
    return wanted


def _candidates(paths: Sequence[Path]) -> Iterator[Candidate]:
    for path in paths:
        if _is_zip(path):
            yield from _candidates_of_zip(path)
        else:
            for file in bundle_files([path]):
                yield candidate(file, read_bytes(file))


def _is_zip(path: Path) -> bool:
    try:
        return path.is_file() and is_zip(path)
    except OSError:
        return False  # what it is taken for then says why it cannot be read


def _candidates_of_zip(path: Path) -> Iterator[Candidate]:
    hint = _("Get the kit again from whoever made it, or import the .stix2 files themselves.")
    try:
        if directory_bytes(path) > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of entries is larger than any kit")
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(archive, path)
            contents = {member.filename: _read_member(archive, member, path) for member in members}
    except (*DAMAGED, OSError) as error:
        raise SpytriageError(_("The zip cannot be read."), path=path, hint=hint) from error
    known = _manifest_of(contents.pop(MANIFEST, b"{}"), path)
    if not contents:
        raise SpytriageError(_("The zip holds no indicator bundle."), path=path, hint=hint)
    for name, data in contents.items():
        row = known.get(name)
        if row is not None and row.get("sha256") != hashlib.sha256(data).hexdigest():
            raise SpytriageError(_("A set in the kit is not what its list says."), path=path / name, hint=hint)
        ready = candidate(path / name, data)
        if row is not None and not ready.bundle.set.catalogued:
            labelled = replace(ready.bundle.set, title=row["title"][:200], publisher=row["publisher"][:200])
            ready = replace(ready, bundle=replace(ready.bundle, set=labelled))
        yield ready


def _checked_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Return the bundles of a zip.

    Raises:
        SpytriageError: any entry, wanted or not, leads outside, is a link, comes twice, or unpacks to too much.
    """
    members = [member for member in archive.infolist() if not member.filename.endswith("/")]
    names = {member.filename for member in members}
    is_bomb = (
        len(members) > MAX_MEMBERS
        or sum(member.file_size for member in members) > MAX_TOTAL_BYTES
        or any(member.file_size > MAX_RATIO * max(member.compress_size, 100) for member in members)
    )
    if is_bomb:
        hint = _("Import the .stix2 files themselves.")
        raise SpytriageError(_("The zip unpacks to more than is sensible."), path=path, hint=hint)
    if any(member.compress_type not in _PACKINGS for member in members):
        raise zipfile.BadZipFile("packed as no kit is")
    if len(names) != len(members) or any(_is_tricky(member) for member in members):
        hint = _("Do not use it. Ask whoever sent it how it was made.")
        raise SpytriageError(
            _("The zip holds links, or names that lead outside of it or come twice."), path=path, hint=hint
        )
    return [member for member in members if is_bundle_name(member.filename)]


def _is_tricky(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    return (
        not member.filename
        or name.is_absolute()
        or ".." in name.parts
        or "\\" in member.filename
        or ":" in member.filename
        or (stat.S_IFMT(mode) not in {0, stat.S_IFREG})
    )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    with archive.open(member) as handle:
        # The size that the zip declares may be a lie.
        data = handle.read(MAX_BUNDLE_BYTES + 1)
    if len(data) > MAX_BUNDLE_BYTES or len(data) != member.file_size:
        raise SpytriageError(_("The zip unpacks to more than is sensible."), path=path, hint=_("Do not use it."))
    return data


def _manifest_of(data: bytes, path: Path) -> dict[str, dict[str, str]]:
    try:
        rows = json.loads(data).get("sets", [])
        listed = {f"{row['name']}.stix2": {key: row[key] for key in ("sha256", "title", "publisher")} for row in rows}
        for row in listed.values():
            for text in row.values():
                text.encode()  # fails on what is no text, and on half a character
        return listed  # noqa: TRY300 (reads best in one piece)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        hint = _("Get the kit again from whoever made it.")
        raise SpytriageError(_("The list in the kit is damaged."), path=path, hint=hint) from error
