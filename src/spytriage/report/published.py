"""Published STIX objects as they stand in a report: copied word for word, if they are valid STIX 2.1.

The STIX library decides what is valid. It takes as long to import as a quarter of a small phone's check, and every
published spyware set has indicators of one plain shape: what has that shape is valid without asking it, and
tests/report/test_published.py holds that the library says the same.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import ModuleType
from typing import Any

from spytriage.jsontext import is_nested_beyond
from spytriage.models import IndicatorType
from spytriage.stix_parts import PATHS

DEEPEST_OBJECT = 32
"""How deep lists and objects may lie in one another in a published object; published ones reach 4."""
_LARGEST_OBJECT = 64 * 1024  # bytes; published ones have hundreds

# The others have several paths, and the library decides about them.
_PLAIN = {kind: PATHS[kind] for kind in PATHS if kind not in {IndicatorType.IP_ADDRESS, IndicatorType.APP_CERTIFICATE}}

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_HEX_DIGITS = {IndicatorType.FILE_MD5: 32, IndicatorType.FILE_SHA1: 40, IndicatorType.FILE_SHA256: 64}
_COMPARISONS = "|".join(
    rf"{re.escape(path)} ?= ?'"
    + (f"[0-9a-f]{{{_HEX_DIGITS[kind]}}}'" if kind in _HEX_DIGITS else r"[^'\\\x00-\x1f\x7f]+'")
    for kind, path in _PLAIN.items()
)


def as_published(object_id: str, objects: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the published object unchanged when it is a valid STIX 2.1 indicator, else None."""
    published = dict(objects.get(object_id, {}))
    if (published.get("type"), published.get("spec_version"), published.get("id")) != (
        "indicator",
        "2.1",  # without it an object is STIX 2.0
        object_id,
    ):
        return None
    if is_nested_beyond(published, DEEPEST_OBJECT):
        return None
    try:
        # NaN and half characters are not JSON.
        if len(json.dumps(published, ensure_ascii=False, allow_nan=False).encode()) > _LARGEST_OBJECT:
            return None
        if not is_plain(published):
            _stix2().parse(published, allow_custom=False, version="2.1")
    except Exception:  # noqa: BLE001 (a hostile object makes stix2 raise nearly anything; all of it means no)
        return None
    return published


def is_plain(published: Mapping[str, Any]) -> bool:
    """Return whether an indicator has the shape that needs no library to be seen as valid; never raises."""
    return _REQUIRED <= published.keys() <= _SHAPE.keys() and all(
        _SHAPE[name](value) for name, value in published.items()
    )


def _text(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_instant(value: Any) -> bool:
    if not _INSTANT(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_references(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(item, dict)
        and {"source_name", "description"} <= item.keys() <= {"source_name", "description", "url"}
        and all(_NOT_EMPTY(text) for text in item.values())
        for item in value
    )  # fmt: skip


_INSTANT = _text(r"(?:19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.[0-9]{1,6})?Z")
_NOT_EMPTY = _text(r"(?s).+")
_REQUIRED = {"type", "spec_version", "id", "created", "modified", "pattern", "pattern_type", "valid_from"}
_SHAPE: Mapping[str, Callable[[Any], bool]] = {
    "type": _text("indicator"),
    "spec_version": _text(r"2\.1"),
    "id": _text(f"indicator--{_UUID}"),
    "created_by_ref": _text(f"identity--{_UUID}"),
    "created": _is_instant,
    "modified": _is_instant,
    "valid_from": _is_instant,
    "indicator_types": lambda value: value == ["malicious-activity"],
    "pattern": _text(rf"\[(?:{_COMPARISONS})\]"),
    "pattern_type": _text("stix"),
    "pattern_version": _text(r"2\.1"),
    "external_references": _is_references,
}


@cache
def _stix2() -> Any:
    """Return the STIX library, which is slow to import.

    Half of that time goes into an HTTP library, for a TAXII client that nothing here uses: it gets an empty one.
    """
    http, exceptions = ModuleType("requests"), ModuleType("requests.exceptions")
    exceptions.HTTPError = OSError  # type: ignore[attr-defined]
    stand_ins = {} if "requests" in sys.modules else {"requests": http, "requests.exceptions": exceptions}
    sys.modules |= stand_ins
    try:
        return importlib.import_module("stix2")
    finally:
        for name in stand_ins:
            del sys.modules[name]
