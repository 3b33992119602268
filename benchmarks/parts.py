"""Run `spytriage`, and tell which of its parts the processor time went into.

python benchmarks/parts.py FILE ARGUMENT...
"""

from __future__ import annotations

import atexit
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SPENT: dict[str, float] = {"starting Python": time.process_time()}


def _timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        begin = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            _SPENT[part] = _SPENT.get(part, 0.0) + time.process_time() - begin

    return timed


def _tell(file: Path) -> None:
    of_worker = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole, rendering, writing = (_SPENT.pop(part) for part in ("release", "rendering", "writing"))
    parts = {
        **_SPENT,
        "reading consent, policy and indicator sets; hearing the worker": time.process_time()
        - sum(_SPENT.values()) - whole,
        "the worker: Python, what it needs of MVT, and all modules": of_worker.ru_utime + of_worker.ru_stime,
        "rendering the report": rendering,
        "the tripwire, and rendering what it reads beside the report": whole - rendering - writing,
        "writing the report": writing,
    }  # fmt: skip
    file.write_text(json.dumps(parts), encoding="utf-8")


def main() -> None:
    begin = time.process_time()
    import spytriage.cli.check  # noqa: PLC0415 (it is what is measured)
    import spytriage.cli.deliver  # noqa: PLC0415
    from spytriage.cli import main as run  # noqa: PLC0415
    from spytriage.report import folder  # noqa: PLC0415

    _SPENT["importing spytriage, Click and PyYAML"] = time.process_time() - begin
    folder.render = _timed("rendering", folder.render)
    folder.put_folder_in_place = _timed("writing", folder.put_folder_in_place)
    spytriage.cli.deliver.release = _timed("release", spytriage.cli.deliver.release)
    atexit.register(_tell, Path(sys.argv[1]))
    run(sys.argv[2:])


if __name__ == "__main__":
    main()
