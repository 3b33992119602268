"""Stage 6, what leaves: report.json, report.html, report.stix2, manifest.json, its signature, the terminal summary.

Everything here takes `spytriage.models.Report`, which can hold redacted findings only. `terminal` is not imported
here, since rich is slow to import and a program that only wants files does not need it.
"""

from spytriage.report.folder import render, renderings, require_unused, to_manifest, write_report
from spytriage.report.html import to_html
from spytriage.report.markdown import to_markdown
from spytriage.report.pdf import to_pdf
from spytriage.report.read import from_json
from spytriage.report.stix import to_stix
from spytriage.report.table import to_csv
from spytriage.report.timesketch import to_csv as to_timesketch
from spytriage.report.timesketch import to_jsonl
from spytriage.report.wire import to_json

RENDERERS = {
    "html": to_html,
    "md": to_markdown,
    "stix": to_stix,
    "csv": to_csv,
    "timesketch": to_timesketch,
    "jsonl": to_jsonl,
}
"""What `spytriage report render` can make, by the name of its format; and `to_pdf`, which needs WeasyPrint."""

__all__ = [
    "RENDERERS",
    "from_json",
    "render",
    "renderings",
    "require_unused",
    "to_html",
    "to_json",
    "to_manifest",
    "to_pdf",
    "to_stix",
    "write_report",
]
