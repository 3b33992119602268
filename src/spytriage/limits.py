"""What a report must admit about itself."""

from __future__ import annotations

from collections.abc import Sequence

from spytriage.consent import Consent, Grant
from spytriage.models import CoverageState, IndicatorIndex, Limit, LimitId, ScanResult
from spytriage.source import Source

FULL_PEGASUS_SET = "pegasus"
FULL_PEGASUS_COUNT = 1549
"""Indicators in Amnesty International's published Pegasus set (2021-07-18_nso/pegasus.stix2, version of 2024)."""


def limits_of(
    result: ScanResult, index: IndicatorIndex, consent: Consent, source: Source, *, demo: bool
) -> tuple[Limit, ...]:
    """Say what a check could not do and what the reader of its report must know."""
    states = [module.state for module in result.modules]
    links = sum(module.shortened_links for module in result.modules)
    unusable = sum(len(indicator_set.unusable) for indicator_set in index.sets)
    gaps = sum(1 for state in states if state.is_gap)
    idle = states.count(CoverageState.EXTRACTED_ONLY)
    facts: Sequence[tuple[bool, Limit]] = (
        (demo, Limit(LimitId.DEMO)),
        (gaps > 0, Limit(LimitId.COVERAGE_GAPS, (("modules", gaps),))),
        *_about_sets(index),
        (unusable > 0, Limit(LimitId.UNUSABLE_INDICATORS, (("indicators", unusable),))),
        (links > 0, Limit(LimitId.SHORTENED_LINKS, (("links", links),))),
        (source.locked and result.copied_to_disk, Limit(LimitId.PLAINTEXT_ON_DISK)),
        (idle > 0, Limit(LimitId.MODULES_MATCH_NOTHING, (("modules", idle),))),
        *((True, Limit(limit)) for limit in source.limits),
        (Grant.SHARE_REDACTED not in consent.grants, Limit(LimitId.NO_SHARING_CONSENT)),
        (True, Limit(LimitId.OPERATOR_KNOWS)),
    )
    return tuple(limit for applies, limit in facts if applies)


def _about_sets(index: IndicatorIndex) -> tuple[tuple[bool, Limit], ...]:
    """Say when the full published Pegasus set was not used."""
    full = any(s.name == FULL_PEGASUS_SET and s.catalogued for s in index.sets)
    embedded_only = all(s.embedded for s in index.sets)
    embedded = sum(s.usable for s in index.sets)
    counts = (("embedded", embedded), ("full", FULL_PEGASUS_COUNT))
    return (
        (not full and embedded_only, Limit(LimitId.EMBEDDED_CORE_ONLY, counts)),
        (not full and not embedded_only, Limit(LimitId.FULL_PEGASUS_SET_MISSING)),
    )
