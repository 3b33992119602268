"""The report as one table for a spreadsheet: the outcome, what was checked, the limits, every finding.

A row says in its first column what it is. All of it is one table, so that nobody takes a list without findings for an
answer: what was not checked stands above them. Ids, words of code and days are those of report.json; titles and next
steps are in the person's language.
"""

from __future__ import annotations

from collections.abc import Iterator

from spytriage.artefacts import artefact_of
from spytriage.models import RedactedFinding, Report
from spytriage.report import texts
from spytriage.report.arrange import by_state, in_order, shown
from spytriage.text import csv_table

COLUMNS = ("row", "id", "title", "ref", "day", "trace", "level", "mvt_level", "module", "artefact", "records", "rule",
           "indicator_types", "indicators", "families", "sets", "next_step")  # fmt: skip


def to_csv(report: Report) -> bytes:
    """Return the table as CSV: UTF-8 with a byte order mark, by which spreadsheets know it. No cell is a formula."""
    return csv_table(COLUMNS, _rows(report)).encode("utf-8-sig")


def _rows(report: Report) -> Iterator[dict[str, str]]:
    words = texts.outcome_texts(report.outcome, report.source)
    yield {
        "row": "outcome",
        "id": report.outcome.value,
        "title": f"{words.headline} {words.not_meaning}",
        "day": report.tool.checked_on.isoformat(),
    }
    for state, modules in by_state(report.modules):
        for module in modules:
            because = f" ({texts.phrase(module.reason)})" if module.reason else ""
            yield {
                "row": "coverage",
                "id": state.value,
                "title": texts.phrase(state) + because,
                "module": module.name,
                "artefact": artefact_of(module.name).label,
                "records": "" if module.records is None else str(module.records),
            }
    for limit in report.told_limits:
        yield {"row": "limit", "id": limit.id.value, "title": texts.limit_text(limit)}
    for finding in in_order(report.findings):
        yield _finding(finding)


def _finding(finding: RedactedFinding) -> dict[str, str]:
    words = texts.finding_text(finding.id)
    claims = [claim for indicator in finding.indicators for claim in indicator.attributions]
    return {
        "row": "finding",
        "id": finding.id.value,
        "title": words.title,
        "ref": f"F{finding.ref}",
        "day": finding.day.isoformat() if finding.day else "",
        "trace": finding.trace.value,
        "level": finding.level.value,
        "mvt_level": finding.mvt_level.value,
        "module": finding.module,
        "artefact": finding.artefact,
        "records": str(finding.count),
        "rule": finding.rule.value if finding.rule else "",
        "indicator_types": ", ".join(dict.fromkeys(indicator.type.value for indicator in finding.indicators)),
        "indicators": ", ".join(map(shown, finding.indicators)),
        "families": ", ".join(dict.fromkeys(claim.family for claim in claims if claim.family)),
        "sets": ", ".join(dict.fromkeys(claim.set for claim in claims)),
        "next_step": words.next_step,
    }
