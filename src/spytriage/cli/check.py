"""`spytriage check`: the main job."""

from __future__ import annotations

from pathlib import Path

import click

from spytriage.cli.keys import signer_for, signing_options
from spytriage.cli.options import (
    PATH,
    checked_on,
    jobs_option,
    language_option,
    output_option,
    printing_options,
    sealing_options,
    set_options,
    tlp_option,
)
from spytriage.cli.password import android_password, password_options, unlocking
from spytriage.i18n import _
from spytriage.models import Tlp


@click.command(
    "check",
    help=_(
        "Check the phone's acquisition at PATH and write a redacted report.\n\n"
        "PATH is a backup that Finder, iTunes or idevicebackup2 wrote, an AndroidQF acquisition (folder, zip or "
        ".zip.age), an Android bug report, .ab backup or intrusion logs, a sysdiagnose archive, or a dump of an "
        "iPhone's file system; or a folder that holds exactly one of these. What it is, is seen from its content. "
        "Nothing is written into it, and nothing goes over the network. An encrypted iPhone backup is not decrypted to "
        "disk: what is read of it is decrypted in memory, piece by piece.\n\n"
        "Exit code: 0 no match, 3 match, 4 suspicious, 5 inconclusive, 1 error, 2 wrong usage.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage check ~/Backups/00008101-000A1B2C3D4E5F --consent K-014.yaml\n"
        "  spytriage check BACKUP --consent K-014.yaml --indicators pegasus.stix2 --output report-014\n"
        "  spytriage check BACKUP --consent K-014.yaml --lang es\n"
        "  spytriage check BACKUP --consent K-014.yaml --seal-to age1...\n"
        "  spytriage check phone.zip.age --identity key.txt --consent K-014.yaml\n"
        "  spytriage check BACKUP --consent K-014.yaml --json > report.json"
    ),
)
@click.argument("path", type=PATH)
@set_options
@output_option(_("New folder for the report. Default: spytriage-report, or the next free name."))
@click.option(
    "--consent",
    "consent_file",
    type=PATH,
    metavar="FILE",
    help=_("Consent record, see `spytriage consent new`. Without it the questions are asked."),
)
@click.option(
    "--identity",
    type=PATH,
    metavar="FILE",
    help=_("File with the age or OpenSSH key of an acquisition that AndroidQF encrypted."),
)
@click.option(
    "--policy",
    default="review",
    show_default=True,
    metavar="NAME|FILE",
    help=_("What the report may show: review, public, internal, or a policy file of your own."),
)
@sealing_options
@password_options
@jobs_option()
@tlp_option()
@signing_options
@language_option()
@printing_options
def command(
    path: Path,
    indicator_paths: tuple[Path, ...],
    set_names: tuple[str, ...],
    output: Path | None,
    consent_file: Path | None,
    identity: Path | None,
    policy: str,
    recipients: tuple[str, ...],
    keep_observables: bool,
    password_file: Path | None,
    key_file: Path | None,
    jobs: int,
    tlp: str,
    sign_key: Path | None,
    sign_password_file: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check a backup; the exit code is the outcome's."""
    from spytriage.cli.consent import consent_for
    from spytriage.cli.deliver import check_and_deliver, next_free_folder
    from spytriage.evidence import parse_recipients
    from spytriage.indicators import select
    from spytriage.pipeline import Check
    from spytriage.redaction import CaseKey, load_policy
    from spytriage.scan import forbid_core_dumps, forbid_network, sweep

    forbid_network()
    forbid_core_dumps()
    sweep()
    password = android_password(password_file)
    unlock = unlocking(password_file, key_file, quiet=quiet or as_json)
    signer = signer_for(sign_key, sign_password_file)  # asks for the password before the long part
    request = Check(
        path=path,
        index=select(indicator_paths, set_names, checked_on()),
        consent=consent_for(consent_file),
        checked_on=checked_on(),
        key=CaseKey.new(),
        policy=load_policy(policy),
        recipients=parse_recipients(recipients) if recipients else None,
        keep_observables=keep_observables,
        unlock=unlock,
        identity=identity,
        password=password,
        jobs=jobs,
    )
    report = check_and_deliver(
        request, output or next_free_folder(), as_json=as_json, quiet=quiet, tlp=Tlp(tlp), signer=signer
    )
    return report.outcome.exit_code
