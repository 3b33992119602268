"""What a verification needs to know of the other stages, joined in one place: the counterpart of `pipeline`."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cache, partial
from pathlib import Path

from spytriage import __version__
from spytriage.evidence import open_sealed, read_identities
from spytriage.indicators.catalogue import catalogue
from spytriage.indicators.data import data_file
from spytriage.report import from_json, renderings, to_json, to_manifest
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
        unseal=partial(open_sealed, read_identities(identity)) if identity else None,
    )


@cache
def _known_sets() -> frozenset[str]:
    pinned = {entry.sha256 for entry in catalogue() if entry.sha256}
    shipped = {hashlib.sha256(data_file(name).read_bytes()).hexdigest() for name in _SHIPPED}
    return frozenset(pinned | shipped)
