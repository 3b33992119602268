"""The one error a user can meet: what happened, to which file, what to do next."""

from __future__ import annotations

from pathlib import Path

from spytriage.text import printable

_LONGEST = 4000  # characters


class SpytriageError(Exception):
    """A failure that is shown to the user as a message and a hint, never as a traceback.

    The command line catches it once and exits with `exit_code`; the library never exits.

    Attributes:
        message: what happened, one sentence, already translated; safe to print whatever it was made of.
        hint: what to do next, one sentence, already translated; safe to print too.
        exit_code: the exit code of the program (1 for every error; 2 is Click's for wrong usage).
    """

    exit_code = 1

    def __init__(self, message: str, *, path: Path | None = None, hint: str = "") -> None:
        """Make an error.

        Args:
            message: what happened, translated.
            path: the file or folder that it happened to; escaped here, since a name may be hostile.
            hint: what to do next, translated.
        """
        message = printable(message, _LONGEST)
        self.message = f"{message} [{printable(str(path))}]" if path is not None else message
        self.hint = printable(hint, _LONGEST)
        super().__init__(self.message)
