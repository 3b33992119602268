"""Reviews: what a reviewer wrote comes out again, of this report only, and as STIX that others can read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import samples
from tests.review import handoffs
from tests.review.handoffs import files_of

from spytriage import custody
from spytriage.custody import Event, Role
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import Benign, FindingId
from spytriage.handoff import CUSTODY
from spytriage.i18n import LANGUAGES, using_language
from spytriage.models import Report
from spytriage.report import from_json
from spytriage.report.arrange import in_order
from spytriage.review import (
    Ground,
    Opinion,
    Overall,
    Question,
    Review,
    Verdict,
    read_review,
    texts,
    to_json,
    write_review,
)
from spytriage.review.stix import to_stix

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # stix2's own imports
    import stix2

AGREE = Opinion(Verdict.AGREE, (Ground.CORROBORATED.value,), "Seen twice before.")
_KINDS = [finding.id for finding in in_order(samples.FINDINGS)]
LINK = f"F{1 + _KINDS.index(FindingId.LINK_RECEIVED)}"
HandOff = tuple[dict[str, bytes], Report]


@pytest.fixture
def handoff(tmp_path: Path) -> HandOff:
    files = files_of(tmp_path / "h")
    return files, from_json(files["report.json"])


def written(handoff: HandOff, **changes: Any) -> Review:
    given: dict[str, Any] = {
        "day": handoffs.TODAY, "version": "0.1.0", "verification": Overall.PASSED, "opinion": AGREE,
        "findings": {"F1": AGREE, "F2": Opinion(Verdict.DISAGREE, (Benign.SAME_NAME.value,))},
        "questions": (Question(LINK, "text"),), "signer": None,
    }  # fmt: skip
    return write_review(*handoff, **(given | changes))


def test_what_was_written_comes_out_again(handoff: HandOff) -> None:
    review = written(handoff)
    assert read_review(to_json(review), *handoff) == review


def test_the_report_is_not_touched(handoff: HandOff, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in (tmp_path / "h").iterdir()}
    read_review(to_json(written(handoff)), *handoff)
    assert {path.name: path.read_bytes() for path in (tmp_path / "h").iterdir()} == before


def test_a_review_of_another_report_is_refused(handoff: HandOff, tmp_path: Path) -> None:
    files = files_of(tmp_path / "other", report=replace(handoffs.MATCH, demo=False))
    with pytest.raises(SpytriageError, match="another report"):
        read_review(to_json(written(handoff)), files, from_json(files["report.json"]))


def test_a_review_of_the_same_report_signed_by_somebody_else_is_refused(handoff: HandOff, tmp_path: Path) -> None:
    files = dict(handoff[0])
    files["manifest.json"] += b" "
    with pytest.raises(SpytriageError, match="another report"):
        read_review(to_json(written(handoff)), files, handoff[1])


def test_a_review_goes_on_with_the_chain_of_custody_also_when_that_grows_later(handoff: HandOff) -> None:
    files, report = handoff
    review = written(handoff)
    assert [entry.event for entry in custody.read(files[CUSTODY] + review.custody)][-2:] == [
        Event.VERIFIED, Event.REVIEWED,
    ]  # fmt: skip
    grown = custody.append(files[CUSTODY], Event.HANDED_OVER, Role.COURIER, handoffs.TODAY + timedelta(days=1))
    assert read_review(to_json(review), files | {CUSTODY: grown}, report) == review


@pytest.mark.parametrize(
    "change",
    [
        {"findings": {"F0": AGREE}}, {"findings": {"F99": AGREE}}, {"questions": (Question("F99", "text"),)},
        {"questions": (Question("F1", "text"),)},
    ],
)  # fmt: skip
def test_what_the_report_does_not_have_cannot_be_spoken_of(handoff: HandOff, change: dict[str, Any]) -> None:
    with pytest.raises(SpytriageError) as caught:
        written(handoff, **change)
    assert caught.value.hint


@pytest.mark.parametrize(
    "make", [lambda: Opinion(Verdict.AGREE, ("because",)), lambda: Opinion(Verdict.AGREE, (), "x" * 5000)]
)
def test_only_listed_reasons_and_short_notes_are_taken(make: Callable[[], Opinion]) -> None:
    with pytest.raises(SpytriageError) as caught:
        make()
    assert caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(review_version=2),
        lambda c: c["opinion"].update(verdict="infected"),
        lambda c: c["opinion"].update(reasons=["because"]),
        lambda c: c["findings"].append(c["findings"][0]),
        lambda c: c["findings"][0].update(finding="F77"),
        lambda c: c["questions"][0].update(field=7),
        lambda c: c.update(custody=[]),
        lambda c: c.update(custody=c["custody"][1:]),
        lambda c: c.update(day="20261122"),
        lambda c: c.update(more="x"),
    ],
)
def test_a_review_that_was_changed_by_hand_is_refused(
    handoff: HandOff, change: Callable[[dict[str, Any]], object]
) -> None:
    content = json.loads(to_json(written(handoff)))
    change(content)
    with pytest.raises(SpytriageError):
        read_review((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(), *handoff)


@given(st.binary(max_size=100) | st.just(b"[" * 100_000))
def test_bytes_that_are_no_review_are_one_error(data: bytes) -> None:
    with pytest.raises(SpytriageError):
        read_review(data, {}, samples.MATCH)


class TestAsStix:
    def bundle(self, handoff: HandOff, **changes: Any) -> Mapping[str, Any]:
        data = to_stix(written(handoff, **changes), "c" * 64, handoff[1], handoff[0]["report.stix2"])
        stix2.parse(data.decode(), allow_custom=False)
        content: Mapping[str, Any] = json.loads(data)
        return content

    def test_opinions_are_on_the_indicators_and_the_report(self, handoff: HandOff) -> None:
        opinions = [item for item in self.bundle(handoff)["objects"] if item["type"] == "opinion"]
        held = {item["id"]: item["type"] for item in json.loads(handoff[0]["report.stix2"])["objects"]}
        assert [held[ref] for item in opinions for ref in item["object_refs"]] == ["report", "indicator", "indicator"]
        assert [item["opinion"] for item in opinions] == ["agree", "agree", "disagree"]

    def test_what_the_reviewer_wrote_stands_in_notes(self, handoff: HandOff) -> None:
        notes = [item["content"] for item in self.bundle(handoff)["objects"] if item["type"] == "note"]
        assert notes == [AGREE.note, AGREE.note]

    def test_an_opinion_finds_the_indicator_that_was_written_anew(self, tmp_path: Path) -> None:
        from spytriage.handoff import read_handoff
        from spytriage.report import write_report

        write_report(handoffs.MATCH, {}, tmp_path / "without")
        files = read_handoff(tmp_path / "without")
        bundle = self.bundle((files, from_json(files["report.json"])))
        held = {item["id"] for item in json.loads(files["report.stix2"])["objects"]}
        refs = [ref for item in bundle["objects"] if item["type"] == "opinion" for ref in item["object_refs"]]
        assert len(refs) == 3
        assert set(refs) <= held

    def test_the_same_review_gives_the_same_bytes(self, handoff: HandOff) -> None:
        assert self.bundle(handoff) == self.bundle(handoff)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_and_reason_has_words(language: str) -> None:
    with using_language(language):
        words = [*map(texts.phrase, Verdict), *map(texts.phrase, Ground)]
    assert all(words)
    assert len(set(words)) == len(words)
