"""report.stix2 in another laboratory's hands: MISP's own converter takes it in, and the sightings survive."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import samples

from spytriage.report import to_stix

CONVERTER = Path(__file__).parents[1] / "misp_reference.py"


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Any:
    bundle = tmp_path_factory.mktemp("misp") / "report.stix2"
    bundle.write_bytes(to_stix(replace(samples.MATCH, objects=tuple(samples.OBJECTS.values()))))
    done = subprocess.run([sys.executable, CONVERTER, bundle], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_nothing_is_lost_but_the_note_for_which_misp_has_no_place(arrived: Any) -> None:
    assert arrived["errors"] == ["Unknown STIX object type: note"]


def test_every_matched_value_arrives_with_its_sighting(arrived: Any) -> None:
    assert arrived["sightings"] == {"bad.example.org": 1, "lookup@example.org": 1, "roleaboutd": 1}


def test_the_marking_arrives(arrived: Any) -> None:
    assert "tlp:amber+strict" in arrived["tags"]


def test_nothing_of_the_phone_arrives_with_it(arrived: Any) -> None:
    for word in ("contact-K7QF2M", "device-AB2C3D", "WS-07"):
        assert word not in json.dumps(arrived)
