"""What a verification needs to know of the other stages, joined in one place: the counterpart of `pipeline`."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from spytriage import __version__, observables
from spytriage.errors import SpytriageError
from spytriage.evidence import open_sealed, read_identities
from spytriage.handoff import EVIDENCE, OBSERVABLES, SKETCH
from spytriage.i18n import _
from spytriage.indicators.catalogue import catalogue
from spytriage.indicators.data import data_file
from spytriage.report import from_json, renderings, to_json, to_manifest
from spytriage.report.addendum import render_addendum
from spytriage.report.read import addendum_from_json
from spytriage.report.wire import SCHEMA_VERSION
from spytriage.review import Knowledge

_SHIPPED = ("pegasus-core.stix2", "demo.stix2")


def knowledge(today: date, identity: Path | None = None) -> Knowledge:
    """Return what this installation knows on that day (UTC).

    Args:
        today: the day.
        identity: file of a secret key that may open the sealed evidence.

    Raises:
        SpytriageError: the identity cannot be read.
    """
    return Knowledge(
        version=__version__,
        schema_version=SCHEMA_VERSION,
        today=today,
        known_sets=_known_sets(),
        read_report=from_json,
        write_report=to_json,
        renderings=renderings,
        manifest=to_manifest,
        read_addendum=addendum_from_json,
        write_addendum=render_addendum,
        unseal=_unsealing(read_identities(identity)) if identity else None,
    )


def _unsealing(identities: Sequence[Any]) -> Callable[[Mapping[str, bytes]], None]:
    """Return what opens every sealed file of a hand-off and makes sure that it belongs to the report."""

    def unseal(files: Mapping[str, bytes]) -> None:
        report = files["report.json"]
        digest = hashlib.sha256(report).hexdigest()
        if EVIDENCE in files:
            open_sealed(identities, files[EVIDENCE], report)
        try:
            if OBSERVABLES in files:
                deque(observables.open_observables(files[OBSERVABLES], identities, digest).observables, maxlen=0)
            if SKETCH in files:
                observables.open_sketch(files[SKETCH], identities, digest)
        except observables.ObservablesError as error:
            raise SpytriageError(
                _("The observables cannot be opened with this identity, or do not belong to this report."),
                hint=_("They were sealed for somebody else, or changed. Ask whoever sent them for whom they are."),
            ) from error

    return unseal


@cache
def _known_sets() -> frozenset[str]:
    pinned = {entry.sha256 for entry in catalogue() if entry.sha256}
    shipped = {hashlib.sha256(data_file(name).read_bytes()).hexdigest() for name in _SHIPPED}
    return frozenset(pinned | shipped)
