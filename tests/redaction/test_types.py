"""mypy holds what the constructor holds: rendering takes redacted findings only, and they take no plain string."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
from dataclasses import replace
from spytriage.models import Finding, RedactedFinding, Report
from spytriage.report import to_html

def wrong(raw: Finding, redacted: RedactedFinding, report: Report) -> None:
    to_html(raw)  # line 7
    Report.__init__(report, findings=(raw,))  # line 8
    replace(redacted, module=raw.alert.message)  # line 9
    replace(redacted, withheld=("text",))  # line 10
    replace(redacted, day=raw.alert.event_time)  # line 11
    replace(redacted, pseudonyms=(raw.alert.message,))  # line 12
"""


@pytest.mark.slow
def test_mypy_refuses_what_does_not_say_where_it_comes_from(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
         "--cache-dir", ROOT / ".mypy_cache", program],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    for line in range(7, 13):
        assert f"wrong.py:{line}: error" in done.stdout
