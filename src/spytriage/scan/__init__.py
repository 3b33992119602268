"""Stage 3, the scan: MVT in a worker process of its own, and the ledger of what it did.

`supervisor.scan` starts the worker and keeps the ledger; `mvt_engine` runs inside the worker and is all of spytriage
that imports MVT (`android_seams` is its part for Android); `protocol` is what the two sides say to each other;
`guard` locks the worker down; `backup_files` gives it the files in clear, in copies (`copies`) inside private folders
(`workspace`).
"""

from spytriage.scan.guard import forbid_core_dumps, forbid_network
from spytriage.scan.supervisor import Limits, Progress, scan
from spytriage.scan.workspace import left_behind, private_folder, sweep

__all__ = [
    "Limits",
    "Progress",
    "forbid_core_dumps",
    "forbid_network",
    "left_behind",
    "private_folder",
    "scan",
    "sweep",
]
