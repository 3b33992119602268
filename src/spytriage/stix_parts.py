"""What every STIX bundle of spytriage is made of: ids, times, the marking, the identity that names nobody.

Sources: STIX 2.1 (OASIS, 2021); the markings are those that OASIS published for TLP 2.0 in October 2022.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from spytriage.models import IndicatorType, Tlp

TLP_MARKINGS = {
    Tlp.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}

PATHS = {
    IndicatorType.DOMAIN: "domain-name:value",
    IndicatorType.IP_ADDRESS: "ipv4-addr:value",
    IndicatorType.URL: "url:value",
    IndicatorType.PROCESS: "process:name",
    IndicatorType.EMAIL: "email-addr:value",
    IndicatorType.FILE_NAME: "file:name",
    IndicatorType.FILE_PATH: "file:path",
    IndicatorType.FILE_MD5: "file:hashes.MD5",
    IndicatorType.FILE_SHA1: "file:hashes.'SHA-1'",
    IndicatorType.FILE_SHA256: "file:hashes.'SHA-256'",
    IndicatorType.APP_ID: "app:id",
    IndicatorType.APP_CERTIFICATE: "app:cert.sha256",
    IndicatorType.CONFIGURATION_PROFILE: "configuration-profile:id",
    IndicatorType.ANDROID_PROPERTY: "android-property:name",
}
"""What an indicator of each type compares, as published sets of spyware write it; an IPv6 address has its own."""

_NAMESPACE = uuid.UUID("6d2f5d39-2f3f-4d3c-9a3a-0c3d1b3a4a52")  # made once at random, for our name-based ids


def stix_id(kind: str, content: str) -> str:
    """Return an id that is the same for the same content."""
    return f"{kind}--{uuid.uuid5(_NAMESPACE, kind + ' ' + content.encode('utf-8', 'replace').decode())}"


def instant(day: date) -> str:
    """Return the beginning of a day as STIX writes it."""
    return f"{day.isoformat()}T00:00:00.000Z"


def marking(level: Tlp) -> dict[str, Any]:
    """Return the marking definition of a level."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_MARKINGS[level],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{level.value.upper()}",
        "extensions": {
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension",
                "tlp_2_0": level.value,
            }
        },
    }


def identity(role: str, name: str, level: Tlp) -> dict[str, Any]:
    """Return the identity of whoever wrote a bundle: a role, never a person.

    It is the same object in every bundle of that level, so its times must not change either.
    """
    made = "2026-01-01T00:00:00.000Z"
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": stix_id("identity", f"spytriage {role} {level}"),
        "created": made,
        "modified": made,
        "name": name,
        "identity_class": "unknown",
        "object_marking_refs": [TLP_MARKINGS[level]],
    }


def common_properties(day: date, author: dict[str, Any]) -> dict[str, Any]:
    """Return the properties that all objects of one bundle share."""
    return {
        "created": instant(day),
        "modified": instant(day),
        "created_by_ref": author["id"],
        "object_marking_refs": author["object_marking_refs"],
    }


def beginning(kind: str, content: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an object of a bundle begins with: its kind, an id made from `content`, the common properties."""
    return {"type": kind, "spec_version": "2.1", "id": stix_id(kind, content), **common}
