"""Stage 3, the scan: MVT in a worker process of its own, and the ledger of what it did.

`supervisor.scan` starts the worker and keeps the ledger; `mvt_engine` runs inside the worker and is the only module
of spytriage that imports MVT; `protocol` is what the two say to each other; `guard` locks the worker down.
"""

from spytriage.scan.guard import forbid_network
from spytriage.scan.supervisor import Limits, Progress, scan

__all__ = ["Limits", "Progress", "forbid_network", "scan"]
