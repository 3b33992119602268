"""Text that may come from a phone or a stranger, made harmless for what shows it: a terminal, a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

# Control (Cc), format (Cf: bidi overrides, zero-width), surrogate (Cs), private use (Co), unassigned (Cn),
# line and paragraph separators (Zl, Zp).
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, limit: int = 300) -> str:
    r"""Return text with every character that could steer a terminal or reorder a line written as an escape.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    kept = text[:limit]
    safe = "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _UNPRINTABLE else char
        for char in kept
    )
    return safe + "…" if len(text) > limit else safe


# A spreadsheet takes a cell for a formula that begins with one of these, also in full width (Excel with an East Asian
# input), also after spaces and quotation marks. In many countries `;` parts cells and `,` does not, and some people
# choose `|`: what follows these begins a cell too, whatever quotation marks the file has around it.
_BEGINS_A_FORMULA = re.compile(r'(^|[;|])(?=[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212])')
_LONGEST_CELL = 10_000  # characters


def spreadsheet_cell(text: str) -> str:
    """Return the text as a cell of a CSV file that no spreadsheet takes for a formula, and no terminal for orders.

    Whatever may begin a formula gets an apostrophe before it. Line breaks and tabs become escapes, so that a cell
    stays a cell. Give it texts only: a number may begin with a minus. Doing it twice changes nothing more.

    Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("a;-b")
    ("'=1+1", "a;'-b")
    """
    return _BEGINS_A_FORMULA.sub(r"\1'", printable(text, _LONGEST_CELL))


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, str | int | None]]) -> str:
    """Return a CSV file with a heading, its texts as `spreadsheet_cell`s; what a row has not, or None, is empty."""
    import csv  # noqa: PLC0415 (start-up stays fast)
    import io  # noqa: PLC0415

    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: spreadsheet_cell(cell) if isinstance(cell, str) else cell for name, cell in row.items()})
    return table.getvalue()
