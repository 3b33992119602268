"""Reads YAML: what ships with spytriage, and what somebody wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def loaded(text: str | bytes) -> Any:
    """Return what YAML says, in plain types.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    import yaml  # noqa: PLC0415 (start-up stays fast)

    # libyaml, which PyYAML is not always built with, is ten times faster.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)


def texts_in(path: Path, most: int) -> Any:
    """Return what the first `most` bytes of a YAML file say that anybody may have written: texts, lists, mappings.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML.
    """
    import yaml  # noqa: PLC0415

    try:
        with path.open("rb") as handle:
            # The base loader knows no tags and no merging: nothing in a forged file makes it work or fail.
            return yaml.load(handle.read(most), yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("not YAML") from error
