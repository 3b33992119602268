"""Runs MVT or spytriage as its command line does, and notes which alerts it raised and how long each module took.

    python -m benchmarks.probe mvt|spytriage NOTES.json ARGUMENT...

Nothing of what they do is changed: both are watched where a module begins and ends.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Alert = tuple[str, str, str, str]
"""Module (MVT's name for it in alerts), level, value of the indicator, and the message of an alert without one."""


def alert_name(module: str) -> str:
    """Return the name that MVT's alerts give to the module of a class (MVTModule.get_slug)."""
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", module)).lower()


class _Notes:
    def __init__(self, place: Path) -> None:
        self._place, self._begin = place, time.perf_counter()
        self.modules: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self.scan = 0.0
        self.alerts: Counter[Alert] = Counter()
        self.errors: list[str] = []

    def begin(self, module: str) -> None:
        self._since[module] = time.perf_counter()

    def end(self, module: str) -> None:
        if module in self._since:
            self.modules[module] = self.modules.get(module, 0.0) + time.perf_counter() - self._since.pop(module)

    def write(self) -> None:
        notes = {
            "modules": self.modules,
            "scan": self.scan,
            "all": time.perf_counter() - self._begin,
            "alerts": [[*alert, count] for alert, count in sorted(self.alerts.items())],
            "errors": self.errors,
        }
        self._place.write_text(json.dumps(notes), encoding="utf-8")


def _mvt(notes: _Notes) -> Callable[[], Any]:
    import logging  # noqa: PLC0415 (each program imports what it would by itself)

    import mvt.common.command as seam  # noqa: PLC0415
    from mvt.ios import main  # noqa: PLC0415

    run_module, run = seam.run_module, seam.Command.run

    def timed(module: Any) -> None:
        notes.begin(type(module).__name__)
        run_module(module)
        notes.end(type(module).__name__)

    def noted(command: Any) -> None:
        begin = time.perf_counter()
        run(command)
        notes.scan += time.perf_counter() - begin
        for alert in command.alertstore.alerts:
            value = alert.matched_indicator.value if alert.matched_indicator else ""
            notes.alerts[alert.module, alert.level.name, value, "" if value else alert.message] += 1

    class Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.ERROR or record.exc_info:
                notes.errors.append(record.getMessage())

    seam.run_module, seam.Command.run = timed, noted
    logging.getLogger("mvt").addHandler(Errors(logging.ERROR))
    return main


class _Watched:
    """A scan's progress, passed on; all of it that this does not watch too."""

    def __init__(self, notes: _Notes, progress: Any) -> None:
        self._notes, self._progress = notes, progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self._progress, name)

    def started(self, module: str) -> None:
        self._notes.begin(module)
        self._progress.started(module)

    def ended(self, coverage: Any) -> None:
        self._notes.end(coverage.name)
        self._progress.ended(coverage)


def _spytriage(notes: _Notes) -> Callable[[], Any]:
    from spytriage import pipeline  # noqa: PLC0415
    from spytriage.cli import main  # noqa: PLC0415

    scan = pipeline.scan

    def noted(kind: Any, path: Any, indicators: Any, progress: Any, *others: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        result = scan(kind, path, indicators, _Watched(notes, progress), *others, **named)
        notes.scan += time.perf_counter() - begin
        for alert in result.alerts:
            value = alert.match.indicators[0].value if alert.match else ""
            level, message = alert.level.name, "" if value else alert.message
            notes.alerts[alert_name(alert.module), level, value, message] += 1
        # What was there and not read. Some artefact lacks on every phone: that is no error.
        notes.errors += [
            f"{module.name}: {module.state.value}"
            for module in result.modules
            if module.state.value in {"failed", "unreadable"}
        ]
        return result

    pipeline.scan = noted
    return main


def main(arguments: Iterable[str]) -> None:
    program, place, *rest = arguments
    notes = _Notes(Path(place))
    command = {"mvt": _mvt, "spytriage": _spytriage}[program](notes)
    sys.argv = [program, *rest]
    try:
        command()
    finally:
        notes.write()


if __name__ == "__main__":
    main(sys.argv[1:])
