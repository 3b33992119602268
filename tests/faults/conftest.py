"""What each test of a fault needs: workers that start in a moment, and a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spytriage.scan import supervisor
from tests.faults.cases import BASES
from tests.faults.workers import Nursery


@pytest.fixture(scope="module", autouse=True)
def nursery() -> Iterator[None]:
    """Let workers be made in a moment, and give the acquisitions a folder."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        BASES.begin(Path(folder))
        made = Nursery(Path(folder))
        patch.setattr(supervisor, "_process", made.worker)
        yield
        made.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for one faulty acquisition."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    for parent, names, _files in os.walk(folder):
        for path in (Path(parent, name) for name in names if not Path(parent, name).is_symlink()):
            path.chmod(0o700)  # some are faulty because nobody may look into them
    shutil.rmtree(folder)
