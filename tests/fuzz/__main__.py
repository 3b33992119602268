"""Fuzz one target, or all of them: `python -m tests.fuzz [NAME...] --seconds N`.

Each target runs in a process of its own, bounded in memory and in time for each input. An input that ends in anything
but a result or a documented error is kept below `--found`; run it again with `--replay FILE`. `--grow` adds to the
corpus of a target what reaches code that nothing in it did, smallest first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

CORPUS = Path(__file__).parent / "corpus"
MEMORY_MB = 2048
SECONDS_EACH = 20
"""How long one input may take; the slowest honest one takes a tenth of a second."""
_LARGEST_KEPT = 2048  # bytes of one input of the corpus
_MOST_KEPT = 6 * 1024  # bytes of one target's corpus
_OURS = f"{os.sep}spytriage{os.sep}"
_INSTRUMENTED = ("spytriage", "iphone_backup_decrypt", "minisign", "zipfile", "tarfile", "plistlib")


def main() -> int:
    """Run; the exit code is 1 when a target ended badly."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--in-this-process", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        _fuzz(options.names[0], options.in_this_process)
        return 0  # not reached: libFuzzer ends the process
    from tests.fuzz.targets import TARGETS

    if unknown := set(options.names) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}")
    if options.list:
        print("\n".join(TARGETS))
        return 0
    if options.replay:
        _replay(options.names[0], options.replay)
        return 0
    failed = [name for name in options.names or TARGETS if not _run(name, options.seconds, options.found, options.grow)]
    print("failed: " + ", ".join(failed) if failed else "no faults")
    return 1 if failed else 0


def _replay(name: str, path: Path) -> None:
    from tests.fuzz.targets import run

    with tempfile.TemporaryDirectory() as scratch:
        run(name, path.read_bytes(), Path(scratch) / "case")


def _run(name: str, seconds: int, found: Path, grow: bool) -> bool:
    """Fuzz a target in a process of its own, and return whether it ended well."""
    from tests.fuzz.seeds import seeds
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as scratch:
        first, grown = Path(scratch) / "seeds", Path(scratch) / "grown"
        for folder in (first, grown):
            folder.mkdir()
        for number, seed in enumerate(seeds(name)):
            (first / f"{number}").write_bytes(seed)
        found.mkdir(parents=True, exist_ok=True)
        arguments = [
            f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS_EACH}",
            "-print_final_stats=1",
            f"-max_len={TARGETS[name].longest}", f"-artifact_prefix={found.resolve()}/{name}-",
        ]  # fmt: skip
        kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        done = _child(name, [*arguments, str(grown), str(first), *kept])
        ended_well = done.returncode == 0
        tail = _figures(done.stderr) if ended_well else done.stderr[-6000:]
        print(f"{name}: {'ok' if ended_well else 'FAILED'} {tail}", flush=True)
        if grow and ended_well:
            _keep(name, grown)
    return ended_well


def _figures(log: str) -> str:
    wanted = ("number_of_executed_units", "peak_rss_mb")
    return "; ".join(" ".join(line.split()[1:]) for line in log.splitlines() if any(word in line for word in wanted))


def _child(name: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--in-this-process", *(f" {one}" for one in arguments)],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip


def _keep(name: str, grown: Path) -> None:
    """Keep the small inputs that reach lines of ours which nothing in the corpus does, nor the seeds."""
    from tests.fuzz.seeds import seeds

    kept = CORPUS / name
    known = [path.read_bytes() for path in sorted(kept.glob("*"))]
    reached = set().union(*(_lines(name, data) for data in (*seeds(name), *known)))
    size = sum(map(len, known))
    for path in sorted(grown.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        data = path.read_bytes()
        if len(data) > _LARGEST_KEPT or size + len(data) > _MOST_KEPT:
            break
        if new := _lines(name, data) - reached:
            reached |= new
            size += len(data)
            kept.mkdir(parents=True, exist_ok=True)
            (kept / path.name[:16]).write_bytes(data)


def _lines(name: str, data: bytes) -> set[tuple[str, int]]:
    """Return the lines of spytriage that an input reaches."""
    from tests.fuzz.targets import run

    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> object:
        if _OURS not in frame.f_code.co_filename:
            return None
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    with tempfile.TemporaryDirectory() as scratch:
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            run(name, data, Path(scratch) / "case")
        finally:
            sys.settrace(None)
    return lines


def _fuzz(name: str, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED), enable_loader_override=False):
        from tests.fuzz import jsonmutator, targets

    scratch = Path(tempfile.mkdtemp(prefix="spytriage-fuzz-"))

    def one(data: bytes) -> None:
        targets.run(name, data, scratch / "case")

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        return jsonmutator.mutated(data, most, seed, lambda part, size: bytes(atheris.Mutate(part, size)))

    options = {"custom_mutator": mutate} if targets.TARGETS[name].is_json else {}
    atheris.Setup([sys.argv[0], *(one.strip() for one in arguments)], one, **options)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
