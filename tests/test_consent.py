"""No consent record, no check; and the record holds no name."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spytriage.consent import Consent, Grant, parse_day, read_consent
from spytriage.errors import SpytriageError
from tests.conftest import consent
from tests.tools import DAY


@given(
    st.booleans(), st.booleans(), st.frozensets(st.sampled_from(Grant)), st.none() | st.dates(),
    st.sampled_from(["", "F-2026-014", "2026/7#3"]), st.dates(),
)  # fmt: skip
def test_a_record_says_the_same_after_writing_and_reading(
    data_owner: bool, device_owner: bool, grants: frozenset[Grant], until: date | None, form: str, given_on: date
) -> None:
    record = Consent(data_owner, device_owner, grants, until, form, given_on)
    with tempfile.TemporaryDirectory() as folder:
        record.write(Path(folder) / "consent.yaml")
        assert read_consent(Path(folder) / "consent.yaml") == record


def test_a_record_is_for_our_eyes_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ana.yaml"
    consent().write(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(SpytriageError, match="exists already"):
        consent(Grant.AGGREGATE).write(path)
    assert read_consent(path) == consent()
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_can_be_written_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "ana.yaml"
    consent().write(path)

    with pytest.raises(SpytriageError, match="exists already"):
        consent(Grant.AGGREGATE).write(path)
    assert read_consent(path) == consent()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name",
    ["Ana Pérez", "ana", "12025550123", "1-202-555-0123", "form of Ana", "5\n6", "x" * 41 + "1", "\x1b[31m1"],
)
def test_a_form_reference_is_a_code_not_a_name(name: str) -> None:
    with pytest.raises(SpytriageError, match="a code with a digit"):
        replace(consent(), form_reference=name)


class TestACheckNeeds:
    def test_a_yes_to_analysis(self) -> None:
        with pytest.raises(SpytriageError, match="does not allow"):
            consent(Grant.SHARE_REDACTED).require_analysis(DAY)

    @pytest.mark.parametrize("owner", ["data_owner_asked", "device_owner_asked"])
    def test_both_owners_asked(self, owner: str) -> None:
        with pytest.raises(SpytriageError, match="was not asked"):
            replace(consent(), **{owner: False}).require_analysis(DAY)

    def test_a_record_that_has_not_expired(self) -> None:
        consent(keep_until=DAY).require_analysis(DAY)
        with pytest.raises(SpytriageError, match="expired"):
            consent(keep_until=date(2026, 5, 3)).require_analysis(DAY)


VALID = yaml.safe_load(consent().to_yaml())


def test_a_pipe_in_the_place_of_a_record_does_not_hang_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "record.yaml")

    with pytest.raises(SpytriageError, match="not a consent record"):
        read_consent(tmp_path / "record.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "", "not: [a", "[]", "yes", "consent_version: 2",
        yaml.safe_dump(VALID | {"analyse": "yes please"}),
        yaml.safe_dump({key: value for key, value in VALID.items() if key != "share-sealed"}),
        yaml.safe_dump(VALID | {"keep_until": "soon"}),
        yaml.safe_dump(VALID | {"given_on": None}),
        yaml.safe_dump(VALID | {"form_reference": [5]}),
        "!!python/object/apply:os.system [true]",
        "a: &a [*a]",
        "a: !!int ''",
        "a: !!timestamp foo",
        "a: &a {<<: [*a, *a]}",
        "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.yaml").write_text(text)

    with pytest.raises(SpytriageError) as caught:
        read_consent(tmp_path / "record.yaml")

    assert caught.value.hint


def test_a_record_that_is_not_there_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SpytriageError, match="cannot be read"):
        read_consent(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["31/01/2027", "2027-13-01", "mañana", ""])
def test_a_day_is_written_year_first(text: str) -> None:
    with pytest.raises(SpytriageError, match="not a date"):
        parse_day(text)


def test_a_record_of_a_day_to_come_allows_no_check() -> None:
    # A reviewer's `verify` refuses such a report: better to hear it before the backup is read.
    record = replace(consent(Grant.ANALYSE), given_on=DAY + timedelta(days=2))
    with pytest.raises(SpytriageError, match="after today"):
        record.require_analysis(DAY)
    replace(record, given_on=DAY + timedelta(days=1)).require_analysis(DAY)
