"""How many phones of how many people: counts over many reports, and nothing that leads back to one of them.

`cases` reads reports and what stands beside them, `tables` counts, `suppression` hides small counts and whatever would
give them away, `page` renders. Beside the stages: it takes finished reports.
"""

from spytriage.aggregate.cases import Case, Collected, LeftOut, collect
from spytriage.aggregate.page import to_csv, to_html, to_json
from spytriage.aggregate.suppression import Equation, suppress
from spytriage.aggregate.tables import DEFAULT_K, Cell, Statistics, count

__all__ = [
    "DEFAULT_K",
    "Case",
    "Cell",
    "Collected",
    "Equation",
    "LeftOut",
    "Statistics",
    "collect",
    "count",
    "suppress",
    "to_csv",
    "to_html",
    "to_json",
]
