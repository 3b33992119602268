"""`spytriage review`: record an opinion on a hand-off, sign it, and set several side by side."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.keys import signer_for, signing_options, trust_options, trusted_keys
from spytriage.cli.options import PATH, checked_on, language_option, output_option
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from spytriage.models import RedactedFinding, Report
    from spytriage.review import Opinion, Question, Review, Verification
    from spytriage.signing import Signer, TrustedKey

_VERDICTS = ("agree", "disagree", "needs-more")


class _ReviewGroup(click.Group):
    """A group whose own argument is a hand-off: `review DIR` is `review record DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["record", *args]
        return super().parse_args(ctx, args)


@click.group(
    "review",
    cls=_ReviewGroup,
    help=_(
        "Record what you think of a hand-off, or set several reviews of it side by side.\n\n"
        "`spytriage review DIR|ZIP` is short for `spytriage review record DIR|ZIP`. The hand-off is never changed.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage review for-the-lab.zip --key workshop.key.pub      asks, finding by finding\n"
        "  spytriage review for-the-lab.zip --opinion agree --reason corroborated --sign-key lab.key\n"
        "  spytriage review for-the-lab.zip --opinion needs-more --finding F2:disagree:same-name --ask F1:text\n"
        "  spytriage review show for-the-lab.zip spytriage-review other-review"
    ),
)
def group() -> None:
    """Hold the commands below."""


@group.command(
    "record",
    help=_(
        "Verify a hand-off and record an opinion on it: review.json, review.stix2 and, with a key, a signature.\n\n"
        "Without --opinion it asks. A hand-off of which a step of the verification failed cannot be reviewed. "
        "Findings are named F1, F2 and so on.\n\n"
        "\b\n"
        "Reasons:\n"
        "  specific-indicator, corroborated, seen-in-other-cases, weak-indicator, wrong-grade, coverage-too-low,\n"
        "  needs-sealed-evidence, needs-backup, needs-context, and the harmless explanations of the report,\n"
        "  such as research-or-news or same-name"
    ),
)
@click.argument("path", metavar="DIR|ZIP", type=PATH)
@click.option("--opinion", "verdict", type=click.Choice(_VERDICTS), help=_("What you think of the outcome."))
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help=_("Why; repeatable."))
@click.option("--note", default="", metavar="TEXT", help=_("What you want to say to people. Quote nothing sealed."))
@click.option(
    "--finding", "findings", multiple=True, metavar="F1:OPINION[:REASON,...]",
    help=_("What you think of this finding; repeatable."),
)  # fmt: skip
@click.option("--ask", "asked", multiple=True, metavar="F1:FIELD",
              help=_("Ask for this field of this finding to be unsealed; repeatable."))  # fmt: skip
@trust_options
@signing_options
@output_option(_("New folder for the review. Default: spytriage-review, or the next free name."))
@language_option()
def record(
    path: Path,
    verdict: str | None,
    reasons: tuple[str, ...],
    note: str,
    findings: tuple[str, ...],
    asked: tuple[str, ...],
    key_files: tuple[Path, ...],
    trusted_files: tuple[Path, ...],
    sign_key: Path | None,
    sign_password_file: Path | None,
    output: Path | None,
) -> None:
    """Write a review."""
    from spytriage.cli.deliver import next_free_folder
    from spytriage.review import Opinion, Verdict

    verification, report = _reviewable(path, trusted_keys(key_files, trusted_files))
    opinions = dict(_parsed_opinion(text) for text in findings)
    questions = tuple(_parsed_question(text) for text in asked)
    if verdict:
        opinion = Opinion(Verdict(verdict), reasons, note)
    else:
        opinion, more = _ask(report)
        opinions = more | opinions
    signer = signer_for(sign_key, sign_password_file)
    folder = output or next_free_folder("spytriage-review")
    _write(verification, report, opinion, opinions, questions, signer, folder)
    click.echo(_("Review written: {path}").format(path=printable(str(folder))))


def _reviewable(path: Path, keys: tuple[TrustedKey, ...]) -> tuple[Verification, Report]:
    """Return what became of the verification, and the report.

    Raises:
        SpytriageError: a step failed, or the report is one that this version cannot read.
    """
    from spytriage.review import Overall, verify
    from spytriage.verification import knowledge

    verification = verify(path, knowledge(checked_on()), keys)
    if verification.overall is Overall.FAILED or verification.report is None:
        raise SpytriageError(
            _("This hand-off does not verify, so there is nothing to have an opinion on."),
            path=path,
            hint=_("See why with `spytriage verify`, and ask whoever gave it to you for a new one."),
        )
    return verification, verification.report


def _write(
    verification: Verification,
    report: Report,
    opinion: Opinion,
    opinions: Mapping[str, Opinion],
    questions: tuple[Question, ...],
    signer: Signer | None,
    folder: Path,
) -> None:
    import hashlib

    from spytriage import __version__
    from spytriage import review as stage
    from spytriage.atomic import put_folder_in_place
    from spytriage.report import require_unused

    folder, day = require_unused(folder), checked_on()
    review = stage.write_review(
        verification.files, report, day=day, version=__version__, verification=verification.overall,
        opinion=opinion, findings=opinions, questions=questions, signer=signer.id if signer else None,
    )  # fmt: skip
    data = stage.to_json(review)
    content = hashlib.sha256(data).hexdigest()
    outputs = {
        stage.REVIEW: data,
        stage.REVIEW_STIX: stage.to_stix(review, content, report, verification.files["report.stix2"]),
    }
    if signer:
        outputs[stage.REVIEW_SIGNATURE] = signer.sign(data, f"spytriage review.json sha256:{content} day:{day}")
    try:
        put_folder_in_place(outputs, folder)
    except OSError as error:
        raise SpytriageError(
            _("The review could not be written."), path=folder, hint=_("Give --output the name of a new folder.")
        ) from error


# --- What was typed -----------------------------------------------------------------------------------------------


def _parsed_opinion(text: str) -> tuple[str, Opinion]:
    from spytriage.review import Opinion, Verdict

    finding, _colon, rest = text.partition(":")
    verdict, _colon, reasons = rest.partition(":")
    if not finding or verdict not in _VERDICTS:
        raise click.BadParameter(text, param_hint="--finding")
    return finding, Opinion(Verdict(verdict), tuple(filter(None, reasons.split(","))))


def _parsed_question(text: str) -> Question:
    from spytriage.review import Question

    finding, _colon, name = text.partition(":")
    if not finding or not name:
        raise click.BadParameter(text, param_hint="--ask")
    return Question(finding, name)


def _ask(report: Report) -> tuple[Opinion, dict[str, Opinion]]:
    """Ask for an opinion on each finding and on the whole.

    Raises:
        SpytriageError: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise SpytriageError(
            _("No opinion was given."), hint=_("Give --opinion agree, disagree or needs-more, or run it on a terminal.")
        )
    from spytriage.finding_kinds import Benign
    from spytriage.review import Ground, by_reference, texts

    click.echo(_("Reasons that you can give:"), err=True)
    for ground in Ground:
        click.echo(f"  {ground:22} {texts.phrase(ground)}", err=True)
    click.echo(_("Harmless explanations: {list}").format(list=", ".join(Benign)), err=True)
    opinions = {}
    for reference, finding in by_reference(report).items():
        click.echo(f"\n{reference} {_described(finding)}", err=True)
        if (opinion := _ask_one(("skip", *_VERDICTS))) is not None:
            opinions[reference] = opinion
    click.echo("\n" + _("The whole report: {outcome}").format(outcome=report.outcome), err=True)
    whole = _ask_one(_VERDICTS)
    assert whole is not None
    return whole, opinions


def _ask_one(choices: tuple[str, ...]) -> Opinion | None:
    from spytriage.review import Opinion, Verdict

    default = "skip" if "skip" in choices else None  # nothing is assumed of the whole
    verdict = click.prompt(_("Opinion"), type=click.Choice(choices), default=default, err=True)
    if verdict == "skip":
        return None
    while True:
        reasons = click.prompt(_("Reasons (with commas; empty: none)"), default="", show_default=False, err=True)
        note = click.prompt(_("Note (empty: none)"), default="", show_default=False, err=True)
        try:
            return Opinion(Verdict(verdict), tuple(part.strip() for part in reasons.split(",") if part.strip()), note)
        except SpytriageError as error:
            click.echo(f"{error.message} {error.hint}", err=True)


def _described(finding: RedactedFinding) -> str:
    from spytriage.report.arrange import shown
    from spytriage.report.texts import finding_text

    values = ", ".join(shown(indicator) for indicator in finding.indicators)
    parts = (finding_text(finding.id).title, str(finding.day or ""), finding.artefact, values)
    return " · ".join(part for part in parts if part)


# --- Side by side -------------------------------------------------------------------------------------------------


@group.command(
    "show",
    help=_(
        "Set reviews of one hand-off side by side: what each says of the whole and of each finding.\n\n"
        "A REVIEW is a folder that `spytriage review` wrote, or its review.json. One of another report is refused."
    ),
)
@click.argument("path", metavar="DIR|ZIP", type=PATH)
@click.argument("reviews", nargs=-1, required=True, metavar="REVIEW...", type=PATH)
@trust_options
@language_option()
def show(path: Path, reviews: tuple[Path, ...], key_files: tuple[Path, ...], trusted_files: tuple[Path, ...]) -> None:
    """Print the reviews."""
    from rich.console import Console

    keys = trusted_keys(key_files, trusted_files)
    verification, report = _reviewable(path, ())
    read = [_read(place, verification.files, report, keys) for place in reviews]
    _print_side_by_side(report, read, Console())


def _read(place: Path, files: Mapping[str, bytes], report: Report, keys: tuple[TrustedKey, ...]) -> tuple[Review, str]:
    """Return a review, and in words whether it is signed."""
    from spytriage.review import LARGEST_REVIEW, read_review

    try:
        with _file_of(place).open("rb") as handle:
            data = handle.read(LARGEST_REVIEW)
    except OSError as error:
        raise SpytriageError(
            _("The review cannot be read."), path=place, hint=_("Give a folder that `spytriage review` wrote.")
        ) from error
    try:
        review = read_review(data, files, report)
    except SpytriageError as error:
        raise SpytriageError(error.message, path=place, hint=error.hint) from error
    return review, _signed(place, data, review.signer, keys)


def _file_of(place: Path) -> Path:
    from spytriage.review import REVIEW

    return place / REVIEW if place.is_dir() else place


def _signed(place: Path, data: bytes, declared: str | None, keys: tuple[TrustedKey, ...]) -> str:
    from spytriage.signing import SIGNATURE_SUFFIX, key_id_of, verified_by

    file = _file_of(place)
    try:
        signature = file.with_name(file.name + SIGNATURE_SUFFIX).read_bytes()
    except OSError:
        return _("signature missing") if declared else _("not signed")
    if found := verified_by(signature, data, keys):
        return _("signed with key {key}").format(key=f"{found.id} ({found.label})")
    return _("signature not verified, key {key}").format(key=key_id_of(signature) or "?")


def _print_side_by_side(report: Report, reviews: list[tuple[Review, str]], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from spytriage.review import by_reference

    table = Table(show_lines=True)
    table.add_column(Text(_("Finding")))
    for number, (review, signed) in enumerate(reviews, start=1):
        table.add_column(Text(_("Review {number}").format(number=number) + f"\n{review.day}\n{signed}"))
    whole: list[Opinion | None] = [review.opinion for review, _signed in reviews]
    rows = [(_("The whole report: {outcome}").format(outcome=report.outcome), whole)]
    for reference, finding in by_reference(report).items():
        opinions = [review.findings.get(reference) for review, _signed in reviews]
        if any(opinions):
            rows.append((f"{reference} {_described(finding)}", opinions))
    for title, opinions in rows:
        table.add_row(Text(title), *(Text(_in_words(opinion)) for opinion in opinions))
    console.print(table)
    for number, (review, _signed) in enumerate(reviews, start=1):
        for question in review.questions:
            line = _("Review {number} asks for field {field} of finding {finding}.")
            console.print(Text(line.format(number=number, field=printable(question.field), finding=question.finding)))


def _in_words(opinion: Opinion | None) -> str:
    from spytriage.review.texts import phrase

    if opinion is None:
        return "–"
    lines = (phrase(opinion.verdict), ", ".join(opinion.reasons), printable(opinion.note, 4000))
    return "\n".join(line for line in lines if line)
