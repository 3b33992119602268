"""What the tests of our own machine share: a desk with everything that commands work on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from spytriage import batch
from spytriage.consent import Grant
from spytriage.demo import DemoPhone
from spytriage.models import Report
from spytriage.release import release
from spytriage.report import write_report
from spytriage.signing import generate
from tests.conftest import consent
from tests.report import samples
from tests.review.handoffs import SMALL
from tests.test_promises_evidence import SOURCES
from tests.test_recheck import IDENTITY, NOTHING, TO_KEEP, examine

COUNTED: Report = replace(SMALL, demo=False, consent=replace(SMALL.consent, aggregate=True))


@pytest.fixture(scope="package")
def evidence(android_phone: tuple[Path, DemoPhone], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phones: one in clear, one encrypted with age and its key beside it. Not changed."""
    folder = tmp_path_factory.mktemp("evidence") / "aged"
    folder.mkdir()
    SOURCES["androidqf age"](folder)
    shutil.copytree(android_phone[0], folder.parent / "phone")
    return folder.parent


@pytest.fixture(scope="package")
def desk(written_phone: tuple[Path, DemoPhone], evidence: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a defender has. Not changed."""
    desk, sealing = tmp_path_factory.mktemp("desk"), consent(*TO_KEEP, Grant.SHARE_SEALED)
    for name in ("cases", "counted", "out"):
        (desk / name).mkdir()
    request, examined = examine(written_phone[0], NOTHING)
    release(replace(request, consent=sealing), examined, desk / "cases" / "one")
    shutil.copytree(desk / "cases" / "one", desk / "cases" / "two")
    (desk / "key.txt").write_text(f"{IDENTITY}\n")
    generate(desk / "sign.key", None)
    sealing.write(desk / "consent.yaml")
    for name in ("K-014", "K-015"):
        write_report(COUNTED, samples.OBJECTS, desk / "counted" / name)
    _write_list(desk, {"ñandú": evidence / "phone"})
    batch.numbered(batch.phones_of(desk / "phones.yaml"), desk / "reports")
    shutil.copytree(desk / "counted" / "K-014", desk / "reports" / "0001")
    _write_list(desk, {"ñandú": evidence / "phone", "K-015": evidence / "phone"})
    return desk


def _write_list(desk: Path, phones: Mapping[str, Path]) -> None:
    entries = [f"- name: {name}\n  path: {path}\n  consent: consent.yaml\n" for name, path in phones.items()]
    (desk / "phones.yaml").write_text("".join(entries), "utf-8")
