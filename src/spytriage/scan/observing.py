"""Takes down what modules look up, for checks with newer indicators: deduplicated and reduced.

It stands where the matcher stands and matches nothing. A value is kept without its record; of the record only the day
is kept and whether the phone's owner sent it, since findings name both. Whenever there is enough it is handed on: a
value that comes again later is told again (`spytriage.scan.keeping` joins them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any

from spytriage.models import LookUp, Observable
from spytriage.scan.protocol import Observed

LONGEST_VALUE = 4096
"""Characters of one value: the longest path that there can be."""
_VALUES_AT_A_TIME = 20_000
"""Distinct values that are held until they are told: enough that what comes again and again is told seldom."""
_TEXT_AT_A_TIME = 4 << 20
_TEXT_OF_A_MESSAGE = 256 << 10
_ROWS_OF_A_MESSAGE = 1_000
_RECORDS_AT_A_TIME = 5_000
"""Records that are held until they are looked at: enough that looking costs little, few enough for memory."""


class Recorder:
    """Takes down look-ups. Implements `spytriage.models.Matcher`, and never finds anything.

    Args:
        reduce: gives what is kept of a value; "" when nothing can ever match it.
        time_of: says when a record of a module is from.
        was_sent: says whether a record is a message that the phone's owner sent.
    """

    def __init__(
        self,
        reduce: Callable[[LookUp, str], str],
        time_of: Callable[[str, Mapping[str, Any]], datetime | None],
        was_sent: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self.shortened_links = 0
        self._reduce, self._time_of, self._was_sent = reduce, time_of, was_sent
        self.begin("", lambda _message: None)

    def begin(self, module: str, emit: Callable[[Observed], None]) -> None:
        """Forget everything: another module begins.

        Args:
            module: its name.
            emit: takes what was taken down, in messages of bounded size, whenever there is enough.
        """
        self._module, self._emit, self._left_out, self._text = module, emit, 0, 0
        self._facts: tuple[date | None, bool] | None = None
        self._rows: dict[tuple[LookUp, str, bool], tuple[date | None, int]] = {}
        self._records: list[Any] = []
        self._turn(None)

    # --- Whose record it is ------------------------------------------------------------------------------------

    @contextmanager
    def watching(self, module: Any) -> Iterator[None]:
        """Have a module tell which of its records it looks at, also of a list that it puts in the place of its own."""
        own, results = type(module), module.results

        def put(watched: Any, records: Any) -> None:
            watched.__dict__["results"] = self._watched(records)

        module.__class__ = type(
            own.__name__, (own,), {"results": property(lambda watched: watched.__dict__["results"], put)}
        )
        try:
            module.results = results
            yield
        finally:
            module.__class__ = own
            module.results = results

    def _watched(self, results: Any) -> Any:
        if isinstance(results, list):
            self._records = results
            return _Watched(results, self._turn)
        if isinstance(results, dict):
            self._records = [record for value in results.values() if isinstance(value, list) for record in value]
            return {key: _Watched(value, self._turn) if isinstance(value, list) else value
                    for key, value in results.items()}  # fmt: skip
        return results

    def turn_to(self, place: int, of: int) -> None:
        """Say that the next look-ups are for the record at this place, if there are as many records as that."""
        self._turn(self._records[place] if len(self._records) == of else None)

    def missed(self) -> None:
        """Count that at least one value could not be taken down."""
        self._left_out += 1

    def _turn(self, record: Any) -> None:
        self._record, self._facts = record, None  # dated only when something is looked up of it

    def _of_record(self) -> tuple[date | None, bool]:
        """Return the day of the record that is being looked at, and whether the phone's owner sent it."""
        if self._facts is None:
            self._facts = (None, False)
            if isinstance(record := self._record, Mapping):
                texts = {key: v.isoformat() if isinstance(v, datetime) else v for key, v in record.items()}
                at = self._time_of(self._module, texts)
                self._facts = (at.date() if at else None, self._was_sent(record))
        return self._facts

    # --- The look-ups ------------------------------------------------------------------------------------------

    def _note(self, look_up: LookUp, value: object) -> None:
        if not isinstance(value, str) or not value:
            return
        if not (kept := self._reduce(look_up, value)):
            return
        day, sent = self._of_record()
        key = (look_up, kept, sent)
        known = self._rows.get(key)
        if known is not None:
            days = [at for at in (known[0], day) if at]
            self._rows[key] = (min(days) if days else None, known[1] + 1)
        elif len(kept) > LONGEST_VALUE:
            self._left_out += 1
        else:
            self._text += len(kept)
            self._rows[key] = (day, 1)
            if len(self._rows) == _VALUES_AT_A_TIME or self._text > _TEXT_AT_A_TIME:
                self.tell()

    def url(self, value: object) -> None:
        """Take down a URL, a host or an address."""
        self._note(LookUp.URL, value)

    def process(self, value: object) -> None:
        """Take down the name of a process."""
        self._note(LookUp.PROCESS, value)

    def email(self, value: object) -> None:
        """Take down an e-mail address or account."""
        self._note(LookUp.EMAIL, value)

    def file_name(self, value: object) -> None:
        """Take down the name of a file."""
        self._note(LookUp.FILE_NAME, value)

    def file_path(self, value: object) -> None:
        """Take down a path that is compared with published files and folders."""
        self._note(LookUp.FILE_PATH, value)

    def file_path_process(self, value: object) -> None:
        """Take down a path that is compared with the names of processes."""
        self._note(LookUp.FILE_PATH_PROCESS, value)

    def profile(self, value: object) -> None:
        """Take down the identifier of a configuration profile."""
        self._note(LookUp.PROFILE, value)

    def file_hash(self, value: object) -> None:
        """Take down the hash of a file."""
        self._note(LookUp.FILE_HASH, value)

    def app_certificate(self, value: object) -> None:
        """Take down the hash of a signing certificate."""
        self._note(LookUp.APP_CERTIFICATE, value)

    def app_id(self, value: object) -> None:
        """Take down the identifier of an app."""
        self._note(LookUp.APP_ID, value)

    def android_property(self, value: object) -> None:
        """Take down the name of an Android system property."""
        self._note(LookUp.ANDROID_PROPERTY, value)

    def tell(self) -> None:
        """Hand on what was taken down since the last time, in order; how much was left out comes last."""
        rows: list[Observable] = []
        text = 0
        for (look_up, value, sent), (day, count) in sorted(self._rows.items(), key=itemgetter(0)):
            if text + len(value) > _TEXT_OF_A_MESSAGE or len(rows) == _ROWS_OF_A_MESSAGE:
                self._emit(Observed(self._module, tuple(rows)))
                rows, text = [], 0
            rows.append(Observable(look_up, value, self._module, day, count, sent))
            text += len(value)
        if rows or self._left_out:
            self._emit(Observed(self._module, tuple(rows), self._left_out))
        self._rows, self._text, self._left_out = {}, 0, 0


class Aside:
    """Records that nothing but later checks need: looked at some at a time and let go, as the sieves let go of rows.

    Args:
        results: gives the list that a module adds its records to; anything else is left alone.
        look_at: takes some of them.
        read: makes records of rows, for a module that fetches all rows before it makes the first record.
    """

    def __init__(
        self,
        results: Callable[[], Any],
        look_at: Callable[[list[Any]], None],
        read: Callable[[Cursor], list[Any]] | None = None,
    ) -> None:
        self._results, self._look_at, self._read = results, look_at, read
        self._records: list[Any] = []
        self._rows = Cursor((), [])

    def keep_row(self, description: Any, row: Any) -> bool:
        """Put a row by until there are some to make records of; whether it was: else the module is to have it."""
        if self._read is None:
            return False
        if description != self._rows.description:
            self.look_at_rest()
            self._rows.description = description
        self._rows.rows.append(row)
        if len(self._rows.rows) >= _RECORDS_AT_A_TIME:
            self.look_at_rest()
        return True

    def mark(self) -> int:
        """Return how many records there are before the module takes a row."""
        return len(results) if type(results := self._results()) is list else -1

    def take(self, mark: int) -> int:
        """Take away the records that came since; return how many they are."""
        if mark < 0 or type(results := self._results()) is not list:
            return 0
        taken = results[mark:]
        del results[mark:]
        self._records += taken
        if len(self._records) >= _RECORDS_AT_A_TIME:
            self.look_at_rest()
        return len(taken)

    def look_at_rest(self) -> None:
        """Look at those that were not looked at yet."""
        rows, self._rows = self._rows, Cursor(self._rows.description, [])
        records, self._records = self._records, []
        if rows.rows and self._read:
            records += self._read(rows)
        if records:
            self._look_at(records)


@dataclass(slots=True)
class Cursor:
    """Rows in the place of a database, a cursor and a query: whatever is asked, these are the answer."""

    description: Any
    rows: list[Any]

    def cursor(self) -> Cursor:
        """Return itself."""
        return self

    def execute(self, *_query: object) -> Cursor:
        """Do nothing."""
        return self

    def close(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Any]:
        """Give the rows."""
        return iter(self.rows)


class _Watched(list[Any]):
    """Records that tell which of them is being looked at."""

    def __init__(self, records: list[Any], turn: Callable[[Any], None]) -> None:
        super().__init__(records)
        self._turn = turn

    def __iter__(self) -> Iterator[Any]:
        for record in super().__iter__():
            self._turn(record)
            yield record
