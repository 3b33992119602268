"""MVT and spytriage on the same phone in the same run: what each costs, and whether they raise the same alerts.

    python -m benchmarks.compare --size small|middling|full|huge [--encrypted] [--jobs N] [--without-mvt]

Makes the phone, lets both check it in turns, compares their alerts, prints ratios, writes benchmarks/results/ and the
tables of benchmarks/README.md. Ends with an error, and writes nothing, when an alert differs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.measure import ROOT, Cost, run, seconds_on_a_terminal
from benchmarks.phones import PASSWORD, SIZES, Phone, Size, write_phone
from benchmarks.probe import Alert, alert_name
from benchmarks.tables import RESULTS, rewrite
from spytriage.indicators.data import data_file

WORK = ROOT / "benchmarks" / "work"
SETS = ("demo", "pegasus-core")
_OUTCOMES = (0, 3, 4, 5)
_PYTHON = (sys.executable, "-m")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one of the two."""

    cost: Cost
    notes: Mapping[str, Any]  # of the probe: alerts, errors, seconds by module

    @property
    def alerts(self) -> Counter[Alert]:
        """The alerts, each with how often it was raised."""
        found: Counter[Alert] = Counter()
        for module, level, value, message, count in self.notes["alerts"]:
            found[module, level, value, message] += count
        return found


def differences(
    mvt: Mapping[Alert, int], ours: Mapping[Alert, int], beyond: Mapping[tuple[str, str], int]
) -> list[str]:
    """Return a sentence for each alert that one raised and the other did not.

    Args:
        mvt: the alerts of MVT.
        ours: the alerts of spytriage.
        beyond: what MVT does not look at and spytriage has to find: module and indicator, and how often.
    """
    expected = Counter(mvt)
    for (module, value), count in beyond.items():
        levels = [key for key in ours if (key[0], key[2]) == (alert_name(module), value)]
        expected[levels[0] if levels else (alert_name(module), "", value, "")] += count
    return [
        f"{' '.join(filter(None, alert))}: expected {expected[alert]}, spytriage raised {ours.get(alert, 0)}"
        for alert in sorted({*expected, *ours})
        if expected[alert] != ours.get(alert, 0)
    ]


class Checks:
    """Lets both programs check one phone."""

    def __init__(self, backup: Path, work: Path, *, encrypted: bool, jobs: int | None) -> None:
        self._backup, self._work, self._encrypted = backup, work, encrypted
        self._jobs = ["--jobs", str(jobs)] if jobs else []
        self._sets = [part for name in SETS for part in ("-i", data_file(f"{name}.stix2"))]
        self._consent, self._password = work / "consent.yaml", work / "password"
        self._password.write_text(PASSWORD)
        run([*_PYTHON, "spytriage", "consent", "new", "-o", self._consent, "--grant", "analyse"], work / "home")

    def spytriage(self) -> Run:
        home, out = self._new("spytriage"), self._work / "spytriage" / "report"
        password = ["--password-file", self._password] if self._encrypted else []
        arguments = ["check", self._backup, "--consent", self._consent, "-q", "-o", out]
        command = self._probe("spytriage", *arguments, *self._sets, *self._jobs, *password)
        return self._ran(run(command, home, left=out, exits=_OUTCOMES))

    def mvt(self) -> Run:
        home, out, backup = self._new("mvt"), self._work / "mvt" / "results", self._backup
        spent = Cost(0, 0, 0, 0)
        if self._encrypted:
            backup = self._work / "mvt" / "decrypted"
            # One job is faster than its default of four.
            decrypt = ["decrypt-backup", "--jobs", "1", "-p", PASSWORD, "-d", backup, self._backup]
            spent = run(self._probe("mvt", *_OFFLINE, *decrypt), home, left=backup)
        command = self._probe("mvt", *_OFFLINE, "check-backup", *self._sets, "-o", out, backup)
        spent += run(command, home, left=out)
        return self._ran(spent)

    def first_line(self) -> float:
        """Return the seconds from the password, typed on a terminal, to the first line of coverage."""
        home = self._new("terminal")
        command = [*_PYTHON, "spytriage", "check", self._backup, "--consent", self._consent, "-o", home / "report"]
        return seconds_on_a_terminal(
            [*command, *self._sets], home, after="not shown", typed=PASSWORD, until=(": checked", ": read, but")
        )

    def limit(self, phone: Phone) -> Cost:
        return run([*_PYTHON, "benchmarks.limit", self._backup, *phone.databases], self._new("limit"))

    def _new(self, name: str) -> Path:
        """Make an empty folder; what an earlier run left in it goes."""
        shutil.rmtree(self._work / name, ignore_errors=True)
        return self._work / name / "home"

    def _probe(self, program: str, *arguments: str | Path) -> list[str | Path]:
        return [*_PYTHON, "benchmarks.probe", program, self._work / "notes.json", *arguments]

    def _ran(self, cost: Cost) -> Run:
        notes = json.loads((self._work / "notes.json").read_text(encoding="utf-8"))
        if notes["errors"]:
            raise SystemExit(f"not everything was read: {notes['errors']}")
        return Run(cost, notes)


_OFFLINE = ("--disable-update-check", "--disable-indicator-update-check")


def compare(checks: Checks, phone: Phone, rounds: int, *, with_mvt: bool) -> dict[str, list[Run]]:
    """Run both in turns, and compare the alerts of every run."""
    runs: dict[str, list[Run]] = {"spytriage": [], "mvt": []}
    for number in range(rounds):
        runs["spytriage"].append(checks.spytriage())
        _tell("spytriage", runs["spytriage"][-1].cost)
        if with_mvt:
            runs["mvt"].append(checks.mvt())
            _tell("MVT", runs["mvt"][-1].cost)
        if number == rounds - 1 and with_mvt:  # one more: the first found the files not yet in memory
            runs["spytriage"].append(checks.spytriage())
            _tell("spytriage", runs["spytriage"][-1].cost)
    reference = (runs["mvt"] or runs["spytriage"])[0].alerts
    for run_of_mvt in runs["mvt"]:
        _require_same(reference, run_of_mvt.alerts, {})
    for ours in runs["spytriage"]:
        _require_same(reference, ours.alerts, phone.beyond_mvt if with_mvt else {})
    return runs


def _require_same(mvt: Mapping[Alert, int], ours: Mapping[Alert, int], beyond: Mapping[tuple[str, str], int]) -> None:
    if different := differences(mvt, ours, beyond):
        raise SystemExit("the alerts differ:\n" + "\n".join(different))


def _tell(name: str, cost: Cost) -> None:
    print(
        f"{name}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor, {cost.memory / 1e6:.0f} MB,"
        f" {cost.written / 1e6:.0f} MB written, {cost.left / 1e6:.1f} MB left",
        flush=True,
    )


def mean(costs: Iterable[Cost]) -> Cost:
    """Return what a run takes in the mean; of the memory, the most."""
    costs = list(costs)
    times = [fmean(getattr(cost, name) for cost in costs) for name in ("wall", "cpu")]
    return Cost(*times, *(max(getattr(cost, name) for cost in costs) for name in ("memory", "written", "left")))


def results(runs: Mapping[str, list[Run]], limit: Cost | None, phone: Phone, size: Size) -> dict[str, Any]:
    """Return what a run found, as it is kept."""
    found: dict[str, Any] = {
        "phone": {**asdict(size), "entries": phone.files, "bytes": phone.size},
        "alerts": {"same": sum(runs["mvt"][0].alerts.values()) if runs["mvt"] else None,
                   "beyond_mvt": sum(phone.beyond_mvt.values())},
        "limit": asdict(limit) if limit else None,
    }  # fmt: skip
    for name, several in runs.items():
        if several:
            modules = sorted({module for one in several for module in one.notes["modules"]})
            found[name] = {
                **asdict(mean(one.cost for one in several)),
                "runs": len(several),
                "scan": fmean(one.notes["scan"] for one in several),
                "modules": {
                    module: fmean(one.notes["modules"].get(module, 0.0) for one in several) for module in modules
                },
            }
    return found


def machine() -> dict[str, Any]:
    """Return what it was measured on, without its name."""
    from mvt.common.version import MVT_VERSION  # noqa: PLC0415 (reads its configuration when imported)

    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "mvt": MVT_VERSION,
        "load": round(os.getloadavg()[0], 1),
    }


def _seconds_for_the_key(backup: Path) -> float:
    from spytriage.source.ios_keybag import Lock  # noqa: PLC0415 (an encrypted backup only)

    begin = time.perf_counter()
    Lock(backup).derive(PASSWORD.encode())
    return time.perf_counter() - begin


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    size, backup = SIZES[options.size], work / "phone"
    begin = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:  # what it takes goes with it
        phone = other.submit(write_phone, backup, size, password=PASSWORD if options.encrypted else "").result()
    print(f"{options.size} phone: {phone.files} entries, {phone.size / 1e9:.2f} GB, made in "
          f"{time.perf_counter() - begin:.0f} s", flush=True)  # fmt: skip
    checks = Checks(backup, work, encrypted=options.encrypted, jobs=options.jobs)
    state = machine()
    runs = compare(checks, phone, options.rounds, with_mvt=not options.without_mvt)
    limit = None if options.encrypted else mean(checks.limit(phone) for _ in range(2))
    key = _seconds_for_the_key(backup) if options.encrypted else None
    first_line = checks.first_line() if options.encrypted else None
    alone = {"key_seconds": key, "first_line_seconds": first_line}
    return {"machine": state, **alone, **results(runs, limit, phone, size)}


def _print_ratios(found: Mapping[str, Any]) -> None:
    ours, mvt, limit = found["spytriage"], found.get("mvt"), found["limit"]
    if mvt:
        for what in ("wall", "cpu", "memory"):
            print(f"MVT takes {mvt[what] / ours[what]:.1f} times the {what} of spytriage")
        print(f"the same {found['alerts']['same']} alerts; {found['alerts']['beyond_mvt']} beyond MVT's")
    if limit:
        print(f"the rows alone: {limit['wall']:.1f} s, {limit['cpu']:.1f} s of processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="middling")
    parser.add_argument("--encrypted", action="store_true")
    parser.add_argument("--jobs", type=int, help="of spytriage; by default it chooses")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--without-mvt", action="store_true", help="MVT needs more memory than there is")
    options = parser.parse_args()
    jobs = f"-jobs{options.jobs}" if options.jobs else ""
    name = options.size + "-encrypted" * options.encrypted + jobs
    work = WORK / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o700)
    try:
        found = _measure(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _print_ratios(found)
    command = " ".join(["python -m benchmarks.compare", *sys.argv[1:]])
    kept = {"command": command, "size": options.size, "encrypted": options.encrypted, "jobs": options.jobs, **found}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    rewrite()


if __name__ == "__main__":
    main()
