"""Past cases rechecked with the published sets: time, memory, and how many of them had to be opened.

    python benchmarks/recheck.py --bundles FOLDER --folder /var/tmp/bench --cases 1500 15000      7 GB of disk

Each made case holds 20,000 observables in the proportions of a phone with a full history. The cases were checked with
the set `pegasus` and are rechecked with all sets, once knowing the earlier set and once not. `--matching` says how many
cases hold a domain of the newer sets.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyrage

from spytriage.evidence import parse_recipients
from spytriage.indicators import load
from spytriage.indicators.kept import keys_of_value, reduced
from spytriage.models import IndicatorType, Kept, LookUp, Observable
from spytriage.observables import seal
from spytriage.report import from_json, to_json

DAY = date(2026, 5, 4)
OBSERVABLES = 20_000
DIFFERENT = 60
"""How many different phones are made; the cases are these again and again, each sealed anew."""
MIX = {  # of 100 observables
    LookUp.URL: 45, LookUp.FILE_PATH: 40, LookUp.EMAIL: 6, LookUp.PROCESS: 5, LookUp.APP_ID: 3, LookUp.PROFILE: 1,
}  # fmt: skip
MODULES = {
    LookUp.URL: "SafariHistory", LookUp.FILE_PATH: "Manifest", LookUp.EMAIL: "Contacts", LookUp.PROCESS: "Datausage",
    LookUp.APP_ID: "Applications", LookUp.PROFILE: "ConfigurationProfiles",
}  # fmt: skip
Files = Mapping[str, bytes]


def observables(rng: random.Random) -> Iterator[Observable]:
    """Make what a phone holds: few hosts often and many seldom, pictures in folders of a thousand."""
    for number, look_up in enumerate(rng.choices(list(MIX), list(MIX.values()), k=OBSERVABLES)):
        word = f"{rng.getrandbits(40):010x}"
        host = f"{'www.' * (number % 2)}site-{int(rng.paretovariate(0.7)) % 50_000}.example.com"
        value = {
            LookUp.URL: f"https://{host}/{word}",
            LookUp.FILE_PATH: f"/Media/DCIM/{100 + number // 999}APPLE/IMG_{word}.HEIC",
            LookUp.EMAIL: f"person-{word}@example.org",
            LookUp.PROCESS: f"process-{word}",
            LookUp.APP_ID: f"org.example.app-{word}",
            LookUp.PROFILE: word,
        }[look_up]
        day = DAY - timedelta(days=rng.randrange(2_000))
        yield Observable(look_up, reduced(look_up, value), MODULES[look_up], day, 1 + number % 5)


class Maker:
    """Makes cases: packing a phone's observables is done once for each of the different phones."""

    def __init__(self, report_json: bytes, domains: Sequence[str]) -> None:
        self.report_json, self.domains = report_json, domains
        self.identity = pyrage.x25519.Identity.generate()
        self.recipients = parse_recipients([str(self.identity.to_public())])
        self.packed: dict[int, Files] = {}
        self.kept: dict[int, Kept] = {}

    def make(self, place: Path, number: int, *, matching: bool) -> None:
        phone = number % DIFFERENT
        if phone not in self.packed:
            self.kept[phone] = Kept(tuple(observables(random.Random(phone))), {})
            sealed = self.seal(self.kept[phone])
            self.packed[phone] = {name: pyrage.decrypt(data, [self.identity]) for name, data in sealed.items()}
        if matching:
            host = Observable(LookUp.URL, self.domains[number % len(self.domains)], "SafariHistory", DAY, 1)
            files = self.seal(Kept((*self.kept[phone].observables, host), {}))
        else:
            keys = list(self.recipients.keys)
            files = {name: pyrage.encrypt(data, keys) for name, data in self.packed[phone].items()}
        place.mkdir(parents=True)
        for name, data in {"report.json": self.report_json, **files}.items():
            (place / name).write_bytes(data)

    def seal(self, kept: Kept) -> Files:
        return seal(kept, keys_of_value, self.report_json, self.recipients)


def a_report(folder: Path, sets: Path) -> bytes:
    """Return the report of a check that found nothing, with this set."""
    command = [sys.executable, "-m", "spytriage", "demo", "--output", folder / "demo", "--quiet"]
    subprocess.run(command, check=True)
    report = from_json((folder / "demo" / "report.json").read_bytes())
    consent = replace(report.consent, keep_observables=True)
    return to_json(replace(report, findings=(), objects=(), sets=load([sets]).sets, consent=consent))


def measured(command: Sequence[str | Path]) -> tuple[float, int, float]:
    """Run a command; return its seconds, the most memory that its processes had together, and their CPU seconds."""
    peak, begun = 0, time.monotonic()
    before = os.times()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            peak = max(peak, sum(p.memory_info().rss for p in [watched, *watched.children(recursive=True)]))
        time.sleep(0.2)
    if process.returncode not in {0, 3}:
        raise SystemExit(f"recheck ended with {process.returncode}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begun, peak, cpu


def recheck(folder: Path, bundles: Path, cases: int, *, previous: Sequence[Path]) -> tuple[Any, ...]:
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    command = [
        sys.executable, "-m", "spytriage", "recheck", folder / f"cases-{cases}", "-i", bundles, "--jobs", "2",
        "--identity", folder / "key.txt", "-o", output, *(part for path in previous for part in ("--previous", path)),
    ]  # fmt: skip
    seconds, peak, cpu = measured(command)
    rows = json.loads((output / "summary.json").read_text())["cases"]
    depths, statuses = Counter(row["depth"] for row in rows), Counter(row["status"] for row in rows)
    return seconds, cpu, peak, depths["observables"], statuses["new"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundles", type=Path, required=True, help="folder of published bundles")
    parser.add_argument("--folder", type=Path, required=True, help="new folder for cases, half a MB each, and results")
    parser.add_argument("--cases", type=int, nargs="+", default=[1500])
    parser.add_argument("--matching", type=int, nargs="+", default=[15], help="how many hold a published domain")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    pegasus = options.bundles / "pegasus.stix2"
    known = {indicator.key for indicator in load([pegasus]).indicators}
    added = [i for i in load([options.bundles]).indicators if i.key not in known and i.type is IndicatorType.DOMAIN]
    maker = Maker(a_report(options.folder, pegasus), [i.value for i in added])
    (options.folder / "key.txt").write_text(f"{maker.identity}\n")
    print("| cases | hold a match | earlier sets known | seconds | CPU seconds | memory, MB | opened | new |")
    print("|---|---|---|---|---|---|---|---|")
    for cases in options.cases:
        for matching in options.matching:
            home = options.folder / f"cases-{cases}"
            shutil.rmtree(home, ignore_errors=True)
            for number in range(cases):
                maker.make(home / f"case-{number:05d}", number, matching=number % (cases // matching) == 0)
            for previous in ([pegasus], []):
                seconds, cpu, peak, opened, new = recheck(options.folder, options.bundles, cases, previous=previous)
                told = "yes" if previous else "no"
                row = (cases, matching, told, f"{seconds:.0f}", f"{cpu:.0f}", peak >> 20, opened, new)
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
