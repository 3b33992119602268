"""observables.age: what the matcher saw on a phone, sealed, so that newer indicators can be looked for later.

Two age files (age-encryption.org/v1), so that no tool of ours is needed to open them, for the same recipients:

    observables.age        a Parquet file: a row for each value that was looked up, see `_schema`
    observables-keys.age   its keys (`spytriage.indicators.kept`) as numbers of 32 bits, sorted, after one line of
                           JSON. Whoever has new indicators opens this one first: a phone that has none of their keys
                           cannot match. Two keys may share a number, which costs opening the other file for nothing.

Both name the SHA-256 of the report.json that they belong to. They are opened in memory only.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from spytriage.evidence import Recipients
from spytriage.handoff import OBSERVABLES, SKETCH
from spytriage.jsontext import canonical
from spytriage.models import Kept, LookUp, Observable

OBSERVABLES_VERSION = 1

_MOST_ROWS = 4_000_000
_MOST_BYTES = 1 << 30  # of a Parquet file when it is unpacked: anybody can seal a bomb for a public key
_ROWS_AT_A_TIME = 16_384  # that are packed together
_PACKING: Mapping[str, Any] = {
    "compression": "zstd",
    "compression_level": 9,
    "use_dictionary": ["look_up", "module", "first_day", "count"],
    "column_encoding": {"value": "DELTA_BYTE_ARRAY"},  # sorted values begin alike
    "write_statistics": False,
}
_FACTS = b"spytriage"


class ObservablesError(Exception):
    """A sealed file cannot be used; each reason is a class of its own."""


class NotOpenedError(ObservablesError):
    """The identities do not open it: it was sealed for somebody else, or a byte of it changed."""


class DamagedError(ObservablesError):
    """It was opened, and is not what it should be."""


class OtherVersionError(ObservablesError):
    """Another version of spytriage wrote it, in a form that this one does not know."""


# --- Sealing ----------------------------------------------------------------------------------------------------


def seal(
    kept: Kept, keys_of: Callable[[LookUp, str], Iterable[str]], report_json: bytes, recipients: Recipients
) -> dict[str, bytes]:
    """Return the two sealed files by name: only the recipients can open them, not even whoever made them.

    Args:
        kept: what was seen.
        keys_of: gives the keys of a value (`keys_of_value`).
        report_json: the report that it belongs to.
        recipients: who will be able to open it.
    """
    import pyrage  # noqa: PLC0415 (start-up stays fast)
    from pyarrow import parquet  # noqa: PLC0415

    facts = canonical({
        "observables_version": OBSERVABLES_VERSION,
        "report_sha256": hashlib.sha256(report_json).hexdigest(),
        "left_out": dict(kept.left_out),
    })  # fmt: skip
    packed, sketch, rows = io.BytesIO(), _SketchMaker(), iter(kept.observables)
    with parquet.ParquetWriter(packed, _schema(facts), **_PACKING) as file:
        while some := list(islice(rows, _ROWS_AT_A_TIME)):
            file.write_table(_table(some))
            sketch.add({key for row in some for key in keys_of(row.look_up, row.value)})
    sealed = {}
    for name, content in ((OBSERVABLES, packed.getvalue), (SKETCH, partial(sketch.packed, facts))):
        sealed[name] = bytes(pyrage.encrypt(content(), list(recipients.keys)))  # one at a time: they are large
    return sealed


def _schema(facts: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415 (takes a fifth of a second)

    word = pa.dictionary(pa.int16(), pa.string())
    columns = [
        ("look_up", word),  # how it was compared: url, process, file_path, ...
        ("module", word),  # the module of MVT that read it
        ("value", pa.string()),
        ("first_day", pa.date32()),  # UTC; none where no record says
        ("count", pa.int64()),  # of look-ups
        ("sent", pa.bool_()),  # in messages that the phone's owner sent
    ]
    return pa.schema(columns, metadata={_FACTS: facts})


def _table(rows: Sequence[Observable]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    columns = {
        "look_up": [row.look_up.value for row in rows],
        "module": [row.module for row in rows],
        "value": [_as_text(row.value) for row in rows],
        "first_day": [row.day for row in rows],
        "count": [row.count for row in rows],
        "sent": [row.sent for row in rows],
    }
    return pa.table(columns, schema=_schema(b""))


def _as_text(value: str) -> str:
    """Return text that can be written as UTF-8: half a surrogate pair is replaced."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _SketchMaker:
    """Gathers the numbers of keys, each once and sorted: a phone's are millions, and as many objects too large."""

    def __init__(self) -> None:
        self._parts = [array("I") for _ in range(256)]  # by the highest byte

    def add(self, keys: Iterable[str]) -> None:
        for key in keys:
            number = fingerprint(key)
            self._parts[number >> 24].append(number)

    def packed(self, facts: bytes) -> bytes:
        for place, part in enumerate(self._parts):
            self._parts[place] = once = array("I", sorted(set(part)))
            if sys.byteorder == "big":
                once.byteswap()
        return b"".join((facts, b"\n", *self._parts))


def fingerprint(key: str) -> int:
    """Return the number of 32 bits that stands for a key."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


# --- Opening ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Sketch:
    """The numbers of a phone's keys."""

    numbers: array[int]  # sorted
    left_out: Mapping[str, int]  # as `Kept.left_out`

    def may_hold(self, wanted: AbstractSet[int]) -> bool:
        """Return whether one of these numbers is among the phone's."""
        if len(wanted) * 16 > len(self.numbers):
            return not wanted.isdisjoint(self.numbers)
        return any(self._holds(number) for number in wanted)

    def _holds(self, number: int) -> bool:
        place = bisect_left(self.numbers, number)
        return place < len(self.numbers) and self.numbers[place] == number


def open_sketch(sealed: bytes, identities: Sequence[Any], report_sha256: str) -> Sketch:
    """Open observables-keys.age.

    Raises:
        NotOpenedError: the identities do not open it.
        DamagedError: it is not what it should be, or belongs to another report.
        OtherVersionError: another version wrote it.
    """
    facts, _newline, packed = _opened(sealed, identities).partition(b"\n")
    left_out = _left_out(_require_facts(facts, report_sha256))
    if len(packed) % 4:
        raise DamagedError("not whole numbers")
    numbers = array("I")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return Sketch(numbers, left_out)


def open_observables(sealed: bytes, identities: Sequence[Any], report_sha256: str) -> Kept:
    """Open observables.age. Its rows are unpacked some at a time, whenever they are gone through.

    Raises:
        NotOpenedError: the identities do not open it.
        DamagedError: it is not what it should be, or belongs to another report. Going through the rows raises it, too.
        OtherVersionError: another version wrote it.
    """
    from pyarrow import BufferReader, parquet  # noqa: PLC0415

    data = _opened(sealed, identities)
    with _damage_noticed():
        file = parquet.ParquetFile(BufferReader(data))
        about = file.metadata
        unpacked = sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups))
        facts = _require_facts((about.metadata or {}).get(_FACTS, b""), report_sha256)
        if about.num_rows > _MOST_ROWS or unpacked > _MOST_BYTES or not file.schema_arrow.equals(_schema(b"")):
            raise DamagedError("not such a file")
        return Kept(_Rows(file), _left_out(facts))


@contextmanager
def _damage_noticed() -> Iterator[None]:
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        yield
    except (ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        raise DamagedError(type(error).__name__) from error


class _Rows:
    """The rows of an opened file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __iter__(self) -> Iterator[Observable]:
        batches = self._file.iter_batches(batch_size=_ROWS_AT_A_TIME, use_threads=False)
        while True:
            with _damage_noticed():  # what whoever takes the rows raises is no damage
                if (batch := next(batches, None)) is None:
                    return
                rows = list(_observables(batch.to_pydict()))
            yield from rows


def _observables(columns: dict[str, list[Any]]) -> Iterable[Observable]:
    look_ups = {look_up.value: look_up for look_up in LookUp}
    names = ("look_up", "value", "module", "first_day", "count", "sent")
    for look_up, value, module, day, count, sent in zip(*(columns[name] for name in names), strict=True):
        if value is None or module is None or count is None or sent is None:
            raise DamagedError("a row is not whole")
        yield Observable(look_ups[look_up], value, module, day, count, sent)


def _left_out(facts: Mapping[str, Any]) -> dict[str, int]:
    try:
        return {str(module): int(count) for module, count in facts["left_out"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError("no count of what is missing") from error


def _opened(sealed: bytes, identities: Sequence[Any]) -> bytes:
    import pyrage  # noqa: PLC0415

    try:
        return bytes(pyrage.decrypt(sealed, list(identities)))
    except pyrage.DecryptError as error:
        raise NotOpenedError("not for these identities, or changed") from error


def _require_facts(text: bytes, report_sha256: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(text)
        version, belongs_to = facts["observables_version"], facts["report_sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError("no facts") from error
    if version != OBSERVABLES_VERSION:
        raise OtherVersionError(str(version)[:20])
    if belongs_to != report_sha256:
        raise DamagedError("of another report")
    return facts
