"""Stage 6, what leaves: report.json, report.html, report.stix2, manifest.json, the terminal summary.

Everything here takes `spytriage.models.Report`, which can hold redacted findings only. `terminal` is not imported
here, since rich is slow to import and a program that only wants files does not need it.
"""

from spytriage.report.folder import render, require_unused, write_report
from spytriage.report.html import to_html
from spytriage.report.stix import to_stix
from spytriage.report.wire import to_json

__all__ = ["render", "require_unused", "to_html", "to_json", "to_stix", "write_report"]
