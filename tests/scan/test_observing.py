"""The recorder of look-ups: deduplicated, dated by the record, within bounds, and never a match."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.findings import time_of, was_sent
from spytriage.indicators.kept import reduced
from spytriage.models import LookUp, Observable
from spytriage.scan import observing
from spytriage.scan.observing import Recorder
from spytriage.scan.protocol import MAX_LINE_BYTES, BadMessageError, Observed, decode, encode


class Told(Recorder):
    """A recorder that keeps what it tells."""

    def __init__(self, module: str) -> None:
        super().__init__(reduced, time_of, was_sent)
        self.told: list[Observed] = []
        self.begin(module, self.told.append)

    def messages(self) -> list[Observed]:
        self.tell()
        return self.told


def recorder(module: str = "SafariHistory") -> Told:
    return Told(module)


def rows(made: Told) -> list[Observable]:
    return [row for message in made.messages() for row in message.observables]


class _Module:
    def __init__(self, results: Any) -> None:
        self.results = results


def test_a_value_is_kept_once_with_its_first_day_and_how_often_it_came() -> None:
    made, days = recorder(), ["2024-03-02 10:00:00", "2023-12-31 23:59:59", ""]
    module = _Module([{"url": "https://example.org/", "isodate": day} for day in days])
    with made.watching(module):
        for record in module.results:
            assert made.url(record["url"]) is None
    assert rows(made) == [Observable(LookUp.URL, "example.org", "SafariHistory", date(2023, 12, 31), 3)]


def test_the_record_is_known_also_when_a_module_sorts_its_records_anew() -> None:
    made = recorder()
    module = _Module([{"isodate": "2024-01-02 00:00:00"}, {"isodate": "2024-01-01 00:00:00"}])
    before = module.results
    with made.watching(module):
        module.results = sorted(module.results, key=lambda record: str(record["isodate"]))
        for place, _record in enumerate(module.results):
            made.process(f"process-{place}")
    assert [row.day for row in rows(made)] == [date(2024, 1, 1), date(2024, 1, 2)]
    assert module.results is before
    assert type(module) is _Module


def test_records_by_file_are_watched_too_and_times_may_be_datetimes() -> None:
    made = recorder()
    module = _Module({"one.db": [{"isodate": datetime(2024, 5, 6, 7)}], "none": None})
    with made.watching(module):
        for entries in module.results.values():
            for _record in entries or ():
                made.email("a@example.org")
    assert [row.day for row in rows(made)] == [date(2024, 5, 6)]


def test_what_was_sent_is_kept_apart_from_what_came() -> None:
    made = recorder("SMS")
    module = _Module([{"direction": "sent"}, {"direction": "received"}])
    with made.watching(module):
        for _record in module.results:
            made.url("https://example.org/")
    assert {(row.sent, row.count) for row in rows(made)} == {(True, 1), (False, 1)}


@pytest.mark.parametrize("value", [None, "", 7, b"x", [], {"a": 1}])
def test_what_is_no_text_is_not_kept(value: object) -> None:
    made = recorder()
    for look_up in LookUp:
        getattr(made, look_up.value)(value)
    assert made.messages() == []


def test_what_is_too_long_is_counted() -> None:
    made = recorder()
    for name in ("p0", "p1", "p0", "x" * (observing.LONGEST_VALUE + 1)):
        made.process(name)
    (message,) = made.messages()
    assert [(row.value, row.count) for row in message.observables] == [("p0", 2), ("p1", 1)]
    assert message.left_out == 1


@pytest.mark.parametrize(("name", "most"), [("_VALUES_AT_A_TIME", 3), ("_TEXT_AT_A_TIME", 5)])
def test_no_more_is_held_than_enough_to_tell_in_order(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setattr(observing, name, most)
    made = recorder()
    for word in ("cc", "aa", "bb", "aa", "dd"):
        made.process(word)
    assert [row.value for message in made.told for row in message.observables] == ["aa", "bb", "cc"]
    assert [row.value for row in rows(made)] == ["aa", "bb", "cc", "aa", "dd"]


def test_no_message_is_longer_than_a_line_may_be() -> None:
    made = recorder()
    for number in range(500):
        made.file_path(f"/{number}/" + "\U0001f600" * 4000)  # twelve characters of ASCII each
    lines = [encode(message, {}) for message in made.messages()]
    assert len(lines) > 1
    assert max(map(len, lines)) < MAX_LINE_BYTES


observable = st.builds(
    Observable, st.sampled_from(LookUp), st.text(max_size=20), st.just("SMS"),
    st.none() | st.dates(), st.integers(0, 2**40), st.booleans(),
)  # fmt: skip


@given(st.lists(observable, max_size=5), st.integers(0, 9))
def test_look_ups_survive_the_pipe(observables: list[Observable], left_out: int) -> None:
    message = Observed("SMS", tuple(observables), left_out)
    assert decode(encode(message, {}), ()) == message


@pytest.mark.parametrize(
    "row",
    ['["urls","x",null,1,false]', '["url",1,null,1,false]', '["url","x","soon",1,false]', '["url","x",null,-1,false]',
     '["url","x",null,1,1]', '["url","x",null,1]', '"url"', "null"],
)  # fmt: skip
def test_what_no_worker_says_is_refused(row: str) -> None:
    line = f'{{"m":"observed","module":"SMS","rows":[{row}],"left_out":0}}'
    with pytest.raises(BadMessageError):
        decode(line.encode(), ())
