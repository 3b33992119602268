"""Prints what became of every fault at the end of a run: a plugin for the tests that break things on purpose."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

_NAME = "spytriage-outcome"


Row = list[str]
"""What a fault came to: what was broken, how, outcome. A list, which pytest-xdist can hand on."""


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Any:
    """A list to which a test adds its row; it reaches the end of the run through the report of the test."""
    rows: list[Row] = []
    request.node.user_properties.append((_NAME, rows))
    return rows


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print for each kind of source and fault what the ledger said, and how often."""
    rows = [
        row
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == _NAME
        for row in value
    ]
    if not rows:
        return
    terminalreporter.section(f"outcomes of {len(rows)} faults")
    for (kind, fault), group in _grouped(rows).items():
        said = "; ".join(f"{count} × {outcome}" for outcome, count in sorted(group.items()))
        terminalreporter.write_line(f"{kind:28} {fault:40} {said}")


def _grouped(rows: list[Any]) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for kind, fault, outcome in sorted(rows):
        short = fault if not fault.startswith(("table ", "column ", "key ")) else f"{fault.split(' ')[0]} renamed"
        found.setdefault((kind, short), Counter())[outcome] += 1
    return found
