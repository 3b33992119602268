"""The limit: every row of the databases that modules read, fetched once with Python's sqlite3 and dropped.

python -m benchmarks.limit BACKUP DATABASE...

No reader written in Python on top of sqlite3 that looks at every column of every row is faster. One that leaves out
columns can be: most of Manifest.db is a property list for each file.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import deque
from pathlib import Path


def read(database: Path) -> int:
    """Read all rows of all tables; return how many there were."""
    connection, rows = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True), 0
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        cursor = connection.execute(f'SELECT * FROM "{table}"')
        last = deque(enumerate(cursor, 1), maxlen=1)
        rows += last[0][0] if last else 0
    connection.close()
    return rows


if __name__ == "__main__":
    print(sum(read(Path(sys.argv[1], name).resolve()) for name in sys.argv[2:]))
