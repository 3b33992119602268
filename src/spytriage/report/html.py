"""report.html: one file that makes no request, runs no script, prints well, and opens anywhere.

The words come from `spytriage.report.texts`, the arrangement from `spytriage.report.arrange`, the page from
`templates/report.html.jinja`, where every value is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import KINDS
from spytriage.i18n import _, current_language, language_tag, ngettext
from spytriage.models import Limit, LimitId, RedactedFinding, Report
from spytriage.report import texts
from spytriage.report.arrange import Group, by_state, grouped, shown, timeline
from spytriage.report.wire import SCHEMA_VERSION, consent
from spytriage.text import printable

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"

# More than this makes a page that nobody reads; report.json holds all, and the page says how many it leaves out.
_MOST_FINDINGS = 200
_MOST_DAYS = 200
_MOST_UNUSABLE = 20
_TOLD_ELSEWHERE = {LimitId.DEMO, LimitId.OPERATOR_KNOWS}  # above the outcome, and beside the redaction


@dataclass(frozen=True, slots=True)
class _Part:
    """A group of findings and how many of them the page shows."""

    group: Group
    shown: tuple[RedactedFinding, ...]

    @property
    def left_out(self) -> int:
        return len(self.group.findings) - len(self.shown)


def to_html(report: Report) -> bytes:
    """Return report.html in the current language: UTF-8, self-contained, the same bytes for the same report."""
    style = (_TEMPLATES / "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = _environment().get_template("report.html.jinja")
    return page.render(
        report=report,
        language=language_tag(current_language()),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=style,
        outcome=texts.outcome_texts(report.outcome),
        limits=[limit for limit in report.told_limits if limit.id not in _TOLD_ELSEWHERE],
        demo=texts.limit_text(Limit(LimitId.DEMO)),
        operator_knows=texts.limit_text(Limit(LimitId.OPERATOR_KNOWS)),
        states=by_state(report.modules),
        parts=tuple(_parts(report)),
        timeline=timeline(report.findings),
        consent=consent(report.consent),
        most_days=_MOST_DAYS,
        most_unusable=_MOST_UNUSABLE,
        schema_version=SCHEMA_VERSION,
    ).encode()


def _parts(report: Report) -> Iterator[_Part]:
    """Yield every kind of finding; when there are too many findings, each kind with its first ones."""
    groups = grouped(report.findings)
    many = len(report.findings) > _MOST_FINDINGS
    share = max(1, _MOST_FINDINGS // len(groups)) if many else _MOST_FINDINGS
    for group in groups:
        yield _Part(group, group.findings[:share])


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 (slow to import)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(_=_, ngettext=ngettext, texts=texts, artefact_of=artefact_of, kinds=KINDS)
    environment.filters.update(shown=shown, printable=printable, capitalize_first=_capitalize_first)
    return environment


def _capitalize_first(text: str) -> str:
    """Return a phrase as it stands at the head of a cell (jinja's own filter would lower the rest)."""
    return text[:1].upper() + text[1:]
