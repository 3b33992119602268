"""What the commands over many cases write and print gives no order either: statistics, addenda, batches, custody."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from markdown_it import MarkdownIt
from tests.report import samples
from tests.report.test_addendum import addendum_of
from tests.review import handoffs
from tests.ways_out import hostile
from tests.ways_out.test_csv import FORMULAS, _cells, _is_formula
from tests.ways_out.test_report import _tags
from tests.ways_out.test_terminal import NAMES, Shown, shown
from tests.ways_out.vectors import EVERYTHING, MARKUP, STEERING, places, put, unprintable

from spytriage import batch, scan
from spytriage.aggregate import count, to_csv, to_html, to_json
from spytriage.aggregate.cases import Case, Collected
from spytriage.finding_kinds import Trace
from spytriage.handoff import CUSTODY, MANIFEST
from spytriage.models import Outcome, Report
from spytriage.report import write_report
from spytriage.report.addendum import render_addendum

__all__ = ["shown"]  # a fixture
MADE = (hostile.of_a_set, hostile.forged)


def counted(text: str) -> dict[str, bytes]:
    """Return statistics of phones whose reports name a family so."""
    case = Case("2026-Q1", "north", "law", "", "", Outcome.MATCH, frozenset({Trace.RAN}), frozenset({text}), "")
    statistics = count(Collected((case,) * 9, {}))
    return {"json": to_json(statistics), "csv": to_csv(statistics), "html": to_html(statistics)}


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_an_addendum_holds_no_character_that_steers(make: Callable[[str], Report], text: str) -> None:
    for name, content in render_addendum(addendum_of(make(text)), None).items():
        assert not unprintable(content.decode("utf-8")), name


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", MARKUP, ids=ascii)
def test_an_addendum_has_no_tag_and_no_attribute_that_an_honest_one_lacks(
    make: Callable[[str], Report], text: str
) -> None:
    honest, page = (
        _tags(render_addendum(addendum_of(report), None)["addendum.html"].decode())
        for report in (hostile.of_a_set("x"), make(text))
    )
    every = _tags(render_addendum(addendum_of(samples.MATCH), None)["addendum.html"].decode())
    assert page.seen <= honest.seen | every.seen
    assert page.attributes <= honest.attributes | every.attributes
    source = render_addendum(addendum_of(make(text)), None)["addendum.md"].decode()
    shown_as = _tags(MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(source)).seen
    assert shown_as <= {"h1", "h2", "h3", "p", "ol", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_statistics_hold_no_character_that_steers_and_no_tag_of_a_set(text: str) -> None:
    made, honest = counted(text), counted("x")
    for name, content in made.items():
        assert not unprintable(content.decode("utf-8")), name
    page, plain = _tags(made["html"].decode()), _tags(honest["html"].decode())
    assert (page.seen, page.attributes) == (plain.seen, plain.attributes)


@pytest.mark.parametrize("formula", FORMULAS)
def test_statistics_hold_no_formula(formula: str) -> None:
    table = counted(formula)["csv"].decode()
    assert not any(map(_is_formula, _cells(table)))
    assert {len(row) for row in csv.reader(io.StringIO(table, newline=""))} == {5}


@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_a_batch_shows_the_name_of_no_phone_and_gives_no_order(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(batch, "check_one", lambda task: batch.Result(task.phone, batch.State.FAILED, why=text))
    entry = {"name": text, "path": f"phones/{text}".replace("\0", ""), "consent": "consent.yaml"}
    try:
        (tmp_path / "list.yaml").write_text(json.dumps([entry]), encoding="utf-8")
    except UnicodeEncodeError:
        pytest.skip("no file can hold it")
    shown("batch", tmp_path / "list.yaml", "-o", tmp_path / "reports", "-i", tmp_path / "none", expected=(1,))
    out = tmp_path / "reports"
    if not out.exists():
        return  # a name that no list can hold
    assert text not in json.loads((out / batch.SUMMARY).read_bytes())["phones"][0].values()
    honest = batch._page([batch._Row("0001", batch.State.FAILED)])
    assert (out / "index.html").read_bytes() == honest
    assert (out / batch.CASES).read_bytes().isascii()


# --- The terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "\udcff\udc80"], ids=ascii)
def test_a_recheck_and_forget_name_a_case_without_giving_an_order(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for held in ("forbid_network", "forbid_core_dumps"):
        monkeypatch.setattr(scan, held, lambda: None)
    (tmp_path / "key.txt").write_text(f"{pyrage.x25519.Identity.generate()}\n")
    (tmp_path / "set.stix2").write_text(
        json.dumps({"type": "bundle", "objects": [samples.OBJECTS[samples.object_id(1)]]})
    )
    damaged, whole = tmp_path / "cases" / name, tmp_path / "cases" / f"{name} 2"
    damaged.mkdir(parents=True)
    (damaged / "report.json").write_text("{")
    write_report(handoffs.SMALL, samples.OBJECTS, whole)

    arguments = ("-i", tmp_path / "set.stix2", "--identity", tmp_path / "key.txt", "--jobs", "1")
    told = shown("recheck", tmp_path / "cases", *arguments, "-o", tmp_path / "out", expected=(0, 3, 5))

    assert "damaged" in told
    assert not unprintable((tmp_path / "out" / "summary.json").read_text("utf-8"))
    shown("forget", whole, "--now", "--yes", expected=(0, 1))
    shown("forget", damaged, "--now", "--yes", expected=(1,))
    if name in NAMES[:2]:  # it looks at the whole machine, which takes a while
        shown("doctor", tmp_path / "cases")


@pytest.mark.parametrize("text", STEERING, ids=ascii)
@pytest.mark.parametrize("file", [CUSTODY, MANIFEST, "report.json", "report.stix2"])
def test_a_forged_hand_off_gives_no_order_to_whoever_verifies_it(
    shown: Shown, tmp_path: Path, file: str, text: str
) -> None:
    folder = tmp_path / "handed"
    write_report(handoffs.SMALL, samples.OBJECTS, folder)
    honest = (folder / file).read_bytes()
    document = json.loads(honest.splitlines()[0] if file == CUSTODY else honest)
    for place in [place for number, place in enumerate(places(document)) if number < 12]:
        forged = json.loads(json.dumps(document))
        put(forged, place, text)
        (folder / file).write_text(json.dumps(forged) + "\n")
        shown("verify", folder, expected=(0, 1, 3, 5))
        shown("verify", folder, "--json", expected=(0, 1, 3, 5))
        if file == CUSTODY:
            shown("custody", "show", folder)
            shown("pack", folder)
