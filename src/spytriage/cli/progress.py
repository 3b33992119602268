"""Progress of a scan on the terminal; silent when the output is piped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spytriage.artefacts import artefact_of
from spytriage.i18n import _
from spytriage.models import ModuleCoverage
from spytriage.report.texts import phrase
from spytriage.scan import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class _BarProgress(Progress):
    """A bar that is shown from the start of the scan on: before it, the terminal belongs to the questions.

    It names the modules that are running, with the rows that each has read.
    """

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar, self._task = bar, task
        self._running: dict[str, int] = {}

    def starting(self) -> None:
        self._bar.start()

    def planned(self, modules: Sequence[str]) -> None:
        self._bar.update(self._task, total=len(modules))

    def started(self, module: str) -> None:
        self._show(module, 0)

    def read(self, module: str, rows: int) -> None:
        self._show(module, rows)

    def ended(self, coverage: ModuleCoverage) -> None:
        self._running.pop(coverage.name, None)
        line = f"{artefact_of(coverage.name).label}: {phrase(coverage.state)}"
        self._bar.update(self._task, advance=1, last=line, description=self._description())

    def _show(self, module: str, rows: int) -> None:
        self._running[module] = rows
        self._bar.update(self._task, description=self._description())

    def _description(self) -> str:
        return " · ".join(
            f"{artefact_of(module).label} {rows:,}" if rows else artefact_of(module).label
            for module, rows in self._running.items()
        )


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Show a bar on standard error when it is a terminal."""
    if quiet:  # without rich, which takes its time to import
        yield Progress()
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),
    )
    bar = Bar(*columns, console=console, transient=True)
    try:
        yield _BarProgress(bar, bar.add_task(_("starting"), total=None, last=""))
    finally:
        bar.stop()
