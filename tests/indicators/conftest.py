from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.indicators.oracle import MvtOracle

from spytriage.indicators.build import pattern_of
from spytriage.models import IndicatorType

SHARED = Path(__file__).parents[3] / "shared" / "indicators"


@pytest.fixture(scope="session")
def shared_bundles() -> list[Path]:
    """The sixteen published bundles that lie beside the checkout."""
    bundles = sorted(SHARED.glob("*.stix2"))
    if len(bundles) != 16:
        pytest.skip("the published bundles of ../shared/indicators are not here")
    return bundles


@pytest.fixture(scope="session")
def mvt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MvtOracle]:
    oracle = MvtOracle(tmp_path_factory.mktemp("mvt"))
    yield oracle
    oracle.close()


def ident(kind: str, number: int) -> str:
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


def indicator(pattern: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": ident("indicator", number), "pattern": pattern,
        "pattern_type": "stix", "created": "2024-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z",
        "valid_from": "2024-01-01T00:00:00Z", **more,
    }  # fmt: skip


def bundle_of(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"type": "bundle", "id": ident("bundle", 1), "objects": list(objects)}


def bundle_with(values: list[tuple[IndicatorType, str]]) -> dict[str, Any]:
    return bundle_of(*(indicator(pattern_of(kind, value), number) for number, (kind, value) in enumerate(values)))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle (as an object or as raw bytes) to a file."""

    def _write(content: dict[str, Any] | bytes | str, name: str = "made.stix2") -> Path:
        path = tmp_path / name
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write
