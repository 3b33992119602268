"""A locked process changes nothing outside its folders, by whatever call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOCKED = """
import os, sys
from pathlib import Path
from spytriage.scan.guard import Guard
inside, other, outside = map(Path, sys.argv[1:4])
Guard(inside, other).lock()
try:
    exec(sys.argv[4])
except PermissionError as error:
    sys.exit(7 if "own folders" in str(error) else 8)
"""


def locked(tmp_path: Path, code: str) -> int:
    for name in ("inside", "other", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    places = [tmp_path / name for name in ("inside", "other", "outside")]
    return subprocess.run([sys.executable, "-c", LOCKED, *places, code], check=False).returncode


@pytest.mark.parametrize(
    "code",
    [
        "os.rename(inside / 'file', outside / 'new')",
        "os.rename(outside / 'file', inside / 'new')",
        "os.replace(inside / 'file', outside / 'file')",
        "os.link(outside / 'file', inside / 'new')",
        "os.symlink(inside / 'file', outside / 'new')",
        "os.symlink(outside, inside / 'way'); (inside / 'way' / 'file').write_text('x')",
        "os.truncate(outside / 'file', 0)",
        "os.chmod(outside / 'file', 0o777)",
        "(outside / 'file').unlink()",
        "(inside.parent / 'inside-not').mkdir()",
    ],
)
def test_what_would_change_something_outside_is_refused(tmp_path: Path, code: str) -> None:
    assert locked(tmp_path, code) == 7
    assert (tmp_path / "outside" / "file").read_text() == "outside"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["file"]


@pytest.mark.parametrize(
    "code",
    [
        "os.rename(inside / 'file', other / 'new')",
        "os.symlink(outside / 'file', inside / 'new'); (inside / 'new').read_text()",
        "(other / 'folder').mkdir(); (other / 'folder').rmdir(); (inside / 'file').unlink()",
    ],
)
def test_inside_its_folders_it_may_do_as_it_likes(tmp_path: Path, code: str) -> None:
    assert locked(tmp_path, code) == 0
