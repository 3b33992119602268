"""How long the program takes to start, beside Python and MVT's own import, in turns.

python -m benchmarks.startup
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.compare import machine
from benchmarks.measure import Cost, run
from benchmarks.tables import CHECK, RESULTS, rewrite
from spytriage.demo import write_phone
from spytriage.indicators.data import data_file

RUNS = 9


def commands(folder: Path) -> dict[str, list[str | Path]]:
    """Return what is measured, by its name in the table."""
    phone, consent = folder / "phone", folder / "consent.yaml"
    write_phone(phone)
    spytriage = [sys.executable, "-m", "spytriage"]
    run([*spytriage, "consent", "new", "-o", consent, "--grant", "analyse"], folder / "home")
    check = ["check", phone, "--consent", consent, "-q", "-o", folder / "report", "-i", data_file("demo.stix2")]
    return {
        "Python alone": [sys.executable, "-c", "pass"],
        "Python and MVT's import": [sys.executable, "-c", "import mvt.ios.cmd_check_backup"],
        "`spytriage --help`": [*spytriage, "--help"],
        CHECK: [*spytriage, *check],
    }


def main() -> None:
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, state = Path(name), machine()
        programs = commands(folder)
        for number in range(RUNS + 1):
            for title, command in programs.items():
                home = folder / f"home-{number}-{len(costs.get(title, []))}"
                cost = run(command, home, exits=(0, 3))
                if number:  # the first found nothing in memory
                    costs.setdefault(title, []).append(cost)
                if (folder / "report").exists():
                    (folder / "report").rename(folder / f"report-{number}")
    found: dict[str, Any] = {"command": "python -m benchmarks.startup", "runs": RUNS, "machine": state, "commands": {}}
    for title, several in costs.items():
        middle = {key: statistics.median(getattr(cost, key) for cost in several) for key in ("cpu", "wall")}
        found["commands"][title] = middle
        print(f"{title}: {middle['cpu']:.3f} s of processor, {middle['wall']:.3f} s")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "startup.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rewrite()


if __name__ == "__main__":
    main()
