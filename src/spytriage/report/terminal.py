"""The same story on a terminal: 40 lines of 80 columns for an ordinary report.

Every value stands in a rich `Text`, so that no markup in it is interpreted; what comes from a set or a path is made
printable first. This module imports rich, which takes its time: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.segment import SegmentLines
from rich.table import Table
from rich.text import Text

from spytriage.artefacts import artefact_of
from spytriage.i18n import _, ngettext
from spytriage.models import CoverageState, ModuleCoverage, Outcome, Report
from spytriage.report import texts
from spytriage.report.arrange import Group, by_state, can_be_right, foremost_limits, grouped, shown, weightiest
from spytriage.report.said import isolate
from spytriage.text import printable

# Neutral, and never green: no outcome says that a phone is fine.
_COLOURS = {
    Outcome.MATCH: "magenta",
    Outcome.SUSPICIOUS: "yellow",
    Outcome.NO_MATCH: "blue",
    Outcome.INCONCLUSIVE: "bright_black",
}
_LINES = 40
# Kinds of finding and limits that are told: as many as leave the whole within so many lines. The rest is counted.
_ROOM = ((8, 2), (6, 2), (5, 1), (3, 1), (2, 1))
_MOST_INDICATORS = 2
_WIDEST_VALUE = 60


def print_summary(report: Report, output: Path | None, console: Console) -> None:
    """Print outcome, coverage, findings, limits and next steps in the person's language.

    An ordinary report takes 40 lines of 80 columns; one with many gaps takes more, since each gap is told.

    Args:
        report: what to tell.
        output: the folder that the report was written to, or None when it was not.
        console: where to.
    """
    for groups, limits in _ROOM:
        lines = console.render_lines(summary(report, output, groups, limits), pad=False)
        if len(lines) <= _LINES:
            break
    console.print(SegmentLines(lines, new_lines=True))


def summary(report: Report, output: Path | None, groups: int = 8, limits: int = 2) -> RenderableType:
    """Return what `print_summary` prints, with at most so many kinds of finding and limits."""
    sections = (
        _outcome(report),
        _coverage(report),
        _findings(report, groups),
        _limits(report, limits),
        _next_steps(report),
        _whereabouts(report, output),
    )
    return Lines(*(line for section in sections for line in section))


def _outcome(report: Report) -> Iterator[RenderableType]:
    words = texts.outcome_texts(report.outcome, report.source)
    colour = _COLOURS[report.outcome]
    yield Text.assemble((f" {report.outcome} ", f"reverse {colour}"), " ", (words.headline, "bold"))
    yield Text(f"{words.meaning} {words.not_meaning}")


def _coverage(report: Report) -> Iterator[RenderableType]:
    yield _heading(_("What was checked"))
    states = by_state(report.modules)
    tally = Text(" · ").join(
        Text(f"{texts.phrase(state)}: {len(modules)}", "bold" if state.is_gap else "") for state, modules in states
    )
    yield tally
    for state, modules in states:
        if state.is_gap:
            yield from (_item("!", line) for line in _gaps(state, modules))


def _gaps(state: CoverageState, modules: tuple[ModuleCoverage, ...]) -> Iterator[str]:
    """Name what was not checked, one line for each reason: a copy that lacks files lacks many."""
    for reason in dict.fromkeys(module.reason for module in modules):
        labels = ", ".join(isolate(artefact_of(module.name).label) for module in modules if module.reason is reason)
        because = f" ({texts.phrase(reason)})" if reason else ""
        yield f"{texts.phrase(state)}{because}: {labels}"


def _findings(report: Report, most: int) -> Iterator[RenderableType]:
    groups = weightiest(grouped(report.findings))
    yield _heading(_("Findings"))
    if not groups:
        yield Text(_("None."))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for group in groups[:most]:
        table.add_row(Text(group.trace, "bold"), Text(f"{group.count} ×"), _told(group, report))
    yield table
    if (left := len(groups) - most) > 0:
        more = ngettext(
            "{count} more kind of finding, less strong than these, stands in report.html.",
            "{count} more kinds of finding, less strong than these, stand in report.html.",
            left,
        )
        yield Text(more.format(count=left))


def _told(group: Group, report: Report) -> RenderableType:
    """Return what was seen, the first published values, and when."""
    text = Text(texts.finding_text(group.id).title)
    values = [isolate(_short(shown(indicator))) for indicator in group.indicators]
    if values:
        more = len(values) - _MOST_INDICATORS
        text.append(": ").append(", ".join(values[:_MOST_INDICATORS]) + (f" + {more}" if more > 0 else ""), "bold")
    days = [day.isoformat() for day in group.days if can_be_right(day, report.tool.checked_on)]
    if days:
        text.append(f" ({days[0]})" if len(days) == 1 else f" ({days[0]} – {days[-1]})")
    return text


def _short(value: str) -> str:
    return value if len(value) <= _WIDEST_VALUE else value[:_WIDEST_VALUE] + "…"


def _limits(report: Report, most: int) -> Iterator[RenderableType]:
    told = foremost_limits(report, most)
    if report.told_limits:
        yield _heading(_("Limits"))
    for limit in told:
        yield _item("-", texts.limit_text(limit))
    if left := len(report.told_limits) - len(told):
        more = ngettext("{count} more limit stands in the report.", "{count} more limits stand in the report.", left)
        yield Text(" ".join([more.format(count=left), *_withheld(report)]))


def _withheld(report: Report) -> Iterator[str]:
    count = report.redaction.fields_withheld + report.redaction.fields_unlisted
    if report.findings and count:
        told = ngettext(
            "{count} field was withheld (policy {policy}).", "{count} fields were withheld (policy {policy}).", count
        )
        yield told.format(count=count, policy=isolate(report.redaction.policy))


def _next_steps(report: Report) -> Iterator[RenderableType]:
    yield _heading(_("What to do now"))
    for number, step in enumerate(texts.outcome_texts(report.outcome, report.source).next_steps, start=1):
        yield _item(f"{number}.", step)


def _whereabouts(report: Report, output: Path | None) -> Iterator[RenderableType]:
    if output is not None:
        signed = _("signed with key {key}").format(key=isolate(report.signer)) if report.signer else _("not signed")
        yield Text.assemble(
            (_("Report"), "bold"), ": ", isolate(printable(str(output / "report.html"))), f" ({signed})"
        )


def _heading(title: str) -> RenderableType:
    return Text(f"\n{title}", "bold")


def _item(mark: str, words: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark), Text(words))
    return grid
