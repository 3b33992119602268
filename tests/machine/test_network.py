"""No command of those that work offline touches the network, whatever system calls Python makes for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.machine.orders import COMMANDS, TODAY
from tests.test_promises_evidence import network_calls, run

WATCHED = {
    name: COMMANDS[name] for name in ("aggregate", "batch", "indicators import", "pack", "recheck", "review")
} | {
    "recheck in processes": ("recheck", "many", *COMMANDS["recheck"][2:], "--jobs", "2"),
    "verify": ("verify", "cases/one", "--identity", "key.txt"),
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", WATCHED)
def test_a_command_touches_no_network(desk: Path, tmp_path: Path, name: str) -> None:
    here, trace = Path(shutil.copytree(desk, tmp_path / "here")), tmp_path / "trace"
    for number in range(17 if "many" in WATCHED[name] else 0):  # fewer than this, and there is one process
        shutil.copytree(here / "cases" / "one", here / "many" / str(number))

    today = ("env", f"SOURCE_DATE_EPOCH={TODAY}")
    done = run(here, *WATCHED[name], wrapper=(*today, "strace", "-f", "-qq", "-e", "trace=network", "-o", trace))

    if b"not permitted" in done.stderr or not trace.exists():
        pytest.skip("this machine does not allow tracing")
    assert done.returncode in {0, 3, 5}, done.stderr
    assert network_calls(trace) == []
