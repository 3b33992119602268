"""How the password of an encrypted backup is given: asked for on the terminal, in a file, or in the environment.

A password on the command line would be seen by every user of the computer, so there is no such option.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.options import PATH
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import BackupKeys

if TYPE_CHECKING:
    from spytriage.source import Source
    from spytriage.source.ios_keybag import Lock

VARIABLE = "SPYTRIAGE_BACKUP_PASSWORD"
TRIES = 3
_MOST_BYTES = 64 * 1024

Unlock = Callable[["Source"], BackupKeys]


def password_options(function: Callable[..., object]) -> Callable[..., object]:
    """Accept --password-file and --key-file."""
    key = click.option(
        "--key-file",
        type=PATH,
        metavar="FILE",
        help=_("Open an encrypted backup with the key in FILE, as `mvt-ios extract-key` writes it."),
    )
    password = click.option(
        "--password-file",
        type=PATH,
        metavar="FILE",
        help=_(
            "Open an encrypted backup with the password in FILE. Without it the password is taken from the variable"
            " SPYTRIAGE_BACKUP_PASSWORD, or asked for."
        ),
    )
    return password(key(function))


def android_password(password_file: Path | None) -> Callable[[Source], str]:
    """Return what gives the password of an Android acquisition once one is met, "" when there is none."""
    from_environment = os.environ.get(VARIABLE, "")  # `unlocking` takes it away

    def give(source: Source) -> str:
        if password_file:
            return read_password(password_file).decode("utf-8", "replace")
        if from_environment or source.kind != "android-backup" or not source.locked:
            return from_environment
        if sys.stdin is None or not sys.stdin.isatty():
            return ""
        return str(click.prompt(_("Password of the backup (not shown)"), hide_input=True, err=True))

    return give


def unlocking(password_file: Path | None, key_file: Path | None, *, quiet: bool) -> Unlock:
    """Return what opens an encrypted backup once one is met; takes the password out of the environment now.

    Raises:
        click.UsageError: a password and a key are given.
    """
    from_environment = os.environ.pop(VARIABLE, None)  # no child of ours inherits it
    if password_file and key_file:
        raise click.UsageError(_("Give --password-file or --key-file, not both."))

    def unlock(source: Source) -> BackupKeys:
        from spytriage.pipeline import keep_locked
        from spytriage.source import read_lock

        lock = read_lock(source)
        if key_file:
            return _opened(lock.open(_read_key(key_file)), key_file)
        if password_file:
            return _opened(_try(lock, read_password(password_file), quiet=quiet), password_file)
        if from_environment is not None:
            password = _usable(os.fsencode(from_environment), Path(VARIABLE))
            return _opened(_try(lock, password, quiet=quiet), Path(VARIABLE))
        return _ask(lock, source.path, quiet=quiet) if sys.stdin.isatty() else keep_locked(source)

    return unlock


def unlocking_with(password: str) -> Unlock:
    """Return what opens a backup whose password is known: the invented phone's."""

    def unlock(source: Source) -> BackupKeys:
        from spytriage.source import read_lock

        return _opened(_try(read_lock(source), password.encode(), quiet=True), source.path)

    return unlock


def _try(lock: Lock, password: bytes, *, quiet: bool) -> BackupKeys | None:
    with _spinner(quiet=quiet):
        return lock.open(lock.derive(password))


def _opened(keys: BackupKeys | None, path: Path) -> BackupKeys:
    if keys is None:
        raise SpytriageError(
            _("This does not open the backup: the password or key is a wrong one."),
            path=path,
            hint=_(
                "It is the password that was set for backups of this phone in Finder, iTunes or idevicebackup2; it is"
                " not the code of the phone."
            ),
        )
    return keys


def _ask(lock: Lock, backup: Path, *, quiet: bool) -> BackupKeys:
    """Ask on the terminal, without echo, until a password opens the lock.

    Raises:
        SpytriageError: none of the tries was right.
    """
    for left in reversed(range(TRIES)):
        answer = click.prompt(_("Password of the backup (not shown)"), hide_input=True, err=True)
        keys = _try(lock, answer.encode(errors="surrogateescape"), quiet=quiet)
        if keys or not left:
            return _opened(keys, backup)
        click.echo(_("This password does not open the backup. Try again."), err=True)
    raise AssertionError("the last try returns")


def read_password(path: Path) -> bytes:
    """Return the password in a file: its first line, which is all of it.

    Raises:
        SpytriageError: the file cannot be read, or does not hold one line of UTF-8 text.
    """
    content = _read(path).removeprefix(b"\xef\xbb\xbf")  # some editors begin a file so
    return _usable(re.sub(rb"\r?\n\Z", b"", content), path)


def _usable(password: bytes, path: Path) -> bytes:
    if "\ufffd" in (text := password.decode(errors="replace")):  # an exception of decode() would quote the password
        raise SpytriageError(_("This password is not UTF-8 text."), path=path, hint=_("Save it again as UTF-8."))
    if not text or "\n" in text:
        raise SpytriageError(
            _("There should be one password here, on one line."), path=path, hint=_("Put the password there, alone.")
        )
    return password


def _read_key(path: Path) -> bytes:
    content = _read(path).strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{64}", content):
        raise SpytriageError(
            _("This file holds no key: a key is 64 hexadecimal digits."),
            path=path,
            hint=_("Make one with `mvt-ios extract-key`, or give the password instead."),
        )
    return bytes.fromhex(content.decode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            content = handle.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SpytriageError(
            _("This file cannot be read."), path=path, hint=_("Check its name and whether you may read it.")
        ) from error
    if len(content) > _MOST_BYTES:
        raise SpytriageError(
            _("There should be one password here, on one line."), path=path, hint=_("Put the password there, alone.")
        )
    return content


@contextmanager
def _spinner(*, quiet: bool) -> Iterator[None]:
    """Show on a terminal that the key is being derived: that takes some seconds by design."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(_("Opening the backup")):
        yield
