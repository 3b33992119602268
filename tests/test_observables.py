"""What was kept of a phone comes out of the sealed files as it went in, and lies in clear nowhere between."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
from datetime import date
from typing import Any

import pyarrow as pa
import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from spytriage import observables
from spytriage.evidence import parse_recipients
from spytriage.handoff import OBSERVABLES, SKETCH
from spytriage.indicators.kept import keys_of_value
from spytriage.models import Kept, LookUp, Observable
from spytriage.observables import DamagedError, fingerprint, open_observables, open_sketch, seal

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENTS = parse_recipients([str(IDENTITY.to_public())])
REPORT = b"{}"
DIGEST = hashlib.sha256(REPORT).hexdigest()
VALUES = st.text(max_size=12) | st.from_regex(r"(/[ab]{1,3}){1,4}|[a-c]{1,2}\.example", fullmatch=True)
ROWS = st.lists(
    st.builds(
        Observable, st.sampled_from(LookUp), VALUES, st.sampled_from(["SMS", "Manifest"]), st.none() | st.dates(),
        st.integers(0, 2**63 - 1), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


def sealed(*rows: Observable, left_out: dict[str, int] | None = None) -> dict[str, bytes]:
    return seal(Kept(rows, left_out or {}), keys_of_value, REPORT, RECIPIENTS)


@given(ROWS, st.integers(1, 5))
def test_what_goes_in_comes_out(rows: list[Observable], at_a_time: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observables, "_ROWS_AT_A_TIME", at_a_time)
        files = sealed(*rows, left_out={"SMS": 3})
        kept = open_observables(files[OBSERVABLES], [IDENTITY], DIGEST)
        assert list(kept.observables) == list(kept.observables) == rows
    assert kept.left_out == {"SMS": 3}


@given(ROWS)
def test_the_keys_are_each_there_once_in_order(rows: list[Observable]) -> None:
    sketch = open_sketch(sealed(*rows)[SKETCH], [IDENTITY], DIGEST)
    keys = {fingerprint(key) for row in rows for key in keys_of_value(row.look_up, row.value)}
    assert list(sketch.numbers) == sorted(keys)


def test_half_a_surrogate_pair_is_replaced() -> None:
    files = sealed(Observable(LookUp.URL, "a\ud800b", "SMS", None, 1))
    (row,) = open_observables(files[OBSERVABLES], [IDENTITY], DIGEST).observables
    assert row.value == "a\ufffdb"


def _file(columns: dict[str, Any]) -> bytes:
    """Make a file as the first version of spytriage wrote it: one row group, as pyarrow does it by itself."""
    facts = json.dumps({"observables_version": 1, "report_sha256": DIGEST, "left_out": {}}).encode()
    word = pa.dictionary(pa.int16(), pa.string())
    types = {"look_up": word, "module": word, "value": pa.string(), "first_day": pa.date32(), "count": pa.int64(),
             "sent": pa.bool_()}  # fmt: skip
    packed = io.BytesIO()
    table = pa.table(columns, schema=pa.schema(list(types.items()), metadata={b"spytriage": facts}))
    parquet.write_table(table, packed, compression="zstd", compression_level=9)
    return bytes(pyrage.encrypt(packed.getvalue(), [IDENTITY.to_public()]))


COLUMNS: dict[str, list[Any]] = {
    "look_up": ["process", "url"], "module": ["SMS", "SMS"], "value": ["a", "example.org"],
    "first_day": [None, date(2024, 1, 2)], "count": [1, 2], "sent": [False, True],
}  # fmt: skip


def test_a_file_of_an_earlier_spytriage_is_read() -> None:
    assert list(open_observables(_file(COLUMNS), [IDENTITY], DIGEST).observables) == [
        Observable(LookUp.PROCESS, "a", "SMS", None, 1),
        Observable(LookUp.URL, "example.org", "SMS", date(2024, 1, 2), 2, sent=True),
    ]


@pytest.mark.parametrize(
    ("column", "cells"), [("value", ["a", None]), ("count", [1, None]), ("look_up", ["url", "no such way"])]
)
def test_a_row_that_nobody_wrote_is_damage(column: str, cells: list[Any]) -> None:
    kept = open_observables(_file({**COLUMNS, column: cells}), [IDENTITY], DIGEST)
    with pytest.raises(DamagedError):
        list(kept.observables)


_WITHOUT_FILES = """
import pyrage, resource
from spytriage.evidence import parse_recipients
from spytriage.models import Kept, LookUp, Observable
from spytriage.observables import seal
from spytriage.scan.keeping import Collected
from spytriage.scan.protocol import Observed
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
rows = tuple(Observable(LookUp.URL, f"site-{number}.example", "SMS", None, 1) for number in range(50_000))
collected = Collected()
for at in range(0, len(rows), 1000):
    collected.add(Observed("SMS", rows[at : at + 1000]))
collected.settle(["SMS"])
to = parse_recipients([str(pyrage.x25519.Identity.generate().to_public())])
files = seal(Kept(collected, {}), lambda look_up, value: [value], b"{}", to)
print(all(data.startswith(b"age-encryption.org") for data in files.values()))
"""


def test_it_is_packed_and_sealed_without_a_file() -> None:
    """A process that may not write a byte to any file can do all of it."""
    ran = subprocess.run([sys.executable, "-c", _WITHOUT_FILES], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"
