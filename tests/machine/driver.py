"""Runs one command of the program again and again, each time in a process of its own in which another call fails.

A test must not run commands in its own process, which they lock for good, and hundreds of starts of Python would take
minutes. So this program learns from a first run what a command imports, imports it, and forks. The first run also keeps
what other processes did for it, the worker of a check and the checks of a batch: later runs take it from there, since
only what the command itself writes is to fail.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spytriage import batch, cli, pipeline
from spytriage.scan import workspace
from tests.machine.disk import Disk, failing, killing

# What happens at a call: it fails; it fails, with all that follow; somebody stops the program, or takes a folder away.
FAULTS = ("one error", "full from then on", "stopped", "folder gone")
SIGNALS = (signal.SIGTERM, signal.SIGINT)  # at calls of even and odd number


@dataclass(frozen=True)
class Order:
    """What to run: read from standard input as JSON."""

    arguments: list[str]
    desk: str  # folder that each run gets a copy of, and begins in
    space: str  # an empty folder for all of it
    fault: str  # of `FAULTS`
    most: int  # how many calls to try: when there are more, some of them, evenly spaced, others for each fault


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        at: the number of the call that failed; 0 when none did.
        code: exit code, negative for a signal that ended it.
        calls: that were counted.
        left: in the places for what must not be left behind.
        files: below the desk, by relative path, with their SHA-256; a folder has "".
    """

    at: int
    code: int
    out: str
    err: str
    calls: list[str]
    left: list[str]
    files: dict[str, str] = field(default_factory=dict)


def contents(folder: Path) -> dict[str, str]:
    """Return what lies below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


class Driver:
    """All runs of one command."""

    def __init__(self, order: Order) -> None:
        self._order, self._space = order, Path(order.space)
        self._kept = self._space / "kept"  # by the first run
        self._kept.mkdir()

    def runs(self) -> Iterator[tuple[Run, Run | None]]:
        """Yield the first run, and then each that failed with the one after it in the same place."""
        first = self._run(self._fresh(0), 0)
        yield first, None
        for name in json.loads((self._kept / "modules").read_text()):
            with suppress(Exception):
                importlib.import_module(name)
        step = -(-len(first.calls) // self._order.most) or 1
        for at in range(1 + FAULTS.index(self._order.fault) % step, len(first.calls) + 1, step):
            here = self._fresh(at)
            failed = self._run(here, at)
            yield failed, self._run(here, 0) if failed.code != first.code else None
            shutil.rmtree(here)

    def _fresh(self, number: int) -> Path:
        here = self._space / f"run-{number}"
        shutil.copytree(self._order.desk, here / "desk", symlinks=True)
        return here

    def _run(self, here: Path, at: int) -> Run:
        for name in ("tmp", "memory"):
            (here / name).mkdir(exist_ok=True)
        if not (child := os.fork()):
            try:
                self._be(here, at)
            finally:
                traceback.print_exc()
                os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = [str(path.relative_to(here)) for name in ("tmp", "memory") for path in (here / name).rglob("*")]
        left += [str(path.relative_to(here)) for path in here.rglob(".spytriage-*")]
        calls = (here / "calls").read_text("utf-8", "replace").split("\n")[:-1] if (here / "calls").exists() else []
        said = [(here / name).read_text("utf-8", "replace") for name in ("out", "err")]
        return Run(at, code, *said, calls, left, contents(here / "desk"))

    def _be(self, here: Path, at: int) -> None:
        """Be the program; does not return."""
        order = self._order
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(here / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        os.environ |= {"TMPDIR": str(here / "tmp"), "SPYTRIAGE_DATA_FOLDER": str(here / "desk" / "data")}
        tempfile.tempdir, workspace._MEMORY_BACKED = None, here / "memory"
        os.chdir(here / "desk")
        out = here / "desk" / "out"
        out.mkdir(exist_ok=True)  # where a run before has lost it
        acts = failing(errno.EIO), failing(errno.ENOSPC), killing(SIGNALS[at % 2]), partial(shutil.rmtree, out)
        act = dict(zip(FAULTS, acts, strict=True))[order.fault]
        stays = order.fault == "full from then on"
        disk = Disk([here / "desk", here / "tmp", here / "memory"], at, act, stays=stays)
        self._stand_in(disk)
        calls = os.open(here / "calls", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        leave = os._exit

        def end(code: int) -> None:
            sys.stdout.flush()
            os.write(calls, "".join(f"{call}\n" for call in disk.calls).encode("utf-8", "replace"))
            leave(code)

        os._exit = end  # type: ignore[assignment]
        disk.listen()
        try:
            cli.main(order.arguments)
        except SystemExit as ended:
            if not (self._kept / "modules").exists():
                with disk.waiting():
                    (self._kept / "modules").write_text(json.dumps(list(sys.modules)))
            end(int(ended.code or 0))

    # --- What other processes do for the command -----------------------------------------------------------------

    def _stand_in(self, disk: Disk) -> None:
        scan, run = pipeline.scan, batch._run

        def scanned(*arguments: Any, **options: Any) -> Any:
            if not (self._kept / "scan").exists():
                result = scan(*arguments, **options)
                with disk.waiting():
                    (self._kept / "scan").write_bytes(pickle.dumps(result))
                return result
            with workspace.workspace():
                return pickle.loads((self._kept / "scan").read_bytes())

        def checked(command: Any, environment: Any) -> tuple[int, bytes]:
            output = Path(command[command.index("--output") + 1])
            with disk.waiting():
                if not (self._kept / output.name).exists():
                    ended = run(command, environment)
                    shutil.copytree(output, self._kept / output.name)
                    return ended
                shutil.copytree(self._kept / output.name, output)
            return 0, b""

        pipeline.scan, batch._run = scanned, checked


def main() -> None:
    """Print a line of JSON for each run, and for the one after it."""
    order = Order(**json.loads(sys.stdin.read()))
    for failed, again in Driver(order).runs():
        print(json.dumps([asdict(failed), again and asdict(again)]), flush=True)


if __name__ == "__main__":
    main()
