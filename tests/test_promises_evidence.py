"""Evidence is never changed, and no kind of it makes a check touch the network: over every command and every kind."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import click
import pyrage
import pytest

from spytriage.cli import _root
from spytriage.cli.password import VARIABLE
from spytriage.demo import DEMO_PASSWORD, write_phone
from spytriage.demo.android import write_android_phone
from spytriage.handoff import REQUIRED
from spytriage.indicators.data import data_file
from spytriage.report import write_report
from spytriage.source.kinds import KINDS
from tests.acquisitions import MAKERS, tarred, zipped
from tests.conftest import consent
from tests.report import samples
from tests.review.handoffs import SMALL

DEMO_SET = data_file("demo.stix2")
# What people bring, by kind and packing.
SOURCES: Mapping[str, Callable[[Path], Path]] = {
    **MAKERS,
    "ios-backup": lambda folder: _phone(folder / "phone"),
    "ios-backup encrypted": lambda folder: _phone(folder / "phone", encrypted=True),
    "androidqf": lambda folder: _android(folder / "phone"),
    "androidqf zip": lambda folder: zipped(_android(folder.parent / "to-pack"), folder / "phone.zip", "phone/"),
    "androidqf age": lambda folder: _aged(folder),  # noqa: PLW0108 (defined below)
    "ios-sysdiagnose tar": lambda folder: tarred(MAKERS["ios-sysdiagnose"](folder.parent), folder / "s.tar.gz", "s/"),
}


def _phone(folder: Path, *, encrypted: bool = False) -> Path:
    write_phone(folder, encrypted=encrypted)
    return folder


def _android(folder: Path) -> Path:
    write_android_phone(folder)
    return folder


def _aged(folder: Path) -> Path:
    packed = zipped(_android(folder.parent / "to-pack"), folder.parent / "phone.zip", "phone/").read_bytes()
    identity = pyrage.x25519.Identity.generate()
    (folder.parent / "key.txt").write_text(str(identity))
    (folder / "phone.zip.age").write_bytes(pyrage.encrypt(packed, [identity.to_public()]))
    return folder / "phone.zip.age"


def run(here: Path, *arguments: str | Path, wrapper: tuple[str | Path, ...] = ()) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(here), VARIABLE: DEMO_PASSWORD}
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "spytriage", *arguments],
        cwd=here, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def everything(folder: Path) -> dict[str, object]:
    """All that can be told of a folder's files but when they were read last."""
    found: dict[str, object] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        attributes = os.listxattr(path, follow_symlinks=False) if hasattr(os, "listxattr") else []
        found[str(path.relative_to(folder))] = (
            hashlib.sha256(content).hexdigest(), status.st_mode, status.st_mtime_ns, status.st_uid, status.st_gid,
            status.st_nlink, attributes,
        )  # fmt: skip
    return found


def check_of(source: Path, here: Path) -> list[str | Path]:
    identity = ["--identity", here / "key.txt"] if (here / "key.txt").exists() else []
    return ["check", source, "-i", DEMO_SET, "--consent", "consent.yaml", "-q", "-o", "report", *identity]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "evidence").mkdir()
    consent().write(tmp_path / "consent.yaml")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_a_check_leaves_every_kind_of_source_as_it_was_and_touches_no_network(here: Path, kind: str) -> None:
    source, trace = SOURCES[kind](here / "evidence"), here / "trace"
    before = everything(here / "evidence")

    traced = shutil.which("strace") is not None
    wrapper = ("strace", "-f", "-qq", "-e", "trace=network", "-o", trace) if traced else ()
    done = run(here, *check_of(source, here), wrapper=wrapper)

    if traced and (b"not permitted" in done.stderr or not trace.exists()):
        pytest.skip("this machine does not allow tracing")
    assert done.returncode in {0, 3, 4, 5}, done.stderr
    assert everything(here / "evidence") == before
    if not traced:
        pytest.skip("strace is not installed, so nobody watched the system calls")
    assert network_calls(trace) == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("platform", ["ios", "android"])
def test_the_demo_touches_no_network(here: Path, platform: str) -> None:
    trace = here / "trace"
    done = run(
        here, "demo", "--platform", platform, "-q",
        wrapper=("strace", "-f", "-qq", "-e", "trace=network", "-o", trace),
    )  # fmt: skip
    if b"not permitted" in done.stderr or not trace.exists():
        pytest.skip("this machine does not allow tracing")
    assert done.returncode == 0, done.stderr
    assert network_calls(trace) == []


def network_calls(trace: Path) -> list[str]:
    """Return the calls that name another family of addresses than that of sockets of this machine."""
    asked = re.compile(r"\b(socket|connect|bind|listen|accept4?|sendto|sendmsg|sendmmsg)\(")
    calls = [line for line in trace.read_text(errors="replace").splitlines() if asked.search(line)]
    families = [(line, set(re.findall(r"\b[AP]F_[A-Z0-9]+", line))) for line in calls]
    # A socket is made before it is used: where no other was made, a call without an address is on one of this machine.
    return [line for line, named in families if named - {"AF_UNIX", "PF_UNIX", "AF_LOCAL"}]


def test_every_kind_of_source_is_tried() -> None:
    assert {name.split()[0] for name in SOURCES} == {"ios-backup", *(kind.name for kind in KINDS)}


def test_a_call_to_the_network_would_be_seen(tmp_path: Path) -> None:
    lines = {
        '12 socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3': False,
        '12 socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP) = 3': True,
        '12 connect(3, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 0': True,
        '12 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = -1 ENOENT': False,
        '12 sendto(3, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(9)}, 28) = 1': True,
        '12 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3': True,
    }  # fmt: skip
    (tmp_path / "trace").write_text("\n".join(lines))
    assert network_calls(tmp_path / "trace") == [line for line, wrong in lines.items() if wrong]


# --- Read-only media ----------------------------------------------------------------------------------------------


@pytest.fixture
def read_only(here: Path) -> Iterator[Callable[[], None]]:
    """Make the evidence unwritable: mounted so where root may, else by its modes."""
    evidence, mounted = here / "evidence", False

    def lock() -> None:
        nonlocal mounted
        if os.geteuid() == 0:
            mounted = _mount("--bind", evidence, evidence) and _mount("-o", "remount,ro,bind", evidence)
            if not mounted:
                pytest.skip("root may write to everything here, and may not mount")
        else:
            _change_modes(evidence, lambda mode: mode & ~0o222)

    yield lock
    if os.geteuid() == 0:
        subprocess.run(["umount", "-l", evidence], capture_output=True, check=False)
    else:
        _change_modes(evidence, lambda mode: mode | 0o200)


def _mount(*arguments: str | Path) -> bool:
    with suppress(OSError):
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    return False


def _change_modes(folder: Path, change: Callable[[int], int]) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(change(path.stat().st_mode))


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_a_check_works_on_read_only_media_and_comes_out_the_same(
    here: Path, kind: str, read_only: Callable[[], None]
) -> None:
    source = SOURCES[kind](here / "evidence")
    read_only()
    before = everything(here / "evidence")

    done = run(here, *check_of(source, here))

    assert done.returncode in {0, 3, 4, 5}, done.stderr
    assert everything(here / "evidence") == before


# --- Every command ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """How to run a command on the evidence, and what of it the command is there to change."""

    arguments: tuple[str, ...]
    exits: frozenset[int] = frozenset({0})
    adds: frozenset[str] = field(default_factory=frozenset)  # files that it writes, by the start of their names


_H, _E = "evidence/handoff", "evidence"
CASES: Mapping[str, Case] = {
    "aggregate": Case((_H,), frozenset({0, 1})),
    "batch": Case((f"{_E}/list.yaml", "-i", str(DEMO_SET), "-q"), frozenset({3})),
    "check": Case((f"{_E}/phone", "-i", str(DEMO_SET), "--consent", f"{_E}/consent.yaml", "-q"), frozenset({3})),
    "consent new": Case(("-o", "new.yaml", "--grant", "analyse")),
    "consent show": Case((f"{_E}/consent.yaml",)),
    "demo": Case(("-q",)),
    "doctor": Case((), frozenset({0, 1})),
    "indicators build": Case((f"{_E}/facts.yaml", "-o", "built.stix2")),
    "indicators diff": Case((f"{_E}/set.stix2", f"{_E}/set.stix2")),
    "indicators export": Case(("kit.zip",)),
    "indicators import": Case((f"{_E}/set.stix2",)),
    "indicators lint": Case((f"{_E}/set.stix2",), frozenset({0, 1, 5})),
    "indicators list": Case(()),
    "indicators show": Case(("pegasus-core",)),
    "indicators update": Case(("no-such-set", "--yes"), frozenset({1, 2})),
    "keygen": Case(("-o", "new.key", "--no-password")),
    "pack": Case((_H, "-o", "packed.zip"), adds=frozenset({"handoff/custody.jsonl", "handoff"})),
    "verify": Case((_H,), frozenset({0, 5})),
    "custody add": Case(
        (_H, "--event", "handed-over", "--role", "courier"), adds=frozenset({"handoff/custody.jsonl", "handoff"})
    ),
    "custody show": Case((_H,)),
    "review record": Case((_H, "--opinion", "agree")),
    "review show": Case((_H, f"{_E}/review")),
    "report render": Case((f"{_H}/report.json", "--format", "csv")),
    "unseal": Case((f"{_E}/sealed/evidence.age", "-i", f"{_E}/key.txt")),
    "recheck": Case(
        (f"{_E}/sealed", "-i", f"{_E}/set.stix2", "--identity", f"{_E}/key.txt", "-o", "addenda"), frozenset({0, 3, 5})
    ),
    "forget": Case((_H, "--now", "--yes"), adds=frozenset({"handoff", *(f"handoff/{name}" for name in REQUIRED)})),
}


def commands(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found
            yield from commands(found, f"{name} {child}".strip())
    else:
        yield name


def test_every_command_has_a_case() -> None:
    assert sorted(commands(_root())) == sorted(CASES), "say in CASES how a command is run on evidence"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence of every sort: a phone, a set, a consent, a hand-off, a sealed one. Not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    evidence = folder / "evidence"
    evidence.mkdir()
    _phone(evidence / "phone")
    write_report(SMALL, samples.OBJECTS, evidence / "handoff")
    consent().write(evidence / "consent.yaml")
    shutil.copyfile(DEMO_SET, evidence / "set.stix2")
    shutil.copyfile(data_file("pegasus-core.yaml"), evidence / "facts.yaml")
    (evidence / "list.yaml").write_text("- name: one\n  path: phone\n  consent: consent.yaml\n")
    identity = pyrage.x25519.Identity.generate()
    (evidence / "key.txt").write_text(f"{identity}\n")
    done = run(folder, "consent", "new", "-o", "sealing.yaml", "--grant", "analyse", "--grant", "share-sealed")
    assert done.returncode == 0, done.stderr
    sealing = ("--consent", "sealing.yaml", "--seal-to", str(identity.to_public()), "-o", "evidence/sealed", "-q")
    done = run(folder, "check", "evidence/phone", "-i", DEMO_SET, *sealing)
    assert done.returncode == 3, done.stderr
    done = run(folder, "review", "evidence/handoff", "--opinion", "agree", "-o", "evidence/review")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", CASES)
def test_no_command_changes_what_it_is_given(made: Path, tmp_path: Path, command: str) -> None:
    case, folder = CASES[command], tmp_path / "here"
    shutil.copytree(made, folder, symlinks=True)
    run(folder, "indicators", "import", DEMO_SET)
    before = everything(folder / "evidence")

    done = run(folder, *command.split(), *case.arguments)

    assert done.returncode in case.exits, done.stderr
    assert b"Traceback" not in done.stderr
    after = everything(folder / "evidence")
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= case.adds
