"""The two ways in which spytriage writes JSON: for people to read, and canonical, for hashes and signatures."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, TypeVar

_T = TypeVar("_T")
_UNUSUAL = re.compile(r"[^\x20-\x7e\n]")
_STEERING = {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}  # as in spytriage.text


def readable(value: Any) -> bytes:
    r"""Return JSON that a person can read and that does nothing to a terminal that prints it.

    Characters that steer a terminal or reorder a line are written as \u escapes, which changes nothing for a
    program that reads them. Half a surrogate pair is no text in any encoding: it becomes U+FFFD.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return (_UNUSUAL.sub(_escape_steering, text) + "\n").encode()


def _escape_steering(found: re.Match[str]) -> str:
    char = found.group()
    return json.dumps(char)[1:-1] if unicodedata.category(char) in _STEERING else char


def typed(kind: type[_T], value: object) -> _T:
    """Return a value that is of exactly this type: a bool is no int here.

    Raises:
        TypeError: it is of another one.
    """
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}")
    return value


def is_nested_beyond(value: Any, most: int) -> bool:
    """Return whether a JSON value holds lists or objects in one another more than `most` deep.

    Reading JSON goes deeper than writing it does in some versions of Python: what came from somebody else is looked at
    before it is kept.
    """
    inside = [value]
    for _level in range(most):
        if not inside:
            return False
        inside = [
            part
            for held in inside
            for part in (held.values() if isinstance(held, dict) else held if isinstance(held, list | tuple) else ())
        ]
    return any(isinstance(held, dict | list | tuple) for held in inside)


def canonical(value: Any) -> bytes:
    """Return the one way to write a JSON value: sorted keys, no spaces, ASCII.

    For keys and strings of ASCII and whole numbers this is the canonical form of RFC 8785.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
