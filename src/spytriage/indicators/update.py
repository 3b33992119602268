"""Fetch sets from where they are published. The only part of spytriage that uses the network.

SPYTRIAGE_UPDATE_URL names another host with the same folders, such as a mirror. A pinned set is verified by its SHA-256
wherever it comes from.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from spytriage import __version__
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.bundle import MAX_BUNDLE_BYTES, Labels, read_bundle
from spytriage.indicators.catalogue import CatalogueEntry, catalogue, entry_named
from spytriage.indicators.store import Candidate, records

RAW_HOST = "https://raw.githubusercontent.com"
TIMEOUT_SECONDS = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse to be sent elsewhere: the catalogue says where a set is."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one set: a bundle to install, or nothing when the installed one is the same."""

    name: str
    candidate: Candidate | None


def fetch_pinned(names: Sequence[str] = ()) -> Iterator[Fetched]:
    """Fetch the pinned version of the named sets (default: all pinned ones) that is not installed yet.

    Raises:
        SpytriageError: a name is unknown or not pinned; or, when a set is reached, it cannot be fetched or is not
            what the catalogue pins. Sets that came before it stay valid.
    """
    installed = {record.sha256 for record in records()}
    for entry in _wanted(names, pinned=True):
        if entry.sha256 in installed:
            yield Fetched(entry.name, None)
            continue
        data = _fetch(entry, str(entry.commit), entry.size or MAX_BUNDLE_BYTES)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise SpytriageError(
                _("What came for %(name)s is not what the catalogue pins; it was not installed.")
                % {"name": entry.name},
                hint=_("Try again on another network. If it stays so, report it to the maintainers of spytriage."),
            )
        yield Fetched(entry.name, _candidate(entry, data, catalogued=True))


def fetch_unpinned(names: Sequence[str] = ()) -> Iterator[Fetched]:
    """Fetch what is published today of the named sets (default: all of the catalogue), verified by nothing.

    Raises:
        SpytriageError: a name is unknown; or, when a set is reached, it cannot be fetched or is no bundle.
    """
    installed = {record.sha256 for record in records()}
    for entry in _wanted(names, pinned=False):
        data = _fetch(entry, "HEAD", MAX_BUNDLE_BYTES)
        sha256 = hashlib.sha256(data).hexdigest()
        ready = None if sha256 in installed else _candidate(entry, data, catalogued=sha256 == entry.sha256)
        yield Fetched(entry.name, ready)


def _wanted(names: Sequence[str], *, pinned: bool) -> list[CatalogueEntry]:
    chosen = []
    for name in names:
        entry = entry_named(name)
        if entry is None:
            message = _("The catalogue has no set of the name %(name)s.") % {"name": name}
            raise SpytriageError(message, hint=_("See `spytriage indicators list` for the names."))
        if pinned and entry.sha256 is None:
            message = _("The catalogue does not pin a version of %(name)s.") % {"name": name}
            raise SpytriageError(message, hint=_("Use --unpinned to take what is published today."))
        chosen.append(entry)
    return chosen or [entry for entry in catalogue() if entry.sha256 or not pinned]


def _candidate(entry: CatalogueEntry, data: bytes, *, catalogued: bool) -> Candidate:
    labels = Labels(entry.name, entry.title, entry.publisher, catalogued=catalogued)
    return Candidate(data, read_bundle(Path(f"{entry.name}.stix2"), data, labels), official=True)


def _fetch(entry: CatalogueEntry, version: str, limit: int) -> bytes:
    """Return the bytes of a published file.

    Raises:
        SpytriageError: there is no network, the file is not there, it is cut short, or larger than `limit` bytes.
    """
    base = os.environ.get("SPYTRIAGE_UPDATE_URL", RAW_HOST)
    request = urllib.request.Request(  # noqa: S310 (the scheme is that of a constant, or of the tester's choice)
        f"{base}/{entry.repository}/{version}/{quote(entry.path)}", headers={"User-Agent": f"spytriage/{__version__}"}
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            data: bytes = response.read(limit + 1)
            if response.length:  # what read() with a limit leaves unread, or never came
                raise http.client.IncompleteRead(data, response.length)
    except (HTTPError, URLError, http.client.HTTPException, OSError) as error:
        reason = _reason(error)
        message = _("%(name)s could not be fetched: %(reason)s. Nothing of it was installed.")
        hint = _("Try again later, or import a kit from a machine that has the sets (`spytriage indicators export`).")
        raise SpytriageError(message % {"name": entry.name, "reason": reason}, hint=hint) from error
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        error.close()  # it is also the server's answer, with a connection of its own
        if error.code in {301, 302, 303, 307, 308}:
            return _("the server sends us elsewhere")
        return _("the server answers %(code)d") % {"code": error.code}
    if isinstance(error, http.client.IncompleteRead):
        return _("only a part of it came, or more than expected")
    if isinstance(error, URLError):
        return _("no connection")
    return _("the connection broke")
