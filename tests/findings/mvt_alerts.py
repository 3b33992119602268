"""Print how each alert of MVT that names no indicator begins, by module, as MVT's own source has it: JSON.

A script of its own, because MVT reads its configuration from the environment when it is imported.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from mvt.common.module import MVTModule

from tests.redaction.mvt_fields import COMMANDS

_LEVELS = {"info", "informational", "low", "medium", "high", "critical"}


def beginnings(module: type[Any]) -> set[str]:
    """Return how the alerts of a module begin, up to the first value of the phone."""
    found: set[str] = set()
    for owner in module.__mro__:
        if owner is not object and owner is not MVTModule:
            for function in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner)))):
                if isinstance(function, ast.FunctionDef):
                    found.update(_raised_in(function))
    return found


def _raised_in(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="alertstore"), attr=level), args=[message, *_]):
                if level in _LEVELS and "matched_indicator" not in {keyword.arg for keyword in node.keywords}:
                    for text in _texts(message, function):
                        yield _beginning(text)


def _texts(message: ast.expr, function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield what a message can be: itself, or all that a function assigns to its name."""
    if not isinstance(message, ast.Name):
        yield message
        return
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=message.id)], value=value):
                yield value


def _beginning(text: ast.expr) -> str:
    match text:
        case ast.Constant(value=str(whole)):
            return whole
        case ast.JoinedStr(values=[ast.Constant(value=str(first)), *_]):
            return first
        case ast.BinOp(left=left):
            return _beginning(left)
    return ""


if __name__ == "__main__":
    raised: dict[str, set[str]] = {}
    for modules in COMMANDS.values():
        for module in modules:  # two modules have the same name
            raised.setdefault(module.__name__, set()).update(beginnings(module))
    json.dump({name: sorted(found) for name, found in raised.items()}, sys.stdout)
