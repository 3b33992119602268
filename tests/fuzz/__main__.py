"""Fuzz one target, or all of them: `python -m tests.fuzz [NAME...] --seconds N`.

Each target runs in a process of its own, bounded in memory and in time for each input. An input that ends in anything
but a result or a documented error is kept below `--found`; run it again with `--replay FILE`. `--grow` adds to the
corpus of a target what reaches code that nothing in it did, smallest first.

Each run tries other inputs than the last, but with `--runs N`: then it is the same N each time, or as many of them as
there is time for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

CORPUS = Path(__file__).parent / "corpus"
MEMORY_MB = 2048
SEED = 1
SECONDS_EACH = 60
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
    parser.add_argument("--runs", type=int, metavar="N", help="try the same N inputs each time")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--in-this-process", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        _fuzz(options.names[0], options.scratch, options.in_this_process)
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
    failed = [name for name in options.names or TARGETS if not _run(name, options)]
    print("failed: " + ", ".join(failed) if failed else "no faults")
    return 1 if failed else 0


def _replay(name: str, path: Path) -> None:
    from tests.fuzz.targets import run

    with tempfile.TemporaryDirectory() as scratch:
        run(name, path.read_bytes(), Path(scratch) / "case")


def _run(name: str, options: argparse.Namespace) -> bool:
    """Fuzz a target in a process of its own, and return whether it ended well."""
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory(prefix="spytriage-fuzz-") as scratch:
        grown = Path(scratch) / "grown"
        grown.mkdir()
        found: Path = options.found.resolve()
        found.mkdir(parents=True, exist_ok=True)
        repeatable = [f"-runs={options.runs}", f"-seed={SEED}"] if options.runs else []
        done = _child(name, Path(scratch), [
            f"-max_total_time={options.seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS_EACH}",
            f"-max_len={TARGETS[name].longest}", "-print_final_stats=1", f"-artifact_prefix={found}/{name}-",
            f"-seed_inputs={_first(name, Path(scratch))}",
            *(repeatable or [str(grown)]),
        ])  # fmt: skip
        ended_well = done.returncode == 0
        tail = _figures(done.stderr) if ended_well else done.stderr[-6000:]
        print(f"{name}: {'ok' if ended_well else 'FAILED'} {tail}", flush=True)
        if options.grow and ended_well:
            _keep(name, grown)
    return ended_well


def _first(name: str, scratch: Path) -> str:
    """Return what a target begins with as libFuzzer wants it: files by name, since a folder lists them in any order."""
    from tests.fuzz.seeds import seeds

    files = []
    for number, seed in enumerate(seeds(name)):
        files.append(scratch / f"seed{number}")
        files[-1].write_bytes(seed)
    return ",".join(map(str, [*files, *sorted((CORPUS / name).glob("*"))]))


def _figures(log: str) -> str:
    wanted = ("number_of_executed_units", "peak_rss_mb")
    return "; ".join(" ".join(line.split()[1:]) for line in log.splitlines() if any(word in line for word in wanted))


def _child(name: str, scratch: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    env = os.environ | ({"PYTHONHASHSEED": "0"} if f"-seed={SEED}" in arguments else {})
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--scratch", str(scratch / "case"), "--in-this-process",
         *(f" {one}" for one in arguments)],
        capture_output=True, text=True, errors="replace", check=False, env=env,
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


def _fuzz(name: str, scratch: Path, arguments: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED), enable_loader_override=False):
        from tests.fuzz import jsonmutator, targets

    def one(data: bytes) -> None:
        targets.run(name, data, scratch)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        return jsonmutator.mutated(data, most, seed, lambda part, size: bytes(atheris.Mutate(part, size)))

    options = {"custom_mutator": mutate} if targets.TARGETS[name].is_json else {}
    atheris.Setup([sys.argv[0], *(one.strip() for one in arguments)], one, **options)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
