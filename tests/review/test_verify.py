"""The verification of a hand-off: what is noticed, by which step, and that nothing comes out better than it is."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import samples
from tests.review import handoffs
from tests.review.handoffs import files_of, know, public_of, signer, verified, why, written

from spytriage import custody
from spytriage.custody import Event, Role
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import FindingId
from spytriage.handoff import (
    CUSTODY,
    MANIFEST,
    SIGNATURE,
    UnsafeHandOffError,
    pack,
    read_handoff,
    read_zip,
    signed_comment,
)
from spytriage.i18n import LANGUAGES, using_language
from spytriage.jsontext import canonical
from spytriage.models import CoverageState, Limit, LimitId, MatchRule, Outcome, Reason, Report
from spytriage.report import renderings, to_json, to_manifest
from spytriage.review import Overall, Result, StepId, Why, texts, verify, verify_files
from spytriage.review.verify import outcome_of
from spytriage.signing import Signer


def other_signer() -> Signer:
    from minisign import KeyPair

    return Signer(KeyPair.generate().secret_key)


def remade(report: Report, by: Signer | None = None, **changed: bytes) -> dict[str, bytes]:
    """Return a hand-off as a forger makes it who knows how: everything fits together, whatever it says."""
    files = {"report.json": to_json(report), **renderings(report)} | changed
    log = custody.append(b"", Event.CHECKED, Role.OPERATOR, report.tool.checked_on)
    manifest = to_manifest(report, files, custody.bound(log))
    files |= {CUSTODY: log, MANIFEST: manifest}
    return files | ({SIGNATURE: by.sign(manifest, signed_comment(manifest, report.tool.checked_on))} if by else {})


class TestAHandOffAsItWasWritten:
    @pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
    def test_passes_every_step_when_signed(self, tmp_path: Path, report: Report) -> None:
        files = files_of(tmp_path / "h", report=handoffs.in_known_set(report), signer=signer())
        verification = verified(files, public_of(signer()))
        assert [step.result for step in verification.steps] == [Result.PASSED] * len(StepId), verification.steps
        assert verification.overall is Overall.PASSED

    def test_is_the_same_as_its_zip(self, tmp_path: Path) -> None:
        folder = written(tmp_path / "h", signer=signer())
        (tmp_path / "h.zip").write_bytes(pack(read_handoff(folder)))
        both = [verify(path, know(), [public_of(signer())]) for path in (folder, tmp_path / "h.zip")]
        assert both[0].steps == both[1].steps
        assert both[0].overall is Overall.PASSED

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_is_verified_in_the_language_of_its_page(self, tmp_path: Path, language: str) -> None:
        with using_language(language):
            files = files_of(tmp_path / "h", signer=signer())
        assert verified(files, public_of(signer())).overall is Overall.PASSED

    @pytest.mark.parametrize("languages", [("es", "en"), ("ar", "en"), ("en", "pt_BR", "fr")])
    def test_is_verified_in_all_languages_of_its_page(self, tmp_path: Path, languages: tuple[str, ...]) -> None:
        with using_language(*languages):
            files = files_of(tmp_path / "h", signer=signer())
        assert verified(files, public_of(signer())).overall is Overall.PASSED

    def test_is_never_passed_when_it_is_not_signed_or_no_key_is_given(self, tmp_path: Path) -> None:
        unsigned = verified(files_of(tmp_path / "a"), public_of(signer()))
        assert (unsigned.overall, why(unsigned, StepId.SIGNATURE)) == (Overall.PARTIAL, Why.UNSIGNED)
        keyless = verified(files_of(tmp_path / "b", signer=signer()))
        assert (keyless.overall, why(keyless, StepId.SIGNATURE)) == (Overall.PARTIAL, Why.NO_KEY)

    def test_may_have_a_custody_that_went_on(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h", signer=signer())
        for event in (Event.PACKED, Event.HANDED_OVER):
            files[CUSTODY] = custody.append(files[CUSTODY], event, Role.COURIER, handoffs.TODAY)
        verification = verified(files, public_of(signer()))
        assert verification.overall is Overall.PASSED
        step = verification.steps[3]
        assert (step.why, step.about) == (Why.CUSTODY_CONTINUED, "2")

    def test_of_a_large_report_is_verified_too(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h", report=handoffs.in_known_set(samples.large(2000)))
        assert verified(files).overall is Overall.PARTIAL


class TestASignature:
    def test_by_another_key_fails(self, tmp_path: Path) -> None:
        verification = verified(files_of(tmp_path / "h", signer=signer()), public_of(other_signer()))
        assert why(verification, StepId.SIGNATURE) is Why.SIGNED_BY_ANOTHER_KEY
        assert verification.overall is Overall.FAILED

    def test_replayed_from_another_report_fails_with_and_without_the_key(self, tmp_path: Path) -> None:
        one = files_of(tmp_path / "one", signer=signer())
        two = files_of(tmp_path / "two", report=handoffs.SMALL, signer=signer())
        replayed = two | {SIGNATURE: one[SIGNATURE]}
        for keys in ((public_of(signer()),), ()):
            assert why(verified(replayed, *keys), StepId.SIGNATURE) is Why.SIGNATURE_WRONG

    def test_that_was_taken_away_fails(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h", signer=signer())
        del files[SIGNATURE]
        assert why(verified(files), StepId.SIGNATURE) is Why.SIGNATURE_TAKEN_AWAY

    def test_put_in_place_of_another_fails_though_it_is_good(self, tmp_path: Path) -> None:
        files, thief = files_of(tmp_path / "h", signer=signer()), other_signer()
        files[SIGNATURE] = thief.sign(files[MANIFEST], signed_comment(files[MANIFEST], handoffs.TODAY))
        assert why(verified(files, public_of(thief)), StepId.SIGNATURE) is Why.SIGNED_BY_ANOTHER_KEY

    def test_that_somebody_made_later_with_minisign_counts(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h")
        files[SIGNATURE] = signer().sign(files[MANIFEST], "timestamp:1795305600\tfile:manifest.json\thashed")
        assert verified(files, public_of(signer())).overall is Overall.PASSED

    def test_that_is_none_fails(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h", signer=signer()) | {SIGNATURE: b"signed, really\n"}
        assert why(verified(files), StepId.SIGNATURE) is Why.SIGNATURE_UNREADABLE


class TestFiles:
    @pytest.mark.parametrize("name", ["report.json", "report.html", "report.stix2", CUSTODY, MANIFEST])
    def test_that_are_missing_fail(self, tmp_path: Path, name: str) -> None:
        files = files_of(tmp_path / "h")
        del files[name]
        assert why(verified(files), StepId.FILES) is Why.FILES_MISSING

    def test_that_the_manifest_does_not_list_fail(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h") | {"evidence.age": b"age"}
        assert why(verified(files), StepId.FILES) is Why.FILES_UNLISTED

    @pytest.mark.parametrize(
        "manifest",
        [b"", b"[]", b"{}", b"null", b'{"files":[1]}', b'{"files":[{"name":[]}]}', b"[" * 100_000, b"\xff", b"9" * 9999,
         b'{"files":[],"files":[]}', b'{"files": []}', b'{"files":"report.json"}'],
    )  # fmt: skip
    def test_with_a_manifest_that_is_none_fail(self, tmp_path: Path, manifest: bytes) -> None:
        verification = verified(files_of(tmp_path / "h") | {MANIFEST: manifest})
        assert verification.overall is Overall.FAILED
        assert why(verification, StepId.RENDERINGS) is Why.EARLIER_STEP_FAILED

    def test_listed_twice_fail(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h")
        manifest = json.loads(files[MANIFEST])
        manifest["files"].append(manifest["files"][0])
        assert verified(files | {MANIFEST: canonical(manifest)}).overall is Overall.FAILED

    @pytest.mark.parametrize("name", sorted(json.loads(remade(handoffs.SMALL)[MANIFEST])))
    def test_whose_manifest_holds_anything_anywhere_are_told_to_be_good_by_no_step_that_reads_it(
        self, name: str
    ) -> None:
        files = remade(handoffs.SMALL, signer())
        before = json.loads(files[MANIFEST])
        for value in (None, True, -1, 0, 10**40, 1.5, "", "x", "\ud800", "0" * 16, [], [[]], {}, {"a": []}):
            forged = canonical(before | {name: value})
            if forged != files[MANIFEST]:
                verification = verified(files | {MANIFEST: forged}, public_of(signer()))
                assert len([texts.why_text(step) for step in verification.steps]) == len(StepId)
                assert verification.overall is Overall.FAILED


class TestCustody:
    def chain(self) -> bytes:
        log = b""
        for event in (Event.CHECKED, Event.PACKED, Event.HANDED_OVER, Event.VERIFIED):
            log = custody.append(log, event, Role.OPERATOR, handoffs.TODAY)
        return log

    def test_is_read_as_it_was_written(self) -> None:
        assert [entry.event for entry in custody.read(self.chain())] == [
            Event.CHECKED, Event.PACKED, Event.HANDED_OVER, Event.VERIFIED,
        ]  # fmt: skip

    @pytest.mark.parametrize("take", range(3))
    def test_with_a_line_taken_out_is_broken(self, take: int) -> None:
        lines = self.chain().splitlines(keepends=True)
        with pytest.raises(ValueError, match="chain"):
            custody.read(b"".join(lines[:take] + lines[take + 1 :]))

    def test_with_lines_exchanged_is_broken(self) -> None:
        lines = self.chain().splitlines(keepends=True)
        with pytest.raises(ValueError, match="chain"):
            custody.read(b"".join([lines[0], lines[2], lines[1], lines[3]]))

    def test_that_goes_back_in_time_is_broken_except_for_the_acquisition(self) -> None:
        earlier = handoffs.TODAY - timedelta(days=9)
        with pytest.raises(ValueError, match="before"):
            custody.read(custody.append(self.chain(), Event.DELETED, Role.OPERATOR, earlier))
        assert custody.read(custody.append(self.chain(), Event.ACQUIRED, Role.OPERATOR, earlier))

    def test_is_not_broken_by_a_clock_that_is_behind(self) -> None:
        log = custody.extend(self.chain(), Event.PACKED, Role.OPERATOR, handoffs.TODAY - timedelta(days=1))
        assert custody.read(log)[-1].day == handoffs.TODAY

    def test_with_any_byte_changed_is_broken(self) -> None:
        log = self.chain()
        for place in range(len(log)):
            with pytest.raises(ValueError):  # noqa: PT011 (any of them)
                custody.read(log[:place] + bytes([log[place] ^ 1]) + log[place + 1 :])

    def test_of_another_hand_off_fails(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h") | {CUSTODY: self.chain()}
        assert why(verified(files), StepId.CUSTODY) is Why.CUSTODY_OF_ANOTHER

    @given(st.binary(max_size=300))
    def test_that_is_none_is_one_error(self, log: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011
            custody.read(log)
        with pytest.raises(SpytriageError):
            custody.checked(log)


def _stored(entries: list[tuple[str, bytes]], **how: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how.get("compression", zipfile.ZIP_STORED)) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


class TestAZip:
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize(
        "entries",
        [
            [("../report.json", b"{}")],
            [("/etc/passwd", b"x")],
            [("report.json", b"{}"), ("report.json", b"{}")],
            [("manifest.json", b"{}"), ("MANIFEST.JSON", b"{}")],
            [("manifest.json", b"{}"), ("manifest.json", b"{}")],
            [("report.json/", b"")],
            [("report.json", b"{}"), ("notes.txt", b"x")],
            [("a" * 60_000, b"x")],
            [],
        ],
    )
    def test_with_tricks_is_refused_unread(self, tmp_path: Path, entries: list[tuple[str, bytes]]) -> None:
        (tmp_path / "h.zip").write_bytes(_stored(entries))
        verification = verify(tmp_path / "h.zip", know())
        assert why(verification, StepId.CONTAINER) is Why.NO_HAND_OFF
        assert {step.why for step in verification.steps[1:]} == {Why.EARLIER_STEP_FAILED}
        assert [path.name for path in tmp_path.iterdir()] == ["h.zip"]

    def test_that_is_a_bomb_is_refused_without_unpacking_it(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("report.json", b"\0" * 300_000_000)
        assert len(buffer.getvalue()) < 1_000_000
        with pytest.raises(UnsafeHandOffError):
            read_zip(buffer.getvalue(), tmp_path)

    def test_with_a_link_in_it_or_anything_beside_its_files_is_refused(self, tmp_path: Path) -> None:
        good = pack(files_of(tmp_path / "h"))
        entry = zipfile.ZipInfo("report.json", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o120777 << 16
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(entry, "/etc/passwd")
        for bad in (buffer.getvalue(), b"#!/bin/sh\n" + good, good + b"\n", good[:-1]):
            with pytest.raises(UnsafeHandOffError):
                read_zip(bad, tmp_path)

    def test_of_the_same_files_is_the_same_bytes_in_whatever_order_they_come(self, tmp_path: Path) -> None:
        files = files_of(tmp_path / "h")
        assert pack(files) == pack(dict(reversed(files.items())))

    @given(st.binary(max_size=400))
    def test_that_is_none_is_one_error(self, data: bytes) -> None:
        with pytest.raises(UnsafeHandOffError):
            read_zip(data, Path("x.zip"))


class TestAFolder:
    def test_with_a_file_more_is_refused(self, tmp_path: Path) -> None:
        written(tmp_path / "h")
        (tmp_path / "h" / "notes.txt").write_text("x")
        assert why(verify(tmp_path / "h", know()), StepId.CONTAINER) is Why.NO_HAND_OFF

    def test_with_a_link_or_a_pipe_in_it_is_not_followed(self, tmp_path: Path) -> None:
        written(tmp_path / "h")
        target = tmp_path / "h" / "report.json"
        target.rename(tmp_path / "elsewhere.json")
        target.symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises(SpytriageError):
            read_handoff(tmp_path / "h")
        target.unlink()
        os.mkfifo(target)
        with pytest.raises(SpytriageError):
            read_handoff(tmp_path / "h")

    def test_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SpytriageError) as caught:
            verify(tmp_path / "nothing", know())
        assert caught.value.hint


class TestWhatItSays:
    """A forger with the key can make everything fit together: the report must still not contradict itself."""

    def result(self, files: Mapping[str, bytes], step: StepId) -> tuple[Result, Why]:
        verification = verified(files, public_of(signer()))
        found = next(found for found in verification.steps if found.id is step)
        if found.result is not Result.PASSED:
            assert verification.overall is not Overall.PASSED
        return found.result, found.why

    def test_a_no_match_with_a_failed_module_is_a_contradiction(self) -> None:
        report = replace(handoffs.in_known_set(samples.NO_MATCH), modules=samples.modules(gaps=True))
        assert self.result(remade(report), StepId.CONSISTENCY) == (Result.FAILED, Why.OUTCOME_CONTRADICTS)

    @pytest.mark.parametrize("claimed", Outcome)
    @pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
    def test_only_the_outcome_that_the_findings_call_for_passes(self, report: Report, claimed: Outcome) -> None:
        files = remade(replace(handoffs.in_known_set(report), outcome=claimed))
        passed = self.result(files, StepId.CONSISTENCY)[0] is Result.PASSED
        assert passed is (claimed is report.outcome)

    def test_gaps_that_the_limits_do_not_tell_are_a_contradiction(self) -> None:
        report = handoffs.in_known_set(samples.INCONCLUSIVE)
        told = replace(report, limits=tuple(limit for limit in report.limits if limit.id is not LimitId.COVERAGE_GAPS))
        fewer = replace(told, limits=(*told.limits, Limit(LimitId.COVERAGE_GAPS, (("modules", 1),))))
        for changed in (told, fewer):
            assert self.result(remade(changed), StepId.CONSISTENCY) == (Result.FAILED, Why.LIMITS_CONTRADICT)

    def test_a_page_that_says_something_else_than_the_json_fails(self) -> None:
        page = renderings(handoffs.MATCH)["report.html"].replace(b"roleaboutd", b"something")
        files = remade(handoffs.MATCH, **{"report.html": page})
        assert self.result(files, StepId.RENDERINGS) == (Result.FAILED, Why.RENDERING_DIFFERS)

    @pytest.mark.parametrize("page", [
        b"", b'<html lang="xx">', b"<!DOCTYPE html>\n<html>", b'<html lang="en" dir="ltr" data-languages="xx">',
        b'<html lang="en" dir="ltr" data-languages="en,en">', b'<html lang="en" dir="ltr" data-languages=",">',
    ])  # fmt: skip
    def test_a_page_without_a_language_of_ours_fails(self, page: bytes) -> None:
        assert self.result(remade(handoffs.MATCH, **{"report.html": page}), StepId.RENDERINGS)[0] is Result.FAILED

    def test_a_field_that_this_version_does_not_write_fails(self) -> None:
        data = to_json(handoffs.MATCH).replace(b'"demo": true,', b'"demo": true, "name": "x",')
        files = remade(handoffs.MATCH, **{"report.json": data})
        assert self.result(files, StepId.SCHEMA) == (Result.FAILED, Why.REPORT_NOT_AS_WRITTEN)

    def test_a_manifest_that_says_something_else_than_the_report_fails(self) -> None:
        files = remade(handoffs.MATCH)
        manifest = json.loads(files[MANIFEST]) | {"outcome": "no-match"}
        files[MANIFEST] = canonical(manifest)
        assert self.result(files, StepId.SCHEMA) == (Result.FAILED, Why.REPORT_NOT_AS_WRITTEN)

    def test_a_newer_schema_is_said_and_what_can_be_verified_is(self) -> None:
        data = to_json(handoffs.MATCH).replace(b'"schema_version": 1', b'"schema_version": 2')
        verification = verified(remade(handoffs.MATCH, signer(), **{"report.json": data}), public_of(signer()))
        assert why(verification, StepId.SCHEMA) is Why.NEWER_SCHEMA
        assert verification.overall is Overall.PARTIAL
        passed = {step.id for step in verification.steps if step.result is Result.PASSED}
        assert {StepId.FILES, StepId.HASHES, StepId.CUSTODY} <= passed

    def test_a_report_of_another_version_is_not_compared_with_what_this_one_would_write(self) -> None:
        other = replace(handoffs.MATCH, tool=replace(handoffs.MATCH.tool, version="0.9.9"))
        verification = verified(remade(other))
        for step in (StepId.SCHEMA, StepId.RENDERINGS, StepId.TOOL):
            assert why(verification, step) is Why.OTHER_VERSION
        assert why(verification, StepId.CONSISTENCY) is Why.AS_IT_SHOULD_BE

    def test_sets_that_nobody_knows_are_not_passed_and_a_wrong_claim_fails(self) -> None:
        unknown = replace(samples.CORE, sha256="0" * 64, embedded=False, catalogued=False)
        report = handoffs.in_known_set(samples.NO_MATCH)
        assert self.result(remade(replace(report, sets=(unknown,))), StepId.INDICATOR_SETS) == (
            Result.NOT_DONE, Why.SETS_UNKNOWN,
        )  # fmt: skip
        boasting = replace(unknown, catalogued=True)
        assert self.result(remade(replace(report, sets=(boasting,))), StepId.INDICATOR_SETS)[0] is Result.FAILED
        assert self.result(remade(replace(handoffs.MATCH, sets=())), StepId.INDICATOR_SETS)[0] is Result.FAILED

    @pytest.mark.parametrize("day", [date(2025, 1, 1), handoffs.TODAY + timedelta(days=3), date(9999, 12, 31)])
    def test_a_day_that_cannot_be_is_noticed(self, day: date) -> None:
        report = replace(handoffs.MATCH, tool=replace(handoffs.MATCH.tool, checked_on=day))
        assert self.result(remade(report), StepId.CLOCK) == (Result.FAILED, Why.DAY_IMPLAUSIBLE)

    @pytest.mark.parametrize(
        "change", [{"keep_until": date(2026, 11, 1)}, {"given_on": date(2026, 12, 24)}, {"analyse": False}]
    )
    def test_a_check_outside_its_consent_is_noticed(self, change: dict[str, Any]) -> None:
        report = replace(handoffs.MATCH, consent=replace(handoffs.MATCH.consent, **change))
        assert self.result(remade(report), StepId.CLOCK) == (Result.FAILED, Why.CONSENT_NOT_IN_FORCE)

    def test_a_report_that_no_program_wrote_fails(self) -> None:
        files = remade(handoffs.MATCH, **{"report.json": b'{"schema_version": 1}'})
        assert self.result(files, StepId.SCHEMA) == (Result.FAILED, Why.REPORT_UNREADABLE)

    def test_sealed_evidence_is_left_to_those_who_can_open_it(self) -> None:
        files = remade(handoffs.MATCH, **{"evidence.age": b"age-encryption.org/v1\n"})
        assert self.result(files, StepId.SEALED_EVIDENCE) == (Result.NOT_DONE, Why.NO_IDENTITY)


@pytest.mark.parametrize("belongs", [True, False])
def test_sealed_evidence_is_compared_by_those_who_can_open_it(belongs: bool) -> None:
    def unseal(files: Mapping[str, bytes]) -> None:
        assert (files["evidence.age"], files["report.json"]) == (b"sealed", to_json(handoffs.MATCH))
        if not belongs:
            raise SpytriageError("Another case.")

    files = remade(handoffs.MATCH, **{"evidence.age": b"sealed"})
    step = verify_files(files, replace(know(), unseal=unseal)).steps[8]
    assert (step.id, step.result is Result.PASSED) == (StepId.SEALED_EVIDENCE, belongs)


def test_the_outcome_is_derived_as_the_check_derives_it() -> None:
    from spytriage.findings import outcome
    from spytriage.models import Finding, Match, RawAlert

    kinds = [(FindingId.PROCESS_RAN, MatchRule.EXACT), (FindingId.LOOSE_MATCH, MatchRule.LOOSE_URL_TEXT),
             (FindingId.CALENDAR_EXPLOIT_PATTERN, None), (FindingId.USAGE_RECORD_GAP, None)]  # fmt: skip
    for chosen in range(2 ** len(kinds)):
        for state in CoverageState:
            picked = [kind for place, kind in enumerate(kinds) if chosen >> place & 1]
            modules = (replace(samples.modules()[14], state=state, reason=Reason.EXCEPTION),)
            redacted, raw = [], []
            for kind, rule in picked:
                indicators = (samples.PROCESS,) if rule else ()
                seen = samples.finding(kind, "Datausage", *indicators, rule=rule)
                alert = RawAlert("Datausage", seen.mvt_level, "", "", {}, Match(indicators, rule) if rule else None)
                redacted.append(seen)
                raw.append(Finding(kind, seen.trace, seen.level, alert, seen.artefact, None, 0, 0))
            report = replace(samples.MATCH, findings=tuple(redacted), modules=modules)
            assert outcome_of(report) is outcome(raw, modules)


def test_the_overall_result_is_never_better_than_the_worst_step() -> None:
    from spytriage.review import Step, Verification

    for worst in Result:
        steps = tuple(Step(step, Result.PASSED, Why.AS_IT_SHOULD_BE) for step in list(StepId)[1:])
        overall = Verification((*steps, Step(StepId.CONTAINER, worst, Why.NO_HAND_OFF))).overall
        assert overall.value == {"not-done": "partial"}.get(worst.value, worst.value)
    assert len({overall.exit_code for overall in Overall} | {1, 2}) == len(Overall) + 2


def test_every_step_and_reason_has_words_and_a_number_in_order() -> None:
    from spytriage.review import Step

    assert [Step(step, Result.PASSED, Why.SIGNED).number for step in StepId] == list(range(1, len(StepId) + 1))
    for step in StepId:
        assert texts.phrase(step)
    for reason in Why:
        assert texts.why_text(Step(StepId.FILES, Result.FAILED, reason, "{odd} %s"))


def flips(data: bytes) -> list[Callable[[], bytes]]:
    return [
        lambda place=place: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(len(data))
    ]  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("signed", [True, False])
def test_a_changed_byte_anywhere_in_the_folder_is_noticed(tmp_path: Path, signed: bool) -> None:
    key = public_of(signer())
    files = files_of(tmp_path / "h", report=handoffs.SMALL, signer=signer() if signed else None)
    assert verified(files, key).overall is (Overall.PASSED if signed else Overall.PARTIAL)
    missed = [
        (name, place)
        for name, data in files.items()
        for place, changed in enumerate(flips(data))
        if verified(files | {name: changed()}, key).overall is not Overall.FAILED
    ]
    assert missed == []


@pytest.mark.slow
def test_a_changed_byte_anywhere_in_the_zip_is_noticed(tmp_path: Path) -> None:
    packed = pack(files_of(tmp_path / "h", report=handoffs.SMALL, signer=signer()))
    missed = []
    for place, changed in enumerate(flips(packed)):
        try:
            files = read_zip(changed(), tmp_path)
        except UnsafeHandOffError:
            continue
        if verified(files, public_of(signer())).overall is not Overall.FAILED:
            missed.append(place)
    assert missed == []
