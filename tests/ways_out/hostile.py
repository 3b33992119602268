"""Reports that hold an attacker's text wherever a report can hold text at all."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

from tests.report import samples
from tests.ways_out.vectors import places, put

from spytriage.errors import SpytriageError
from spytriage.models import IndicatorType, Outcome, Report, UnusableIndicator
from spytriage.report import from_json, to_json


@cache
def of_a_set(text: str) -> Report:
    """Return a report of a match with a set whose publisher wrote the text everywhere."""
    findings = [
        samples.finding(samples.FindingId.LINK_RECEIVED, "SMS", samples.indicator(kind, text, set=text, family=text))
        for kind in IndicatorType
    ]
    unusable = (UnusableIndicator(text, text, text),)
    loaded = replace(samples.CORE, name=text, title=text, publisher=text, families=(text,), unusable=unusable)
    return samples.report(Outcome.MATCH, findings, sets=(loaded,))


@cache
def _honest() -> tuple[str, tuple[tuple[object, ...], ...]]:
    found = samples.FINDINGS[:2]
    limits = (samples.CORE_ONLY,)
    report = samples.report(Outcome.MATCH, found, limits, modules=samples.modules(gaps=True)[-13:-9])
    data = to_json(report).decode()
    return data, tuple(places(json.loads(data)))


@cache
def forged(text: str) -> Report:
    """Return a report that somebody wrote by hand, with the text in every place where it is still read as a report."""
    data, where = _honest()
    document = json.loads(data)
    accepted = from_json(data.encode())
    for place in where:
        before = json.dumps(document)
        put(document, place, text)
        try:
            accepted = from_json(json.dumps(document).encode())
        except SpytriageError:
            document = json.loads(before)
    return accepted
