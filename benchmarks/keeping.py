"""What keeping what was looked up costs a check: seconds, memory of all processes, and bytes written, with and without.

python -m benchmarks.keeping [--size small middling]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import pyrage

from benchmarks.measure import run
from benchmarks.phones import SIZES, write_phone
from spytriage.indicators.data import data_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, nargs="+", default=["small"])
    options = parser.parse_args()
    spytriage = [sys.executable, "-m", "spytriage"]
    keep = ["--keep-observables", "--seal-to", str(pyrage.x25519.Identity.generate().to_public())]
    print("| phone | kept | seconds | CPU seconds | memory, MB | written, MB |")
    print("|---|---|---|---|---|---|")
    for size in options.size:
        with tempfile.TemporaryDirectory(dir=os.environ.get("SPYTRIAGE_BENCH_FOLDER")) as name:
            folder = Path(name)
            write_phone(folder / "backup", SIZES[size], seed=1)
            consent = folder / "consent.yaml"
            granted = [part for grant in ("analyse", "keep-observables") for part in ("--grant", grant)]
            run([*spytriage, "consent", "new", "-o", consent, *granted], folder / "home")
            check = [*spytriage, "check", folder / "backup", "--consent", consent, "-i", data_file("demo.stix2"), "-q"]
            for kept, more in (("no", []), ("yes", keep)):
                output = folder / f"report-{kept}"
                cost = run([*check, "-o", output, *more], folder / f"home-{kept}", left=output, exits=(0, 3, 4, 5))
                row = (size, kept, f"{cost.wall:.0f}", f"{cost.cpu:.0f}", cost.memory >> 20, f"{cost.left / 1e6:.1f}")
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
