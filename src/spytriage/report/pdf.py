"""The report as PDF: report.html, printed by WeasyPrint, which is an optional dependency.

The page is the same, so what redaction and the tripwire hold for report.html holds here too. The bytes are the same for
the same report, version of WeasyPrint and fonts.
"""

from __future__ import annotations

import warnings

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import Report
from spytriage.report.html import to_html


def to_pdf(report: Report) -> bytes:
    """Return the report as PDF in the languages in use; nothing is fetched.

    Raises:
        SpytriageError: WeasyPrint, or the Pango library that it needs, is not installed, or there are no fonts.
    """
    try:
        with warnings.catch_warnings():
            # Without any font, Pango would end the program where it stands.
            warnings.filterwarnings("error", message=".*Expect ugly output")
            import weasyprint  # noqa: PLC0415 (optional, and slow to import)
    except UserWarning as error:
        raise SpytriageError(
            _("A PDF cannot be made: this computer has no fonts."),
            hint=_(
                "Install one, such as the package fonts-dejavu-core, or open report.html in a browser and print it."
            ),
        ) from error
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        raise SpytriageError(
            _("A PDF cannot be made: WeasyPrint, or the Pango library that it needs, is not installed."),
            hint=_(
                "Install them: pip install 'spytriage[pdf]', and Pango with the system's own package manager. "
                "Or open report.html in a browser and print it to a file."
            ),
        ) from error
    page = weasyprint.HTML(string=to_html(report).decode(), url_fetcher=_fetch_nothing, media_type="print")
    printed: bytes = page.write_pdf(pdf_identifier=b"spytriage")
    return printed


def _fetch_nothing(url: str, *_arguments: object, **_options: object) -> dict[str, object]:
    raise ValueError(f"a report holds all it needs, and asks for nothing: {url[:80]}")
