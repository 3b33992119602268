"""What modules looked up, packed as it comes: a full phone's is hundreds of thousands of values, a huge one's millions.

A worker tells what it took down whenever it holds enough, in order. So what comes of a module are sorted runs, as in a
merge sort with little memory. They are held compressed, in memory only, since nothing may reach a disk in clear, and
merged in the end: a value of several runs becomes one row with the earliest day and all look-ups.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from spytriage.models import LookUp, Observable
from spytriage.scan.protocol import Observed

MOST_VALUES = 2_000_000
"""Distinct values of one module: four times the files of a full phone."""
MOST_TEXT = 128 << 20
"""Characters of one module's values, all together."""
MOST_VALUES_OF_A_PHONE = 4_000_000
"""Distinct values of all modules: as many as `spytriage.observables` opens again."""
MOST_TEXT_OF_A_PHONE = 192 << 20
"""Characters of all modules' values: what is sealed has to fit into a hand-off."""

_BLOCK = 1_000  # rows that are unpacked together
_MOST_RUNS = 64  # of each, one block is unpacked while they are merged
_FRESH = 16 << 20  # bytes of packed rows that may wait to be merged, or else as many as were merged already
_LEVEL = 6  # of zlib
_LOOK_UPS = tuple(sorted(LookUp))  # as workers sort
_PLACES = {look_up: place for place, look_up in enumerate(_LOOK_UPS)}
_END = (len(_LOOK_UPS),)  # is after every row
_NO_DAY = date.max.toordinal() + 1  # so that the earliest day comes first
_MOST_LOOK_UPS = (1 << 63) - 1  # that the column for them can say

_Row = tuple[int, str, bool, int, int]  # place of the look-up, value, whether sent, day, number of look-ups
_Packed = deque[bytes]


class Collected:
    """What was looked up on a phone, within bounds: the same rows in the same order, whatever order it came in."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()  # values, by module
        self._modules: dict[str, _Runs] = {}

    def add(self, message: Observed) -> None:
        """Take some of what a module looked up."""
        runs = self._modules.setdefault(message.module, _Runs())
        self._count(message.module, message.left_out + runs.add(map(_row, message.observables)))

    def settle(self, modules: Sequence[str]) -> None:
        """Merge what has come.

        Args:
            modules: in whose order the rows will be, and have room.
        """
        self._modules = {name: self._modules[name] for name in modules if name in self._modules}
        values, text = MOST_VALUES_OF_A_PHONE, MOST_TEXT_OF_A_PHONE
        for name, runs in self._modules.items():
            self._count(name, runs.settle(min(values, MOST_VALUES), min(text, MOST_TEXT)))
            values, text = values - runs.values, text - runs.text

    def _count(self, module: str, left_out: int) -> None:
        if left_out:
            self.left_out[module] += left_out

    def __iter__(self) -> Iterator[Observable]:
        for name, runs in self._modules.items():
            for place, value, sent, day, count in runs:
                first = None if day == _NO_DAY else date.fromordinal(day)
                yield Observable(_LOOK_UPS[place], value, name, first, count, bool(sent))


class _Runs:
    """The rows of one module."""

    def __init__(self) -> None:
        self.values = self.text = 0  # of the run that has been merged
        self._runs: list[_Packed] = []
        self._end: tuple[object, ...] = _END
        self._merged_bytes = self._fresh_bytes = 0

    def add(self, observed: Iterable[_Row]) -> int:
        """Take rows; return how many were left out to make room."""
        rows = sorted(observed)
        if not rows:
            return 0
        if rows[0] < self._end:
            self._runs.append(deque())
        self._end = rows[-1]
        block = _pack(rows)
        self._runs[-1].append(block)
        self._fresh_bytes += len(block)
        if len(self._runs) > _MOST_RUNS or self._fresh_bytes > max(_FRESH, self._merged_bytes):
            return self.settle(MOST_VALUES, MOST_TEXT)
        return 0

    def settle(self, most_values: int, most_text: int) -> int:
        """Merge all runs into one within these bounds; return how many values were left out."""
        self.values = self.text = left_out = 0
        merged: _Packed = deque()
        rows: list[_Row] = []
        for row in _once(heapq.merge(*map(_used_up, self._runs))):
            if self.values >= most_values or self.text + len(row[1]) > most_text:
                left_out += 1
                continue
            self.values += 1
            self.text += len(row[1])
            rows.append(row)
            if len(rows) == _BLOCK:
                merged.append(_pack(rows))
                rows = []
        if rows:
            merged.append(_pack(rows))
        self._runs, self._end = [merged], _END
        self._merged_bytes, self._fresh_bytes = sum(map(len, merged)), 0
        return left_out

    def __iter__(self) -> Iterator[_Row]:
        for run in self._runs:
            for block in run:
                yield from _unpack(block)


def _row(seen: Observable) -> _Row:
    day = seen.day.toordinal() if seen.day else _NO_DAY
    return _PLACES[seen.look_up], seen.value, seen.sent, day, min(seen.count, _MOST_LOOK_UPS)


def _once(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Yield one row for each value of sorted rows: the first has the earliest day."""
    known: _Row | None = None
    for row in rows:
        if known is None or row[:3] != known[:3]:
            if known:
                yield known
            known = row
        else:
            known = (*known[:4], min(known[4] + row[4], _MOST_LOOK_UPS))
    if known:
        yield known


def _used_up(run: _Packed) -> Iterator[_Row]:
    """Yield the rows of a run, and let go of what has been read."""
    while run:
        yield from _unpack(run.popleft())


def _pack(rows: Sequence[_Row]) -> bytes:
    return zlib.compress(json.dumps([*zip(*rows, strict=True)], separators=(",", ":")).encode("ascii"), _LEVEL)


def _unpack(block: bytes) -> Iterator[_Row]:
    return zip(*json.loads(zlib.decompress(block)), strict=True)
