"""Stage 3, the scan: MVT in a worker process of its own, and the ledger of what it did.

`supervisor.scan` starts the worker and keeps the ledger; `mvt_engine` runs inside the worker and, with its part
`mvt_android`, is all of spytriage that imports MVT; `protocol` is what the two sides say to each other;
`guard` locks the worker down; `backup_files` gives it the files in clear, in copies (`copies`) inside private folders
(`workspace`).
"""

from spytriage.scan.guard import forbid_core_dumps, forbid_network
from spytriage.scan.supervisor import Limits, Progress, scan
from spytriage.scan.workspace import private_folder, sweep

__all__ = ["Limits", "Progress", "forbid_core_dumps", "forbid_network", "private_folder", "scan", "sweep"]
