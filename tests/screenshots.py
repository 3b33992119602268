"""Makes the pictures of the docs: reports of invented phones, one for each outcome, as people see them.

    python -m tests.screenshots FOLDER          (make screenshots)

Each report comes from the real check on a phone that `spytriage.demo` writes; everybody on it is invented.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from spytriage.consent import Consent, Grant
from spytriage.demo import phone_files, write_phone
from spytriage.demo.backup_format import write_backup
from spytriage.demo.records import Event
from spytriage.demo.story import tell
from spytriage.i18n import using_language
from spytriage.indicators import select
from spytriage.indicators.data import data_file
from spytriage.models import Outcome, Report
from spytriage.pipeline import Check, check
from spytriage.redaction import CaseKey
from spytriage.report import from_json, to_html, to_json
from spytriage.report.pdf import to_pdf
from tests.tools import Recorder

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LARGEST = 120_000  # bytes of a picture: they are part of every clone
DAY = date(2026, 11, 21)
SEED = 2021


@dataclass(frozen=True)
class Picture:
    """What to show of which report."""

    name: str
    outcome: Outcome
    languages: tuple[str, ...] = ("en",)
    width: int = 920
    height: int = 1240
    part: str = ""  # of the page, as a CSS selector; without one, its top
    window: dict[str, Any] = field(default_factory=dict)


PICTURES = (
    Picture("demo-report", Outcome.MATCH),
    Picture("suspicious", Outcome.SUSPICIOUS),
    Picture("no-match", Outcome.NO_MATCH),
    Picture("inconclusive", Outcome.INCONCLUSIVE),
    Picture("coverage", Outcome.INCONCLUSIVE, part="section[aria-labelledby=coverage]"),
    Picture("finding", Outcome.MATCH, part="article.ran"),
    Picture("timeline", Outcome.MATCH, part="section[aria-labelledby=timeline]"),
    Picture("spanish", Outcome.MATCH, ("es",)),
    Picture("spanish-english", Outcome.MATCH, ("es", "en"), width=1080),
    Picture("arabic", Outcome.MATCH, ("ar",)),
    Picture("phone", Outcome.NO_MATCH, width=320, height=1400, window={"color_scheme": "dark"}),
)
PRINTED = "print"


def reports(folder: Path) -> Iterator[Report]:
    """Yield a report of each outcome, from phones written into the folder."""
    for outcome in Outcome:
        phone = folder / outcome
        _write(phone, outcome)
        request = Check(
            path=phone,
            index=select([data_file("demo.stix2")], ["pegasus-core"]),
            consent=Consent(True, True, frozenset({Grant.ANALYSE, Grant.SHARE_REDACTED}), None, "DEMO-0", DAY),
            checked_on=DAY,
            key=CaseKey(bytes(32)),
            demo=True,
        )
        report = check(request, Recorder()).report
        assert report.outcome is outcome, f"{report.outcome}, not {outcome}"
        yield from_json(to_json(report))  # as it comes out of a hand-off


def _write(phone: Path, outcome: Outcome) -> None:
    if outcome is Outcome.SUSPICIOUS:
        story = tell(SEED, planted=False)
        # What the calendar of a phone held that an exploit had come to, as the Citizen Lab describes it (2023).
        event = Event(story.device.backed_up - timedelta(days=90), "Meeting", "Notes", story.people[0])
        story = replace(story, events=(*story.events, event))
        write_backup(phone, story.device, story.apps, phone_files(story), None)
        return
    write_phone(phone, seed=SEED, planted=outcome is Outcome.MATCH)
    if outcome is Outcome.INCONCLUSIVE:
        messages = next(path for path in phone.rglob("3d0d7e5fb2ce288813306e4d4636395e047a3d28"))  # sms.db
        messages.unlink()


def make(folder: Path) -> list[Path]:
    """Write every picture into the folder and return their paths."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        work = Path(temporary)
        told = {report.outcome: report for report in reports(work)}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for picture in PICTURES:
            with using_language(*picture.languages):
                (work / "report.html").write_bytes(to_html(told[picture.outcome]))
            size = {"width": picture.width, "height": picture.height}
            page = browser.new_page(viewport=size, **picture.window)
            page.goto((work / "report.html").as_uri())
            page.screenshot(path=work / "seen.png", **(_around(page, picture.part) if picture.part else {}))
            made.append(_small(work / "seen.png", folder / picture.name))
            page.close()
        browser.close()
        made.append(_printed(told[Outcome.NO_MATCH], work, folder))
    return made


def _around(page: Any, part: str) -> dict[str, Any]:
    """Return where a part of a page lies, with some room around it."""
    box, room = page.locator(part).first.bounding_box(), 24
    clip = {"x": max(0, box["x"] - room), "y": box["y"] - room, "width": box["width"] + 2 * room}
    return {"clip": {**clip, "height": box["height"] + 2 * room}, "full_page": True}


def _printed(report: Report, work: Path, folder: Path) -> Path:
    """Draw the first sheet of the PDF."""
    (work / "report.pdf").write_bytes(to_pdf(report))
    command = ["pdftoppm", "-png", "-r", "90", "-f", "1", "-l", "1", "-singlefile", "report.pdf", "sheet"]
    subprocess.run(command, cwd=work, check=True, timeout=120)
    return _small(work / "sheet.png", folder / PRINTED)


def _small(source: Path, target: Path) -> Path:
    """Write a picture with few colours: text and flat areas need no more."""
    from PIL import Image

    target = target.with_suffix(".png")
    with Image.open(source) as image:
        image.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


if __name__ == "__main__":
    for path in make(Path(sys.argv[1])):
        sys.stdout.write(f"{path} {path.stat().st_size}\n")
