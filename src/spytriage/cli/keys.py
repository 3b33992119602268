"""`spytriage keygen`, and the options with which commands sign and verify."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spytriage.cli.options import PATH, language_option
from spytriage.cli.password import read_password
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.signing import Signer, TrustedKey

PASSWORD_VARIABLE = "SPYTRIAGE_SIGN_PASSWORD"  # noqa: S105 (the name of a variable)


@click.command(
    "keygen",
    help=_(
        "Make a key pair for signing hand-offs and reviews, in minisign's format.\n\n"
        "Writes FILE (secret, protected by a password) and FILE.pub (public). Give FILE.pub to your reviewers in a way "
        "that they trust, for example in person. The password is asked for, or read from SPYTRIAGE_SIGN_PASSWORD or "
        "--sign-password-file.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage keygen -o workshop.key\n"
        "  spytriage keygen -o machine.key --no-password"
    ),
)
@click.option("--output", "-o", required=True, type=PATH, metavar="FILE", help=_("File to write."))
@click.option("--no-password", is_flag=True, help=_("Do not protect the key: whoever reads the file can sign."))
@click.option("--sign-password-file", type=PATH, metavar="FILE", help=_("Read the password of the key from here."))
@language_option()
def keygen(output: Path, no_password: bool, sign_password_file: Path | None) -> None:
    """Write a key pair."""
    from spytriage.signing import generate

    public = generate(output, None if no_password else _password(sign_password_file, new=True))
    click.echo(_("Secret key: {path} (keep it to yourself)").format(path=printable(str(output))))
    click.echo(_("Public key: {path} (give it to your reviewers)").format(path=printable(str(public))))


def signing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept --sign-key and --sign-password-file."""
    key = click.option("--sign-key", type=PATH, metavar="FILE", help=_("Sign with this key, see `spytriage keygen`."))
    password = click.option(
        "--sign-password-file", type=PATH, metavar="FILE", help=_("Read the password of the key from here.")
    )
    return key(password(function))


def trust_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept --key and --trusted."""
    key = click.option(
        "--key", "key_files", multiple=True, type=PATH, metavar="PUB",
        help=_("Public key that it must be signed with. Repeatable: any of them."),
    )  # fmt: skip
    trusted = click.option(
        "--trusted", "trusted_files", multiple=True, type=PATH, metavar="FILE",
        help=_("List of public keys, one key and one name on each line. Repeatable."),
    )  # fmt: skip
    return key(trusted(function))


def signer_for(sign_key: Path | None, sign_password_file: Path | None) -> Signer | None:
    """Return the key to sign with, unlocked, or None when nothing is to be signed.

    Raises:
        SpytriageError: the key cannot be read or its password is wrong or missing.
    """
    if sign_key is None:
        return None
    from spytriage.signing import load_signer

    return load_signer(sign_key, lambda: _password(sign_password_file, new=False))


def signing_for_checks(sign_key: Path | None, sign_password_file: Path | None) -> list[str]:
    """Return the options by which `spytriage check`, run by us many times, signs; opens the key once to make sure.

    A password that was not given in a file stands in the environment of these checks, which take it out at once.

    Raises:
        SpytriageError: the key cannot be read or its password is wrong or missing.
    """
    if sign_key is None:
        return []
    from spytriage.signing import load_signer

    def password() -> str:
        given = _password(sign_password_file, new=False)
        if sign_password_file is None:
            os.environ[PASSWORD_VARIABLE] = given
        return given

    load_signer(sign_key, password)
    file = ["--sign-password-file", str(sign_password_file.absolute())] if sign_password_file else []
    return ["--sign-key", str(sign_key.absolute()), *file]


def trusted_keys(key_files: tuple[Path, ...], trusted_files: tuple[Path, ...]) -> tuple[TrustedKey, ...]:
    """Return the public keys that were given.

    Raises:
        SpytriageError: a file holds none.
    """
    if not key_files + trusted_files:
        return ()
    from spytriage.signing import load_trusted

    return load_trusted(key_files + trusted_files)


def _password(file: Path | None, *, new: bool) -> str:
    given = os.environ.pop(PASSWORD_VARIABLE, "")  # no child of ours inherits it
    if file is not None:
        password = read_password(file).decode()
    elif given:
        password = given
    elif sys.stdin.isatty():
        password = click.prompt(_("Password of the signing key"), hide_input=True, confirmation_prompt=new, err=True)
    else:
        raise SpytriageError(
            _("The signing key needs a password, and none was given."),
            hint=_("Set SPYTRIAGE_SIGN_PASSWORD or give --sign-password-file FILE."),
        )
    return str(password)
