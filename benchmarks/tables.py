"""The tables and the plot of benchmarks/README.md, from benchmarks/results/. `python -m benchmarks.tables`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT

FOLDER = ROOT / "benchmarks"
RESULTS, README, PLOT = FOLDER / "results", FOLDER / "README.md", FOLDER / "phone-size.svg"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"
_MODULES = 10  # rows of a table of modules

Result = Mapping[str, Any]


def rewrite(readme: Path = README, results: Path = RESULTS, plot: Path = PLOT) -> None:
    """Put the tables of all results between the markers of a README, and draw the plot."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))}
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{sections(found)}\n{END}{after}", encoding="utf-8")
    draw([one for name, one in found.items() if name in _LINE], plot)


_LINE = ("small", "middling", "full", "huge")  # the results that stand in the plot


def sections(found: Mapping[str, Result]) -> str:
    """Return the tables as Markdown."""
    phones = [one for one in found.values() if "phone" in one]
    phones.sort(key=lambda one: (one["phone"]["files"], one["encrypted"], one["jobs"] or 0))
    blocks = [_phone(one) for one in phones]
    blocks += [_growth(phones), _limits(phones, found.get("startup"))]
    blocks += [*map(_modules, [one for one in phones if "mvt" in one and not one["encrypted"]][-1:])]
    if "startup" in found:
        blocks.append(_startup(found["startup"]))
    if "batch" in found:
        blocks.append(_batch(found["batch"]))
    return "\n".join(blocks)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table as Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _title(one: Result) -> str:
    encrypted, jobs = ", encrypted" if one["encrypted"] else "", f", --jobs {one['jobs']}" if one["jobs"] else ""
    return f"{one['size']} phone{encrypted}{jobs}"


def _phone(one: Result) -> str:
    phone, ours, mvt = one["phone"], one["spytriage"], one.get("mvt")
    rows = []
    for what, key, show in (
        ("wall time", "wall", _seconds),
        ("processor time", "cpu", _seconds),
        ("memory at the peak, all processes", "memory", _bytes),
        ("written to disks", "written", _bytes),
        ("left behind", "left", _bytes),
    ):
        row = [what, show(ours[key])]
        rows.append([*row, show(mvt[key]), _ratio(mvt[key], ours[key])] if mvt else row)
    if mvt and one["key_seconds"]:
        key = one["key_seconds"]
        rest = [mvt["wall"] - key, ours["wall"] - key]
        rows.append(
            [f"wall time without the key ({_seconds(key)})", _seconds(rest[1]), _seconds(rest[0]), _ratio(*rest)]
        )
    head = ["", "spytriage", *(["MVT", "MVT takes … times as much"] if mvt else [])]
    holds = ", ".join(f"{phone[what]:,} {what}" for what in ("files", "messages", "visits", "interactions"))
    waited = one["first_line_seconds"]
    first = f"From the password to the first line of coverage: {_seconds(waited)}. " if waited else ""
    return (
        f"### {_title(one)[0].upper()}{_title(one)[1:]}\n\n    {one['command']}\n\n"
        f"{_bytes(phone['bytes'])}: {holds}. {_alerts(one)} {first}{_machine(one)}\n\n{table(head, rows)}"
    )


def _alerts(one: Result) -> str:
    same, beyond = one["alerts"]["same"], one["alerts"]["beyond_mvt"]
    if same is None:
        return "MVT was not run."
    return f"Both raised the same {same} alerts; {beyond} more of spytriage's are of traces that MVT does not look at."


def _machine(one: Result) -> str:
    on = one["machine"]
    return (
        f"{on['cores']} cores, {on['system']}, Python {on['python']}, SQLite {on['sqlite']}, MVT {on['mvt']}; "
        f"load average {on['load']} when it began."
    )


def _growth(phones: Iterable[Result]) -> str:
    """Return how time and memory grow with the phone: what a file takes must not."""
    rows = []
    for one in phones:
        if not one["encrypted"] and not one["jobs"]:
            files, both = one["phone"]["files"], [one["spytriage"], one.get("mvt")]
            times = [f"{cost['cpu'] / files * 1e6:,.0f} µs" if cost else "—" for cost in both]
            memories = [_bytes(cost["memory"]) if cost else "—" for cost in both]
            rows.append([f"{files:,}", *times, *memories])
    head = ["files", "spytriage, processor per file", "MVT", "spytriage, memory", "MVT"]
    return f"### Growth\n\n{table(head, rows)}"


def _limits(phones: Iterable[Result], startup: Result | None) -> str:
    """Return where the processor time goes: to the rows, to starting and reporting, to the looking."""
    fixed = startup["commands"][CHECK]["cpu"] if startup else 0.0
    rows = []
    for one in phones:
        if limit := one["limit"]:
            ours = one["spytriage"]["cpu"]
            parts = [limit["cpu"], fixed, ours - limit["cpu"] - fixed]
            shares = [f"{_seconds(part)} ({part / ours:.0%})" for part in parts]
            rows.append([_title(one), _seconds(ours), *shares, _ratio(ours, limit["cpu"])])
    head = ["", "spytriage, processor", "the rows alone", "starting and reporting", "looking at each row",
            "… times the rows alone"]  # fmt: skip
    return f"### The limit\n\n{_LIMIT}\n\n{table(head, rows)}" if rows else ""


_LIMIT = """\
The rows alone: every column of every row of the databases that modules read, fetched once with Python's sqlite3 and
dropped (`limit.py`). Starting and reporting: a check of the demo's phone, which has next to no rows. The rest is work
on the rows: judging each one, looking up links, names and paths, and the records that matter."""
CHECK = "`spytriage check` of the demo's phone"
IMPORT = "Python and MVT's import"


def _modules(one: Result) -> str:
    ours, mvt = one["spytriage"], one["mvt"]
    slowest = sorted(mvt["modules"], key=lambda name: -mvt["modules"][name])[:_MODULES]
    rows = [[name, _seconds(ours["modules"].get(name, 0.0)), _seconds(mvt["modules"][name])] for name in slowest]
    others = [sum(times["modules"].values()) - sum(times["modules"].get(name, 0.0) for name in slowest)
              for times in (ours, mvt)]  # fmt: skip
    rows.append(["the other modules", *map(_seconds, others)])
    outside = [ours["wall"] - ours["scan"], mvt["wall"] - sum(mvt["modules"].values())]
    rows.append(["before and after them", *map(_seconds, outside)])
    title = f"### Where the wall time goes: {_title(one)}\n\n"
    return f"{title}Modules of spytriage run side by side when it has more than one job.\n\n" + table(
        ["module", "spytriage", "MVT"], rows
    )


def _startup(one: Result) -> str:
    commands, parts = one["commands"], one["parts"]
    imported = commands[IMPORT]["cpu"]
    rows = [
        [name, _seconds(cost["cpu"]), f"{cost['cpu'] / imported:.1f}", _seconds(cost["wall"])]
        for name, cost in commands.items()
    ]
    parts = [[name, f"{1000 * spent:.0f} ms", f"{spent / sum(parts.values()):.0%}"] for name, spent in parts.items()]
    return (
        f"### Start-up\n\n    {one['command']}\n\nThe least of {one['runs']} runs, all in turns. {_machine(one)}\n\n"
        f"{table(['', 'processor', 'times the import', 'wall'], rows)}\n"
        "Where the processor time of that check goes, in the run of these that took least (`parts.py`):\n\n"
        f"{table(['', 'processor', 'share'], parts)}"
    )


def _batch(one: Result) -> str:
    rows = [
        ["one at a time", _seconds(one["one"]), ""],
        ["two at once", _seconds(one["two"]), _ratio(one["one"], one["two"])],
    ]
    return (
        f"### Many phones\n\n    {one['command']}\n\n{one['phones']} {one['size']} phones with `spytriage batch`. "
        f"The median of {one['runs']} runs. {_machine(one)}\n\n{table(['', 'wall', 'times as fast'], rows)}"
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _bytes(value: float) -> str:
    if value < 1e6:
        return f"{value / 1e3:.0f} kB"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def _ratio(more: float, less: float) -> str:
    if less <= 0:
        return "—"
    ratio = more / less
    return f"{ratio:,.0f}" if ratio >= 20 else f"{ratio:.1f}"


def draw(found: list[Result], place: Path) -> None:
    """Draw processor time and memory over the size of the phone."""
    import matplotlib as mpl  # noqa: PLC0415 (slow to import)

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "spytriage", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, (key, unit, label) in zip(axes, _PANELS, strict=True):
        for name, colour, marker in (("mvt", "#b5462f", "s"), ("spytriage", "#1f5f8b", "o")):
            points = sorted(_points(found, name, key, unit))
            axis.plot(*zip(*points, strict=True) if points else ([], []), color=colour, marker=marker,
                      label="MVT" if name == "mvt" else name)  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="files on the phone", ylabel=label)
        axis.grid(visible=True, which="major", color="#dddddd")
        sizes = sorted({one["phone"]["files"] for one in found})
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.set_xticks([], minor=True)
        low, high = (round(math.log10(value) + half) for value, half in zip(axis.get_ylim(), (-0.5, 0.5), strict=True))
        axis.set_ylim(10**low, 10**high)
        axis.yaxis.set_major_formatter(lambda value, _position: f"{value:,g}")
    axes[0].legend(frameon=False)
    figure.savefig(place, metadata={"Date": None, "Creator": None})
    plt.close(figure)


_PANELS = (("cpu", 1.0, "processor time, seconds"), ("memory", 1e6, "memory at the peak, MB"))


def _points(found: Iterable[Result], name: str, key: str, unit: float) -> Iterator[tuple[int, float]]:
    for one in found:
        if name in one:
            yield one["phone"]["files"], one[name][key] / unit


if __name__ == "__main__":
    rewrite()
