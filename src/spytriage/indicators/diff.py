"""What changed between two versions of a set. STIX ids are new in every version: type and value identify."""

from __future__ import annotations

from dataclasses import dataclass

from spytriage.indicators.bundle import Bundle
from spytriage.models import Indicator

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Indicators by (type, value), sorted.

    Attributes:
        added: usable in the new version only.
        withdrawn: usable in the old version only.
        changed: usable in both, with the families before and after.
        unusable: how many indicators could not be matched before and after.
    """

    added: tuple[Key, ...]
    withdrawn: tuple[Key, ...]
    changed: tuple[tuple[Key, tuple[str, ...], tuple[str, ...]], ...]
    unusable: tuple[int, int]

    @property
    def is_empty(self) -> bool:
        """Return whether both versions look for the same."""
        return not (self.added or self.withdrawn or self.changed)


def compare(old: Bundle, new: Bundle) -> Difference:
    """Return what the new version looks for that the old one does not, and the other way round."""
    before, after = _families(old.indicators), _families(new.indicators)
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        withdrawn=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            (key, before[key], after[key]) for key in sorted(before.keys() & after.keys()) if before[key] != after[key]
        ),
        unusable=(len(old.set.unusable), len(new.set.unusable)),
    )


def _families(indicators: tuple[Indicator, ...]) -> dict[Key, tuple[str, ...]]:
    named: dict[Key, set[str]] = {}
    for indicator in indicators:
        named.setdefault(indicator.key, set()).update(a.family for a in indicator.attributions if a.family)
    return {key: tuple(sorted(families)) for key, families in named.items()}
