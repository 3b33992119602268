"""`spytriage demo`: the real check on an invented phone."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.keys import signer_for, signing_options
from spytriage.cli.options import PATH, checked_on, language_option, output_option, printing_options, tlp_option
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.models import Tlp

if TYPE_CHECKING:
    from spytriage.demo import DemoPhone
    from spytriage.models import Report
    from spytriage.pipeline import Check


@click.command(
    "demo",
    help=_(
        "Make an invented iPhone or Android phone and run the real check on it.\n\n"
        "Nobody's data is in it: every name, number and site is made up. A few traces from the invented set `demo` "
        "are planted. Exit code: 0 when the check found exactly what was planted.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage demo\n"
        "  spytriage demo --output my-first-report --lang es\n"
        "  spytriage demo --platform android\n"
        "  spytriage demo --keep-phone demo-phone      then: spytriage check demo-phone\n"
        "  spytriage demo --encrypted --keep-phone demo-phone"
    ),
)
@output_option(_("New folder for the report. Default: spytriage-demo, or the next free name."))
@click.option(
    "--keep-phone",
    type=PATH,
    metavar="DIR",
    help=_("Leave the invented phone's backup in this new folder, to practise on."),
)
@click.option(
    "--platform",
    type=click.Choice(["ios", "android"]),
    default="ios",
    show_default=True,
    help=_("An iPhone backup, or an Android phone as AndroidQF writes it."),
)
@click.option(
    "--encrypted",
    is_flag=True,
    help=_("Encrypt the iPhone's backup, with the password `invented-password`, and check that."),
)
@click.option("--seed", type=int, default=2021, show_default=True, help=_("One seed is one phone."))
@tlp_option()
@signing_options
@language_option()
@printing_options
def command(
    output: Path | None,
    keep_phone: Path | None,
    platform: str,
    encrypted: bool,
    seed: int,
    tlp: str,
    sign_key: Path | None,
    sign_password_file: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run the demo; exit 0 when the check came out as planted."""
    from spytriage.cli.deliver import check_and_deliver, next_free_folder
    from spytriage.demo import write_phone
    from spytriage.demo.android import write_android_phone
    from spytriage.scan import forbid_network, private_folder

    if platform == "android" and encrypted:
        raise click.UsageError(_("--encrypted is for the iPhone only."))
    forbid_network()
    signer = signer_for(sign_key, sign_password_file)
    with nullcontext(keep_phone) if keep_phone else private_folder() as folder:
        backup = keep_phone or folder / "phone"
        if platform == "android":
            phone = write_android_phone(backup, seed=seed)
        else:
            phone = write_phone(backup, seed=seed, encrypted=encrypted)
        report = check_and_deliver(
            _demo_check(backup, seed),
            output or next_free_folder("spytriage-demo"),
            as_json=as_json,
            quiet=quiet,
            tlp=Tlp(tlp),
            signer=signer,
        )
    _require_as_planted(report, phone)
    return 0


def _demo_check(folder: Path, seed: int) -> Check:
    """Return the check of the demo phone; its case key comes from the seed, so that one seed is one report."""
    from spytriage.cli.password import unlocking_with
    from spytriage.consent import Consent, Grant
    from spytriage.demo import DEMO_PASSWORD
    from spytriage.indicators import select
    from spytriage.indicators.data import data_file
    from spytriage.pipeline import Check
    from spytriage.redaction import CaseKey

    day = checked_on()
    return Check(
        path=folder,
        index=select([data_file("demo.stix2")], ["pegasus-core"]),
        consent=Consent(True, True, frozenset({Grant.ANALYSE, Grant.SHARE_REDACTED}), None, "DEMO-0", day),
        checked_on=day,
        key=CaseKey(hashlib.sha256(f"spytriage demo {seed}".encode()).digest()),
        demo=True,
        unlock=unlocking_with(DEMO_PASSWORD),
    )


def _require_as_planted(report: Report, phone: DemoPhone) -> None:
    """Make sure that the check found each planted trace, and nothing else.

    Raises:
        SpytriageError: it did not.
    """
    planted = {(trace.module, trace.indicator_type, trace.value) for trace in phone.planted}
    found = {
        (finding.module, indicator.type, indicator.value)
        for finding in report.findings
        for indicator in finding.indicators
    }
    if found != planted or any(module.state.is_gap for module in report.modules):
        raise SpytriageError(
            _("The demo did not come out as planted: {missing} traces were missed, {extra} were not planted.").format(
                missing=len(planted - found), extra=len(found - planted)
            ),
            hint=_("This installation cannot be relied on. Install spytriage again; if that does not help, report it."),
        )
