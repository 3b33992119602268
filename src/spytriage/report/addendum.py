"""An addendum to a report: what newer indicators say of a phone that is not there any more.

addendum.json (`schema/addendum-1.json` documents every field), the same as a page and as Markdown, and a manifest with
their digests, which is signed. Like a report it is made of redacted findings and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from spytriage.artefacts import artefact_of
from spytriage.handoff import ADDENDUM, ADDENDUM_PAGE, ADDENDUM_TEXT, MANIFEST, SIGNATURE, listed, signed_comment
from spytriage.i18n import _, deferred, ngettext
from spytriage.jsontext import canonical, readable
from spytriage.models import Addendum, Depth, MatchRule, RedactedFinding
from spytriage.report import texts
from spytriage.report.arrange import Group, can_be_right, grouped, in_order
from spytriage.report.html import render_page
from spytriage.report.markdown import heading, observation, plain
from spytriage.report.read import ADDENDUM_VERSION, addendum_from_json
from spytriage.report.said import Said, in_each_language
from spytriage.report.wire import finding_entry, module_entry, set_entry
from spytriage.signing import Signer

_OF_A_FINDING = ("ref", "id", "trace", "level", "module", "artefact", "day", "count", "rule", "indicators", "benign")
_OF_A_SET = ("name", "title", "publisher", "sha256", "total", "usable", "catalogued")


def render_addendum(addendum: Addendum, signer_id: str | None) -> dict[str, bytes]:
    """Return the files of an addendum by name, in the current language, with their manifest last.

    Args:
        addendum: what to say.
        signer_id: of the key that the manifest will be signed with (`sign_addendum`).
    """
    # All files are made of what addendum.json can say, so that whoever has it can make the others again and compare.
    told = addendum_from_json(readable(document(addendum, signer_id)), addendum.report)
    files = {
        ADDENDUM: readable(document(told, signer_id)),
        ADDENDUM_PAGE: _to_html(told),
        ADDENDUM_TEXT: "\n".join(_to_markdown(told)).encode() + b"\n",
    }
    return files | {MANIFEST: _manifest(told, files, signer_id)}


def _manifest(addendum: Addendum, files: Mapping[str, bytes], signer_id: str | None) -> bytes:
    return canonical({
        "addendum_version": ADDENDUM_VERSION,
        "report_sha256": addendum.report_sha256,
        "outcome": addendum.outcome.value,
        "files": listed(files),
        "signer": signer_id,
    })  # fmt: skip


def sign_addendum(files: dict[str, bytes], signer: Signer, day: date) -> dict[str, bytes]:
    """Return the files of an addendum with the signature of their manifest."""
    return files | {SIGNATURE: signer.sign(files[MANIFEST], signed_comment(files[MANIFEST], day))}


def document(addendum: Addendum, signer_id: str | None) -> dict[str, Any]:
    """Return the content of addendum.json as plain JSON types, keys in the order of the file."""
    report = addendum.report
    return {
        "addendum_version": ADDENDUM_VERSION,
        "outcome": addendum.outcome.value,
        "demo": report.demo,
        "report": {
            "sha256": addendum.report_sha256,
            "outcome": report.outcome.value,
            "checked_on": report.tool.checked_on.isoformat(),
            "version": report.tool.version,
        },
        "new": _findings(addendum.new),
        "still_there": _findings(addendum.still_there),
        "withdrawn": _findings(addendum.withdrawn),
        "not_rechecked": {
            "depth": addendum.depth.value,
            "rules": [rule.value for rule in addendum.not_kept_for],
            "modules": [
                {name: module_entry(module)[name] for name in ("name", "artefact", "state", "reason")}
                for module in addendum.gaps
            ],
            "left_out": [
                {"name": name, "artefact": artefact_of(name).label, "count": count} for name, count in addendum.left_out
            ],
        },
        "indicators": {
            "sets": [{name: set_entry(loaded)[name] for name in _OF_A_SET} for loaded in addendum.sets],
            "earlier_sets": sorted({loaded.sha256 for loaded in report.sets}),
        },
        "tool": {
            "name": "spytriage",
            "version": addendum.version,
            "rechecked_on": addendum.rechecked_on.isoformat(),
        },
        "tlp": report.tlp.value,
        "signer": signer_id,
    }


def _findings(findings: tuple[RedactedFinding, ...]) -> list[dict[str, Any]]:
    entries = (finding_entry(finding) for finding in in_order(findings))
    return [{name: entry[name] for name in _OF_A_FINDING} for entry in entries]


_MOST = 200  # findings of a kind, and indicators of a finding, that the page shows

# --- For people ---------------------------------------------------------------------------------------------------

_MATCH = deferred("Newer indicators match what was on the phone when it was checked")
_NO_MATCH = deferred("Newer indicators add no match, as far as they could be compared")
_RULES = {
    MatchRule.LOOSE_URL_TEXT: deferred(
        "Text that is no web address is not kept: newer domains that may stand somewhere in it were not looked for."
    ),
}
_DEPTHS = {
    Depth.OBSERVABLES: deferred("Everything that was kept of the check was compared with the newer indicators."),
    Depth.KEYS: deferred(
        "What was kept of the check has nothing in common with the newer indicators, so it was not opened any further."
    ),
    Depth.SETS: deferred("The newer sets hold no indicator that the check did not look for already."),
    Depth.REPORT: deferred(
        "Nothing was kept of the check: only its findings could be compared. What newer indicators would have found"
        " is not known."
    ),
}
_ALWAYS = (
    deferred("The phone itself was not looked at again: nothing that happened on it after the check is known here."),
    deferred("Anomalies without an indicator stand in the report only."),
    deferred("Of web addresses, only the host can be compared where an indicator is no exact address."),
)


def headline(addendum: Addendum) -> str:
    """Return what comes first."""
    return _(_MATCH if addendum.matches else _NO_MATCH)


def limits(addendum: Addendum) -> Iterator[str]:
    """Yield what could not be rechecked, and what a recheck cannot tell, a sentence each."""
    yield _(_DEPTHS[addendum.depth])
    yield from map(_, _ALWAYS)
    yield from (_(_RULES[rule]) for rule in addendum.not_kept_for)
    for module in addendum.gaps:
        yield _(
            "{artefact}: the check did not read it, or not to its end. What was not read could not be kept."
        ).format(artefact=artefact_of(module.name).label)
    for name, count in addendum.left_out:
        text = ngettext(
            "{artefact}: {count} value was more than is kept, and is not compared.",
            "{artefact}: {count} values were more than is kept, and are not compared.",
            count,
        )
        yield text.format(artefact=artefact_of(name).label, count=count)


def sections(addendum: Addendum) -> tuple[tuple[str, tuple[RedactedFinding, ...], str], ...]:
    """Return heading, findings, and what to say when there are none."""
    return (
        (_("New"), addendum.new, _("Nothing new was found.")),
        (_("Still there"), addendum.still_there, _("No finding of the report names an indicator of the newer sets.")),
        (
            _("Withdrawn since"),
            addendum.withdrawn,
            _("No indicator that a finding of the report names was withdrawn."),
        ),
    )


def _to_html(addendum: Addendum) -> bytes:
    return render_page(
        "addendum.html.jinja",
        addendum=addendum,
        report=addendum.report,
        headline=in_each_language(headline, addendum),
        outcome=in_each_language(texts.outcome_texts, addendum.outcome, addendum.report.source),
        sections=_sections_in_each_language(addendum),
        limits=in_each_language(lambda: tuple(limits(addendum))),
        most=_MOST,
        can_be_right=partial(can_be_right, checked_on=addendum.rechecked_on),
    )


def _sections_in_each_language(addendum: Addendum) -> list[tuple[Said, Sequence[Group], Said]]:
    titles = in_each_language(lambda: tuple(title for title, _findings, _nothing in sections(addendum)))
    nothing = in_each_language(lambda: tuple(said for _title, _findings, said in sections(addendum)))
    groups = [grouped(findings) for _title, findings, _nothing in sections(addendum)]
    return list(zip(titles, groups, nothing, strict=True))


def _to_markdown(addendum: Addendum) -> Iterator[str]:
    """Yield the addendum in the person's language."""
    report = addendum.report
    words = texts.outcome_texts(addendum.outcome, report.source)
    yield f"# {headline(addendum)}"
    yield ""
    yield _("Outcome") + f": `{addendum.outcome}` · TLP:{report.tlp.upper()} · {addendum.rechecked_on}"
    yield ""
    yield _("Addendum to the report of {day}, SHA-256 of its report.json:").format(day=report.tool.checked_on) + (
        f" `{addendum.report_sha256}`"
    )
    yield ""
    yield words.not_meaning
    yield heading(_("What to do now"))
    for number, step in enumerate(words.next_steps, start=1):
        yield f"{number}. {step}"
    for title, findings, nothing in sections(addendum):
        yield heading(title)
        if not findings:
            yield nothing
        for group in grouped(findings):
            text = texts.finding_text(group.id)
            yield f"### {text.title}\n"
            yield f"`{group.trace}` `{group.id}`\n"
            yield text.meaning + "\n"
            for finding in group.findings:
                yield f"- {observation(finding, addendum.rechecked_on)}"
            yield ""
    yield heading(_("What could not be rechecked"))
    for sentence in limits(addendum):
        yield f"- {sentence}"
    yield heading(_("Indicator sets"))
    for loaded in addendum.sets:
        yield f"- {plain(loaded.title)} ({plain(loaded.publisher)}): SHA-256 `{plain(loaded.sha256)}`"
    yield ""
    yield _("Made by a program. Nobody has reviewed it unless a review comes with it.")
