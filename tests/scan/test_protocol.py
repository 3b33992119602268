"""What a worker says is parsed, bounded, and never believed."""

from __future__ import annotations

import ast
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.finding_kinds import Level
from spytriage.models import (
    Attribution,
    BackupKeys,
    CoverageState,
    Indicator,
    IndicatorType,
    Match,
    MatchRule,
    ModuleCoverage,
    RawAlert,
    Reason,
)
from spytriage.scan import protocol
from spytriage.scan.protocol import (
    MAX_LINE_BYTES,
    BadMessageError,
    Job,
    Planned,
    ReadSoFar,
    Run,
    Started,
    decode,
    encode,
)
from spytriage.scan.records import MAX_RECORD, bounded

INDICATORS = tuple(
    Indicator(IndicatorType.DOMAIN, f"d{n}.example", (Attribution("s", "f", "0" * 64, f"indicator--{n}"),))
    for n in range(3)
)
PLACES = {indicator.key: place for place, indicator in enumerate(INDICATORS)}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "message",
    [
        Planned((("SMS",), ("TCC", "Calls")), {"Old": Reason.DISABLED}, ("SMS", "TCC", "Calls", "Old"), "2026.10.26"),
        Started("SMS"),
        ReadSoFar("SMS", 4096),
        ModuleCoverage("SMS", CoverageState.FAILED, None, Reason.EXCEPTION, "KeyError", 2),
        RawAlert("SMS", Level.HIGH, "text \ud800", "", {"a": [1]}, Match(INDICATORS[1:], MatchRule.SUBDOMAIN)),
        RawAlert("SMS", Level.LOW, "", "2021-07-18", {}, None),
    ],
)
def test_a_message_survives_the_pipe(message: Any) -> None:
    assert decode(encode(message, PLACES), INDICATORS) == message


def test_a_job_survives_the_pipe() -> None:
    job = Job("ios-backup", "/a/ñ", "/b", "/c", 1 << 30, INDICATORS, BackupKeys({3: b"k" * 32}, None))

    assert Job.from_line(job.to_line()) == job


def test_a_request_survives_the_pipe() -> None:
    request = Run("SMS", ("TCC", "Calls"))

    assert Run.from_line(request.to_line()) == request


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode(line, INDICATORS)


@given(st.dictionaries(st.sampled_from(["m", "module", "level", "message", "time", "event", "match", "state"]), JSON))
def test_a_message_with_the_right_keys_and_wrong_values_is_refused_or_valid(fields: dict[str, Any]) -> None:
    for kind in ("alert", "ended", "planned", "read", "started"):
        try:
            decode(json.dumps(fields | {"m": kind}).encode(), INDICATORS)
        except BadMessageError:
            continue


@pytest.mark.parametrize("places", [[], [3], [-1], ["0"], [0.5], None, "abc"])
def test_a_worker_cannot_make_up_an_indicator(places: Any) -> None:
    line = encode(RawAlert("SMS", Level.HIGH, "", "", {}, Match(INDICATORS[:1], MatchRule.EXACT)), PLACES)
    forged = json.loads(line)
    forged["match"]["indicators"] = places

    with pytest.raises(BadMessageError):
        decode(json.dumps(forged).encode(), INDICATORS)


@pytest.mark.parametrize("change", [{"records": -5}, {"records": True}, {"shortened": -3}, {"shortened": "3"}])
def test_a_ledger_line_counts_in_whole_numbers(change: dict[str, Any]) -> None:
    line = json.loads(encode(ModuleCoverage("SMS", CoverageState.CHECKED, 3), PLACES))

    with pytest.raises(BadMessageError):
        decode(json.dumps(line | change).encode(), INDICATORS)


PLAN = {"m": "planned", "chains": [["SMS"], ["TCC"]], "not_run": {"Old": "disabled"}, "modules": ["SMS", "TCC", "Old"],
        "version": "2026.10.26"}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"version": "<b>1"},
        {"chains": [["SMS"]]},
        {"chains": [["SMS", "TCC"], ["TCC"]]},
        {"modules": ["SMS", "TCC", "Old", "More"]},
        {"not_run": {"Old": "because"}},
    ],
)
def test_a_plan_names_each_module_once_and_has_a_version(change: dict[str, Any]) -> None:
    assert isinstance(decode(json.dumps(PLAN).encode(), INDICATORS), Planned)

    with pytest.raises(BadMessageError):
        decode(json.dumps(PLAN | change).encode(), INDICATORS)


@pytest.mark.parametrize("field", ["name", "detail"])
def test_a_ledger_line_cannot_carry_text_of_the_phone(field: str) -> None:
    line = {"m": "ended", "module": "SMS", "state": "failed", "records": None, "reason": "exception", "detail": "",
            "shortened": 0}  # fmt: skip
    line["module" if field == "name" else "detail"] = "call me at +1 202 555 0123, \u202e"

    with pytest.raises(BadMessageError):
        decode(json.dumps(line).encode(), INDICATORS)


class TestARecordIsBounded:
    @given(st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    ))  # fmt: skip
    def test_into_json_types(self, record: Any) -> None:
        event, message = bounded({"field": record}, "message")

        assert json.loads(json.dumps(event)).keys() == {"field"}
        assert message == "message"

    def test_in_size(self) -> None:
        event, message = bounded({str(n): "x" * 60_000 for n in range(1000)}, "m" * 10_000_000)

        assert len(json.dumps([event, message])) < MAX_RECORD * 2 < MAX_LINE_BYTES

    def test_in_depth(self) -> None:
        nested: Any = {}
        for _ in range(10_000):
            nested = {"a": nested}

        assert len(json.dumps(bounded(nested, "")[0])) < 1000

    def test_so_that_what_is_cut_says_so(self) -> None:
        event, _ = bounded({"text": "x" * 50_000_000, "when": datetime.date(2021, 7, 18), "raw": b"\xff"}, "")

        assert event == {"text": {"$cut": 50_000_000}, "when": "2021-07-18", "raw": {"$bytes": "/w=="}}


def test_nothing_between_the_processes_is_unpickled() -> None:
    package = Path(protocol.__file__).parents[1]
    for path in [*package.glob("scan/*.py"), package / "worker.py"]:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not names & {"pickle", "marshal", "shelve", "multiprocessing"}, path
