"""Compile the gettext catalogues (git keeps only the readable .po files) and the templates; pack the indicator data."""

import sys
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackData(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        for po in (Path(self.root) / "src" / "spytriage" / "locale").glob("*/LC_MESSAGES/*.po"):
            with po.open("rb") as source, po.with_suffix(".mo").open("wb") as target:
                write_mo(target, read_po(source))
        sys.path.insert(0, str(Path(self.root) / "src"))
        from spytriage.pages import FOLDERS, compile_all  # noqa: PLC0415 (of this tree)

        for folder in FOLDERS:
            compile_all(folder)
        if version == "standard":
            # The data is a room of its own at the top of the tree; in the wheel it stands inside the package.
            build_data["force_include"]["indicators"] = "spytriage/indicators/data"
