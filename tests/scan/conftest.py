"""The engine in this process, which runs one module with our sieves and seams or as MVT has it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from spytriage.indicators.matcher import SetMatcher
from spytriage.models import CoverageState, Matcher, ModuleCoverage, Observable, RawAlert
from spytriage.scan import sieves
from spytriage.scan.guard import Guard
from spytriage.scan.observing import Recorder
from spytriage.scan.protocol import Job, Message, Observed, Run
from spytriage.scan.sieves import SIEVES
from tests.scan.side_by_side import INDICATORS


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The engine in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MVT_CONFIG_FOLDER", "MVT_DATA_FOLDER"):
            patch.setenv(name, str(tmp_path_factory.mktemp("mvt")))
        patch.setenv("MVT_NETWORK_ACCESS_ALLOWED", "false")
        from spytriage.scan import mvt_engine

        yield mvt_engine
    logging.disable(logging.NOTSET)


Ran = tuple[list[RawAlert], ModuleCoverage]


@pytest.fixture
def seen() -> list[Observable]:
    """What the modules that `ran` looked up."""
    return []


def _lets_all(_matcher: Matcher, _database: sqlite3.Connection) -> Callable[..., bool]:
    """Judge that every row matters; which of its texts are looked at for holes stays the same."""
    return lambda *_values: True


@pytest.fixture
def ran(engine: ModuleType, tmp_path: Path, seen: list[Observable]) -> Callable[..., Ran]:
    """Runs one module over a backup, with the sieves and seams of ours or as MVT has it."""

    def run(backup: Path, module: str, *, ours: bool, recorder: Recorder | None = None) -> Ran:
        said: list[Message] = []
        place = tmp_path / "workspace"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        job = Job("ios-backup", str(backup), str(place), str(place), 1 << 40, INDICATORS)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", "")  # a worker starts no program
            if not ours:
                patch.setattr(sieves, "SIEVES", {name: replace(one, judge=_lets_all) for name, one in SIEVES.items()})
                patch.setattr(engine, "_redirects_seam", nullcontext)
                patch.setattr(engine, "_stored_files_seam", lambda files: nullcontext())
            worker = engine.Engine(job, SetMatcher(INDICATORS), Guard(place), said.append, recorder)
            assert worker.prepare()
            worker.run(Run(module))
        alerts = [message for message in said if isinstance(message, RawAlert)]
        seen.extend(one for message in said if isinstance(message, Observed) for one in message.observables)
        line = next(message for message in said if isinstance(message, ModuleCoverage))
        # MVT looks nothing up in a module that broke; a sieve had begun to.
        return alerts, replace(line, shortened_links=0) if line.state is CoverageState.FAILED else line

    return run
