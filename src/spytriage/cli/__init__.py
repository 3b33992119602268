"""The command line: commands parse, call and print; this module catches errors and ends the program.

Exit codes: 0 no-match, 1 error, 2 usage, 3 match, 4 suspicious, 5 inconclusive; 129, 130 and 143 when a signal (SIGHUP,
SIGINT, SIGTERM) stopped the program, which then has left nothing half-written.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from spytriage import __version__
from spytriage.errors import SpytriageError
from spytriage.i18n import LANGUAGES, Choice, _, choose_languages, deferred, set_language, use_for_libraries
from spytriage.text import printable
from spytriage.undo import undo_the_rest

USAGE_ERROR = 2

# What Click itself says, listed so that it is translated with the rest.
CLICK_WORDS = (
    deferred("Usage:"),
    deferred("Options"),
    deferred("Commands"),
    deferred("Show this message and exit."),
    deferred("Show the version and exit."),
    deferred("default: {default}"),
    deferred("required"),
    deferred("Missing command."),
    deferred("No such command {name!r}."),
    deferred("No such option {name!r}."),
    deferred("Missing argument"),
    deferred("Missing option"),
    deferred("Invalid value for {param_hint}: {message}"),
    deferred("Option {name!r} requires an argument."),
)

# Commands by name and the attribute that holds each: loaded when used, so that the program starts fast.
_COMMANDS = {
    "check": "spytriage.cli.check:command",
    "consent": "spytriage.cli.consent:group",
    "demo": "spytriage.cli.demo:command",
    "doctor": "spytriage.cli.doctor:command",
    "indicators": "spytriage.cli.indicators:group",
    "keygen": "spytriage.cli.keys:keygen",
    "pack": "spytriage.cli.handoff:pack_command",
    "verify": "spytriage.cli.handoff:verify_command",
    "custody": "spytriage.cli.handoff:custody_group",
    "review": "spytriage.cli.review:group",
    "report": "spytriage.cli.render:group",
    "recheck": "spytriage.cli.recheck:command",
    "forget": "spytriage.cli.forget:command",
    "unseal": "spytriage.cli.unseal:command",
    "batch": "spytriage.cli.batch:command",
    "aggregate": "spytriage.cli.aggregate:command",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


def _root() -> click.Group:
    """Make the root command; its help is in the language in use."""
    group = _LazyGroup(
        "spytriage",
        help=_(
            "Check a phone backup against published spyware indicators, offline, and write a redacted report.\n\n"
            "\b\n"
            "Examples:\n"
            "  spytriage demo                       try everything on an invented phone\n"
            "  spytriage consent new -o K-014.yaml  write down what the person agrees to\n"
            "  spytriage check BACKUP --consent K-014.yaml\n"
            "  spytriage indicators list            what is looked for, and how old it is"
        ),
        params=[
            click.Option(
                ["--lang"],
                metavar="LANG",
                expose_value=False,
                help=_("Language: {languages}; two with a comma between for a report in both.").format(
                    languages=", ".join(LANGUAGES)
                ),
            )
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    return click.version_option(__version__, prog_name="spytriage")(group)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and end the process with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    choice = choose_languages(_requested_languages(arguments))
    set_language(*choice.languages)
    use_for_libraries()
    _open_standard_streams()
    if choice.missing and not {"--quiet", "-q"} & set(arguments):
        _tell_missing(choice)
    ending, code = _Ending(), None
    try:
        ending.listen()
        code = _run(arguments)
        ending.is_over = True  # it is done: nothing is left to be stopped
    except KeyboardInterrupt:
        pass  # in the moment before or after what `_run` does
    undo_the_rest()
    if ending.signal or code is None:
        _say(_("Stopped. Nothing is left half-written."))
    if ending.signal:
        # Not sys.exit: after an interrupt in code that a library made from text, Python kills itself with SIGINT.
        os._exit(128 + ending.signal)
    sys.exit(1 if code is None else code)


class _Ending:
    """Ends the program on Ctrl-C, a kill or a closed terminal: once, so that cleaning up is not stopped in turn.

    Attributes:
        signal: the number of the signal that stops the program, or None.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.signal: int | None = None
        self.is_over = False  # from now on signals are not heard

    def listen(self) -> None:
        sys.unraisablehook = self._unraisable
        for number in self._SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, signum: int, frame: Any) -> None:  # noqa: ARG002
        if not self.is_over:
            self.is_over, self.signal = True, signum
            raise KeyboardInterrupt

    def _unraisable(self, lost: Any) -> None:
        """Stop again: an exception that is raised in a destructor goes no further than here."""
        if self.signal and lost.exc_type is KeyboardInterrupt:
            self.is_over = False
            signal.raise_signal(self.signal)
        else:
            sys.__unraisablehook__(lost)


def _run(arguments: Sequence[str]) -> int | None:
    """Run a command and tell what went wrong; return the exit code, or None when somebody stopped it."""
    try:
        code = int(_root().main(list(arguments), standalone_mode=False) or 0)
        sys.stdout.flush()  # here, where a full disk behind it is told
    except SpytriageError as error:
        _complain(error.message, error.hint)
        return error.exit_code
    except NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE_ERROR
    except click.UsageError as error:
        usage, hint = (error.ctx.get_usage(), f"{error.ctx.command_path} --help") if error.ctx else ("", "")
        _complain(printable(_told(error)), hint, first=usage)
        return USAGE_ERROR
    except (click.Abort, KeyboardInterrupt):
        return None
    except BrokenPipeError:
        _close_output()  # whoever read it has gone
        return 1
    except OSError as error:
        _close_output()
        reason = printable(error.strerror or type(error).__name__)
        place = f" [{printable(str(error.filename))}]" if error.filename else ""
        message = _("This computer does not do what it should: {reason}").format(reason=reason)
        _complain(message + place, _("See that the disk is not full, and that you may write there."))
        return 1
    return code


def _told(error: click.UsageError) -> str:
    """Return what is wrong with the usage; what Click guesses was meant it says in English only."""
    meant = getattr(error, "possibilities", None)
    if not meant:
        return error.format_message()
    return " ".join((error.message, _("Did you mean {names}?").format(names=", ".join(meant))))


def _complain(message: str, hint: str, first: str = "") -> None:
    lines = (first, _("Error: {message}").format(message=message), hint and _("What to do: {hint}").format(hint=hint))
    for line in filter(None, lines):
        _say(line)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads it
        click.echo(line, err=True)


def _close_output() -> None:
    """Keep Python from complaining when it cannot print the rest."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    """Keep printing from ever raising: a screen without some letters, or an output that somebody closed.

    A descriptor that is closed would be given to the next file that is opened, and what is printed would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _requested_languages(arguments: Sequence[str]) -> str | None:
    """Find --lang before anything is parsed: help and errors of the parser are in that language too."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--lang":
            return value if equals else next(iter(arguments[place + 1 :]), "")
    return None


def _tell_missing(choice: Choice) -> None:
    """Say that a language is not there, and which is used instead."""
    _say(
        _("There is no translation into {missing}. Used instead: {used}. There is: {languages}.").format(
            missing=printable(", ".join(choice.missing)),
            used=", ".join(choice.languages),
            languages=", ".join(LANGUAGES),
        )
    )
