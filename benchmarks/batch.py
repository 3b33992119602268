"""How much faster a batch is with two phones at once, beside one after the other, in turns.

python -m benchmarks.batch [--phones N] [--size small]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.compare import machine
from benchmarks.measure import run
from benchmarks.phones import SIZES, write_phone
from benchmarks.tables import RESULTS, rewrite
from spytriage.indicators.data import data_file

RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, default=6)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    options = parser.parse_args()
    walls: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(dir=os.environ.get("SPYTRIAGE_BENCH_FOLDER")) as name:
        folder, state = Path(name), machine()
        spytriage = [sys.executable, "-m", "spytriage"]
        for number in range(options.phones):
            phone = folder / "phones" / f"K-{number}"
            phone.mkdir(parents=True)
            write_phone(phone / "backup", SIZES[options.size], seed=number)
            run([*spytriage, "consent", "new", "-o", phone / "consent.yaml", "--grant", "analyse"], folder / "home")
        for turn in range(RUNS):
            for jobs, several in walls.items():
                batch = ["batch", folder / "phones", "-o", folder / f"reports-{turn}-{jobs}", "--jobs", str(jobs), "-q"]
                home = folder / f"home-{turn}-{jobs}"
                several.append(run([*spytriage, *batch, "-i", data_file("demo.stix2")], home, exits=(3,)).wall)
    one, two = (statistics.median(several) for several in walls.values())
    print(f"{options.phones} phones: one at a time {one:.1f} s, two at once {two:.1f} s: {one / two:.2f} times")
    found = {"command": f"python -m benchmarks.batch --phones {options.phones} --size {options.size}", "runs": RUNS,
             "machine": state, "phones": options.phones, "size": options.size, "one": one, "two": two}  # fmt: skip
    (RESULTS / "batch.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rewrite()


if __name__ == "__main__":
    main()
