"""A facts file (YAML) → a STIX 2.1 bundle, the same bytes for the same facts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml

from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.indicators.bundle import value_problem
from spytriage.models import IndicatorType
from spytriage.stix_parts import PATHS

_NAMESPACE = uuid.UUID("565693f2-2282-4986-90f6-925ae1aa50b1")  # drawn once; another one would change every id
_Kind = TypeVar("_Kind")
_TYPES = {kind.value: kind for kind in IndicatorType}


@dataclass(frozen=True, slots=True)
class Fact:
    """One published value, and where it was published."""

    type: IndicatorType
    value: str
    source: dict[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a facts file says."""

    name: str
    title: str
    publisher: str
    family: str
    dated: date
    facts: tuple[Fact, ...]


def read_facts(path: Path) -> Facts:
    """Return what a facts file says (its format is described at the head of indicators/pegasus-core.yaml).

    Raises:
        SpytriageError: it cannot be read, is not YAML, or not of that format.
    """
    hint = _("See the head of indicators/pegasus-core.yaml for the format.")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SpytriageError(_("The facts file cannot be read as YAML."), path=path, hint=hint) from error
    try:
        facts = _facts(document)
    except _MisfitError as error:
        message = _("The facts file is not of the documented format at “{place}”: nothing is there, or something else.")
        more = _(
            "See the head of indicators/pegasus-core.yaml for the format. A number counts the entries of a list from "
            "one."
        )
        raise SpytriageError(message.format(place=error), path=path, hint=more) from error
    for fact in facts.facts:
        if problem := value_problem(fact.type, fact.value):
            message = _("The value %(value)r cannot be an indicator: %(reason)s.")
            raise SpytriageError(message % {"value": fact.value, "reason": problem}, path=path, hint=hint)
    return facts


class _MisfitError(Exception):
    """Something of a facts file is not of the format; says where, as in `indicators.2.type`."""


def _facts(document: Any) -> Facts:
    named = _part(document, "sources", dict)
    sources = {name: _source(named, name) for name in named}
    groups = _part(document, "indicators", list)
    facts = [fact for number in range(len(groups)) for fact in _group(groups, number, sources)]
    return Facts(
        name=_part(document, "name", str),
        title=_part(document, "title", str),
        publisher=_part(document, "publisher", str),
        family=_part(document, "family", str),
        dated=_part(document, "dated", date),
        facts=tuple(facts),
    )


def _part(holder: Any, key: str | int, kind: type[_Kind], *place: str) -> _Kind:
    """Return what stands at a key of a mapping or a list; it must be of exactly this kind, and not empty."""
    try:
        value = holder[key]
    except (LookupError, TypeError):
        value = None
    if type(value) is not kind or not value:
        raise _MisfitError(".".join((*place, str(key + 1 if isinstance(key, int) else key))))
    return value


def _one_of(known: Mapping[str, _Kind], row: dict[str, Any], key: str, *place: str) -> _Kind:
    name = _part(row, key, str, *place)
    if name not in known:
        raise _MisfitError(".".join((*place, key)))
    return known[name]


def _group(groups: list[Any], number: int, sources: dict[str, dict[str, str]]) -> list[Fact]:
    place = ("indicators", str(number + 1))
    row = _part(groups, number, dict, "indicators")
    source, kind = _one_of(sources, row, "source", *place), _one_of(_TYPES, row, "type", *place)
    values = _part(row, "values", list, *place)
    texts = [_part(values, nth, str, *place, "values") for nth in range(len(values))]
    return [Fact(kind, text, source) for text in texts]


def build_bundle(facts: Facts) -> bytes:
    """Return the bundle of a facts file as UTF-8 JSON: ids are UUIDv5, all times are the day of the facts."""
    import stix2  # noqa: PLC0415 (slow to import)

    stamp = f"{facts.dated.isoformat()}T00:00:00.000Z"
    identity = stix2.Identity(
        id=_ident("identity", facts.publisher), created=stamp, modified=stamp, name=facts.publisher,
        identity_class="organization",
    )  # fmt: skip
    common = {"created": stamp, "modified": stamp, "created_by_ref": identity.id}
    malware = stix2.Malware(
        id=_ident("malware", facts.family),
        name=facts.family,
        description=facts.title,
        is_family=True,
        **common,
    )
    objects = [identity, malware]
    for (kind, value), sources in _by_value(facts).items():
        indicator = stix2.Indicator(
            id=_ident("indicator", kind.value, value),
            pattern=pattern_of(kind, value),
            pattern_type="stix",
            valid_from=stamp,
            indicator_types=["malicious-activity"],
            external_references=[_reference(source) for source in sources],
            **common,
        )
        relationship = stix2.Relationship(
            id=_ident("relationship", indicator.id, malware.id),
            relationship_type="indicates",
            source_ref=indicator.id,
            target_ref=malware.id,
            **common,
        )
        objects += [indicator, relationship]
    bundle = stix2.Bundle(id=_ident("bundle", facts.name), objects=objects)
    return (json.dumps(json.loads(bundle.serialize()), indent=1, sort_keys=True) + "\n").encode()


def pattern_of(kind: IndicatorType, value: str) -> str:
    r"""Return the STIX pattern of one value.

    >>> pattern_of(IndicatorType.PROCESS, "o'hare")
    "[process:name = 'o\\'hare']"
    """
    key = "ipv6-addr:value" if kind is IndicatorType.IP_ADDRESS and ":" in value else PATHS[kind]
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{key} = '{escaped}']"


def _source(named: dict[str, Any], name: str) -> dict[str, str]:
    row = _part(named, name, dict, "sources")
    title = _part(row, "title", str, "sources", str(name))
    return {"title": title} | {key: str(text) for key, text in row.items()}


def _by_value(facts: Facts) -> dict[tuple[IndicatorType, str], list[dict[str, str]]]:
    values: dict[tuple[IndicatorType, str], list[dict[str, str]]] = {}
    for fact in facts.facts:
        values.setdefault((fact.type, fact.value), []).append(fact.source)
    return values


def _reference(source: dict[str, str]) -> dict[str, Any]:
    detail = ", ".join(f"{key} {source[key]}" for key in ("repository", "path", "commit", "licence") if key in source)
    reference = {"source_name": source["title"], "description": detail or source["title"]}
    return {**reference, "url": source["url"]} if "url" in source else reference


def _ident(kind: str, *parts: str) -> str:
    return f"{kind}--{uuid.uuid5(_NAMESPACE, chr(0).join((kind, *parts)))}"
