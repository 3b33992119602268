"""Whatever MVT's own commands report of real Android evidence is reported here too; where we find more, it says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spytriage.demo import DemoPhone
from spytriage.finding_kinds import FindingId
from spytriage.indicators import load
from spytriage.models import Outcome, Report
from tests.acquisitions import dns_event, filesystem, write, zipped
from tests.scan.test_parity import _INDICATOR, MATCHING_THE_FIXTURE
from tests.tools import run_mvt, slug

Check = Callable[..., Report]
NAMES = {"AndroidSMS": "SMS", "BugreportMounts": "Mounts"}  # ours, where two of MVT's classes have one name
FACTS = [
    ("app:id", "com.whatsapp"), ("app:id", "com.android.settings"),
    ("app:id", "com.samsung.android.provider.filterprovider"),
    ("app:id", "org.mozilla.firefox"), ("process:name", "zygote64"), ("process:name", "tzts_daemon"),
    ("domain-name:value", "google.com"), ("domain-name:value", "track-parcel.example"),
    ("domain-name:value", "free-news-alert.example"), ("android-property:name", "dalvik.vm.appimageformat"),
    ("file:hashes.sha256", "5870bd06e642de410c54705226ecfa9a"), ("file:path", "/sdcard/.profig.os"),
    ("file:hashes.md5", "5870bd06e642de410c54705226ecfa9a"),
]  # fmt: skip


@pytest.fixture
def matching_set(tmp_path: Path) -> Path:
    """A bundle that the real Android evidence matches."""
    objects = ",".join(_INDICATOR % (20 + n, key, value) for n, (key, value) in enumerate(FACTS))
    path = tmp_path / "matching.stix2"
    path.write_text(MATCHING_THE_FIXTURE % objects)
    return path


def found_of(report: Report) -> Counter[tuple[str, str | None]]:
    found: Counter[tuple[str, str | None]] = Counter()
    for finding in report.findings:
        for value in [i.value for i in finding.indicators] or [None]:
            found[slug(NAMES.get(finding.module, finding.module)), value] += finding.count
    return found


def reported_by(mvt: dict[str, list[dict[str, str]]]) -> Counter[tuple[str, str | None]]:
    return Counter((alert["module"], alert["indicator"]) for alert in mvt["alerts"])


@pytest.mark.parametrize(
    ("kind", "place", "more"),
    [
        # MVT no longer reads the dumpsys.txt that AndroidQF wrote before it made bug reports; its modules still can.
        ("androidqf", "androidqf", {"dumpsys_accessibility", "dumpsys_activities", "dumpsys_appops",
                                    "dumpsys_battery_daily", "dumpsys_battery_history", "dumpsys_db_info",
                                    "dumpsys_packages", "dumpsys_platform_compat", "dumpsys_receivers"}),
        ("android-backup", "android_backup/backup.ab", set()),
        ("android-bugreport", "bugreport", set()),
    ],
)  # fmt: skip
def test_on_real_evidence_that_matches(
    run_check: Check, shared: Path, matching_set: Path, tmp_path: Path, kind: str, place: str, more: set[str]
) -> None:
    evidence = shared / "fixtures" / "mvt" / place

    report = run_check(evidence, load([matching_set]))

    reported, found = reported_by(run_mvt(evidence, [matching_set], tmp_path, kind)), found_of(report)
    assert reported
    assert not reported - found
    assert {module for module, _value in found - reported} <= more
    assert report.outcome is Outcome.MATCH
    assert not any(finding.id is FindingId.UNRECOGNISED_ALERT for finding in report.findings)


def test_on_a_zip_without_a_folder_in_it_we_find_what_mvt_misses(
    run_check: Check, shared: Path, matching_set: Path, tmp_path: Path
) -> None:
    evidence = shared / "fixtures" / "mvt" / "androidqf"
    packed = zipped(evidence, tmp_path / "phone.zip")

    # Its patterns begin with "*/": without a folder in the zip they match no file but the nested backup.
    assert {module for module, _value in reported_by(run_mvt(packed, [matching_set], tmp_path, "androidqf"))} <= {"sms"}
    index = load([matching_set])
    assert run_check(packed, index).findings == run_check(evidence, index).findings


def test_on_the_demo_and_on_intrusion_logs(
    run_check: Check, android_phone: tuple[Path, DemoPhone], matching_set: Path, tmp_path: Path
) -> None:
    logs = write(tmp_path / "logs", {"a.txt": dns_event("track-parcel.example")})
    for kind, evidence in (("androidqf", android_phone[0]), ("android-intrusion-logs", logs)):
        reported = reported_by(run_mvt(evidence, [matching_set], tmp_path, kind))
        assert reported
        assert reported == found_of(run_check(evidence, load([matching_set])))


def test_on_a_dump_of_a_file_system(run_check: Check, matching_set: Path, tmp_path: Path) -> None:
    evidence = filesystem(tmp_path / "dump")

    reported = reported_by(run_mvt(evidence, [matching_set], tmp_path, "ios-filesystem"))

    assert reported == Counter({("cache_files", "free-news-alert.example"): 1})
    assert not reported - found_of(run_check(evidence, load([matching_set])))
