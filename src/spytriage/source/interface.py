"""What the source stage hands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spytriage.models import LimitId


@dataclass(frozen=True, slots=True)
class Device:
    """What the acquisition says of the phone. Raw: only redaction may use it."""

    product_type: str  # such as "iPhone14,5" or "Android Pixel 8"; "" when it is not told
    os_version: str  # such as "17.4.1"; "" when it is not told
    identifier: str  # UDID or serial number; "" when it is not told


@dataclass(frozen=True, slots=True)
class Source:
    """One acquisition, recognised."""

    kind: str  # "ios-backup", "androidqf", ...: see spytriage.source
    path: Path  # absolute; a folder or an archive
    encrypted: bool  # was made encrypted
    locked: bool  # and is not a copy that somebody has decrypted: keys are needed
    device: Device
    digest: bytes  # SHA-256 over the files that identify it; raw, a report carries it keyed
    root: str = ""  # where in an archive the acquisition begins: "" or "a/b/"
    limits: tuple[LimitId, ...] = ()  # what a report of this kind must admit
