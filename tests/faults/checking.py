"""Checks a faulty acquisition as `spytriage check` does, and says what became of the planted traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from spytriage.errors import SpytriageError
from spytriage.findings import grade, outcome
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.models import (
    Attribution,
    BackupKeys,
    CoverageState,
    Indicator,
    IndicatorType,
    ModuleCoverage,
    Outcome,
    RawAlert,
)
from spytriage.scan import Limits, scan
from spytriage.source import recognise
from tests.tools import Recorder, keys_of

Trace = tuple[str, str]
"""Module and value of an indicator that it met."""
LIMITS = Limits(seconds=30, memory_bytes=2 << 30)


@dataclass(frozen=True)
class Checked:
    """What a check came to."""

    error: str = ""  # why there was no check at all
    modules: Mapping[str, ModuleCoverage] = field(default_factory=dict)
    met: frozenset[Trace] = frozenset()
    raised: frozenset[Trace] = frozenset()  # all alerts, loose ones too; "" for the value of one without an indicator
    outcome: Outcome | None = None

    @property
    def gaps(self) -> frozenset[str]:
        return frozenset(name for name, line in self.modules.items() if line.state.is_gap)

    def without_matches(self, permanent: frozenset[str]) -> Outcome | None:
        """Return the outcome, had there been nothing but what was lost; gaps that each check has are left aside."""
        if self.error:
            return None
        lines = [line for name, line in self.modules.items() if name not in permanent]
        return outcome((), lines)


@cache
def indicators() -> tuple[Indicator, ...]:
    """Return the demo's indicators, and one more for the list of Android's properties."""
    published = Attribution("demo", "Demo (invented)", "0" * 64, "indicator--0")
    more = Indicator(IndicatorType.ANDROID_PROPERTY, "demo.planted.property", (published,))
    return (*load([data_file("demo.stix2")]).indicators, more)


@cache
def _keys(_backup: str) -> BackupKeys:
    return keys_of(Path(_backup))


def check(path: Path, encrypted_like: Path | None = None) -> Checked:
    """Check an acquisition.

    Args:
        path: the acquisition.
        encrypted_like: an undamaged backup with the same keys: opening the keybag costs more than the check.
    """
    try:
        source = recognise(path)
        keys = _keys(str(encrypted_like)) if source.locked and encrypted_like else None
        result = scan(source.kind, source.path, indicators(), Recorder(), LIMITS, keys=keys, root=source.root)
    except SpytriageError as error:
        return Checked(error=str(error))
    modules = {line.name: line for line in result.modules}
    return Checked(
        modules=modules,
        met=frozenset(_met(result.alerts)),
        raised=frozenset(_raised(result.alerts)),
        outcome=outcome(grade(result.alerts), result.modules),
    )


def _met(alerts: tuple[RawAlert, ...]) -> set[Trace]:
    return {
        (alert.module, indicator.value)
        for alert in alerts
        if alert.match and not alert.match.rule.is_loose
        for indicator in alert.match.indicators
    }


def _raised(alerts: tuple[RawAlert, ...]) -> set[Trace]:
    return {
        (alert.module, value)
        for alert in alerts
        for value in ([one.value for one in alert.match.indicators] if alert.match else [""])
    }


def told(line: ModuleCoverage | None) -> str:
    """Return what the ledger says of a module, in short."""
    if line is None:
        return "absent"
    if line.state is CoverageState.CHECKED:
        return "checked"
    return f"{line.state.value}/{line.reason.value}" if line.reason else line.state.value


__all__ = ["Checked", "Trace", "check", "indicators", "replace", "told"]
