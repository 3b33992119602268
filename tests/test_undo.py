"""What a run must not leave behind is gone, between whichever two steps the run is stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spytriage.undo import undo_the_rest, undone

# Runs the program's own `main` once for each line that it comes to, in a process each, and stops it there.
STOPPED_AT_EVERY_LINE = """
import os, shutil, signal, sys
from pathlib import Path
from spytriage import cli
from spytriage.atomic import put_folder_in_place, write_new_file
from spytriage.scan import workspace

here = Path(sys.argv[1])
workspace._parents = lambda: [here]
BETWEEN = ("workspace.py", "atomic.py", "undo.py", "contextlib.py", "shutil.py")

class Command:
    def main(self, arguments, standalone_mode):
        at = int(arguments[0])
        lines = 0
        def trace(frame, event, _argument):
            nonlocal lines
            if not frame.f_code.co_filename.endswith(BETWEEN):
                return None
            if event == "line":
                lines += 1
                if lines == at:
                    signal.raise_signal(signal.SIGTERM)
            return trace
        sys.settrace(trace)
        with workspace.private_folder() as folder:
            (folder / "laid").mkdir()
            (folder / "laid" / "message").write_text("a message")
            put_folder_in_place({"report.json": b"{}"}, here / "report")
            write_new_file(here / "report" / "key", b"x")
        sys.settrace(None)
        return 0

cli._root = Command
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
at, ended = 0, 143
while ended == 143:
    at += 1
    child = os.fork()
    if not child:
        cli.main([str(at)])
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [path.name for path in here.iterdir() if "spytriage-" in path.name]
    if left:
        print(at, left)
    if sorted(path.name for path in here.glob("report/*")) not in ([], ["report.json"], ["key", "report.json"]):
        print(at, "half a report")
    shutil.rmtree(here / "report", ignore_errors=True)
print(f"stopped at {at - 1} lines, then ended with {ended}")
"""


@pytest.mark.slow
def test_a_run_that_is_stopped_at_any_line_leaves_nothing_private_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_AT_EVERY_LINE, tmp_path], capture_output=True, text=True, check=False
    )

    stopped = done.stdout.removeprefix("stopped at ").removesuffix(" lines, then ended with 0\n")
    assert stopped.isdigit(), done.stdout + done.stderr
    assert int(stopped) > 100


def test_what_was_stopped_while_it_was_undone_is_undone_at_the_end() -> None:
    attempts: list[str] = []

    def undo() -> None:
        attempts.append("undo")
        if len(attempts) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), undone(undo):
        pass
    undo_the_rest()
    undo_the_rest()

    assert attempts == ["undo", "undo"]


def test_what_cannot_be_undone_keeps_nothing_else_from_it() -> None:
    gone: list[str] = []

    def refuse() -> None:
        raise KeyboardInterrupt if not gone else OSError

    with pytest.raises(KeyboardInterrupt), undone(refuse):
        pass
    gone.append("first")
    undo_the_rest()

    assert gone == ["first"]
