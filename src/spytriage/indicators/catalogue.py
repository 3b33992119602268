"""The catalogue: every published set we know, pinned by the SHA-256 of its bytes. Facts only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cache

from spytriage.indicators.data import data_file
from spytriage.yamltext import loaded


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One published set, as it was on the day it was pinned."""

    name: str
    title: str
    publisher: str
    family: str | None  # None: several, or not looked at
    repository: str  # owner/name on GitHub
    path: str  # in the repository
    licence: str | None
    commit: str | None = None  # None: not pinned, so nothing can be verified
    sha256: str | None = None
    size: int | None = None  # bytes
    counts: dict[str, int] = field(default_factory=dict)  # usable indicators by type
    unusable: int = 0
    pinned_on: date | None = None

    @property
    def total(self) -> int:
        """Return the number of indicators in the pinned version (0 when it is not pinned)."""
        return sum(self.counts.values()) + self.unusable


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return the entries of the catalogue, in its order."""
    rows = loaded(data_file("catalogue.yaml").read_bytes())["sets"]
    return tuple(CatalogueEntry(**row) for row in rows)


def entry_of(sha256: str) -> CatalogueEntry | None:
    """Return the catalogue's entry for a bundle with these bytes."""
    return next((entry for entry in catalogue() if entry.sha256 == sha256), None)


def entry_named(name: str) -> CatalogueEntry | None:
    """Return the catalogue's entry of that name."""
    return next((entry for entry in catalogue() if entry.name == name), None)
