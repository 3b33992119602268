"""Reading and matching indicators, beside MVT, on the same input in the same run. Prints ratios.

python -m benchmarks.indicators --bundles ../shared/indicators
python -m benchmarks.indicators --bundles ../shared/indicators --long    (MVT on 50,000 indicators: minutes)
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spytriage.indicators import SetMatcher, load

RECORDS = 1_000_000


@contextmanager
def measured(times: dict[str, float], name: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    times[name] = time.perf_counter() - begin


def made_bundle(folder: Path, count: int) -> Path:
    """Write a bundle as published ones are: one malware object, one relationship for each indicator."""
    rng = random.Random(count)
    stamp = "2026-01-01T00:00:00Z"
    common = {"spec_version": "2.1", "created": stamp, "modified": stamp}

    def ident(kind: str) -> str:
        return f"{kind}--{uuid.UUID(int=rng.getrandbits(128), version=4)}"

    malware = {"type": "malware", "id": ident("malware"), "name": "Made", "is_family": False, **common}
    objects: list[dict[str, Any]] = [malware]
    for number in range(count):
        # 93 of 100 are domains, as in the published sets.
        pattern = (
            f"[domain-name:value='made-{number:06d}.example']" if number % 100 < 93 else
            f"[process:name='madeprocess{number:06d}d']" if number % 100 < 96 else
            f"[file:path='/private/var/made/{number:06d}']"
        )  # fmt: skip
        indicator = {
            "type": "indicator", "id": ident("indicator"), "pattern": pattern, "pattern_type": "stix",
            "valid_from": stamp, "indicator_types": ["malicious-activity"], **common,
        }  # fmt: skip
        relationship = {
            "type": "relationship", "id": ident("relationship"), "relationship_type": "indicates",
            "source_ref": indicator["id"], "target_ref": malware["id"], **common,
        }  # fmt: skip
        objects += [indicator, relationship]
    path = folder / f"made-{count}.stix2"
    path.write_text(json.dumps({"type": "bundle", "id": ident("bundle"), "objects": objects}), encoding="utf-8")
    return path


def made_records(domains: list[str], processes: list[str]) -> dict[str, list[str]]:
    """Make records with the repetitions of a phone: some hosts come all the time, most come a few times."""
    rng = random.Random(2026)
    popular = [f"host{number}.example.com" for number in range(2_000)]
    rare = [f"www.site-{number}.{rng.choice(['org', 'com.mx', 'net', 'de'])}" for number in range(100_000)]

    def url() -> str:
        dice = rng.random()
        host = rng.choice(popular) if dice < 0.5 else rng.choice(rare)
        if dice > 0.999:
            host = rng.choice(domains)
        elif dice > 0.99:
            host = rng.choice([f"{host}:8443", host.upper(), "bit.ly", "93.184.216.34"])
        return f"https://{host}/{rng.getrandbits(40):x}?id={rng.randrange(1000)}"

    names = [f"process{number}d" for number in range(500)]
    folders = ["Library", "Media", "private", "var", "mobile", "Containers", "tmp", "Caches", "DCIM"]
    return {
        "url": [url() for _ in range(RECORDS)],
        "process": [rng.choice(processes) if rng.random() > 0.999 else rng.choice(names) for _ in range(RECORDS)],
        "file_path": [
            "/".join(["", *rng.choices(folders, k=rng.randint(3, 8)), f"{rng.getrandbits(32):x}.plist"])
            for _ in range(RECORDS)
        ],
    }


def compare_loading(paths: list[Path], label: str, *, with_mvt: bool) -> tuple[Any, Any]:
    from mvt.common.indicators import Indicators  # noqa: PLC0415 (it reads the environment when imported)

    times: dict[str, float] = {}
    theirs = Indicators()
    with measured(times, "json"):
        for path in paths:
            json.loads(path.read_bytes())
    with measured(times, "ours"):
        index = load(paths)
        matcher = SetMatcher(index.indicators)
    if with_mvt:
        with measured(times, "mvt"):
            for path in paths:
                theirs.parse_stix2(str(path))
    count = sum(loaded.total for loaded in index.sets)
    mvt = f"MVT {times['mvt']:8.2f} s, {times['mvt'] / times['ours']:7.1f} times as long" if with_mvt else "MVT not run"
    own = times["ours"] - times["json"]
    print(f"load {label} ({count} indicators): ours {times['ours']:.2f} s (beside JSON {own:.2f} s); {mvt}")
    return theirs, (index, matcher)


def compare_matching(theirs: Any, matcher: Any, records: dict[str, list[str]], sample: int) -> None:
    methods = {"url": theirs.check_url, "process": theirs.check_process, "file_path": theirs.check_file_path}
    for name, values in records.items():
        times: dict[str, float] = {}
        check: Callable[[str], Any] = getattr(matcher, name)
        for warm in (check, methods[name]):  # both read the public suffix list at their first call
            warm("https://example.org/")
        with measured(times, "ours"):
            ours = sum(check(value) is not None for value in values)
        with measured(times, "mvt"):
            found = sum(methods[name](value) is not None for value in values[:sample])
        per_call = times["ours"] / len(values), times["mvt"] / sample
        print(
            f"match {len(values)} of {name}: ours {times['ours']:.2f} s, {ours} met; MVT {per_call[1] * 1e6:.1f} µs a "
            f"call over the first {sample} ({found} met), {per_call[1] / per_call[0]:.1f} times as long"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, required=True, help="folder of published bundles")
    parser.add_argument("--long", action="store_true", help="also let MVT read 50,000 indicators (minutes)")
    parser.add_argument("--sample", type=int, default=50_000, help="how many of the records MVT is given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(MVT_CONFIG_FOLDER=folder, MVT_DATA_FOLDER=folder, MVT_NETWORK_ACCESS_ALLOWED="false")
        os.environ.pop("MVT_STIX2", None)
        logging.disable(logging.CRITICAL)
        published = sorted(options.bundles.glob("*.stix2"))
        theirs, (index, matcher) = compare_loading(published, f"{len(published)} published sets", with_mvt=True)
        domains = [one.value for one in index.indicators if one.type.value == "domain" and "/" not in one.value]
        processes = [one.value for one in index.indicators if one.type.value == "process"]
        compare_matching(theirs, matcher, made_records(domains, processes), options.sample)
        compare_loading([made_bundle(Path(folder), 5_000)], "made", with_mvt=True)
        compare_loading([made_bundle(Path(folder), 50_000)], "made", with_mvt=options.long)
        compare_loading([made_bundle(Path(folder), 200_000)], "made", with_mvt=False)


if __name__ == "__main__":
    main()
