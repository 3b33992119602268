"""Why an acquisition cannot be unpacked at all: closed words from the worker, sentences for people."""

from __future__ import annotations

from enum import StrEnum

from spytriage.errors import SpytriageError
from spytriage.i18n import _, deferred


class Refusal(StrEnum):
    """What stands in the way."""

    DAMAGED = "damaged"
    TOO_LARGE = "too-large"
    LOCKED = "locked"  # a zip with a password of its own
    PASSWORD_NEEDED = "password-needed"  # noqa: S105 (not a password)
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 (not a password)
    UNKNOWN_FORMAT = "unknown-format"
    NO_SPACE = "no-space"
    OUT_OF_MEMORY = "out-of-memory"


class RefusedError(Exception):
    """An archive that is not unpacked."""

    def __init__(self, why: Refusal) -> None:
        self.why = why
        super().__init__(why)


_TEXTS: dict[Refusal, tuple[str, str]] = {
    Refusal.DAMAGED: (
        deferred("This archive is damaged or incomplete: it cannot be unpacked."),
        deferred("Copy it again from where it was made and compare the sizes, or make it anew."),
    ),
    Refusal.TOO_LARGE: (
        deferred("This archive unpacks to more than any phone gives: it was not unpacked."),
        deferred(
            "It may be made to harm whoever opens it. Ask where it comes from. The limits are in the documentation."
        ),
    ),
    Refusal.LOCKED: (
        deferred("This archive is locked with a password of its own."),
        deferred("Unpack it with the program that locked it, on a disk that you can wipe, and check the folder."),
    ),
    Refusal.PASSWORD_NEEDED: (
        deferred("This backup is encrypted, and no password was given."),
        deferred(
            "Give the password that was typed on the phone with --password-file FILE, or in SPYTRIAGE_BACKUP_PASSWORD."
        ),
    ),
    Refusal.WRONG_PASSWORD: (
        deferred("The password does not open this backup."),
        deferred(
            "It is the one that was typed on the phone when the backup was made. Try again, or make a new backup."
        ),
    ),
    Refusal.UNKNOWN_FORMAT: (
        deferred("This Android backup is of a version or encryption that is not known."),
        deferred("Versions 1 to 5 are known, without encryption or with AES-256. Report it if this one is newer."),
    ),
    Refusal.NO_SPACE: (
        deferred("There is not enough room on this computer to unpack the acquisition."),
        deferred("Free some memory or disk space, or unpack it yourself and check the folder."),
    ),
    Refusal.OUT_OF_MEMORY: (
        deferred("Unpacking the acquisition needed too much memory."),
        deferred("Unpack it yourself and check the folder, or use a computer with more memory."),
    ),
}


def refusal_error(why: Refusal) -> SpytriageError:
    """Return the error that a refusal is for the user."""
    message, hint = _TEXTS[why]
    return SpytriageError(_(message), hint=_(hint))
