"""Where the published data of spytriage lies: the catalogue, the embedded sets, the shortener hosts."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "data"  # in a wheel
_CHECKOUT = Path(__file__).parents[3] / "indicators"  # in a source tree: a room of its own at the top


def data_file(name: str) -> Path:
    """Return the path of a data file, in an installed package or in a source checkout."""
    packaged = _PACKAGED / name
    return packaged if packaged.exists() else _CHECKOUT / name
