"""Templates are compiled when spytriage is built, and what was compiled is used for these very templates only."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import jinja2
import pytest

from spytriage import pages


def shown(value: str) -> str:
    return f"({value})"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.jinja").write_text("{{ word }} {{ 'constant' | shown }}\n{% include 'part.jinja' %}")
    (tmp_path / "part.jinja").write_text("part {{ word | shown }}")
    pages.compile_all(tmp_path)
    return tmp_path


def page(folder: Path) -> str:
    made = pages.environment(folder, {"shown": shown}, word="<b>")
    text = f"{type(made.loader).__name__}: {made.get_template('page.jinja').render()}"
    # Jinja's loader leaves a weak reference in sys.modules, which hypothesis looks through in the tests after this one:
    # it must not die while hypothesis does so.
    del made
    gc.collect()
    return text


def test_compiled_templates_say_what_the_templates_say(folder: Path) -> None:
    compiled = page(folder)
    for made in folder.glob("compiled-*"):
        shutil.rmtree(made)
    assert compiled == "ModuleLoader: &lt;b&gt; (constant)\npart (&lt;b&gt;)"
    assert page(folder) == compiled.replace("ModuleLoader", "FileSystemLoader")


def test_a_template_that_changed_is_not_taken_from_what_was_compiled(folder: Path) -> None:
    (folder / "part.jinja").write_text("changed")
    assert page(folder) == "FileSystemLoader: &lt;b&gt; (constant)\nchanged"
    pages.compile_all(folder)
    assert page(folder) == "ModuleLoader: &lt;b&gt; (constant)\nchanged"
    assert len(list(folder.glob("compiled-*"))) == 1


def test_another_version_of_jinja_takes_nothing_from_what_was_compiled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jinja2, "__version__", "4.0")
    assert page(folder).startswith("FileSystemLoader: ")


def test_a_template_with_a_mistake_stops_the_build(folder: Path) -> None:
    (folder / "part.jinja").write_text("{% if %}")
    with pytest.raises(jinja2.TemplateSyntaxError):
        pages.compile_all(folder)


def test_every_template_of_the_tree_is_in_a_folder_that_is_compiled() -> None:
    root = Path(pages.__file__).parent
    assert {path.parent for path in root.rglob("*.jinja")} == set(pages.FOLDERS)
