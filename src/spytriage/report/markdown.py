"""The report as Markdown, for tickets and wikis: the outcome, what was checked, what was found, the limits.

Text of a set is escaped in full: whatever shows the page makes no link, image or markup of it. With more than one
language, the whole follows in each, the person's first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from spytriage.artefacts import artefact_of
from spytriage.i18n import _, current_languages, ngettext, using_language
from spytriage.models import RedactedFinding, Report
from spytriage.report import texts
from spytriage.report.arrange import by_state, can_be_right, parts, shown
from spytriage.report.said import isolate
from spytriage.text import printable

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@=])")

_MADE_INTO_LINKS = re.compile(r"(?<!\[)(://|@|(?<=www)\.)")  # by some programs even when escaped


_MOST_FINDINGS = 200  # a ticket with more is not read; report.json holds all


def to_markdown(report: Report) -> bytes:
    """Return the report as Markdown in the languages in use: UTF-8, the same bytes for the same report."""
    told = []
    for language in current_languages():
        with using_language(language):
            told.append(_told(report))
    return "\n---\n\n".join(told).encode()


def _told(report: Report) -> str:
    sections = (_outcome(report), _coverage(report), _findings(report), _limits(report), _about(report))
    return "\n".join(line for section in sections for line in section) + "\n"


def _outcome(report: Report) -> Iterator[str]:
    words = texts.outcome_texts(report.outcome, report.source)
    yield f"# {words.headline}"
    yield ""
    yield _("Outcome") + f": `{report.outcome}` · TLP:{report.tlp.upper()} · {report.tool.checked_on}"
    for sentence in (words.meaning, words.not_meaning):
        yield ""
        yield sentence
    yield heading(_("What to do now"))
    for number, step in enumerate(words.next_steps, start=1):
        yield f"{number}. {step}"


def _coverage(report: Report) -> Iterator[str]:
    yield heading(_("What was checked"))
    yield _row(_("Part of the phone"), _("State"), _("Records"), _("Remark"))
    yield "|---|---|---:|---|"
    for state, modules in by_state(report.modules):
        for module in modules:
            records = "–" if module.records is None else str(module.records)
            reason = texts.phrase(module.reason) if module.reason else ""
            yield _row(artefact_of(module.name).label, texts.phrase(state), records, reason)


def _findings(report: Report) -> Iterator[str]:
    yield heading(_("Findings"))
    shown_parts = parts(report.findings, _MOST_FINDINGS)
    if not shown_parts:
        yield _("There are no findings. The table above says what that rests on.")
    for part in shown_parts:
        text = texts.finding_text(part.group.id)
        yield f"### {text.title}\n"
        yield f"`{part.group.trace}` `{part.group.id}`\n"
        for sentence in (text.seen, text.meaning, text.next_step):
            yield sentence + "\n"
        for finding in part.shown:
            yield f"- F{finding.ref} · {observation(finding, report.tool.checked_on)}"
        yield ""
        if part.left_out:
            more = ngettext(
                "%(count)d more finding of this kind stands in report.json.",
                "%(count)d more findings of this kind stand in report.json.",
                part.left_out,
            )
            yield more % {"count": part.left_out} + "\n"


def observation(finding: RedactedFinding, told_on: date) -> str:
    """Return a finding on one line, as it is told on that day."""
    day = str(finding.day) if finding.day else _("day not known")
    if not can_be_right(finding.day, told_on):
        day += f" ({_('this day cannot be right')})"
    records = ngettext("%(count)d record", "%(count)d records", finding.count) % {"count": finding.count}
    unnamed, word = _("no family named"), _("set")
    claims = (
        f"{shown(indicator)} ({claim.family or unnamed}, {word} {claim.set})"
        for indicator in finding.indicators
        for claim in indicator.attributions
    )
    return " · ".join((day, records, plain(finding.artefact), *map(plain, claims)))


def _limits(report: Report) -> Iterator[str]:
    yield heading(_("Limits of this check"))
    for limit in report.told_limits:
        yield f"- {texts.limit_text(limit)}"


def _about(report: Report) -> Iterator[str]:
    yield heading(_("Method"))
    for loaded in report.sets:
        yield f"- {plain(loaded.title)} ({plain(loaded.publisher)}): SHA-256 `{plain(loaded.sha256)}`"
    tool = report.tool
    yield f"- spytriage {plain(tool.version)}, {plain(tool.engine)} {plain(tool.engine_version)}"
    yield ""
    yield _("Made by a program. Nobody has reviewed it unless a review comes with it.")


def heading(title: str) -> str:
    """Return the heading of a section."""
    return f"\n## {title}\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def plain(text: str) -> str:
    """Return text of a set of which nothing makes a link, an image or markup."""
    return isolate(_MARKUP.sub(r"\\\1", _MADE_INTO_LINKS.sub(r"[\g<0>]", printable(text))))
