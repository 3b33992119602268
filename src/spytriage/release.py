"""Lets a report go: renders it, has the tripwire read it, seals the evidence, writes the folder.

The counterpart of `pipeline` at the other end: it joins redaction and report, which do not know each other. Nothing is
written unless the tripwire has let everything pass.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage import custody, evidence, observables
from spytriage.artefacts import artefact_of
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import KINDS, FindingId, Level
from spytriage.handoff import CUSTODY, EVIDENCE
from spytriage.i18n import _, every_message
from spytriage.jsontext import canonical, readable
from spytriage.models import (
    CodeName,
    Commitment,
    Fact,
    Finding,
    Indicator,
    Kept,
    MatchRule,
    Pseudonym,
    PseudonymKind,
    RedactedFinding,
    Report,
    Term,
    TimePrecision,
)
from spytriage.redaction import Policy
from spytriage.redaction.tripwire import Secret, Tripwire, secrets_of
from spytriage.report import RENDERERS, render, write_report
from spytriage.report.help_lines import help_lines

if TYPE_CHECKING:
    from spytriage.pipeline import Check, Examined
    from spytriage.signing import Signer

_NO_DIGEST = "0" * 64
_EXCEPTION_NAME = re.compile(r"[A-Za-z]+(Error|Exception|Warning|Exit)")


def release(
    request: Check, examined: Examined, folder: Path, signer: Signer | None = None, *, on_terminal: bool = True
) -> tuple[Report, tuple[Path, ...]]:
    """Write the report of a check, with evidence and signature when they were asked for.

    Args:
        request: what was asked for.
        examined: what came of it.
        folder: where to write to.
        signer: signs the report.
        on_terminal: whether the terminal will show a summary, too.

    Returns:
        The report as it was written (with commitments, when evidence was sealed) and its files, report.json first.

    Raises:
        SpytriageError: the tripwire stopped it, or it cannot be written. Nothing is left behind then.
    """
    report, seal = _sealed(request, examined)
    _require_published(report, request)
    tripwire = _tripwire(request, examined, report)

    def inspect(outputs: Mapping[str, bytes]) -> None:
        known = replace(tripwire, digests=tripwire.digests | _of_custody(outputs[CUSTODY]))
        known.inspect({**outputs, **_everywhere_else(report, on_terminal=on_terminal)})

    return report, write_report(report, request.index.objects, folder, inspect=inspect, seal=seal, signer=signer)


def _of_custody(log: bytes) -> set[str]:
    """Return the digests of a chain of custody, which follow from its own words (`custody.read` makes sure)."""
    custody.read(log)
    lines = [json.loads(line) for line in log.splitlines()]
    return {line[name] for line in lines for name in ("digest", "above")}


def _everywhere_else(report: Report, *, on_terminal: bool = True) -> dict[str, bytes]:
    """Return what is not written with the report, but shown, or made of it later by `spytriage report render`."""
    shown = {"terminal": _on_terminal(report)} if on_terminal else {}
    return shown | {f"report.{name}": RENDERERS[name](report) for name in ("md", "csv", "timesketch", "jsonl")}


_Seal = Callable[[bytes], dict[str, bytes]]


def _sealed(request: Check, examined: Examined) -> tuple[Report, _Seal | None]:
    """Return the report with commitments to its evidence, and what seals what is to be sealed, if anything is."""
    report, kept, seal = examined.report, examined.kept, None
    if request.recipients and request.consent.allows_sealing:
        report, seal = _with_evidence(request, examined, request.recipients)
    if request.recipients is None or kept is None:
        return report, seal
    return report, _also_observables(seal, kept, request.recipients)


def _also_observables(seal: _Seal | None, kept: Kept, recipients: evidence.Recipients) -> _Seal:
    from spytriage.indicators.kept import keys_of_value

    def seal_both(report_json: bytes) -> dict[str, bytes]:
        files = seal(report_json) if seal else {}
        return files | observables.seal(kept, keys_of_value, report_json, recipients)

    return seal_both


def _with_evidence(request: Check, examined: Examined, recipients: evidence.Recipients) -> tuple[Report, _Seal]:
    report = examined.report
    raw = evidence.collect(examined.behind, lambda name: request.policy.rules_for(name).keys(), request.key.secret)
    promised = {sealed.ref: evidence.commitments(sealed) for sealed in raw.findings}
    committed = replace(
        report,
        findings=tuple(replace(finding, commitments=promised[f"F{finding.ref}"]) for finding in report.findings),
        redaction=replace(report.redaction, recipients=recipients.count),
    )
    return committed, lambda report_json: {EVIDENCE: evidence.seal(raw, report_json, recipients)}


def _require_published(report: Report, request: Check) -> None:
    """Make sure that every indicator shown is one of the loaded sets.

    Raises:
        SpytriageError: one is not, whatever made it so.
    """
    shown = {indicator.key: indicator for finding in report.findings for indicator in finding.indicators}
    published = {indicator.key: indicator for indicator in request.index.indicators if indicator.key in shown}
    if shown != published or report.sets != request.index.sets:
        raise SpytriageError(
            _("The report was stopped: it would show as published what no loaded set holds."),
            hint=_("Nothing was written. This is a fault of spytriage: report this message."),
        )


def _tripwire(request: Check, examined: Examined, report: Report) -> Tripwire:
    findings = [finding for raw in examined.behind.values() for finding in raw]
    shown = {indicator.key: indicator for finding in report.findings for indicator in finding.indicators}
    return Tripwire.make(
        itertools.chain(secrets_of(findings, request.policy), _about_this_machine(request, examined)),
        published=_published(shown.values(), report, request),
        fixed=_own_words(request, findings, report),
        digests=[
            *(loaded.sha256 for loaded in report.sets),
            report.redaction.policy_sha256,
            report.source.digest or "",
            *(commitment.sha256 for finding in report.findings for commitment in finding.commitments),
        ],
    )


def _on_terminal(report: Report) -> bytes:
    """Return what the terminal will show; but for where the report lies, which only its owner sees."""
    from rich.console import Console

    from spytriage.report.terminal import print_summary

    text = io.StringIO()
    print_summary(report, None, Console(file=text, width=100, color_system=None))
    return text.getvalue().encode("utf-8", "replace")


def _about_this_machine(request: Check, examined: Examined) -> Iterator[Secret]:
    """Yield what identifies the phone and the machine beside the records: metadata that reports have leaked before."""
    device = examined.source.device
    yield Secret("source.identifier", device.identifier)
    yield Secret("source.product_type", device.product_type)
    yield Secret("run.path", str(request.path))
    yield Secret("run.path", str(examined.source.path))
    yield Secret("run.home", os.path.expanduser("~"))  # noqa: PTH111 (Path.home raises where there is none)
    yield Secret("run.user", os.environ.get("USER", ""))
    yield Secret("run.host", socket.gethostname())


def _published(shown: Iterable[Indicator], report: Report, request: Check) -> Iterator[str]:
    """Yield what anybody can read in the sets, as far as the report quotes it."""
    for indicator in shown:
        yield indicator.value
        for claim in indicator.attributions:
            yield from (claim.set, claim.family, claim.object_id)
            yield canonical(request.index.objects.get(claim.object_id, {})).decode()
            yield readable(request.index.objects.get(claim.object_id, {})).decode()
    for loaded in report.sets:
        yield from (loaded.name, loaded.title, loaded.publisher, *loaded.families)
        for unusable in loaded.unusable:
            yield from (unusable.object_id, unusable.pattern, unusable.reason)


def _days(findings: Iterable[Finding], policy: Policy) -> Iterator[str]:
    """Yield the days (and times, where the policy shows them) that a report may show, as each format says them."""
    times = {finding.at for finding in findings if finding.at}
    for day in sorted({day for day in map(policy.day, times) if day}):
        yield f'"{day}" >{day}< ({day}) {day} – {day}T00:00:00.000Z" – {day}< ,{day}, {day} {day}'
    if policy.time is TimePrecision.EXACT:
        for at in sorted(times):
            yield f'"{at:%H:%M:%S}" >{at:%Y-%m-%d</time> %H:%M:%S} UTC'


# --- The report's own words -------------------------------------------------------------------------------------


def _own_words(request: Check, findings: Sequence[Finding], report: Report) -> Iterator[str | bytes]:
    """Yield what a report says that no record of the phone went into; what costs least to make comes first."""
    contacts = (line.contact for line in help_lines())
    labels = (artefact_of(module).label for module in request.policy.modules)
    fields = (field for module in request.policy.modules for field in request.policy.rules_for(module))
    codes = (f' "{word}"' for word in dict.fromkeys((*MatchRule, *Fact, *Term, *labels, *fields)))  # as report.json has
    yield "\n".join((*_days(findings, request.policy), *contacts, *codes))
    yield "\n".join(every_message())
    reference = _reference(report, request.policy)
    yield from _everywhere_else(reference).values()
    yield from render(reference, request.index.objects).values()


def _reference(report: Report, policy: Policy) -> Report:
    """Return a report like this one that no record of the phone went into, but every word that a report can say."""
    first = next((i for finding in report.findings for i in finding.indicators), None)
    modules = [
        replace(module, detail=module.detail if _EXCEPTION_NAME.fullmatch(module.detail) else "")
        for module in report.modules
        if module.name in policy.modules
    ]
    return replace(
        report,
        findings=tuple(_every_word(policy, (first,) if first else ())),
        modules=tuple(modules),
        source=replace(report.source, device=None, digest=None),
    )


def _every_word(policy: Policy, indicators: tuple[Indicator, ...]) -> Iterator[RedactedFinding]:
    # A loose match is no sighting: each module comes with a firm one, so that report.stix2 says its artefact too.
    loose = [rule for rule in MatchRule if rule.is_loose]
    firm = [rule for rule in MatchRule if not rule.is_loose]
    rules = itertools.chain(itertools.islice(itertools.cycle(firm), len(policy.modules)), loose)
    kinds, levels = itertools.cycle(FindingId), itertools.cycle(Level)
    terms = itertools.cycle([*Term, True, False, 1])
    pseudonyms = tuple(Pseudonym(kind, "AAAAAA") for kind in PseudonymKind)
    modules = itertools.cycle(policy.modules)
    for number, (module, rule) in enumerate(zip(modules, rules, strict=False), start=1):
        kind = next(kinds)
        yield RedactedFinding(
            id=kind,
            trace=KINDS[kind].trace,
            level=next(levels),
            mvt_level=next(levels),
            module=CodeName(module),
            artefact=CodeName(artefact_of(module).label),
            rule=rule,
            indicators=indicators,
            day=None,
            cluster=number,
            offset_seconds=number,
            count=1 + number % 2,
            facts=tuple((fact, next(terms)) for fact in Fact),
            pseudonyms=pseudonyms,
            withheld=(CodeName("message"), *policy.rules_for(module)),
            withheld_unlisted=number % 3,
            artefacts=1,
            indicator_types=1,
            ref=number,
            commitments=tuple(
                Commitment(CodeName(name), _NO_DIGEST) for name in evidence.names(policy.rules_for(module))
            ),
        )
