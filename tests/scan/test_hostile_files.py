"""Property lists and JSON that were written to attack whoever parses them: a gap in the ledger, and nothing worse."""

from __future__ import annotations

import json
import plistlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.models import CoverageState, IndicatorIndex, Reason, ScanResult
from spytriage.scan import Limits, scan
from tests.acquisitions import MAKERS, bugreport_files, write
from tests.tools import Recorder, state_of, stored

LOOKUPS = ("HomeDomain", "Library/Preferences/com.apple.identityservices.idstatuscache.plist")
DUMPED = "private/var/mobile/Library/Preferences/com.apple.identityservices.idstatuscache.plist"


def xml_bomb() -> bytes:
    """A billion laughs: 30 bytes of text, times ten, nine times over."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return (
        f'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY e0 "ha">{levels}]><plist><string>&e9;</string></plist>'
    ).encode()


def cycle() -> bytes:
    """A binary property list whose array holds itself."""
    return bytearray(plistlib.dumps([["x"]], fmt=plistlib.FMT_BINARY)).replace(b"\xa1\x01", b"\xa1\x00", 1)


def deep() -> bytes:
    return b"<plist>" + b"<array>" * 200_000


@pytest.fixture(params=[xml_bomb, cycle, deep], ids=lambda make: make.__name__)
def hostile(request: pytest.FixtureRequest) -> bytes:
    made: bytes = bytes(request.param())
    return made


LIMITS = Limits(seconds=60, memory_bytes=1 << 30)


def test_in_a_backup(run_scan: Callable[..., ScanResult], phone: Path, hostile: bytes) -> None:
    stored(phone, LOOKUPS).write_bytes(hostile)

    result = run_scan(phone, limits=LIMITS)

    assert state_of(result, "IDStatusCache").state.is_gap
    assert state_of(result, "SMS").state is CoverageState.CHECKED


def test_in_a_dump_of_the_file_system(demo_index: IndicatorIndex, tmp_path: Path, hostile: bytes) -> None:
    dump = MAKERS["ios-filesystem"](tmp_path)
    write(dump, {DUMPED: hostile})

    result = scan("ios-filesystem", dump, demo_index.indicators, Recorder(), LIMITS)

    assert state_of(result, "IDStatusCache").state.is_gap
    assert any(line.state is CoverageState.CHECKED for line in result.modules)


@pytest.mark.parametrize(
    "content",
    [b"[" * 1_000_000, b'{"a":' * 1_000_000, b'[{"name": 1' + b"0" * 5_000_000 + b"}]"],
    ids=["lists", "objects", "a number of five million digits"],
)
def test_json_that_goes_too_deep_in_an_androidqf_acquisition(
    demo_index: IndicatorIndex, android_phone: tuple[Path, object], tmp_path: Path, content: bytes
) -> None:
    folder = Path(shutil.copytree(android_phone[0], tmp_path / "qf"))
    packages = next(folder.rglob("packages.json"))
    assert json.loads(packages.read_bytes())
    packages.write_bytes(content)

    result = scan("androidqf", folder, demo_index.indicators, Recorder(), LIMITS)

    assert state_of(result, "AQFPackages").state.is_gap


def test_a_gigantic_line_in_a_bug_report(demo_index: IndicatorIndex, tmp_path: Path) -> None:
    line = "\nx" + "y" * 20_000_000 + "\n"
    files = {name: content + line for name, content in bugreport_files().items()}
    report = write(tmp_path / "report", files)

    result = scan("android-bugreport", report, demo_index.indicators, Recorder(), LIMITS)

    lost = {Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.WORKER_DIED, Reason.TOO_MUCH_OUTPUT}
    assert result.modules
    assert {line.reason for line in result.modules}.isdisjoint(lost)
