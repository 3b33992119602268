"""The same story on a terminal: about 40 lines at 80 columns for an ordinary report.

Every value stands in a rich `Text`, so that no markup in it is interpreted; what comes from a set or a path is made
printable first. This module imports rich, which takes its time: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from spytriage.artefacts import artefact_of
from spytriage.i18n import _, ngettext
from spytriage.models import CoverageState, LimitId, ModuleCoverage, Outcome, Report
from spytriage.report import texts
from spytriage.report.arrange import Group, by_state, grouped, shown
from spytriage.text import printable

# Neutral, and never green: no outcome says that a phone is fine.
_COLOURS = {
    Outcome.MATCH: "magenta",
    Outcome.SUSPICIOUS: "yellow",
    Outcome.NO_MATCH: "blue",
    Outcome.INCONCLUSIVE: "bright_black",
}
# Most important first. The others hold for every backup, or the coverage table tells them: they are only counted.
_TOLD_LIMITS = (
    LimitId.NO_SHARING_CONSENT,
    LimitId.DEMO,
    LimitId.EMBEDDED_CORE_ONLY,
    LimitId.FULL_PEGASUS_SET_MISSING,
    LimitId.BACKUP_NOT_ENCRYPTED,
    LimitId.SHORTENED_LINKS,
    LimitId.UNUSABLE_INDICATORS,
    LimitId.PLAINTEXT_ON_DISK,
)
_MOST_LIMITS = 2
_MOST_GROUPS = 8
_MOST_INDICATORS = 2
_WIDEST_VALUE = 60


def print_summary(report: Report, output: Path | None, console: Console) -> None:
    """Print the summary; see `summary`."""
    console.print(summary(report, output))


def summary(report: Report, output: Path | None) -> RenderableType:
    """Return outcome, coverage, findings, limits and next steps for a terminal, in the current language.

    Args:
        report: what to tell.
        output: the folder that the report was written to, or None when it was not.
    """
    sections = (
        _outcome(report),
        _coverage(report),
        _findings(report),
        _limits(report),
        _next_steps(report),
        _whereabouts(report, output),
    )
    return Lines(*(line for section in sections for line in section))


def _outcome(report: Report) -> Iterator[RenderableType]:
    words = texts.outcome_texts(report.outcome)
    colour = _COLOURS[report.outcome]
    yield Text.assemble((f" {report.outcome} ", f"reverse {colour}"), " ", (words.headline, "bold"))
    yield Text(f"{words.meaning} {words.not_meaning}")


def _coverage(report: Report) -> Iterator[RenderableType]:
    yield _heading(_("What was checked"))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(Text(_("State")))
    table.add_column(Text(_("Parts")), justify="right")
    table.add_column(Text(_("Records")), justify="right")
    states = by_state(report.modules)
    for state, modules in states:
        style = "bold" if state.is_gap else ""
        table.add_row(Text(texts.state_text(state), style), str(len(modules)), _records(modules))
    yield table
    for state, modules in states:
        if state.is_gap:
            yield from (_item("!", line) for line in _gaps(state, modules))


def _gaps(state: CoverageState, modules: tuple[ModuleCoverage, ...]) -> Iterator[str]:
    """Name what was not checked, one line for each reason: a copy that lacks files lacks many."""
    for reason in dict.fromkeys(module.reason for module in modules):
        labels = ", ".join(artefact_of(module.name).label for module in modules if module.reason is reason)
        because = f" ({texts.reason_text(reason)})" if reason else ""
        yield f"{texts.state_text(state)}{because}: {labels}"


def _records(modules: tuple[ModuleCoverage, ...]) -> str:
    counts = [module.records for module in modules if module.records is not None]
    return str(sum(counts)) if counts else "–"


def _findings(report: Report) -> Iterator[RenderableType]:
    groups = grouped(report.findings)
    yield _heading(_("Findings"))
    if not groups:
        yield Text(_("None."))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for group in groups[:_MOST_GROUPS]:
        table.add_row(Text(group.trace, "bold"), Text(f"{group.count} ×"), _told(group))
    yield table
    if (left := len(groups) - _MOST_GROUPS) > 0:
        more = ngettext(
            "{count} more kind of finding stands in the report.",
            "{count} more kinds of finding stand in the report.",
            left,
        )
        yield Text(more.format(count=left))


def _told(group: Group) -> RenderableType:
    """Return what was seen, the first published values, and when."""
    text = Text(texts.finding_text(group.id).title)
    values = [_short(shown(indicator)) for indicator in group.indicators]
    if values:
        more = len(values) - _MOST_INDICATORS
        text.append(": ").append(", ".join(values[:_MOST_INDICATORS]) + (f" + {more}" if more > 0 else ""), "bold")
    if group.days:
        first, last = group.days[0].isoformat(), group.days[-1].isoformat()
        text.append(f" ({first})" if first == last else f" ({first} – {last})")
    return text


def _short(value: str) -> str:
    return value if len(value) <= _WIDEST_VALUE else value[:_WIDEST_VALUE] + "…"


def _limits(report: Report) -> Iterator[RenderableType]:
    told = sorted(
        (limit for limit in report.told_limits if limit.id in _TOLD_LIMITS),
        key=lambda limit: _TOLD_LIMITS.index(limit.id),
    )[:_MOST_LIMITS]
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
        yield told.format(count=count, policy=report.redaction.policy)


def _next_steps(report: Report) -> Iterator[RenderableType]:
    yield _heading(_("What to do now"))
    for number, step in enumerate(texts.outcome_texts(report.outcome).next_steps, start=1):
        yield _item(f"{number}.", step)


def _whereabouts(report: Report, output: Path | None) -> Iterator[RenderableType]:
    if output is not None:
        signed = _("signed with key {key}").format(key=report.signer) if report.signer else _("not signed")
        yield Text("")
        yield Text.assemble((_("Report"), "bold"), ": ", printable(str(output / "report.html")), f" ({signed})")


def _heading(title: str) -> RenderableType:
    return Text(f"\n{title}", "bold")


def _item(mark: str, words: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark), Text(words))
    return grid
