"""MVT's own `Indicators`, in a process of its own, as the thing to compare with.

Run as a script it answers one JSON request a line: {"load": [paths]} or {"method": name, "values": [...]}, the
latter with one [type, value, message] or null for each value.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class MvtOracle:
    def __init__(self, folder: Path) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "MVT_CONFIG_FOLDER": str(folder / "config"),
            "MVT_DATA_FOLDER": str(folder / "data"),
            "MVT_NETWORK_ACCESS_ALLOWED": "false",
            "HOME": str(folder),
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def load(self, *paths: Path) -> None:
        self._ask({"load": [str(path) for path in paths]})

    def check(self, method: str, values: list[str]) -> list[list[str] | None]:
        answer: list[list[str] | None] = self._ask({"method": method, "values": values})
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=120)


def _check(indicators: Any, method: str, value: str) -> Any:
    try:
        return getattr(indicators, method)(value)
    except AttributeError:  # check_url breaks when no domain at all is loaded
        return None


def _answer() -> None:
    from mvt.common.indicators import Indicators

    indicators = Indicators()
    for line in sys.stdin:
        request = json.loads(line)
        reply: Any = "loaded"
        if "load" in request:
            indicators = Indicators()
            for path in request["load"]:
                indicators.parse_stix2(path)
        else:
            found = [_check(indicators, request["method"], value) for value in request["values"]]
            reply = [match and [match.ioc.type, match.ioc.value, match.message] for match in found]
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _answer()
