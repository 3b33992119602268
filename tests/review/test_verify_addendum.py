"""The verification of an addendum: as it was written, by whom, and to which report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import samples
from tests.review.handoffs import KNOWN_SET, MATCH, TODAY, know, public_of, signer, why, written

from spytriage import __version__
from spytriage.atomic import put_folder_in_place
from spytriage.handoff import ADDENDUM, MANIFEST, SIGNATURE, UnsafeHandOffError, pack, read_addendum, read_handoff
from spytriage.i18n import using_language
from spytriage.jsontext import canonical
from spytriage.models import Addendum, CodeName, Depth, MatchRule, Outcome, Report
from spytriage.report.addendum import render_addendum, sign_addendum
from spytriage.review import AddendumStepId, Overall, Result, Verification, Why, verify, verify_addendum
from spytriage.review.verify import outcome_of_addendum

Step = AddendumStepId


@pytest.fixture
def hand_off(tmp_path: Path) -> Path:
    return written(tmp_path / "report", signer=signer())


def addendum_to(hand_off: Path, **changed: Any) -> Addendum:
    """An addendum in which every finding with an indicator is still there but the last, which was withdrawn."""
    report_json = read_handoff(hand_off)["report.json"]
    report = know().read_report(report_json)
    matched = [finding for finding in report.findings if finding.indicators]
    new = replace(matched[0], ref=len(report.findings) + 1, facts=(), pseudonyms=())
    addendum = Addendum(
        report=report,
        report_sha256=hashlib.sha256(report_json).hexdigest(),
        outcome=Outcome.MATCH,
        new=(new,),
        still_there=tuple(matched[:-1]),
        withdrawn=(matched[-1],),
        sets=(KNOWN_SET,),
        depth=Depth.OBSERVABLES,
        not_kept_for=(MatchRule.LOOSE_URL_TEXT,),
        left_out=(),
        version=__version__,
        rechecked_on=TODAY,
    )
    return replace(addendum, **changed)


def files_of(addendum: Addendum) -> dict[str, bytes]:
    return sign_addendum(render_addendum(addendum, signer().id), signer(), TODAY)


def verified(files: Mapping[str, bytes], hand_off: Path) -> Verification:
    folder = hand_off.with_name("addendum")
    put_folder_in_place(files, folder)
    keys = (public_of(signer()),)
    return verify_addendum(folder, verify(hand_off, know(), keys), know(), keys)


@pytest.mark.parametrize("language", ["en", "es", "ar"])
def test_an_addendum_as_it_was_written_passes_every_step(hand_off: Path, language: str) -> None:
    with using_language(language):
        files = files_of(addendum_to(hand_off))
    verification = verified(files, hand_off)
    assert [step.result for step in verification.steps] == [Result.PASSED] * len(Step), verification.steps
    assert [step.id for step in verification.steps] == list(Step)
    assert verification.steps[-1].number == len(Step)


def test_a_packed_addendum_passes_every_step_and_a_changed_byte_in_its_zip_is_noticed(hand_off: Path) -> None:
    data, path, keys = pack(files_of(addendum_to(hand_off))), hand_off.with_name("addendum.zip"), (public_of(signer()),)
    to = verify(hand_off, know(), keys)
    path.write_bytes(data)
    assert verify_addendum(path, to, know(), keys).overall is Overall.PASSED

    for changed in (data.replace(b"addendum", b"addenduM", 1), data[:-1], data + b"x", pack(read_handoff(hand_off))):
        path.write_bytes(changed)
        assert verify_addendum(path, to, know(), keys).overall is Overall.FAILED


def test_an_addendum_is_no_report_and_a_report_no_addendum_also_when_it_is_packed(hand_off: Path) -> None:
    path = hand_off.with_name("addendum.zip")
    path.write_bytes(pack(files_of(addendum_to(hand_off))))
    with pytest.raises(UnsafeHandOffError, match="not one that"):
        read_handoff(path)
    path.write_bytes(pack(read_handoff(hand_off)))
    with pytest.raises(UnsafeHandOffError, match="not one that"):
        read_addendum(path)


@pytest.mark.parametrize("report", [MATCH, *samples.EVERY_OUTCOME], ids=lambda report: report.outcome.value)
def test_an_addendum_that_is_read_back_says_the_same(report: Report) -> None:
    addendum = Addendum(
        report, "ab" * 32, report.outcome, (), tuple(f for f in report.findings if f.indicators), (), report.sets,
        Depth.KEYS, (), (), __version__, TODAY,
    )  # fmt: skip
    files = render_addendum(addendum, None)
    assert know().write_addendum(know().read_addendum(files[ADDENDUM], report), None) == files


@pytest.mark.parametrize("name", ["addendum.json", "addendum.html", "addendum.md", "manifest.json"])
def test_a_changed_byte_is_noticed(hand_off: Path, name: str) -> None:
    files = files_of(addendum_to(hand_off))
    files[name] = files[name].replace(b"e", b"f", 1)
    assert verified(files, hand_off).overall is Overall.FAILED


def test_an_addendum_to_another_report_is_noticed(hand_off: Path, tmp_path: Path) -> None:
    files = files_of(addendum_to(hand_off))
    changed = replace(MATCH, tool=replace(MATCH.tool, checked_on=TODAY))
    other = written(tmp_path / "another", report=changed, signer=signer())
    assert why(verified(files, other), Step.REPORT) is Why.ADDENDUM_OF_ANOTHER


def test_an_addendum_to_a_report_that_was_changed_says_nothing(hand_off: Path) -> None:
    files = files_of(addendum_to(hand_off))
    (hand_off / "report.html").write_bytes(b"changed")
    verification = verified(files, hand_off)
    assert why(verification, Step.REPORT) is Why.REPORT_NOT_VERIFIED
    assert verification.overall is Overall.FAILED


def test_another_file_in_its_folder_or_one_that_is_missing_is_noticed(hand_off: Path, tmp_path: Path) -> None:
    files = files_of(addendum_to(hand_off))
    assert why(verified(files | {"notes.txt": b"x"}, hand_off), Step.CONTAINER) is Why.NO_HAND_OFF
    (tmp_path / "addendum").rename(tmp_path / "first")
    del files["addendum.md"]
    assert why(verified(files, hand_off), Step.FILES) is Why.FILES_MISSING


def test_a_signature_that_was_taken_away_is_noticed(hand_off: Path) -> None:
    files = files_of(addendum_to(hand_off))
    del files[SIGNATURE]
    assert why(verified(files, hand_off), Step.SIGNATURE) is Why.SIGNATURE_TAKEN_AWAY


class TestWhoeverHasTheKey:
    """Every hash and the signature fit, whatever it says."""

    def resigned(self, files: Mapping[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
        changed = {**files, name: data}
        manifest = json.loads(files[MANIFEST])
        for entry in manifest["files"]:
            content = changed[entry["name"]]
            entry |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        changed[MANIFEST] = canonical(manifest)
        return sign_addendum(changed, signer(), TODAY)

    def test_cannot_say_of_a_finding_what_the_report_does_not_say(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off))
        content = json.loads(files[ADDENDUM])
        content["still_there"][0]["trace"] = "notice"
        data = json.dumps(content).encode()
        assert why(verified(self.resigned(files, ADDENDUM, data), hand_off), Step.SCHEMA) in {
            Why.ADDENDUM_NOT_AS_WRITTEN, Why.ADDENDUM_UNREADABLE,
        }  # fmt: skip

    def test_cannot_name_a_finding_that_the_report_has_not(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off))
        content = json.loads(files[ADDENDUM])
        content["withdrawn"][0]["ref"] = "F9999"
        data = json.dumps(content).encode()
        assert why(verified(self.resigned(files, ADDENDUM, data), hand_off), Step.SCHEMA) is Why.ADDENDUM_UNREADABLE

    def test_cannot_have_a_page_say_something_else(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off))
        page = files["addendum.html"].replace(b"</main>", b"<p>All is well.</p></main>")
        verification = verified(self.resigned(files, "addendum.html", page), hand_off)
        assert why(verification, Step.RENDERINGS) is Why.RENDERING_DIFFERS

    def test_cannot_give_another_outcome(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off, outcome=Outcome.NO_MATCH))
        assert why(verified(files, hand_off), Step.CONSISTENCY) is Why.OUTCOME_CONTRADICTS

    def test_cannot_recheck_in_the_future_or_after_the_consent(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off, rechecked_on=TODAY.replace(year=TODAY.year + 1)))
        assert why(verified(files, hand_off), Step.CLOCK) in {Why.DAY_IMPLAUSIBLE, Why.CONSENT_NOT_IN_FORCE}

    def test_is_told_that_a_set_is_unknown(self, hand_off: Path) -> None:
        unknown = replace(KNOWN_SET, sha256="ef" * 32, catalogued=False)
        files = files_of(addendum_to(hand_off, sets=(KNOWN_SET, unknown)))
        assert why(verified(files, hand_off), Step.INDICATOR_SETS) is Why.SETS_UNKNOWN

    def test_cannot_name_a_set_that_was_not_looked_for(self, hand_off: Path) -> None:
        files = files_of(addendum_to(hand_off, sets=(replace(KNOWN_SET, sha256="ef" * 32, catalogued=False),)))
        assert why(verified(files, hand_off), Step.INDICATOR_SETS) is Why.SET_CLAIMS_WRONG


def test_what_another_version_wrote_is_not_judged_by_this_one(hand_off: Path) -> None:
    verification = verified(files_of(addendum_to(hand_off, version="9.9")), hand_off)
    assert why(verification, Step.SCHEMA) is Why.OTHER_VERSION
    assert why(verification, Step.CONSISTENCY) is Why.AS_IT_SHOULD_BE
    assert verification.overall is Overall.PARTIAL


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({}, Outcome.NO_MATCH),
        ({"depth": Depth.REPORT}, Outcome.INCONCLUSIVE),
        ({"left_out": ((CodeName("Manifest"), 1),)}, Outcome.INCONCLUSIVE),
    ],
)
def test_the_outcome_of_an_addendum_is_no_better_than_what_was_kept(
    hand_off: Path, changed: dict[str, Any], outcome: Outcome
) -> None:
    quiet = next(report for report in samples.EVERY_OUTCOME if report.outcome is Outcome.NO_MATCH)
    bare = replace(addendum_to(hand_off), report=quiet, new=(), still_there=(), withdrawn=())
    assert outcome_of_addendum(replace(bare, **changed)) is outcome
