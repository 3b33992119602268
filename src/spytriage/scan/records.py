"""Turns a record of a module into JSON types, within bounds, so that no record can choke the pipe."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 64 * 1024
"""Characters of one text."""
MAX_RECORD = 2 * 1024 * 1024
"""Bytes of one record, as it goes through the pipe: JSON in ASCII."""
_MAX_DEPTH = 32


def bounded(event: Any, message: str) -> tuple[Mapping[str, Any], str]:
    """Return a record and its message as JSON types of bounded size.

    Bytes become {"$bytes": base64}; what does not fit is left out and marked with {"$cut": length}: the characters of
    a text, the bytes of bytes, the items of a list or mapping. Sealed evidence shows these marks, so that nobody takes
    a cut record for the whole one.
    """
    budget = _Budget(MAX_RECORD)
    record = _plain(event, budget, 0)
    text = str(message)
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]} [$cut: {len(text) - MAX_TEXT}]"
    return record if isinstance(record, dict) else {"$record": record}, text


class _Budget:
    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        self.left -= size
        return self.left >= 0


def _plain(value: Any, budget: _Budget, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else {"$cut": value.bit_length()}
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT and budget.take(_written(value)) else {"$cut": len(value)}
    if isinstance(value, bytes | bytearray):
        return _plain_bytes(bytes(value), budget)
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _plain_mapping(value, budget, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return _plain_list(list(value), budget, depth)
    return _plain(str(value), budget, depth) if budget.take(16) else {"$cut": 0}


def _plain_mapping(value: Mapping[Any, Any], budget: _Budget, depth: int) -> Any:
    if depth >= _MAX_DEPTH or not budget.take(16):
        return {"$cut": len(value)}
    names = ((str(key)[:200], item) for key, item in value.items())
    kept = {name: _plain(item, budget, depth + 1) for name, item in names if budget.take(_written(name) + 8)}
    return kept if len(kept) == len(value) else kept | {"$cut": len(value) - len(kept)}


def _plain_list(value: list[Any], budget: _Budget, depth: int) -> Any:
    if depth >= _MAX_DEPTH or not budget.take(16):
        return {"$cut": len(value)}
    kept = [_plain(item, budget, depth + 1) for item in value if budget.take(8)]
    return kept if len(kept) == len(value) else [*kept, {"$cut": len(value) - len(kept)}]


def _written(text: str) -> int:
    """Return how many bytes a text takes in JSON that is all ASCII: up to twelve for one character."""
    return len(text) + 2 if text.isascii() and text.isprintable() else len(json.dumps(text))


def _plain_bytes(value: bytes, budget: _Budget) -> Any:
    if len(value) > MAX_TEXT or not budget.take(2 * len(value)):
        return {"$cut": len(value)}
    return {"$bytes": base64.b64encode(value).decode("ascii")}
