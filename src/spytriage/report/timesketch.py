"""Timelines in the columns that Timesketch reads: message, datetime, timestamp_desc, and what belongs to them.

Source of the columns: https://timesketch.org/guides/user/import-from-json-csv/
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from spytriage.i18n import _
from spytriage.models import RedactedFinding, Report
from spytriage.report import texts
from spytriage.report.arrange import in_order, shown
from spytriage.text import csv_table, printable

_COLUMNS = ("message", "datetime", "timestamp_desc", "finding", "trace", "level", "artefact", "count", "indicators",
            "sets")  # fmt: skip


def to_csv(report: Report) -> bytes:
    """Return the dated findings as CSV. No cell is one that a spreadsheet takes for a formula."""
    return csv_table(_COLUMNS, _rows(report)).encode()


def to_jsonl(report: Report) -> bytes:
    """Return the dated findings as JSON, one on each line; ASCII, so that no character steers a terminal."""
    return "".join(json.dumps(row) + "\n" for row in _rows(report)).encode()


def _rows(report: Report) -> Iterator[dict[str, str | int]]:
    dated = [(finding.day, finding) for finding in in_order(report.findings) if finding.day]
    for day, finding in sorted(dated, key=lambda pair: pair[0]):
        yield {
            "message": _message(finding),
            "datetime": f"{day.isoformat()}T00:00:00+00:00",
            "timestamp_desc": _("Day of the record (its time is withheld)"),
            "finding": finding.id.value,
            "trace": finding.trace.value,
            "level": finding.level.value,
            "artefact": finding.artefact,
            "count": finding.count,
            "indicators": ", ".join(shown(indicator) for indicator in finding.indicators),
            "sets": ", ".join(dict.fromkeys(printable(a.set) for i in finding.indicators for a in i.attributions)),
        }


def _message(finding: RedactedFinding) -> str:
    values = ", ".join(shown(indicator) for indicator in finding.indicators)
    return texts.finding_text(finding.id).title + (f": {values}" if values else "")
