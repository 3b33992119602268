"""What a stranger calls a case, a phone or a set never decides where a file is written."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ways_out.vectors import EVERYTHING

from spytriage import batch
from spytriage.evidence import SealedFinding, _finding
from spytriage.indicators.sets import unlisted_name

NAMES = (
    "../x", "..", ".", "/etc/x", "a/../../x", "a\\..\\x", "C:x", "\\\\host\\x", "~root", "-rf", "--help", ".hidden", "",
    " ", "x ", "x.", "nul\x00.stix2", "CON", "con.stix2", "AUX", "Nul.json", "COM1", "lpt9.x", "x" * 5000,
    "\u00e9" * 300, "a\nb", "a:b", "a*b?", "$(id)", "`id`", "%00", "\ud800",
)  # fmt: skip
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def _is_harmless(name: str) -> bool:
    return (
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}", name) is not None
        and not name.endswith(".")
        and not _RESERVED.fullmatch(name)
    )


@pytest.mark.parametrize("name", [*NAMES, *EVERYTHING], ids=ascii)
def test_a_set_is_kept_under_a_plain_name(name: str) -> None:
    assert _is_harmless(unlisted_name(name))


@given(st.text())
def test_no_name_of_a_set_is_kept_as_anything_but_a_plain_one(name: str) -> None:
    kept = unlisted_name(name)
    assert _is_harmless(kept)
    assert unicodedata.is_normalized("NFD", kept)


def test_the_folder_of_a_phone_is_a_number_whatever_the_phone_is_called(tmp_path: Path) -> None:
    phones = [batch.Phone(name, tmp_path, tmp_path) for name in dict.fromkeys((*NAMES, *EVERYTHING))]
    folders = [phone.folder for phone in batch.numbered(phones, tmp_path / "out")]
    assert len(set(folders)) == len(phones)
    assert all(_is_harmless(folder) for folder in folders)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", batch.CASES]


@pytest.mark.parametrize("path", ["a\x00b", "\ud800", "x" * 5000])
def test_a_path_that_no_system_has_is_a_phone_that_failed(path: str, tmp_path: Path) -> None:
    phone = batch.Phone("K-014", Path(path), Path(path), 1)
    result = batch.check_one(batch.Task(phone, tmp_path, (), None))
    assert result.state is batch.State.FAILED
    assert result.why


@pytest.mark.parametrize("name", [name for name in NAMES if name != "F1"], ids=ascii)
def test_sealed_evidence_names_no_file(name: str) -> None:
    sealed = {"ref": "F1", "id": "x", "module": "SMS", "nonces": {}, "records": []}
    assert isinstance(_finding(sealed), SealedFinding)
    with pytest.raises(ValueError, match="number of a finding"):
        _finding({**sealed, "ref": name})
