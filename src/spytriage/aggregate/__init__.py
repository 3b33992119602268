"""How many phones of how many people: counts over many reports, and nothing that leads back to one of them.

`cases` reads reports and what stands beside them, `tables` counts, `suppression` hides small counts and whatever would
give them away, `page` renders. Beside the stages: it takes finished reports.
"""

from spytriage.aggregate.cases import collect
from spytriage.aggregate.page import to_csv, to_html, to_json
from spytriage.aggregate.tables import count

__all__ = ["collect", "count", "to_csv", "to_html", "to_json"]
