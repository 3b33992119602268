"""Pages of HTML: how their templates are read, compiled when spytriage is built.

To compile the templates of a report takes Jinja as long as a small phone takes to check. `compile_all` writes what
Jinja makes of them beside them (hatch_build.py calls it), into a folder that is named after all that went into it. When
any of that has changed, nothing is found under the new name, and the templates are compiled as they are used.

This module imports nothing of spytriage: it is there before spytriage is.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

FOLDERS = tuple(Path(__file__).parent / stage / "templates" for stage in ("report", "aggregate"))
"""All folders of templates."""

FILTERS = ("printable", "shown")
"""Names of the filters that templates may use, beside Jinja's own."""


def environment(folder: Path, filters: Mapping[str, Callable[..., Any]], **names: Any) -> jinja2.Environment:
    """Return what renders the templates of a folder; every value is escaped.

    Args:
        folder: where the templates lie.
        filters: some of `FILTERS`, by name.
        names: what every template may use.
    """
    import jinja2  # noqa: PLC0415 (slow to import)

    compiled = _compiled(folder)
    made = jinja2.Environment(
        loader=jinja2.ModuleLoader(compiled) if compiled.is_dir() else jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(names)
    made.filters.update(filters)
    return made


def styled(path: Path) -> dict[str, str]:
    """Return the `style` of a page and the `policy` that allows this style and nothing else (CSP level 3)."""
    style = path.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return {"style": style, "policy": policy}


def compile_all(folder: Path) -> None:
    """Compile the templates of a folder, in place of what was compiled before.

    Raises:
        jinja2.TemplateError: one of them is not valid.
    """
    for old in folder.glob("compiled-*"):
        shutil.rmtree(old)
    made = environment(folder, dict.fromkeys(FILTERS, _not_now))
    unfinished = folder / "compiled-unfinished"
    made.compile_templates(unfinished, extensions=["jinja"], zip=None, ignore_errors=False)
    unfinished.rename(_compiled(folder))


def _not_now(*_arguments: Any) -> Any:
    """Keep Jinja from working out the value of a filter ahead of time, as it does when nothing is raised."""
    raise NotImplementedError


def _compiled(folder: Path) -> Path:
    """Return where the templates lie as this version of Jinja compiles them, if anybody did."""
    import jinja2  # noqa: PLC0415

    parts = [jinja2.__version__.encode(), Path(__file__).read_bytes()]
    for path in sorted(folder.glob("*.jinja")):
        parts += [path.name.encode(), path.read_bytes()]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    return folder / f"compiled-{digest[:16]}"
