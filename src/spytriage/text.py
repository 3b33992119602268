"""Text that may come from a phone, made harmless for a terminal."""

from __future__ import annotations

import unicodedata

# Control (Cc), format (Cf: bidi overrides, zero-width), surrogate (Cs), private use (Co), unassigned (Cn),
# line and paragraph separators (Zl, Zp).
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, limit: int = 300) -> str:
    r"""Return text with every character that could steer a terminal or reorder a line written as an escape.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    kept = text[:limit]
    safe = "".join(
        char.encode("unicode_escape").decode("ascii") if unicodedata.category(char) in _UNPRINTABLE else char
        for char in kept
    )
    return safe + "…" if len(text) > limit else safe
