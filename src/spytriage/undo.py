"""What a run must undo before it ends, also when it is stopped while it is undoing it.

Ctrl-C may come between any two steps: after a folder was made and before a `with` block knows of it, or in the middle
of its removal. What is to be undone is therefore told before it is done, and what is still open when the program ends,
and hears no more signals, is undone then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_open: list[Callable[[], object]] = []


@contextmanager
def undone(undo: Callable[[], object]) -> Iterator[None]:
    """Undo something when the block ends, or when the program does.

    Args:
        undo: does so, as far as there is anything to undo; it may be called again when it was stopped midway.
    """
    _open.append(undo)
    try:
        yield
    finally:
        undo()
        with suppress(ValueError):  # in a thread, when the program ends meanwhile
            _open.remove(undo)


def undo_the_rest() -> None:
    """Undo what nobody has undone, the last first; to be called when no signal is heard any more."""
    while _open:
        with suppress(Exception):  # the others have to be undone all the same
            _open.pop()()
