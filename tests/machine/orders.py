"""Runs a driver, and the commands that tests give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from spytriage.indicators.data import data_file
from tests.machine.driver import Order, Run

TODAY = "1796000000"  # later than the samples of reports
DEMO_SET = str(data_file("demo.stix2"))
_SEALED = ("--seal-to", "{recipient}", "--keep-observables", "--sign-key", "sign.key")
_CHECK = ("-i", DEMO_SET, "--consent", "consent.yaml", "-o", "out/new", "-q")
# Each changes something.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "aggregate": ("aggregate", "counted", "-o", "out/new", "--smallest", "2"),
    "batch": ("batch", "phones.yaml", "-o", "reports", "-i", DEMO_SET, "--jobs", "1"),
    "check": ("check", "{evidence}/phone", *_CHECK, *_SEALED),
    "check of age": ("check", "{evidence}/aged/phone.zip.age", "--identity", "{evidence}/key.txt", *_CHECK),
    "consent": ("consent", "new", "-o", "new.yaml", "--grant", "analyse"),
    "custody add": ("custody", "add", "counted/K-014", "--event", "deleted", "--role", "operator"),
    "forget": ("forget", "counted/K-014", "reports/0001", "--now", "--yes"),
    "indicators build": ("indicators", "build", str(data_file("pegasus-core.yaml")), "-o", "built.stix2"),
    "indicators import": ("indicators", "import", DEMO_SET),
    "keygen": ("keygen", "-o", "new.key", "--no-password"),
    "pack": ("pack", "counted/K-014"),
    "recheck": ("recheck", "cases", "-i", DEMO_SET, "--identity", "key.txt", "--sign-key", "sign.key", "-o", "out/new"),
    "report render": ("report", "render", "counted/K-014/report.json", "--format", "csv", "-o", "new.csv"),
    "review": ("review", "counted/K-014", "--opinion", "agree", "--sign-key", "sign.key", "-o", "out/new"),
    "unseal": ("unseal", "cases/one/evidence.age", "--identity", "key.txt", "-o", "out/new"),
}


_MOST = 12
_FEWER = {"indicators build": 2, "check of age": 6}
"""How many of a command's calls are tried with each fault: all tests together share two cores."""


def driven(
    name: str, desk: Path, evidence: Path, space: Path, recipient: str, fault: str
) -> list[tuple[Run, Run | None]]:
    """Return the runs of a command: the first without a fault, then each with the one after it."""
    space.mkdir()
    arguments = [part.format(evidence=evidence, recipient=recipient) for part in COMMANDS[name]]
    order = Order(arguments, str(desk), str(space), fault, _FEWER.get(name, _MOST))
    done = subprocess.run(
        [sys.executable, "-m", "tests.machine.driver"], input=json.dumps(asdict(order)),
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": TODAY, "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pairs = [json.loads(line) for line in done.stdout.splitlines()]
    return [(Run(**failed), again and Run(**again)) for failed, again in pairs]
