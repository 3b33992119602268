"""Reads YAML of plain types: what ships with spytriage."""

from __future__ import annotations

from typing import Any


def loaded(text: str | bytes) -> Any:
    """Return what YAML says, in plain types.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    import yaml  # noqa: PLC0415 (start-up stays fast)

    # libyaml, which PyYAML is not always built with, is ten times faster.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)
