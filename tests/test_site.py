"""The site that `make docs` builds: from each page the other language can be reached, and nobody else is asked."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="needs zensical (requirements-dev.lock)")
def test_the_site_leads_from_language_to_language_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("zensical.toml", "zensical.es.toml"):
        shutil.copy(ROOT / name, tmp_path)
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= len(list((ROOT / "docs").rglob("*.md")))
    fronts = {"en": tmp_path / "site" / "index.html", "es": tmp_path / "site" / "es" / "index.html"}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', text) == [], page
        if page.name == "404.html":  # served from any place, so its links are absolute
            continue
        switch = re.findall(r'<a href="([^"]*)" hreflang="(\w+)"', text)
        led = {language: Path(os.path.normpath(page.parent / link)) for link, language in switch}
        assert led == fronts, page
