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
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from spytriage.evidence import Recipients
from spytriage.handoff import OBSERVABLES, SKETCH
from spytriage.jsontext import canonical
from spytriage.models import Kept, LookUp, Observable

OBSERVABLES_VERSION = 1

_MOST_ROWS = 4_000_000
_MOST_BYTES = 1 << 30  # of a Parquet file when it is unpacked: anybody can seal a bomb for a public key
_LEVEL = 9  # of Zstandard
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


def seal(kept: Kept, keys: Iterable[str], report_json: bytes, recipients: Recipients) -> dict[str, bytes]:
    """Return the two sealed files by name: only the recipients can open them, not even whoever made them.

    Args:
        kept: what was seen.
        keys: the keys of every value (`keys_of_value`).
        report_json: the report that it belongs to.
        recipients: who will be able to open it.
    """
    import pyrage  # noqa: PLC0415 (start-up stays fast)

    facts = canonical({
        "observables_version": OBSERVABLES_VERSION,
        "report_sha256": hashlib.sha256(report_json).hexdigest(),
        "left_out": dict(kept.left_out),
    })  # fmt: skip
    return {
        name: bytes(pyrage.encrypt(data, list(recipients.keys)))
        for name, data in ((OBSERVABLES, _to_parquet(kept, facts)), (SKETCH, _to_sketch(keys, facts)))
    }


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


def _to_parquet(kept: Kept, facts: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    rows = sorted(kept.observables, key=lambda o: (o.look_up, o.module, o.value, o.sent))
    columns = {
        "look_up": [row.look_up.value for row in rows],
        "module": [row.module for row in rows],
        "value": [_as_text(row.value) for row in rows],
        "first_day": [row.day for row in rows],
        "count": [row.count for row in rows],
        "sent": [row.sent for row in rows],
    }
    packed = io.BytesIO()
    table = pa.table(columns, schema=_schema(facts))
    parquet.write_table(table, packed, compression="zstd", compression_level=_LEVEL)
    return packed.getvalue()


def _as_text(value: str) -> str:
    """Return text that can be written as UTF-8: half a surrogate pair is replaced."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _to_sketch(keys: Iterable[str], facts: bytes) -> bytes:
    import pyarrow as pa  # noqa: PLC0415

    every = array("I", (fingerprint(key) for key in keys))  # a phone's are millions: a set of them would take 100 MB
    once = pa.Array.from_buffers(pa.uint32(), len(every), [None, pa.py_buffer(every)]).unique().sort()
    numbers = array("I", (number for number in once.to_pylist() if number is not None))
    if sys.byteorder == "big":
        numbers.byteswap()
    return facts + b"\n" + numbers.tobytes()


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
    """Open observables.age.

    Raises:
        NotOpenedError: the identities do not open it.
        DamagedError: it is not what it should be, or belongs to another report.
        OtherVersionError: another version wrote it.
    """
    from pyarrow import ArrowException, BufferReader, parquet  # noqa: PLC0415

    data = _opened(sealed, identities)
    try:
        file = parquet.ParquetFile(BufferReader(data))
        about = file.metadata
        unpacked = sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups))
        facts = _require_facts((about.metadata or {}).get(_FACTS, b""), report_sha256)
        if about.num_rows > _MOST_ROWS or unpacked > _MOST_BYTES or not file.schema_arrow.equals(_schema(b"")):
            raise DamagedError("not such a file")
        columns = file.read(use_threads=False).to_pydict()
        return Kept(tuple(_observables(columns)), _left_out(facts))
    except (ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        raise DamagedError(type(error).__name__) from error


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
