"""Writes the pages of the reference that follow from the program: commands, formats, indicator sets, redaction.

`make reference` runs it; a test holds the pages to what it would write.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PLACES = {"en": ROOT / "docs" / "reference", "es": ROOT / "docs" / "es" / "reference"}
SCHEMAS = ROOT / "src" / "spytriage" / "report" / "schema"
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "commands": "Commands",
        "commands-lead": "What `--help` says of each command.",
        "report": "The format of report.json",
        "addendum": "The format of addendum.json",
        "format-lead": "Version 1. The JSON Schema `src/spytriage/report/schema/{schema}-1.json` is the reference; this page "
        "is made from it. Keys, closed words, digits and dates are the same in every language. `[]` marks a list.",
        "top": "At the top",
        "key": "key",
        "type": "type",
        "meaning": "meaning",
        "sets": "Indicator sets",
        "sets-lead": "The published sets that spytriage knows. A set is recognised by the SHA-256 of its bytes, never by its "
        "name. `spytriage indicators update` fetches those that are pinned. The numbers count indicators that can be used.",
        "set": "set",
        "family": "family",
        "publisher": "publisher",
        "licence": "licence",
        "where": "published in",
        "number": "indicators",
        "unpinned": "not pinned",
        "redaction": "The redaction table",
        "redaction-lead": "What may be shown of each record that MVT or spytriage makes, by module and field: the most that any "
        "policy shows ([why, in plain words](../explanation/redaction.md)). `--policy` can only take away from it. The page is "
        "made from `src/spytriage/redaction/policies/table.yaml`, and every report holds the SHA-256 of the table and its "
        "policy. **A field that does not stand here is withheld and counted.** Shown are fields of a record beside a "
        "published indicator only; an alert without one shows its fixed description. MVT's own message is never shown, a "
        "time only as its day or week (the policy `internal`: to the second).",
        "show": "shown when it is the published indicator itself",
        "generalise": "as a closed word, a count or yes/no",
        "pseudonym": "as a pseudonym under the key of the case",
        "seal": "withheld, and named",
    },
    "es": {
        "commands": "Comandos",
        "commands-lead": "Lo que dice `--help` de cada comando.",
        "report": "El formato de report.json",
        "addendum": "El formato de addendum.json",
        "format-lead": "Versión 1. La referencia es el JSON Schema `src/spytriage/report/schema/{schema}-1.json`; esta página se "
        "hace con él, y las descripciones son las suyas, en inglés. Las claves, las palabras fijas, las cifras y las fechas son "
        "iguales en todos los idiomas. `[]` marca una lista.",
        "top": "En el nivel superior",
        "key": "clave",
        "type": "tipo",
        "meaning": "significado",
        "sets": "Conjuntos de indicadores",
        "sets-lead": "Los conjuntos publicados que spytriage conoce. Un conjunto se reconoce por el SHA-256 de sus bytes, nunca "
        "por su nombre. `spytriage indicators update` trae los que están fijados. Los números cuentan los indicadores que "
        "se pueden usar.",
        "set": "conjunto",
        "family": "familia",
        "publisher": "publicado por",
        "licence": "licencia",
        "where": "publicado en",
        "number": "indicadores",
        "unpinned": "sin fijar",
        "redaction": "La tabla de lo que se oculta",
        "redaction-lead": "Qué se puede mostrar de cada registro que hacen MVT o spytriage, por módulo y campo: lo más que muestra "
        "cualquier política ([por qué, en palabras sencillas](../explanation/redaction.md)). `--policy` solo puede quitar. La "
        "página se hace con `src/spytriage/redaction/policies/table.yaml`, y cada informe contiene el SHA-256 de la tabla y de "
        "su política. **Un campo que no está aquí se oculta y se cuenta.** Solo se muestran campos de un registro junto a un "
        "indicador publicado; una alerta sin indicador muestra su descripción fija. El mensaje de MVT no se muestra nunca, y "
        "una hora solo como su día o semana (la política `internal`: al segundo).",
        "show": "se muestra cuando es el indicador publicado mismo",
        "generalise": "como palabra fija, cuenta o sí/no",
        "pseudonym": "como seudónimo con la clave del caso",
        "seal": "se oculta, y se nombra",
    },
}


def pages() -> Iterator[tuple[Path, str]]:
    """Give the place and the text of each page."""
    for language, place in PLACES.items():
        words = WORDS[language]
        yield place / "commands.md", "\n".join(_commands(language, words))
        for schema in ("report", "addendum"):
            yield place / f"{schema}-format.md", "\n".join(_format(schema, words))
        yield place / "indicator-sets.md", "\n".join(_sets(words))
        yield place / "redaction-table.md", "\n".join(_redaction(words))


def _commands(language: str, words: dict[str, str]) -> Iterator[str]:
    yield from (f"# {words['commands']}", "", words["commands-lead"])
    for path in _paths(_root(), ()):
        yield from ("", f"## {' '.join(('spytriage', *path))}", "", "```text", _help(path, language), "```")
    yield ""


def _root() -> Any:
    from spytriage import cli

    return cli._root()


def _paths(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    import click

    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found and not found.hidden:
                yield from _paths(found, (*path, name))


def _help(path: tuple[str, ...], language: str) -> str:
    """Return what `--help` prints: in a process of its own, because help is put into words when a command is loaded."""
    environment = {"LANG": "C.UTF-8", "COLUMNS": "100", "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [sys.executable, "-m", "spytriage", "--lang", language, *path, "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.rstrip()


def _format(name: str, words: dict[str, str]) -> Iterator[str]:
    schema = json.loads((SCHEMAS / f"{name}-1.json").read_text(encoding="utf-8"))
    named = {name: part for name, part in (schema["properties"] | schema["$defs"]).items() if "properties" in part}
    yield from (f"# {words[name]}", "", words["format-lead"].format(schema=name), "", f"## {words['top']}")
    yield from _table(schema, named, words)
    for part, definition in sorted(named.items()):
        yield from ("", f"## {part}")
        yield from _table(definition, named, words)
    yield ""


def _table(definition: dict[str, Any], named: dict[str, Any], words: dict[str, str]) -> Iterator[str]:
    if "description" in definition:
        yield from ("", definition["description"])
    yield from ("", f"| {words['key']} | {words['type']} | {words['meaning']} |", "|---|---|---|")
    for key, field in definition["properties"].items():
        yield f"| `{key}` | {_type(field, named)} | {_cell(field.get('description', ''))} |"


def _type(field: dict[str, Any], named: dict[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})" if name in named else f"`{name}`"
    if name := next((key for key, part in named.items() if part is field), ""):
        return f"[{name}](#{name})"
    if "items" in field:
        return f"{_type(field['items'], named)}[]"
    for joined in ("anyOf", "oneOf"):
        if joined in field:
            return " / ".join(_type(choice, named) for choice in field[joined])
    if "enum" in field:
        return " ".join(f"`{_cell(json.dumps(value).strip(chr(34)))}`" for value in field["enum"][:12])
    if "const" in field:
        return f"`{field['const']}`"
    kind = field.get("type", "object")
    return " / ".join(kind) if isinstance(kind, list) else str(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sets(words: dict[str, str]) -> Iterator[str]:
    catalogue = yaml.safe_load((ROOT / "indicators" / "catalogue.yaml").read_text(encoding="utf-8"))
    yield from (f"# {words['sets']}", "", words["sets-lead"], "")
    columns = ("set", "family", "publisher", "licence", "number", "where")
    yield "| " + " | ".join(words[name] for name in columns) + " |"
    yield "|---" * len(columns) + "|"
    for entry in catalogue["sets"]:
        number = str(sum((entry["counts"] or {}).values())) if entry["sha256"] else words["unpinned"]
        cells = (f"`{entry['name']}`", entry["family"], entry["publisher"], entry["licence"], number)
        where = f"[{entry['repository']}](https://github.com/{entry['repository']})"
        yield "| " + " | ".join(_cell(str(cell or "–")) for cell in (*cells, where)) + " |"
    yield ""


def _redaction(words: dict[str, str]) -> Iterator[str]:
    table = ROOT / "src" / "spytriage" / "redaction" / "policies" / "table.yaml"
    modules = yaml.safe_load(table.read_text(encoding="utf-8"))
    alike: dict[str, list[str]] = {}
    for module, forms in modules.items():
        alike.setdefault(json.dumps(forms), []).append(module)
    yield from (f"# {words['redaction']}", "", words["redaction-lead"])
    for names in alike.values():
        yield from ("", "## " + ", ".join(names), "")
        for form, fields in modules[names[0]].items():
            yield f"- {words[form]}: " + ", ".join(_field(field, fields) for field in fields)
    yield ""


def _field(name: str, fields: Any) -> str:
    return f"`{name}` ({fields[name]})" if isinstance(fields, dict) else f"`{name}`"


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
