"""What keeping what was looked up costs a check: seconds, memory of all processes, and bytes written, with and without.

python -m benchmarks.keeping [--size small middling]
python -m benchmarks.keeping --values 2000000      packs and seals so many made values, without a phone
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyrage

from benchmarks.measure import run
from benchmarks.phones import SIZES, write_phone
from benchmarks.recheck import MODULES, OBSERVABLES, observables
from spytriage.evidence import parse_recipients
from spytriage.indicators.data import data_file
from spytriage.indicators.kept import keys_of_value
from spytriage.models import Kept
from spytriage.observables import seal
from spytriage.scan.keeping import Collected
from spytriage.scan.protocol import Observed

_ROWS = 1_000  # of a message


def keep_made_values(number: int) -> None:
    """Pack and seal made values in this process; print what it took."""
    collected, begin = Collected(), time.process_time()
    for phone in range(number // OBSERVABLES):
        made = sorted(observables(random.Random(phone)), key=lambda one: (one.module, one.look_up, one.value))
        for module in MODULES.values():
            rows = [one for one in made if one.module == module]
            for at in range(0, len(rows), _ROWS):
                collected.add(Observed(module, tuple(rows[at : at + _ROWS])))
    collected.settle(list(MODULES.values()))
    recipients = parse_recipients([str(pyrage.x25519.Identity.generate().to_public())])
    files = seal(Kept(collected, collected.left_out), keys_of_value, b"{}", recipients)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    sealed = ", ".join(f"{name} {len(data) / 1e6:.1f} MB" for name, data in files.items())
    seconds = time.process_time() - begin
    print(f"{number} values: {peak >> 20} MB of memory at the peak, {seconds:.0f} CPU seconds, {sealed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, nargs="+", default=["small"])
    parser.add_argument("--values", type=int)
    options = parser.parse_args()
    if options.values:
        keep_made_values(options.values)
        return
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
