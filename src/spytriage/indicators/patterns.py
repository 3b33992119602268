"""STIX pattern → the equalities it is made of, or the reason why it cannot be matched one value at a time.

Nearly every published pattern is one equality. Those are read by a regular expression that is a subset of the
grammar (a test holds the two to the same answer); everything else goes through the grammar of stix2-patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spytriage.models import IndicatorType

MAX_PATTERN = 20_000
"""Longest pattern, in characters, that is given to the grammar, which is slow and recursive."""

_KEYS = {
    "domain-name:value": IndicatorType.DOMAIN,
    "ipv4-addr:value": IndicatorType.IP_ADDRESS,
    "ipv6-addr:value": IndicatorType.IP_ADDRESS,
    "url:value": IndicatorType.URL,
    "process:name": IndicatorType.PROCESS,
    "email-addr:value": IndicatorType.EMAIL,
    "file:name": IndicatorType.FILE_NAME,
    "file:path": IndicatorType.FILE_PATH,
    "file:hashes.md5": IndicatorType.FILE_MD5,
    "file:hashes.sha1": IndicatorType.FILE_SHA1,
    "file:hashes.sha256": IndicatorType.FILE_SHA256,
    "app:id": IndicatorType.APP_ID,
    "app:cert.md5": IndicatorType.APP_CERTIFICATE,
    "app:cert.sha1": IndicatorType.APP_CERTIFICATE,
    "app:cert.sha256": IndicatorType.APP_CERTIFICATE,
    "configuration-profile:id": IndicatorType.CONFIGURATION_PROFILE,
    "android-property:name": IndicatorType.ANDROID_PROPERTY,
}

_ONE_EQUALITY = re.compile(
    r"\[[ \t\r\n]*([a-z0-9-]+:(?:[a-z0-9]+|[a-z]+\.[A-Za-z0-9]+|[a-z]+\.'[A-Za-z0-9-]+'))"
    r"[ \t\r\n]*==?[ \t\r\n]*'((?:[^'\\]|\\['\\])*)'[ \t\r\n]*\]"
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Equality:
    """One value that a pattern looks for."""

    type: IndicatorType
    value: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a pattern that is not matched; the reason is a stable word."""

    reason: str


def read_pattern(pattern: str) -> list[Equality | Refusal]:
    """Return the alternatives of a STIX pattern, in order; never empty, raises nothing."""
    found = _ONE_EQUALITY.fullmatch(pattern)
    if found and (kind := indicator_type(found[1])):
        return [Equality(kind, _unescaped(found[2]))]
    return read_with_grammar(pattern)


def read_with_grammar(pattern: str) -> list[Equality | Refusal]:
    """Return the same as `read_pattern`, through the full grammar (about a millisecond each)."""
    # Loading the parser takes a while, and most bundles never need it.
    from stix2patterns.exceptions import ParseException  # noqa: PLC0415
    from stix2patterns.v21.pattern import Pattern  # noqa: PLC0415

    if len(pattern) > MAX_PATTERN:
        return [Refusal("too-complex")]
    try:
        return list(_alternatives(Pattern(pattern)))
    except RecursionError:
        return [Refusal("too-complex")]
    except ParseException:
        return [Refusal("invalid-pattern")]


@lru_cache(maxsize=1024)
def indicator_type(key: str) -> IndicatorType | None:
    """Return what a comparison key names, or None; `hashes.'SHA-256'` and `hashes.sha256` are the same."""
    head, dot, algorithm = key.partition(".")
    if dot:
        algorithm = algorithm.replace("'", "").replace("-", "").lower()
    return _KEYS.get(f"{head}{dot}{algorithm}")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


class _Root:
    """A visitor that returns the tree it is given: the public way to the root of a parsed pattern."""

    def visit(self, tree: Any) -> Any:
        return tree


def _alternatives(pattern: Any) -> Iterator[Equality | Refusal]:
    # Not recursive: a chain of OR is as deep as it is long.
    stack = [pattern.visit(_Root())]
    while stack:
        node = stack.pop()
        found = _read_node(node)
        if found is None:
            stack.extend(child for child in reversed(node.children or []) if hasattr(child, "children"))
        else:
            yield from found


_REFUSED = {
    "ObservationExpressionRepeatedContext": "qualifier",
    "ObservationExpressionWithinContext": "qualifier",
    "ObservationExpressionStartStopContext": "qualifier",
    "PropTestRegexContext": "matches",
    "PropTestLikeContext": "like",
    "PropTestOrderContext": "order-comparison",
    "PropTestExistsContext": "exists",
    "PropTestIsSupersetContext": "superset",
}
_JOINED = {
    "ObservationExpressionsContext": ("FOLLOWEDBY", "followed-by"),
    "ObservationExpressionAndContext": ("AND", "and"),
    "ComparisonExpressionAndContext": ("AND", "and"),
}


def _read_node(node: Any) -> list[Equality | Refusal] | None:
    """Return what a node of the parse tree says; None when its children say it."""
    name = type(node).__name__
    if name in _REFUSED:
        return [Refusal(_REFUSED[name])]
    if name in _JOINED:
        token, reason = _JOINED[name]
        return [Refusal(reason)] if getattr(node, token)() else None
    if name in {"PropTestEqualContext", "PropTestSetContext", "PropTestIsSubsetContext"}:
        return _read_comparison(node, name)
    return None


def _read_comparison(node: Any, name: str) -> list[Equality | Refusal]:
    if node.NOT() or (name == "PropTestEqualContext" and node.NEQ()):
        return [Refusal("negated")]
    kind = indicator_type(node.objectPath().getText())
    if kind is None:
        return [Refusal("unknown-key")]
    if name == "PropTestIsSubsetContext":
        literals = [node.StringLiteral().getText()]
        if kind is not IndicatorType.IP_ADDRESS:
            return [Refusal("unsupported-operator")]
    elif name == "PropTestSetContext":
        literals = [literal.getText() for literal in node.setLiteral().primitiveLiteral()]
    else:
        literals = [node.primitiveLiteral().getText()]
    return [_read_literal(kind, literal) for literal in literals] or [Refusal("empty-value")]


def _read_literal(kind: IndicatorType, literal: str) -> Equality | Refusal:
    if not literal.startswith("'"):  # a number, a date, bytes (h'..', b'..') or a truth value
        return Refusal("not-text")
    return Equality(kind, _unescaped(literal[1:-1]))
