"""A trace that was on the phone and can no longer be seen never ends in `no-match`, whatever is wrong.

Each case is one fault of one artefact of one kind of source. The undamaged acquisitions hold a planted trace in every
artefact that can carry one, so what a fault hides is known: the traces that are met no more.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spytriage.models import CoverageState, Outcome
from tests.faults.cases import BASES, Case, all_cases, undamaged, where
from tests.faults.checking import Checked, check, told
from tests.faults.ledger import expected, nobody_can_tell
from tests.outcomes import Row

CASES = all_cases()


_sound: dict[str, Checked] = {}


def sound(kind: str) -> Checked:
    """What a check of the undamaged acquisition comes to."""
    if kind not in _sound:
        _sound[kind] = check(undamaged(kind), undamaged(kind))
    return _sound[kind]


def test_there_are_more_than_five_hundred_cases_of_every_kind_of_source() -> None:
    assert len(CASES) > 500
    assert {case.kind.partition(" ")[0] for case in CASES.values()} == {
        "ios-backup", "androidqf", "android-bugreport", "android-backup", "android-intrusion-logs", "ios-sysdiagnose",
        "ios-filesystem",
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES.values()}))
def test_the_undamaged_acquisition_has_a_trace_in_every_artefact_and_no_gap_but_the_permanent_one(kind: str) -> None:
    checked = sound(kind)

    assert not checked.error
    assert checked.gaps <= {"UnifiedLogs"}
    assert checked.without_matches(checked.gaps) is Outcome.NO_MATCH  # or no case could be a wrong one
    silent = {name for name, line in checked.modules.items() if line.state is CoverageState.CHECKED} - {
        module for module, _value in checked.met
    }
    assert silent <= {"GlobalPreferences", "AQFSettings", "RootBinaries", "Settings"}  # they compare with no indicator


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_fault(case: Case, place: Path, record: list[Row]) -> None:
    whole = sound(case.kind)

    found = check(case.build(place), undamaged(case.kind))

    lost = whole.met - found.met
    others = {name for name, line in found.modules.items() if told(line) != told(whole.modules.get(name))}
    record.append([case.kind, case.fault, _summary(found, others, lost=bool(lost))])
    if found.error:
        return  # a message and no report: nobody can take that for an answer
    assert set(found.modules) == set(whole.modules)
    if not lost or nobody_can_tell(case):
        return
    assert found.without_matches(whole.gaps) is not Outcome.NO_MATCH, sorted(lost)
    assert {told(found.modules[module]) for module, _value in lost} <= expected(case)


# Damage of these never goes unnoticed: they are encrypted, packed with checksums, or come with a list of digests.
_WITH_CHECKSUMS = (
    "ios-backup (encrypted)", "androidqf", "androidqf (zip)", "android-backup", "android-bugreport (zip)",
    "android-intrusion-logs (zip)", "ios-sysdiagnose (tar.gz)", "ios-filesystem (tar.gz)",
)  # fmt: skip
_share = st.floats(0, 1, exclude_max=True)
_damage = st.one_of(
    st.tuples(st.just("flip"), st.integers(1, 255)),
    st.tuples(st.sampled_from(["zero", "drop", "cut", "repeat"]), st.sampled_from([1, 16, 64, 512, 4096])),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _WITH_CHECKSUMS)
def test_no_random_damage_of_what_has_checksums_hides_a_trace(kind: str) -> None:
    whole = sound(kind)
    names = _names(kind)

    @settings(
        max_examples=15, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(name=st.sampled_from(names), place=_share | st.floats(0.9, 1, exclude_max=True), damage=_damage)
    def nothing_is_hidden(name: str, place: float, damage: tuple[str, int]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = where(kind, BASES.copy(kind, Path(folder)))
            file = path / name
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(_damaged(content, int(place * len(content)), *damage))
            found = check(path, undamaged(kind))
        if not found.error and whole.met - found.met:
            assert found.without_matches(whole.gaps) is not Outcome.NO_MATCH

    nothing_is_hidden()


def _names(kind: str) -> list[str]:
    """Return the files of an acquisition, relative to it; "" of one that is a file."""
    base = undamaged(kind)
    files = sorted(path for path in base.rglob("*") if path.is_file() and path.stat().st_size)
    return [str(path.relative_to(base)) for path in files] or [""]


def _damaged(content: bytes, at: int, how: str, much: int) -> bytes:
    before, part, after = content[:at], content[at : at + much], content[at + much :]
    match how:
        case "flip":
            return before + bytes([content[at] ^ much]) + content[at + 1 :]
        case "zero":
            return before + bytes(len(part)) + after
        case "drop":
            return before + after
        case "repeat":
            return before + part + part + after
        case _:
            return before


def _summary(found: Checked, changed: set[str], *, lost: bool) -> str:
    if found.error:
        return "error"
    words = {told(found.modules[name]) for name in changed}
    if not words:
        return "lost, and nobody can tell" if lost else "no harm"
    return ", ".join(sorted(words))
