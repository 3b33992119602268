"""The consent record: what the person agreed to, in a small YAML file that holds no name.

MVT License 1.1 §3.0 allows its use only with the explicit, informed and free consent of the data owner (who used the
phone); the device owner may be somebody else. Without a record there is no check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from spytriage.atomic import write_new_file
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import ConsentSummary
from spytriage.yamltext import texts_in

_MAX_BYTES = 64 * 1024
# A code such as F-2026-014, since it stands in the report. A digit is asked for so that nobody writes a name here, and
# not as many as a telephone number has.
_FORM_REFERENCE = re.compile(r"(?=.*\d)(?!(?:\D*\d){8})[A-Za-z0-9._/#-]{1,40}")


class Grant(StrEnum):
    """What a person can agree to, each on its own."""

    ANALYSE = "analyse"
    SHARE_REDACTED = "share-redacted"
    SHARE_SEALED = "share-sealed"
    AGGREGATE = "aggregate"
    KEEP_OBSERVABLES = "keep-observables"


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent record."""

    data_owner_asked: bool
    device_owner_asked: bool
    grants: frozenset[Grant]
    keep_until: date | None
    form_reference: str
    given_on: date

    def __post_init__(self) -> None:
        if self.form_reference and not _FORM_REFERENCE.fullmatch(self.form_reference):
            raise SpytriageError(
                _("The reference of the consent form must be a code with a digit in it, not a name."),
                hint=_("Use letters, up to seven digits and . _ / # - only, at most 40, for example F-2026-014."),
            )

    def require_analysis(self, today: date) -> None:
        """Make sure that the record allows a check today.

        Raises:
            SpytriageError: it does not.
        """
        if not (self.data_owner_asked and self.device_owner_asked):
            raise SpytriageError(
                _("The consent record says that the data owner or the device owner was not asked."),
                hint=_("Ask them first, then make a new record with `spytriage consent new`."),
            )
        if Grant.ANALYSE not in self.grants:
            raise SpytriageError(
                _("The consent record does not allow the phone to be analysed."),
                hint=_("Without this consent nothing is checked. Ask the person, and accept a no."),
            )
        if self.given_on > today + timedelta(days=1):  # it may be tomorrow already where the record was made
            raise SpytriageError(
                _("The consent record is of {date}, which is after today.").format(date=self.given_on),
                hint=_("Set the clock of this computer, or ask the person again and make a new record."),
            )
        if self.keep_until and self.keep_until < today:
            raise SpytriageError(
                _("The consent record has expired: it ran until {date}.").format(date=self.keep_until),
                hint=_("Ask the person again and make a new record with `spytriage consent new`."),
            )

    def require_sealing(self) -> None:
        """Make sure that the record allows raw records to be sealed for a reviewer.

        Raises:
            SpytriageError: it does not.
        """
        if not self.allows_sealing:
            raise SpytriageError(
                _("The consent record does not allow raw records to be shared, not even sealed."),
                hint=_("Leave out --seal-to, or ask the person and make a new record that grants share-sealed."),
            )

    def require_keeping(self) -> None:
        """Make sure that the record allows observables to be kept, sealed.

        Raises:
            SpytriageError: it does not.
        """
        if Grant.KEEP_OBSERVABLES not in self.grants:
            raise SpytriageError(
                _("The consent record does not allow what was looked at to be kept, not even sealed."),
                hint=_("Leave out --keep-observables, or ask the person for a record that grants keep-observables."),
            )

    @property
    def allows_sealing(self) -> bool:
        """Return whether raw records may be sealed for a reviewer."""
        return Grant.SHARE_SEALED in self.grants

    def summary(self) -> ConsentSummary:
        """Return what a report says of it."""
        return ConsentSummary(
            data_owner_asked=self.data_owner_asked,
            device_owner_asked=self.device_owner_asked,
            analyse=Grant.ANALYSE in self.grants,
            share_redacted=Grant.SHARE_REDACTED in self.grants,
            share_sealed=Grant.SHARE_SEALED in self.grants,
            aggregate=Grant.AGGREGATE in self.grants,
            keep_observables=Grant.KEEP_OBSERVABLES in self.grants,
            keep_until=self.keep_until,
            form_reference=self.form_reference,
            given_on=self.given_on,
        )

    def to_yaml(self) -> bytes:
        """Return the record as it is written to a file."""
        import yaml  # noqa: PLC0415 (start-up stays fast)

        record = {
            "consent_version": 1,
            "data_owner_asked": self.data_owner_asked,
            "device_owner_asked": self.device_owner_asked,
            **{grant.value: grant in self.grants for grant in Grant},
            "keep_until": self.keep_until,
            "form_reference": self.form_reference,
            "given_on": self.given_on,
        }
        return yaml.safe_dump(record, sort_keys=False, allow_unicode=True).encode()

    def write(self, path: Path) -> None:
        """Write the record to a new file, mode 600.

        Raises:
            SpytriageError: the file exists already or cannot be written.
        """
        write_new_file(path, self.to_yaml())


def today() -> date:
    """Return the day (UTC)."""
    return datetime.now(UTC).date()


def parse_day(text: str) -> date:
    """Read a day written YYYY-MM-DD.

    Raises:
        SpytriageError: it is not one.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise SpytriageError(
            _("This is not a date: {text}").format(text=repr(text[:40])),
            hint=_("Write the year, month and day, for example 2027-01-31."),
        ) from error


def read_consent(path: Path) -> Consent:
    """Read a consent record.

    Raises:
        SpytriageError: the file cannot be read or is no consent record.
    """
    try:
        if path.exists() and not path.is_file():
            raise _not_a_record(path)  # a pipe would hang us
        data = texts_in(path, _MAX_BYTES)
    except OSError as error:
        raise SpytriageError(
            _("The consent record cannot be read."),
            path=path,
            hint=_("Check the path, or make one with `spytriage consent new`."),
        ) from error
    except ValueError as error:
        raise _not_a_record(path) from error
    if not isinstance(data, dict) or data.get("consent_version") != "1":
        raise _not_a_record(path)
    return Consent(
        data_owner_asked=_yes_or_no(data, "data_owner_asked", path),
        device_owner_asked=_yes_or_no(data, "device_owner_asked", path),
        grants=frozenset(grant for grant in Grant if _yes_or_no(data, grant.value, path)),
        keep_until=_day(data, "keep_until", path),
        form_reference=_text(data, "form_reference", path),
        given_on=_day(data, "given_on", path) or _missing(path),
    )


def _yes_or_no(data: dict[str, Any], key: str, path: Path) -> bool:
    if (value := data.get(key)) not in ("true", "false"):
        raise _not_a_record(path)
    return bool(value == "true")


def _day(data: dict[str, Any], key: str, path: Path) -> date | None:
    value = _text(data, key, path)
    try:
        return date.fromisoformat(value) if value and value != "null" else None
    except ValueError as error:
        raise _not_a_record(path) from error


def _text(data: dict[str, Any], key: str, path: Path) -> str:
    if not isinstance(value := data.get(key) or "", str):
        raise _not_a_record(path)
    return value


def _missing(path: Path) -> date:
    raise _not_a_record(path)


def _not_a_record(path: Path) -> SpytriageError:
    return SpytriageError(
        _("This is not a consent record."),
        path=path,
        hint=_("Make one with `spytriage consent new`, and do not change it by hand."),
    )
