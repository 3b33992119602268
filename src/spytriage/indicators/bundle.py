"""A STIX bundle → the set it is: every indicator is either usable or listed with the reason."""

from __future__ import annotations

import gc
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.hosts import address_problem, canonical_address, host_problem, parse_site
from spytriage.indicators.patterns import Refusal, read_pattern
from spytriage.models import (
    Attribution,
    Indicator,
    IndicatorIndex,
    IndicatorSet,
    IndicatorType,
    UnusableIndicator,
)
from spytriage.text import printable

MAX_BUNDLE_BYTES = 160_000_000
"""Largest bundle that is read. The largest published one has 2.3 MB; 200,000 indicators take about 120 MB."""

MAX_VALUE = 4_096
"""Longest value of an indicator, in characters."""

_FAMILY_TYPES = ("malware", "tool", "intrusion-set", "threat-actor", "campaign", "report")
_DIGEST_LENGTHS = {
    IndicatorType.FILE_MD5: (32,),
    IndicatorType.FILE_SHA1: (40,),
    IndicatorType.FILE_SHA256: (64,),
    IndicatorType.APP_CERTIFICATE: (32, 40, 64),
}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*")


@dataclass(frozen=True, slots=True)
class Labels:
    """What a set is called. The catalogue knows; otherwise the bundle and its file name have to do."""

    name: str
    title: str = ""
    publisher: str = ""
    embedded: bool = False
    catalogued: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read: the set, and its usable indicators in the order of the file."""

    set: IndicatorSet
    indicators: tuple[Indicator, ...]  # one per alternative, each with one attribution per family
    objects: Mapping[str, Mapping[str, Any]]  # the published STIX object of each indicator, by id


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking, again and again, over a million objects that stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a bundle.

    Raises:
        SpytriageError: it cannot be read, is no regular file, or is larger than `MAX_BUNDLE_BYTES`.
    """
    try:
        if not path.is_file():
            raise SpytriageError(_("This is no file."), path=path, hint=_("Give a STIX 2 bundle (.stix2 or .json)."))
        if path.stat().st_size > MAX_BUNDLE_BYTES:
            raise SpytriageError(
                _("The indicator file is larger than %(limit)d MB.") % {"limit": MAX_BUNDLE_BYTES // 1_000_000},
                path=path,
                hint=_("Split it into several bundles."),
            )
        return path.read_bytes()
    except OSError as error:
        raise SpytriageError(
            _("The indicator file cannot be read."), path=path, hint=_("Check that you may read it.")
        ) from error


def decode(data: bytes, path: Path) -> list[Any]:
    """Return the objects of a bundle.

    Raises:
        SpytriageError: it is not JSON, or JSON that is no STIX 2 bundle with objects.
    """
    hint = _("Download it again, and check its SHA-256 with the publisher.")
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise SpytriageError(_("The indicator file is nested too deeply."), path=path, hint=hint) from error
    except ValueError as error:  # also what is not UTF-8, and numbers of too many digits
        raise SpytriageError(_("The indicator file is not JSON."), path=path, hint=hint) from error
    if not isinstance(document, dict) or document.get("type") != "bundle":
        raise SpytriageError(_("The indicator file is no STIX 2 bundle."), path=path, hint=hint)
    objects = document.get("objects")
    if not isinstance(objects, list) or not any(
        isinstance(entry, dict) and entry.get("type") == "indicator" for entry in objects
    ):
        raise SpytriageError(_("The bundle holds no indicators."), path=path, hint=hint)
    return objects


@_collector_paused()
def read_bundle(path: Path, data: bytes, labels: Labels, today: date | None = None) -> Bundle:
    """Return the set that a bundle is.

    Args:
        path: where it came from, for errors.
        data: its bytes.
        labels: what it is called; an empty title or publisher is taken from the bundle.
        today: the day on which indicators count as expired (default: today in UTC).

    Raises:
        SpytriageError: it is no bundle, or holds no indicators.
    """
    objects = _by_type(decode(data, path))
    families = _families(objects)
    reader = _Reader(labels.name, hashlib.sha256(data).hexdigest(), families, _start_of(today))
    current, superseded = _newest_versions(objects["indicator"])
    for entry in current:
        reader.read(entry)
    for entry in superseded:
        reader.refuse(entry, "duplicate-id")
    named = tuple(dict.fromkeys(name for names in families.values() for name in names))
    described = IndicatorSet(
        name=labels.name,
        title=labels.title or ", ".join(named[:3]) or labels.name,
        publisher=labels.publisher or _publisher(objects["identity"]),
        families=named,
        sha256=reader.sha256,
        total=len(reader.usable) + len(reader.unusable),
        usable=len(reader.usable),
        unusable=tuple(reader.unusable),
        embedded=labels.embedded,
        catalogued=labels.catalogued,
    )
    return Bundle(described, tuple(reader.usable), {entry["id"]: entry for entry in current if _ident(entry)})


def _start_of(today: date | None) -> str:
    """Return the moment from which on an indicator is over, as a STIX timestamp without its fraction."""
    return f"{today.isoformat()}T00:00:00" if today else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"


class _Reader:
    """Sorts the indicator objects of one bundle into usable ones and those that are not."""

    def __init__(self, name: str, sha256: str, families: Mapping[str, tuple[str, ...]], now: str) -> None:
        self.usable: list[Indicator] = []
        self.unusable: list[UnusableIndicator] = []
        self.sha256 = sha256
        self._name = name
        self._families = families
        self._now = now

    def read(self, entry: Mapping[str, Any]) -> None:
        """Take what an object looks for: each alternative of its pattern is an indicator of its own."""
        reason = _refusal(entry, self._now)
        if reason:
            self.refuse(entry, reason)
            return
        ident = entry["id"]
        attributions = tuple(
            [Attribution(self._name, family, self.sha256, ident) for family in self._families.get(ident, ("",))]
        )
        for part in read_pattern(entry["pattern"]):
            if isinstance(part, Refusal):
                self.refuse(entry, part.reason)
            elif problem := value_problem(part.type, part.value):
                self.refuse(entry, problem)
            else:
                self.usable.append(Indicator(named_type(part.type, part.value), part.value, attributions))

    def refuse(self, entry: Mapping[str, Any], reason: str) -> None:
        """List an object, or an alternative of its pattern, as not usable."""
        ident, pattern = printable(_ident(entry), 120), printable(str(entry.get("pattern", "")), 300)
        self.unusable.append(UnusableIndicator(ident, pattern, reason))


@_collector_paused()
def merge(bundles: Iterable[Bundle]) -> IndicatorIndex:
    """Return what several sets look for together: one indicator per type and value, with all attributions.

    A bundle that is given twice (the same bytes) counts once.
    """
    kept = list({bundle.set.sha256: bundle for bundle in reversed(list(bundles))}.values())[::-1]
    alike: dict[tuple[IndicatorType, str], list[Indicator]] = {}
    for bundle in kept:
        for indicator in bundle.indicators:
            alike.setdefault((indicator.type, indicator.value), []).append(indicator)
    return IndicatorIndex(
        sets=tuple(bundle.set for bundle in kept),
        indicators=tuple(same[0] if len(same) == 1 else _united(same) for same in alike.values()),
        objects={ident: entry for bundle in kept for ident, entry in bundle.objects.items()},
    )


def _united(same: list[Indicator]) -> Indicator:
    attributions = dict.fromkeys(attribution for indicator in same for attribution in indicator.attributions)
    return Indicator(same[0].type, same[0].value, tuple(attributions))


def value_problem(kind: IndicatorType, value: str) -> str | None:
    """Return why a value cannot be matched, as a stable word; None when it can."""
    value = value.strip()
    if not value:
        return "empty-value"
    if len(value) > MAX_VALUE:
        return "value-too-long"
    if kind is IndicatorType.DOMAIN:
        return _domain_problem(value)
    if kind is IndicatorType.IP_ADDRESS:
        return address_problem(value)
    if kind in _DIGEST_LENGTHS:
        digits = value.replace(":", "")
        fits = len(digits) in _DIGEST_LENGTHS[kind] and _HEXADECIMAL.fullmatch(digits)
        return None if fits else "not-a-hash"
    if kind is IndicatorType.FILE_PATH:
        return None if value.strip("/") else "too-broad"
    return None


def _domain_problem(value: str) -> str | None:
    site = parse_site(value)
    if site is None:
        return "not-a-host-name"
    return address_problem(site.host) if canonical_address(site.host) else host_problem(site.host)


def named_type(kind: IndicatorType, value: str) -> IndicatorType:
    """Return what a value is: some sets type addresses as domain names."""
    is_address = kind is IndicatorType.DOMAIN and canonical_address(value.strip())
    return IndicatorType.IP_ADDRESS if is_address else kind


def _refusal(entry: Mapping[str, Any], now: str) -> str | None:
    """Return why an indicator object is not read at all."""
    if not _ident(entry):
        return "no-id"
    if not isinstance(entry.get("pattern"), str):
        return "no-pattern"
    if entry.get("pattern_type", "stix") != "stix":
        return "pattern-type"
    if entry.get("revoked") is True:
        return "revoked"
    until = entry.get("valid_until")
    # STIX timestamps are UTC in one fixed form, so that their order is that of their text.
    if isinstance(until, str) and until[:19] <= now:
        return "expired"
    return None


def _ident(entry: Mapping[str, Any]) -> str:
    ident = entry.get("id")
    return ident if isinstance(ident, str) and ident.startswith("indicator--") else ""


def _by_type(objects: list[Any]) -> defaultdict[str, list[dict[str, Any]]]:
    sorted_out: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in objects:
        if isinstance(entry, dict) and isinstance(kind := entry.get("type"), str):
            sorted_out[kind].append(entry)
    return sorted_out


def _newest_versions(entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the indicators, and apart from them the older versions of those whose id comes more than once."""
    newest: dict[str, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    nameless: list[dict[str, Any]] = []
    for entry in entries:
        ident = _ident(entry)
        known = newest.get(ident)
        if not ident:
            nameless.append(entry)
        elif known is None:
            newest[ident] = entry
        elif str(entry.get("modified", "")) > str(known.get("modified", "")):
            newest[ident] = entry
            others.append(known)
        else:
            others.append(entry)
    return [*newest.values(), *nameless], others


def _families(objects: Mapping[str, list[dict[str, Any]]]) -> dict[str, tuple[str, ...]]:
    """Return the names of families by the id of the indicator.

    Relationships to malware, tools and actors count first; a report that refers to the indicator names the family
    only when no relationship does.
    """
    named = {
        entry["id"]: printable(str(entry["name"]), 120)
        for kind in _FAMILY_TYPES
        for entry in objects.get(kind, ())
        if isinstance(entry.get("id"), str) and entry.get("name")
    }
    related: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in objects.get("relationship", ()):
        source, target = entry.get("source_ref"), entry.get("target_ref")
        if isinstance(source, str) and isinstance(target, str) and (name := named.get(target)):
            related[source][name] = None
    reported: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in objects.get("report", ()):
        references = entry.get("object_refs")
        if isinstance(references, list) and (name := named.get(str(entry.get("id")))):
            for reference in references:
                reported[str(reference)][name] = None
    return {ident: tuple(found) for ident, found in {**reported, **related}.items()}


def _publisher(identities: list[dict[str, Any]]) -> str:
    return next((printable(str(entry["name"]), 120) for entry in identities if entry.get("name")), "")
