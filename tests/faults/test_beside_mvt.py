"""Of a broken acquisition, whatever MVT's own command still sees is reported here too: same module, same indicator."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from spytriage.indicators.data import data_file
from tests.faults.cases import Case, all_cases, undamaged
from tests.faults.checking import Checked, Trace, check
from tests.faults.faults import FOLDERS, PLACES
from tests.outcomes import Row
from tests.tools import slug

_KINDS = {"ios-backup", "ios-filesystem", "androidqf", "android-bugreport", "android-backup", "android-intrusion-logs"}
# At some of these MVT hangs, and it follows links out of the acquisition. Run as root, it reads what a worker, which
# gives such rights up, may not.
_LEFT_OUT = {*PLACES, *FOLDERS, "not permitted"} - {"missing"}
CASES = {name: case for name, case in all_cases().items() if case.kind in _KINDS and case.fault not in _LEFT_OUT}
_PATIENCE = 60.0  # seconds
# What MVT's alerts call a module, where that does not follow from our name for it.
_SLUGS = {"AndroidSMS": "sms", "BugreportMounts": "mounts", "DumpsysDBInfo": "dbinfo",
          "WebkitIndexedDB": "webkit_indexeddb", "BugReportTimestamps": "bugreport_timestamps"}  # fmt: skip
Mvt = Callable[[Path, str], frozenset[Trace]]


def some(cases: Mapping[str, Case]) -> dict[str, Case]:
    """One case of each fault of each kind of source, of one artefact after the other: all of them take many minutes."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, case in cases.items():
        alike.setdefault((case.kind, case.fault), []).append(name)
    chosen = [names[number % len(names)] for number, names in enumerate(alike.values())]
    return {name: cases[name] for name in chosen}


def send(pipe: Connection, kind: str, path: str) -> None:
    """Run MVT's command in a process that has it loaded, and send its alerts."""
    from tests.mvt_reference import checked

    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        alerts = checked(kind, path, str(data_file("demo.stix2")))["alerts"]
    pipe.send(alerts)


@pytest.fixture(scope="module")
def mvt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mvt]:
    """MVT's own command, in a copy of a process that loads MVT once; what it raised, by module and indicator."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.mvt_reference"])
    private = str(tmp_path_factory.mktemp("mvt"))
    settings = {"MVT_CONFIG_FOLDER": private, "MVT_DATA_FOLDER": private, "MVT_NETWORK_ACCESS_ALLOWED": "false"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**settings, "TZ": "UTC", "HOME": private}.items():
            patch.setenv(name, value)

        def run(path: Path, kind: str) -> frozenset[Trace]:
            ours, theirs = context.Pipe(duplex=False)
            process: Any = context.Process(target=send, args=(theirs, kind, str(path)))
            process.start()
            theirs.close()
            try:
                alerts = ours.recv() if ours.poll(_PATIENCE) else []
            except EOFError:  # it broke off as a whole
                alerts = []
            finally:
                process.kill()
                process.join()
                ours.close()
            return frozenset((alert["module"], alert["indicator"] or "") for alert in alerts)

        yield run


def raised(found: Checked) -> frozenset[Trace]:
    return frozenset((_SLUGS.get(module) or slug(module), value) for module, value in found.raised)


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_of_a_sound_one_both_see_alerts(mvt: Mvt, kind: str) -> None:
    theirs = mvt(undamaged(kind), kind)

    assert theirs
    assert theirs <= raised(check(undamaged(kind)))


CHOSEN = CASES if "SPYTRIAGE_EVERY_CASE" in os.environ else some(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CHOSEN.items()])
def test_of_a_broken_one_mvt_sees_no_more(mvt: Mvt, case: Case, place: Path, record: list[Row]) -> None:
    path = case.build(place)

    theirs, found = mvt(path, case.kind), check(path)

    ours = raised(found)
    record.append(
        [case.kind, case.fault, "the same" if ours == theirs else "more than MVT" if ours > theirs else "less"]
    )
    assert not theirs - ours
