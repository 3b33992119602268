"""The tree keeps its shape: stages do not know each other, and the program starts fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "spytriage"
STAGES = ("source", "indicators", "scan", "findings", "redaction", "report", "review")
SHARED = {
    "archives", "models", "errors", "finding_kinds", "artefacts", "i18n", "text", "jsontext", "yamltext", "atomic",
    "custody", "evidence", "handoff", "observables", "pages", "signing", "statements", "stix_parts", "undo",
}  # fmt: skip
COMPOSERS = {
    "batch.py", "forget.py", "pipeline.py", "release.py", "verification.py", "recheck.py", "worker.py", "doctor.py",
    "limits.py", "__main__.py",
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    """The modules of spytriage that a file imports, by the first part of their name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "spytriage" and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_the_shared_vocabulary_and_itself_only(stage: str) -> None:
    for path in (ROOT / stage).rglob("*.py"):
        assert imports_of(path) <= SHARED | {stage}, path.relative_to(ROOT)


def test_the_shared_vocabulary_imports_no_stage() -> None:
    for path in ROOT.glob("*.py"):
        if path.name not in COMPOSERS | {"__init__.py", "consent.py"}:
            assert imports_of(path) <= SHARED, path.name


def test_only_the_pipeline_and_the_command_line_see_all_stages() -> None:
    allowed = {"pipeline.py", "release.py", "verification.py", "recheck.py", "worker.py"}
    for path in ROOT.rglob("*.py"):
        if path.parent.name == "cli" or path.name in allowed:
            continue
        assert len(imports_of(path) & set(STAGES)) <= 1, path.relative_to(ROOT)


def test_the_pipeline_stays_short() -> None:
    assert len((ROOT / "pipeline.py").read_text().splitlines()) < 150


@pytest.mark.parametrize(
    "heavy", ["mvt", "stix2", "stix2patterns", "jinja2", "yaml", "rich", "requests", "pydantic", "minisign", "pyarrow"]
)
def test_help_loads_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys\nfrom spytriage.cli import main\n"
        "try: main(['check', '--help'])\nexcept SystemExit: pass\n"
        f"sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_functions_fit_on_a_screen() -> None:
    for path in [path for path in ROOT.rglob("*.py") if not path.parent.name.startswith("compiled-")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines"
