"""Keyed pseudonyms: the same person is the same word within a case, and nothing links two cases."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass

from spytriage.models import Pseudonym, PseudonymKind

_CODE_LENGTH = 6  # 30 bits: enough to tell the contacts of one case apart
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class CaseKey:
    """The random 256-bit key of one case. It is never written in clear; without it no pseudonym can be tried."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise ValueError("a case key has 32 bytes")

    def __repr__(self) -> str:
        return "CaseKey(…)"

    @classmethod
    def new(cls) -> CaseKey:
        """Make the key of a new case."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    def digest(self, purpose: str, value: bytes) -> bytes:
        """Return HMAC-SHA-256 of a value, apart for each purpose."""
        return hmac.digest(self.secret, purpose.encode() + b"\x00" + value, "sha256")

    def pseudonym(self, kind: PseudonymKind, value: object) -> Pseudonym:
        """Return the pseudonym of a value of the phone."""
        digest = self.digest(kind.value, _normalised(kind, str(value)).encode("utf-8", "surrogatepass"))
        return Pseudonym(kind, base64.b32encode(digest).decode("ascii")[:_CODE_LENGTH])


def _normalised(kind: PseudonymKind, value: str) -> str:
    """Write one person's number in one way: iMessage keeps +1 202 555 0100, WhatsApp 12025550100@s.whatsapp.net."""
    text = value.strip().casefold()
    if kind in {PseudonymKind.CONTACT, PseudonymKind.ACCOUNT}:
        text = text.removesuffix("@s.whatsapp.net").removeprefix("p:").removeprefix("e:")
        if re.fullmatch(r"\+?[\d\s().-]{5,}", text):
            return re.sub(r"\D", "", text)
    return text
