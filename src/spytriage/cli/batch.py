"""`spytriage batch`: the same check on many phones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.keys import signing_for_checks, signing_options
from spytriage.cli.options import checked_on, language_option, output_option, sealing_options, set_options
from spytriage.errors import SpytriageError
from spytriage.i18n import _, current_languages, ngettext
from spytriage.text import printable

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from spytriage.batch import Phone, Result


@click.command(
    "batch",
    help=_(
        "Check many phones, several at once, and go on where an earlier run stopped.\n\n"
        "PHONES is a folder with a folder for each phone, the backup and its consent.yaml in it; or a list in YAML "
        "with name, path and consent for each. The reports are numbered: index.html and summary.json in the output "
        "folder name no phone; cases.json says which is which, so keep it to yourself. A phone that cannot be "
        "checked is tried once more, and stops no other.\n\n"
        "Exit code: 1 when a phone could not be checked, else that of the strongest outcome: 3 match, 4 suspicious, "
        "5 inconclusive, 0 no match.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage batch phones/ -o reports\n"
        "  spytriage batch list.yaml -o reports --jobs 4 --passwords passwords.yaml\n"
        "  spytriage batch phones/ -o reports --scheduler tcp://10.0.0.5:8786"
    ),
)
@click.argument("phones", type=click.Path(path_type=Path), metavar="PHONES")
@output_option(
    _("Folder for the reports: a new one, or that of the run to go on with."), default=Path("spytriage-batch")
)
@set_options
@sealing_options
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=_("Passwords of encrypted phones: YAML, `name: password` for each. Nobody else may be able to read it."),
)
@signing_options
@click.option("--jobs", "-j", type=click.IntRange(min=1), help=_("Phones at once. Default: the number of cores."))
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help=_("Run on the Dask cluster of this scheduler, whose workers see the same files. Needs spytriage[cluster]."),
)
@language_option()
@click.option("--quiet", "-q", is_flag=True, help=_("Print nothing; the exit code tells the outcome."))
def command(
    phones: Path,
    output: Path,
    indicator_paths: tuple[Path, ...],
    set_names: tuple[str, ...],
    recipients: tuple[str, ...],
    keep_observables: bool,
    passwords: Path | None,
    sign_key: Path | None,
    sign_password_file: Path | None,
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> int:
    """Check many phones; the exit code is that of the strongest outcome."""
    from spytriage import batch

    if passwords:
        batch.passwords_of(passwords)  # before the long part
        passwords = passwords.absolute()
    signing = signing_for_checks(sign_key, sign_password_file)
    named = batch.numbered(batch.phones_of(phones), output)
    options = [
        *_repeated("--indicators", [str(path.absolute()) for path in indicator_paths]),
        *_repeated("--set", set_names),
        *_repeated("--seal-to", recipients),
        *signing,
        *(["--keep-observables"] if keep_observables else []),
        *("--lang", ",".join(current_languages())),
    ]
    with _executor(jobs or os.cpu_count() or 1, scheduler) as executor, _told(named, quiet=quiet) as ended:
        results = batch.run(named, output.absolute(), options, executor, passwords, ended)
    batch.write_summary(results, output)
    if not quiet:
        _print(results, output)
    return batch.exit_code(results)


def _repeated(option: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield from (option, value)


@contextmanager
def _executor(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    """Give what runs the tasks: threads of this process, or the workers of a cluster.

    Raises:
        SpytriageError: there is no such cluster.
    """
    if scheduler is None:
        from concurrent.futures import ThreadPoolExecutor

        from spytriage.batch import stop

        with ThreadPoolExecutor(jobs) as threads:
            try:
                yield threads
            except BaseException:
                stop()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise SpytriageError(
            _("The part for clusters is not installed."), hint=_("Install it: pip install 'spytriage[cluster]'.")
        ) from error
    try:
        client = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise SpytriageError(
            _("No scheduler answers at {address}.").format(address=printable(scheduler)),
            hint=_("Start one with `dask scheduler`, and workers with `dask worker ADDRESS`."),
        ) from error
    with client:
        yield client.get_executor(pure=False, retries=1)  # type: ignore[no-untyped-call]


@contextmanager
def _told(phones: Sequence[Phone], *, quiet: bool) -> Iterator[Callable[[Result], None] | None]:
    """Give what is told each result: a bar on the terminal, nothing when the output is piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(_("checking phones"), total=len(phones))

        def ended(result: Result) -> None:
            bar.update(task, advance=1, description=f"{printable(result.phone.name)}: {result.outcome or result.state}")

        yield ended


def _print(results: Sequence[Result], output: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from spytriage.batch import State, overdue

    table = Table(_("Number"), _("Phone"), _("State"), _("Outcome"), box=None)
    for result in results:
        name = Text(printable(result.phone.name) or "–")
        table.add_row(result.phone.folder, name, result.state.value, result.outcome.value if result.outcome else "–")
    console = Console()
    console.print(table)
    for result in results:
        if result.state is State.FAILED:
            console.print(
                Text("\n".join(printable(f"{result.phone.folder} {line}", 1000) for line in result.why.split("\n")))
            )
    if again := sum(result.before and result.state is State.CHECKED for result in results):
        text = ngettext(
            "{count} phone has a report of an earlier run and was not checked again, with these indicators neither. "
            "For newer ones use `spytriage recheck`, or a new folder.",
            "{count} phones have a report of an earlier run and were not checked again, with these indicators neither. "
            "For newer ones use `spytriage recheck`, or a new folder.",
            again,
        )
        console.print(Text(text.format(count=again)))
    late = overdue(results, checked_on())
    if late:
        text = ngettext(
            "The consent of {count} phone has run out. Delete what is kept of it: {numbers}",
            "The consent of {count} phones has run out. Delete what is kept of them: {numbers}",
            len(late),
        )
        console.print(Text(text.format(count=len(late), numbers=", ".join(result.phone.folder for result in late))))
    console.print(Text(_("Overview: {path}").format(path=printable(str(output / "index.html")))))
