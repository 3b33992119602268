"""Modules run side by side, and nobody can tell from the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.demo import DemoPhone
from spytriage.models import CoverageState, IndicatorIndex, Reason, ScanResult
from spytriage.scan import scan, supervisor
from tests.scan.test_scan import BAD_WORKER, _wait_for
from tests.tools import IOS_BACKUP_MODULES, Opened, Recorder, keys_of, state_of

Scan = Callable[..., ScanResult]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.integers(1, 4), order=st.randoms(use_true_random=False))
def test_neither_the_number_of_workers_nor_the_order_changes_the_result(
    run_scan: Scan, written_phone: tuple[Path, DemoPhone], jobs: int, order: object
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "_rank", lambda chain: order.random())  # type: ignore[attr-defined]
        result = run_scan(written_phone[0], jobs=jobs, patience=0)

    assert result == run_scan(written_phone[0])


def test_an_encrypted_backup_is_read_by_several_workers(
    run_scan: Scan, sealed: Opened, written_phone: tuple[Path, DemoPhone]
) -> None:
    result = run_scan(sealed.folder, keys=keys_of(sealed.folder), jobs=3, patience=0)

    assert [line.state for line in result.modules] == [CoverageState.CHECKED] * len(result.modules)
    assert {alert.module for alert in result.alerts} == {alert.module for alert in run_scan(written_phone[0]).alerts}


def test_modules_that_need_each_other_go_to_one_worker(
    written_phone: tuple[Path, DemoPhone], demo_index: IndicatorIndex
) -> None:
    progress = Recorder()

    scan("ios-backup", written_phone[0], demo_index.indicators, progress, jobs=3, patience=0)

    order = progress.running
    assert order.index("WhatsappContacts") < order.index("InteractionC")


@pytest.mark.parametrize(
    ("module", "reason"), [("Crashes", Reason.WORKER_DIED), ("Lies", Reason.WORKER_DIED), ("Raises", Reason.EXCEPTION)]
)
def test_a_worker_that_breaks_costs_one_module_and_the_others_go_on(
    run_scan: Scan, written_phone: tuple[Path, DemoPhone], module: str, reason: Reason
) -> None:
    result = run_scan(written_phone[0], command=(*BAD_WORKER, module), jobs=3, patience=0)

    assert state_of(result, module).reason is reason
    assert {line.name for line in result.modules if not line.state.is_gap} == IOS_BACKUP_MODULES


def test_ctrl_c_ends_all_workers(written_phone: tuple[Path, DemoPhone], tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from spytriage.scan import scan; from tests.tools import Recorder\n"
        f"scan('ios-backup', Path({str(written_phone[0])!r}), (), Recorder(), command={(*BAD_WORKER, 'HangsInAll')!r},"
        " jobs=3, patience=0)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], env=environment, stderr=subprocess.DEVNULL
    )
    workers = _wait_for(lambda: _children(parent.pid, 3), 60)

    parent.send_signal(signal.SIGINT)

    assert parent.wait() != 0
    assert _wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers) or None)


def _children(pid: int, count: int) -> list[str] | None:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell the children of a process")
    names = children.read_text().split()
    return names if len(names) >= count else None
