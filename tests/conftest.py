"""What tests share: the demo phone, real evidence where it lies beside the project, a check in one call."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from spytriage.consent import Consent, Grant
from spytriage.demo import DEMO_PASSWORD, DemoPhone, write_phone
from spytriage.demo.android import write_android_phone
from spytriage.demo.encryption import Keybag
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.models import IndicatorIndex, Report, ScanResult
from spytriage.pipeline import Check, check
from spytriage.scan import Limits, scan
from tests.outcomes import pytest_terminal_summary, record
from tests.tools import DAY, KEY, Opened, Recorder

__all__ = ["pytest_terminal_summary", "record"]

SHARED = Path(__file__).parents[2] / "shared"
LIMITS = Limits()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real evidence and real indicator sets."""
    if not SHARED.is_dir():
        pytest.skip("the real evidence files are not beside this checkout (../shared)")
    return SHARED


@pytest.fixture(scope="session")
def demo_index() -> IndicatorIndex:
    return load([data_file("demo.stix2")])


@pytest.fixture(scope="session")
def written_phone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoPhone]:
    """The demo phone, written once: not to be changed."""
    folder = tmp_path_factory.mktemp("phone") / "backup"
    return folder, write_phone(folder)


@pytest.fixture(scope="session")
def quiet_phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo phone without planted traces, written once: not to be changed."""
    folder = tmp_path_factory.mktemp("quiet") / "backup"
    write_phone(folder, planted=False)
    return folder


@pytest.fixture
def phone(written_phone: tuple[Path, DemoPhone], tmp_path: Path) -> Path:
    """A copy of the demo phone that a test may damage."""
    return Path(shutil.copytree(written_phone[0], tmp_path / "backup"))


@pytest.fixture
def unplanted(quiet_phone: Path, tmp_path: Path) -> Path:
    """A copy of the phone without planted traces that a test may damage."""
    return Path(shutil.copytree(quiet_phone, tmp_path / "quiet"))


@pytest.fixture(scope="session")
def android_phone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoPhone]:
    """The demo's Android phone, written once: not to be changed."""
    folder = tmp_path_factory.mktemp("android") / "acquisition"
    return folder, write_android_phone(folder)


@pytest.fixture(scope="session")
def written_encrypted_phone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoPhone]:
    """The demo phone, encrypted, written once: not to be changed."""
    folder = tmp_path_factory.mktemp("encrypted") / "backup"
    return folder, write_phone(folder, encrypted=True)


@pytest.fixture
def sealed(written_encrypted_phone: tuple[Path, DemoPhone], tmp_path: Path) -> Opened:
    """A copy of the encrypted demo phone that a test may change."""
    folder = Path(shutil.copytree(written_encrypted_phone[0], tmp_path / "sealed"))
    return Opened(folder, Keybag(DEMO_PASSWORD, written_encrypted_phone[1].udid))


@pytest.fixture
def run_scan(demo_index: IndicatorIndex) -> Callable[..., ScanResult]:
    def run(folder: Path, index: IndicatorIndex = demo_index, limits: Limits = LIMITS, **options: object) -> ScanResult:
        return scan("ios-backup", folder, index.indicators, Recorder(), limits, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def run_check(demo_index: IndicatorIndex) -> Callable[..., Report]:
    def run(folder: Path, index: IndicatorIndex = demo_index, **options: object) -> Report:
        return check(Check(folder, index, consent(), DAY, KEY, **options), Recorder()).report  # type: ignore[arg-type]

    return run


def consent(*grants: Grant, keep_until: date | None = None) -> Consent:
    granted = frozenset(grants or {Grant.ANALYSE, Grant.SHARE_REDACTED})
    return Consent(True, True, granted, keep_until, "F-2026-014", DAY)
