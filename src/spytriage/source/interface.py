"""What the source stage hands on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Device:
    """What the acquisition says of the phone. Raw: only redaction may use it."""

    product_type: str  # such as "iPhone14,5"; "" when it is not told
    os_version: str  # such as "17.4.1"; "" when it is not told
    identifier: str  # UDID; "" when it is not told


@dataclass(frozen=True, slots=True)
class Source:
    """One acquisition, recognised."""

    kind: str  # "ios-backup"
    path: Path  # absolute
    encrypted: bool  # was made encrypted
    locked: bool  # and is not a copy that somebody has decrypted: keys are needed
    device: Device
    digest: bytes  # SHA-256 over the files that identify it; raw, a report carries it keyed
