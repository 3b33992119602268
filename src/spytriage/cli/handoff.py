"""`spytriage pack`, `verify` and `custody`: the hand-off as one file, looked at, and who had it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.keys import trust_options, trusted_keys
from spytriage.cli.options import PATH, checked_on, language_option
from spytriage.custody import Event, Role
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.review import Verification

_RECORDED = [event.value for event in Event if event not in {Event.CHECKED, Event.VERIFIED, Event.REVIEWED}]


@click.command(
    "pack",
    help=_(
        "Make one zip of a hand-off or of an addendum to one, to pass it on.\n\n"
        "DIR is the folder that `check` or `demo` wrote, or the folder of a case that `recheck` wrote. Nothing else "
        "goes into the zip: a folder that holds any other file is refused. The first time, the event `packed` is added "
        "to the custody.jsonl of a hand-off. The same folder always gives the same zip.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage pack spytriage-report\n"
        "  spytriage pack spytriage-report -o for-the-lab.zip\n"
        "  spytriage pack recheck-june/report-014 -o addendum-014.zip"
    ),
)
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--output", "-o", type=PATH, metavar="FILE", help=_("File to write. Default: DIR.zip."))
@language_option()
def pack_command(folder: Path, output: Path | None) -> None:
    """Write the zip."""
    from spytriage import custody
    from spytriage.atomic import write_new_file
    from spytriage.handoff import ADDENDUM, CUSTODY, pack

    is_addendum = (folder / ADDENDUM).exists()
    files = dict(_intact_addendum(folder) if is_addendum else _intact(folder))
    if not is_addendum and custody.checked(files[CUSTODY])[-1].event is not Event.PACKED:
        files[CUSTODY] = custody.extend(files[CUSTODY], Event.PACKED, Role.OPERATOR, checked_on())
    target = output or folder.resolve().with_name(folder.resolve().name + ".zip")
    if target.resolve().parent == folder.resolve():
        raise SpytriageError(
            _("The zip cannot lie in the folder that it is made of."),
            path=target,
            hint=_("Give --output a name outside of it."),
        )
    if is_addendum:
        write_new_file(target, pack(files))
    else:
        _pack_with_custody(folder, files, target)
    click.echo(_("Packed: {path}").format(path=printable(str(target))))


def _pack_with_custody(folder: Path, files: Mapping[str, bytes], target: Path) -> None:
    """Write the zip, and the custody log of the folder as the zip has it: they say the same, or neither is new."""
    from spytriage.atomic import replace_file, write_new_file
    from spytriage.handoff import CUSTODY, pack

    was_there, log = target.exists(), (folder / CUSTODY).read_bytes()
    try:
        write_new_file(target, pack(files))
        replace_file(folder / CUSTODY, files[CUSTODY])
    except BaseException:
        if not was_there and (folder / CUSTODY).read_bytes() == log:
            target.unlink(missing_ok=True)
        raise


@click.command(
    "verify",
    help=_(
        "Verify a hand-off: that nothing in it changed, who signed it, and that it does not contradict itself.\n\n"
        "Exit code: 0 every step passed, 3 a step failed, 5 nothing failed but a step could not be done, 1 error.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage verify for-the-lab.zip --key workshop.key.pub\n"
        "  spytriage verify spytriage-report --trusted our-trainers.txt\n"
        "  spytriage verify for-the-lab.zip --json\n"
        "  spytriage verify for-the-lab.zip --addendum addendum-014.zip --key lab.key.pub --key workshop.key.pub"
    ),
)
@click.argument("path", metavar="DIR|ZIP", type=PATH)
@trust_options
@click.option(
    "--identity",
    type=PATH,
    metavar="FILE",
    help=_("Your secret key, to see whether sealed evidence belongs to the report. Nothing of it is shown."),
)
@click.option(
    "--addendum",
    type=PATH,
    metavar="DIR|ZIP",
    help=_(
        "An addendum to this report, to verify it too: the folder of the case that `spytriage recheck` wrote, or the "
        "zip that `spytriage pack` made of it."
    ),
)
@click.option("--json", "as_json", is_flag=True, help=_("Print the steps as JSON and nothing else."))
@language_option()
def verify_command(
    path: Path,
    key_files: tuple[Path, ...],
    trusted_files: tuple[Path, ...],
    identity: Path | None,
    addendum: Path | None,
    as_json: bool,
) -> int:
    """Print each step; the exit code is the overall result's."""
    from spytriage.review import Verification, verify, verify_addendum
    from spytriage.verification import knowledge

    known, keys = knowledge(checked_on(), identity), trusted_keys(key_files, trusted_files)
    verification = verify(path, known, keys)
    if addendum:
        added = verify_addendum(addendum, verification, known, keys)
        verification = Verification((*verification.steps, *added.steps), verification.report, verification.files)
    if as_json:
        click.echo(json.dumps(_as_json(verification), indent=2))
    else:
        _print(verification)
    return verification.overall.exit_code


def _as_json(verification: Verification) -> dict[str, object]:
    return {
        "verification_version": 1,
        "overall": verification.overall.value,
        "steps": [
            {"number": step.number, "id": step.id.value, "result": step.result.value, "why": step.why.value,
             "about": step.about}
            for step in verification.steps
        ],
    }  # fmt: skip


def _print(verification: Verification) -> None:
    from spytriage.review import AddendumStepId, texts

    width = max(len(texts.phrase(step.result)) for step in verification.steps)
    for step in verification.steps:
        if step.id is AddendumStepId.CONTAINER:
            click.echo(_("The addendum:"))
        result = texts.phrase(step.result).ljust(width)
        click.echo(f"{step.number:2}. {result}  {texts.phrase(step.id)}: {printable(texts.why_text(step), 500)}")
    click.echo()
    click.echo(texts.phrase(verification.overall))
    click.echo(_("What this does not prove:"))
    for sentence in texts.not_proven():
        click.echo(f"  - {sentence}")


@click.group(
    "custody",
    help=_(
        "The chain of custody of a hand-off: what was done with it, on which day, in which role. Never a name.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage custody show spytriage-report\n"
        "  spytriage custody add spytriage-report --event handed-over --role courier"
    ),
)
@language_option()
def custody_group() -> None:
    """Hold the commands below."""


@custody_group.command("show", help=_("Show what was done with a hand-off."))
@click.argument("path", metavar="DIR|ZIP", type=PATH)
@language_option()
def custody_show(path: Path) -> None:
    """Print the chain."""
    from spytriage import custody
    from spytriage.handoff import CUSTODY, read_handoff

    for entry in custody.checked(read_handoff(path).get(CUSTODY, b"")):
        click.echo(f"{entry.number:3}  {entry.day}  {entry.event.value:12}  {entry.role.value}")


@custody_group.command("add", help=_("Write down what was done with a hand-off, today. Lines are only ever added."))
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--event", required=True, type=click.Choice(_RECORDED), help=_("What was done."))
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help=_("Who did it."))
@language_option()
def custody_add(folder: Path, event: str, role: str) -> None:
    """Add a line."""
    from spytriage import custody
    from spytriage.atomic import replace_file
    from spytriage.handoff import CUSTODY

    log = _intact(folder)[CUSTODY]
    replace_file(folder / CUSTODY, custody.extend(log, Event(event), Role(role), checked_on()))


def _intact(folder: Path) -> Mapping[str, bytes]:
    """Return the files of a hand-off's folder.

    Raises:
        SpytriageError: it is no folder, or a step of its verification failed: passing it on would help nobody.
    """
    from spytriage.review import Result, texts, verify
    from spytriage.verification import knowledge

    if not folder.is_dir():
        raise SpytriageError(
            _("This is not the folder of a hand-off."), path=folder, hint=_("Give the folder that `check` wrote.")
        )
    verification = verify(folder, knowledge(checked_on()))
    for step in (step for step in verification.steps if step.result is Result.FAILED):
        raise SpytriageError(
            _("This hand-off is not as it was written. {step}: {reason}").format(
                step=texts.phrase(step.id), reason=printable(texts.why_text(step), 500)
            ),
            path=folder,
            hint=_("Leave it as it is, and check the backup again into a new folder."),
        )
    return verification.files


def _intact_addendum(folder: Path) -> Mapping[str, bytes]:
    """Return the files of an addendum's folder. Whether it belongs to a report, that report has to tell.

    Raises:
        SpytriageError: it is not as it was written.
    """
    from spytriage.review import AddendumStepId, Result, Verification, texts, verify_addendum
    from spytriage.verification import knowledge

    verification = verify_addendum(folder, Verification(()), knowledge(checked_on()))
    for step in verification.steps:
        if step.result is Result.FAILED and step.id is not AddendumStepId.REPORT:
            raise SpytriageError(
                _("This addendum is not as it was written. {step}: {reason}").format(
                    step=texts.phrase(step.id), reason=printable(texts.why_text(step), 500)
                ),
                path=folder,
                hint=_("Leave it as it is, and recheck the case into a new folder."),
            )
    return verification.files
