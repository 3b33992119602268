"""Prints the modules of every command of MVT and the names that their code gives to fields of records, as JSON.

Run in a process of its own: importing MVT reads its configuration. A name counts when it is a key that the module's
code writes or reads (serialize() apart, which makes timeline events), or a column that its SQL names.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from mvt.android.modules.androidqf import ANDROIDQF_MODULES
from mvt.android.modules.backup import BACKUP_MODULES as ANDROID_BACKUP_MODULES
from mvt.android.modules.bugreport import BUGREPORT_MODULES
from mvt.android.modules.intrusion_logs import INTRUSION_LOGS_MODULES
from mvt.ios.modules.backup import BACKUP_MODULES
from mvt.ios.modules.fs import FS_MODULES
from mvt.ios.modules.mixed import MIXED_MODULES
from mvt.ios.modules.sysdiagnose import SYSDIAGNOSE_MODULES

COMMANDS = {
    "ios-backup": [*BACKUP_MODULES, *MIXED_MODULES],
    "ios-fs": [*FS_MODULES, *MIXED_MODULES],
    "ios-sysdiagnose": SYSDIAGNOSE_MODULES,
    "android-backup": ANDROID_BACKUP_MODULES,
    "bugreport": BUGREPORT_MODULES,
    "androidqf": ANDROIDQF_MODULES,
    "intrusion-logs": INTRUSION_LOGS_MODULES,
}
_NOT_OF_A_MODULE = {
    "object", "MVTModule", "Artifact", "AndroidArtifact", "IOSExtraction", "SysdiagnoseModule", "AndroidQFModule",
    "BugReportModule", "BackupModule",
}  # fmt: skip


def names(module: type[Any]) -> set[str]:
    found: set[str] = set()
    for owner in module.__mro__:
        if owner.__name__ in _NOT_OF_A_MODULE:
            continue
        for function in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner)))):
            if isinstance(function, ast.FunctionDef) and function.name not in {"__init__", "serialize"}:
                found.update(_keys(function))
    return found


def _keys(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        keys: list[ast.expr | None] = []
        match node:
            case ast.Dict():
                keys = node.keys
            case ast.Subscript():
                keys = [node.slice]
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[first, *_]):
                keys = [first]
            case ast.Constant(value=str(text)) if "SELECT" in text:
                yield from re.findall(r"""(?i)\bAS\s+["'](\w+)""", text)
        for key in keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value


if __name__ == "__main__":
    found: dict[str, set[str]] = {}
    for modules in COMMANDS.values():
        for module in modules:
            found.setdefault(module.__name__, set()).update(names(module))
    json.dump({name: sorted(keys) for name, keys in found.items()}, sys.stdout)
