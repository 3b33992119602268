"""Whatever MVT's own command reports is reported here too: same module, same indicator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.demo import DemoPhone
from spytriage.finding_kinds import FindingId
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.models import Outcome, Report
from tests.tools import run_mvt, slug

Check = Callable[..., Report]

MATCHING_THE_FIXTURE = """{"type": "bundle", "id": "bundle--5f7d3d2b-6a0e-4e0c-9b5e-0d8a7b1c2d3e", "objects": [
 {"type": "malware", "spec_version": "2.1", "id": "malware--0b0b9a55-56a0-4bb5-9d2e-6a7a2b1f4c11", "name": "Test",
  "is_family": false, "created": "2024-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z"},
 %s]}"""
_INDICATOR = """{"type": "indicator", "spec_version": "2.1", "id": "indicator--0b0b9a55-56a0-4bb5-9d2e-6a7a2b1f4c%d",
 "pattern": "[%s='%s']", "pattern_type": "stix", "valid_from": "2024-01-01T00:00:00Z",
 "created": "2024-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z"}"""


@pytest.fixture
def matching_set(tmp_path: Path) -> Path:
    """A bundle that the real iOS backup matches."""
    facts = [
        ("domain-name:value", "example.org"),
        ("process:name", "Launch"),
        ("email-addr:value", "foobar@example.org"),  # nowhere on that phone
        ("email-addr:value", "user@example.org"),
    ]
    objects = ",".join(_INDICATOR % (20 + n, key, value) for n, (key, value) in enumerate(facts))
    path = tmp_path / "matching.stix2"
    path.write_text(MATCHING_THE_FIXTURE % objects)
    return path


def assert_parity(report: Report, mvt: dict[str, list[dict[str, str]]]) -> None:
    """Every alert of MVT is in a finding of the same module, with the same indicator or with none."""
    found: Counter[tuple[str, str | None]] = Counter()
    for finding in report.findings:
        for value in [i.value for i in finding.indicators] or [None]:
            found[slug(finding.module), value] += finding.count
    reported = Counter((alert["module"], alert["indicator"]) for alert in mvt["alerts"])
    assert not reported - found


def test_on_the_demo_phone(run_check: Check, written_phone: tuple[Path, DemoPhone], tmp_path: Path) -> None:
    report = run_check(written_phone[0])

    mvt = run_mvt(written_phone[0], [data_file("demo.stix2")], tmp_path)
    assert len(mvt["alerts"]) > len(written_phone[1].planted)
    assert_parity(report, mvt)
    assert report.outcome is Outcome.MATCH
    assert not any(finding.id is FindingId.UNRECOGNISED_ALERT for finding in report.findings)


def test_on_a_real_backup_with_the_full_pegasus_set(run_check: Check, shared: Path, tmp_path: Path) -> None:
    pegasus, backup = shared / "indicators" / "pegasus.stix2", shared / "fixtures" / "mvt" / "ios_backup"

    report = run_check(backup, load([pegasus]))

    assert_parity(report, run_mvt(backup, [pegasus], tmp_path))
    assert {finding.id for finding in report.findings} == {FindingId.USAGE_RECORD_GAP, FindingId.LOCKDOWN_MODE_ON}
    # Its manifest names Safari's history, the address book and more, and the folder lacks them.
    assert report.outcome is Outcome.INCONCLUSIVE


def test_on_a_real_backup_that_matches(run_check: Check, shared: Path, matching_set: Path, tmp_path: Path) -> None:
    backup = shared / "fixtures" / "mvt" / "ios_backup"

    report = run_check(backup, load([matching_set]))

    mvt = run_mvt(backup, [matching_set], tmp_path)
    assert {alert["indicator"] for alert in mvt["alerts"]} == {None, "example.org", "Launch", "user@example.org"}
    assert_parity(report, mvt)
    assert report.outcome is Outcome.MATCH
