"""report.html: one file that makes no request, runs no script, prints well, and opens anywhere.

Its first page is for the person; what follows is for whoever examines the case. The words come from
`spytriage.report.texts`, in each language of the report (`spytriage.report.said`), the arrangement from
`spytriage.report.arrange`, the page from `templates/report.html.jinja`, where every value is escaped.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import KINDS
from spytriage.i18n import current_language, current_languages, direction, language_tag
from spytriage.models import Limit, LimitId, Report
from spytriage.pages import environment, styled
from spytriage.report.arrange import by_state, can_be_right, foremost_limits, parts, shown, timeline
from spytriage.report.help_lines import ENDONYMS, help_lines
from spytriage.report.pictures import timeline_picture
from spytriage.report.said import _, ngettext, texts
from spytriage.report.wire import SCHEMA_VERSION, consent
from spytriage.text import printable

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"

LARGEST_PAGE = 300_000
"""Bytes that report.html may have: it travels by mail, and an old phone must open it."""

# More than this makes a page that nobody reads; report.json holds all, and the page says how many it leaves out.
_MOST = 200
_MOST_UNUSABLE = 20
_FOREMOST_LIMITS = 2
_TOLD_ELSEWHERE = {LimitId.DEMO, LimitId.OPERATOR_KNOWS}  # above the outcome, and beside the redaction


def to_html(report: Report) -> bytes:
    """Return report.html in the languages in use: UTF-8, self-contained, the same bytes for the same report.

    It has at most `LARGEST_PAGE` bytes: as many findings, days and sets are shown as fit, and the rest is counted.
    """
    most = _MOST
    while len(page := _page(report, most)) > LARGEST_PAGE and most > 1:
        most //= 2
    return page


def _page(report: Report, most: int) -> bytes:
    """Return the page with at most so many findings, days and sets."""
    rows = timeline(report.findings)
    mirrored = direction(current_language()) == "rtl"
    return render_page(
        "report.html.jinja",
        report=report,
        outcome=texts.outcome_texts(report.outcome, report.source),
        foremost=foremost_limits(report, _FOREMOST_LIMITS, _TOLD_ELSEWHERE),
        help_lines=help_lines(),
        language_names=ENDONYMS,
        limits=[limit for limit in report.told_limits if limit.id not in _TOLD_ELSEWHERE],
        demo=Limit(LimitId.DEMO),
        operator_knows=Limit(LimitId.OPERATOR_KNOWS),
        states=by_state(report.modules),
        parts=parts(report.findings, most),
        timeline=rows,
        picture=timeline_picture(rows, report.tool.checked_on, mirrored=mirrored),
        can_be_right=partial(can_be_right, checked_on=report.tool.checked_on),
        consent=consent(report.consent),
        most=most,
        most_unusable=min(_MOST_UNUSABLE, most),
        schema_version=SCHEMA_VERSION,
    )


def render_page(template: str, **values: object) -> bytes:
    """Return a page that holds its style and allows nothing else, in the languages in use."""
    language = current_language()
    page = _environment().get_template(template)
    return page.render(
        language=language_tag(language),
        direction=direction(language),
        languages=",".join(current_languages()),
        bilingual=len(current_languages()) > 1,
        **styled(_TEMPLATES / "report.css"),
        **values,
    ).encode()


@cache
def _environment() -> jinja2.Environment:
    names = {"_": _, "ngettext": ngettext, "texts": texts, "artefact_of": artefact_of, "kinds": KINDS}
    return environment(_TEMPLATES, {"shown": shown, "printable": printable}, **names)
