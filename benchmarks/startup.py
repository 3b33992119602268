"""How long the program takes to start, beside Python and MVT's own import, in turns.

python -m benchmarks.startup
"""

from __future__ import annotations

import compileall
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.compare import machine
from benchmarks.measure import ROOT, Cost, run
from benchmarks.tables import CHECK, IMPORT, RESULTS, rewrite
from spytriage import pages
from spytriage.demo import write_phone
from spytriage.indicators.data import data_file

RUNS = 9
PARTS = "parts"


def as_installed() -> None:
    """Compile modules and templates, as installing does: a worker writes no byte code of its own."""
    compileall.compile_dir(ROOT / "src" / "spytriage", quiet=1)
    for folder in pages.FOLDERS:
        pages.compile_all(folder)


def commands(folder: Path) -> dict[str, list[str | Path]]:
    """Return what is measured, by its name in the table."""
    phone, consent = folder / "phone", folder / "consent.yaml"
    write_phone(phone)
    spytriage = [sys.executable, "-m", "spytriage"]
    run([*spytriage, "consent", "new", "-o", consent, "--grant", "analyse"], folder / "home")
    check = ["check", phone, "--consent", consent, "-q", "-o", folder / "report", "-i", data_file("demo.stix2")]
    return {
        "Python alone": [sys.executable, "-c", "pass"],
        IMPORT: [sys.executable, "-c", "import mvt.ios.cmd_check_backup"],
        "`spytriage --help`": [*spytriage, "--help"],
        CHECK: [*spytriage, *check],
        PARTS: [sys.executable, ROOT / "benchmarks" / "parts.py", folder / "parts.json", *check],
    }


def main() -> None:
    as_installed()
    costs: dict[str, list[Cost]] = {}
    parts: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder, state = Path(name), machine()
        programs = commands(folder)
        for number in range(RUNS + 1):
            for title, command in programs.items():
                home = folder / f"home-{number}-{list(programs).index(title)}"
                cost = run(command, home, exits=(0, 3))
                if (folder / "report").exists():
                    (folder / "report").rename(folder / f"report-{number}-{title == PARTS}")
                if number and title == PARTS:
                    parts.append(json.loads((folder / "parts.json").read_text()))
                elif number:  # the first found nothing in memory
                    costs.setdefault(title, []).append(cost)
    found: dict[str, Any] = {"command": "python -m benchmarks.startup", "runs": RUNS, "machine": state, "commands": {}}
    for title, several in costs.items():
        least = {key: min(getattr(cost, key) for cost in several) for key in ("cpu", "wall")}
        found["commands"][title] = least
        print(f"{title}: {least['cpu']:.3f} s of processor, {least['wall']:.3f} s")
    found["parts"] = min(parts, key=lambda one: sum(one.values()))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "startup.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rewrite()


if __name__ == "__main__":
    main()
