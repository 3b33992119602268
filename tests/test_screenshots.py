"""The pictures of the docs can be made, show something, and are small."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests import screenshots

ROOT = Path(__file__).parents[1]
NAMES = {picture.name for picture in screenshots.PICTURES} | {screenshots.PRINTED}


@pytest.mark.slow
@pytest.mark.skipif(
    screenshots.CHROMIUM is None or shutil.which("pdftoppm") is None,
    reason="needs Chromium and pdftoppm (Debian: apt-get install chromium poppler-utils)",
)
def test_every_picture_can_be_made_and_is_not_blank(tmp_path: Path) -> None:
    from PIL import Image

    made = screenshots.make(tmp_path)
    assert {path.stem for path in made} == NAMES
    for path in made:
        assert path.stat().st_size <= screenshots.LARGEST, path.name
        with Image.open(path) as image:
            grey = image.convert("L")
            assert min(grey.size) >= 250, path.name
            darkest, lightest = grey.getextrema()
            assert lightest - darkest > 150, path.name
            ink = sum(count for shade, count in enumerate(grey.histogram()) if abs(shade - grey.getpixel((2, 2))) > 60)
            assert 0.005 < ink / (grey.width * grey.height) < 0.6, path.name


def test_the_docs_show_every_picture_and_no_other() -> None:
    kept = {path.stem for path in (ROOT / "docs" / "images").glob("*.png")}
    assert kept == NAMES
    for page in ("docs/reference/report.md", "docs/es/reference/report.md"):
        shown = re.findall(r"images/([\w-]+)\.png", (ROOT / page).read_text("utf-8"))
        assert set(shown) == NAMES, page
    assert "docs/images/demo-report.png" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_picture_of_the_docs_is_small(name: str) -> None:
    assert (ROOT / "docs" / "images" / f"{name}.png").stat().st_size <= screenshots.LARGEST
