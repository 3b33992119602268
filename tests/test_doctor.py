"""The doctor tells what it can see of a machine, and guesses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spytriage import doctor
from spytriage.doctor import Diagnosis, Machine, State, diagnose
from spytriage.i18n import using_language

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Linux machine without swap, whose home folder lies on an encrypted disk."""
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(tmp_path / "data"))
    made = Machine(root=tmp_path, platform="linux", run=lambda _command: None, home=Path("/home/ana"), now=NOW)
    write(made, "proc/swaps", "Filename Type Size Used Priority\n")
    write(made, "proc/sys/kernel/core_pattern", "core\n")
    write(made, "proc/mounts", "tmpfs /dev/shm tmpfs rw 0 0\n")
    write(made, "proc/self/mountinfo", (
        "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n"
        "23 22 253:0 / /home rw - ext4 /dev/dm-0 rw\n"
        "24 22 0:5 / /home/ana/cloud rw - fuse cloud rw\n"
        "damaged line\n"
    ))  # fmt: skip
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    device(made, "sda2")
    device(made, "dm-0", uuid="CRYPT-LUKS2-00000000-home\n")
    return made


def write(machine: Machine, path: str, text: str) -> None:
    file = machine.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def device(machine: Machine, name: str, *, uuid: str = "", on: Sequence[str] = ()) -> None:
    folder = machine.root / "sys" / "class" / "block" / name
    (folder / "slaves").mkdir(parents=True)
    for below in on:
        (folder / "slaves" / below).mkdir()
    if uuid:
        write(machine, f"sys/class/block/{name}/dm/uuid", uuid)


def state(machine: Machine, name: str) -> tuple[State, str]:
    found = next(diagnosis for diagnosis in diagnose(machine) if diagnosis.id == name)
    return found.state, found.word


class TestSwap:
    def test_that_is_not_there_is_fine(self, machine: Machine) -> None:
        assert state(machine, "swap") == (State.OK, "none")

    @pytest.mark.parametrize(
        ("device_name", "expected"),
        [("/dev/zram0", (State.OK, "none")), ("/dev/dm-0", (State.OK, "encrypted")),
         ("/dev/sda2", (State.PROBLEM, "plain")), ("/swapfile", (State.PROBLEM, "plain"))],
    )  # fmt: skip
    def test_counts_when_it_lies_on_a_disk_in_clear(
        self, machine: Machine, device_name: str, expected: tuple[State, str]
    ) -> None:
        write(machine, "proc/swaps", f"Filename Type Size Used Priority\n{device_name} partition 8 0 -2\n")
        assert state(machine, "swap") == expected

    def test_that_cannot_be_told_is_unknown(self, machine: Machine) -> None:
        (machine.root / "proc" / "swaps").unlink()
        assert state(machine, "swap") == (State.UNKNOWN, "unknown")


class TestTheDisk:
    def test_is_that_of_the_home_folder(self, machine: Machine) -> None:
        assert state(machine, "disk") == (State.OK, "encrypted")
        assert state(replace(machine, home=Path("/root")), "disk") == (State.PROBLEM, "plain")

    def test_may_stand_on_an_encrypted_one(self, machine: Machine) -> None:
        device(machine, "dm-1", on=["dm-0"])
        device(machine, "dm-2", on=["dm-0", "sda2"])
        for name, expected in (("dm-1", State.OK), ("dm-2", State.PROBLEM)):
            write(machine, "proc/self/mountinfo", f"22 1 253:1 / / rw - ext4 /dev/{name} rw\n")
            assert state(machine, "disk")[0] is expected

    def test_of_another_kind_is_unknown(self, machine: Machine) -> None:
        assert state(replace(machine, home=Path("/home/ana/cloud/x")), "disk") == (State.UNKNOWN, "unknown")


class TestAMac:
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [("FileVault is On.\n", State.OK), ("FileVault is Off.\n", State.PROBLEM), (None, State.UNKNOWN)],
    )
    def test_tells_by_its_own_tools(self, machine: Machine, answer: str | None, expected: State) -> None:
        mac = replace(machine, platform="darwin", run=lambda command: answer if "fdesetup" in command[0] else None)
        assert state(mac, "disk")[0] is expected

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [("total = 1024.00M (encrypted)", State.OK), ("total = 1024.00M", State.PROBLEM), (None, State.UNKNOWN)],
    )
    def test_tells_of_its_swap(self, machine: Machine, answer: str | None, expected: State) -> None:
        mac = replace(machine, platform="darwin", run=lambda command: answer if "sysctl" in command[0] else None)
        assert state(mac, "swap")[0] is expected


class TestWhatHoldsTheWorker:
    @pytest.mark.parametrize(
        ("held", "network", "evidence"),
        [
            ((True, True, 0), (State.OK, "none"), (State.OK, "read-only")),
            ((True, False, 7), (State.OK, "none"), (State.OK, "kernel")),
            ((False, False, 3), (State.PROBLEM, "refused"), (State.OK, "kernel")),
            ((False, False, 2), (State.PROBLEM, "refused"), (State.PROBLEM, "refused")),
            (None, (State.UNKNOWN, "unknown"), (State.UNKNOWN, "unknown")),
        ],
    )
    def test_is_what_a_process_found_when_it_tried(
        self, machine: Machine, held: tuple[bool, bool, int] | None, network: object, evidence: object
    ) -> None:
        said = held and json.dumps(dict(zip(("network", "evidence", "landlock"), held, strict=True)))
        told = replace(machine, run=lambda command: said if "spytriage.scan.isolation" in command else None)
        assert state(told, "worker-network") == network
        assert state(told, "worker-evidence") == evidence


def test_core_dumps_that_are_collected_are_a_problem_whatever_the_limit(machine: Machine) -> None:
    write(machine, "proc/sys/kernel/core_pattern", "|/usr/share/apport/apport %p\n")
    assert state(machine, "core-dumps") == (State.PROBLEM, "collected")


def test_storage_in_memory_is_missed(machine: Machine) -> None:
    assert state(machine, "memory-storage")[1] in {"there", "small"}
    write(machine, "proc/mounts", "/dev/sda2 / ext4 rw 0 0\n")
    assert state(machine, "memory-storage") == (State.PROBLEM, "none")


def test_what_a_killed_run_left_is_told_and_stays_as_it_is(tmp_path: Path) -> None:
    def told() -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "spytriage", "doctor", "--json"], env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found: dict[str, object] = next(c for c in json.loads(done.stdout)["checks"] if c["id"] == "leftovers")
        return found

    left = tmp_path / "spytriage-0123456789abcdef"
    left.mkdir(mode=0o700)
    (left / "lock").touch()

    assert (told()["state"], told()["word"]) == ("problem", "there")
    assert (left / "lock").is_file()
    assert doctor.leftovers(0).state is State.OK


@pytest.mark.parametrize(("year", "expected"), [(1970, State.PROBLEM), (2027, State.OK), (2099, State.PROBLEM)])
def test_a_clock_that_cannot_be_right_is_noticed(machine: Machine, year: int, expected: State) -> None:
    assert state(replace(machine, now=NOW.replace(year=year)), "clock")[0] is expected


def test_another_version_of_mvt_is_noticed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(machine, "mvt") == (State.OK, "pinned")
    monkeypatch.setattr(doctor.metadata, "version", lambda _name: "2025.1.1")
    assert state(machine, "mvt") == (State.PROBLEM, "other")


def test_sets_are_missing_damaged_fresh_or_old(machine: Machine) -> None:
    assert state(machine, "sets") == (State.PROBLEM, "embedded-only")

    from spytriage.indicators.data import data_file
    from spytriage.indicators.store import candidate, install

    demo = data_file("demo.stix2")
    install([candidate(demo, demo.read_bytes())], NOW.date())
    assert state(machine, "sets") == (State.OK, "fresh")
    assert state(replace(machine, now=NOW.replace(year=2027)), "sets") == (State.PROBLEM, "old")
    for path in (machine.root / "data").rglob("*.json"):
        path.write_text("{}")
    assert state(machine, "sets") == (State.PROBLEM, "damaged")


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_word_has_a_sentence_and_every_problem_an_advice(language: str) -> None:
    values = {
        "megabytes": 1,
        "day": "2026-11-21",
        "installed": "1",
        "wanted": "2",
        "count": 1,
        "days": 3,
        "path": "case",
    }
    with using_language(language):
        for name, word in doctor._SENTENCES:
            diagnosis = Diagnosis(name, State.PROBLEM, word, values)
            assert diagnosis.sentence.endswith(".")
            assert diagnosis.advice.endswith(".")


def test_the_command_prints_json_and_exits_by_what_there_is_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    checks = json.loads(done.stdout)["checks"]
    assert [check["id"] for check in checks] == [
        "swap", "core-dumps", "memory-storage", "disk", "worker-network", "worker-evidence", "clock", "mvt",
        "sets", "leftovers",
    ]  # fmt: skip
    assert done.returncode == int(any(check["state"] == "problem" for check in checks))
