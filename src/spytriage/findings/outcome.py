"""What a check came to: the one rule, in one place."""

from __future__ import annotations

from collections.abc import Iterable

from spytriage.artefacts import artefact_of
from spytriage.finding_kinds import Level, Trace
from spytriage.models import CoverageState, Finding, ModuleCoverage, Outcome


def outcome(findings: Iterable[Finding], modules: Iterable[ModuleCoverage]) -> Outcome:
    """Return the outcome of a check.

    A published indicator makes it a match. A documented anomaly of level medium or above makes it suspicious. With
    neither, it is `no-match` only when everything that should have been checked was, and something was checked that
    can carry an indicator.
    """
    findings, modules = tuple(findings), tuple(modules)
    if any(finding.alert.match and not finding.alert.match.rule.is_loose for finding in findings):
        return Outcome.MATCH
    if any(f.trace is Trace.ANOMALY and f.level.rank >= Level.MEDIUM.rank for f in findings):
        return Outcome.SUSPICIOUS
    checked_something = any(
        module.state is CoverageState.CHECKED and artefact_of(module.name).carries_indicators for module in modules
    )
    if not checked_something or any(module.state.is_gap for module in modules):
        return Outcome.INCONCLUSIVE
    return Outcome.NO_MATCH
