"""How the engine puts itself in the place of parts of MVT."""

from __future__ import annotations

import inspect
from typing import Any


class Patched:
    """Replaces attributes of a class for the length of a block."""

    def __init__(self, owner: type[Any], **replacements: Any) -> None:
        self._owner, self._new = owner, replacements
        self._old = {name: inspect.getattr_static(owner, name) for name in replacements}

    def __enter__(self) -> None:
        for name, value in self._new.items():
            setattr(self._owner, name, value)

    def __exit__(self, *exc: object) -> None:
        for name, value in self._old.items():
            setattr(self._owner, name, value)
