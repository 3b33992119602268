"""The command line: commands parse, call and print; this module catches errors and ends the program.

Exit codes: 0 no-match, 1 error, 2 usage, 3 match, 4 suspicious, 5 inconclusive.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from spytriage import __version__
from spytriage.errors import SpytriageError
from spytriage.i18n import LANGUAGES, _, deferred, language_from_environment, set_language, use_for_libraries
from spytriage.text import printable

USAGE_ERROR = 2

# What Click itself says, listed so that it is translated with the rest.
CLICK_WORDS = (
    deferred("Usage:"),
    deferred("Options"),
    deferred("Commands"),
    deferred("Show this message and exit."),
    deferred("Show the version and exit."),
    deferred("default: {default}"),
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
            "  spytriage demo                      try everything on an invented phone\n"
            "  spytriage consent new -o ana.yaml   write down what the person agrees to\n"
            "  spytriage check BACKUP --consent ana.yaml\n"
            "  spytriage indicators list           what is looked for, and how old it is"
        ),
        params=[
            click.Option(["--lang"], type=click.Choice(LANGUAGES), expose_value=False, help=_("Language: en or es."))
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    return click.version_option(__version__, prog_name="spytriage")(group)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and end the process with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    set_language(_requested_language(arguments) or language_from_environment())
    use_for_libraries()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    _make_output_robust()
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(_root().main(list(arguments), standalone_mode=False) or 0)
    except SpytriageError as error:
        click.echo(_("Error: {message}").format(message=error.message), err=True)
        if error.hint:
            click.echo(_("What to do: {hint}").format(hint=error.hint), err=True)
        return error.exit_code
    except click.UsageError as error:
        if error.ctx:
            click.echo(error.ctx.get_usage(), err=True)
        click.echo(_("Error: {message}").format(message=printable(error.format_message())), err=True)
        if error.ctx:
            click.echo(_("What to do: {hint}").format(hint=f"{error.ctx.command_path} --help"), err=True)
        return USAGE_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo(_("Stopped. Nothing was written."), err=True)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone; keep Python from complaining when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _make_output_robust() -> None:
    """Keep printing from ever raising: a screen without some letters, or an output that somebody closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _requested_language(arguments: Sequence[str]) -> str | None:
    """Find --lang before anything is parsed: help and errors of the parser are in that language too."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--lang":
            wanted = value if equals else next(iter(arguments[place + 1 :]), "")
            return wanted if wanted in LANGUAGES else None
    return None


def _stop(signum: int, frame: Any) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
