"""report.html in a real browser: it opens, and asks for nothing."""

from __future__ import annotations

import os
import re
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.report import samples

from spytriage.models import Outcome
from spytriage.report import texts, to_html
from spytriage.report.help_lines import help_lines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# What the browser asks for on its own account, whatever page it opens; no report names these hosts.
_OWN_HOSTS = re.compile(rb"^\w+ (?:https?://)?[\w.]+\.(?:googleapis|google|gstatic)\.com[:/]")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
]


@contextmanager
def _listening() -> Iterator[tuple[int, list[bytes]]]:
    """Listen as the browser's proxy: every request of its would begin here."""
    asked: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()
            thread.join()


def _open(page: Path, tmp_path: Path, *flags: str) -> tuple[str, list[bytes]]:
    """Return what the browser printed, and the requests that the page made."""
    with _listening() as (port, asked):
        opened = subprocess.run(
            [
                str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--proxy-server=127.0.0.1:{port}", "--proxy-bypass-list=<-loopback>", "--virtual-time-budget=3000",
                *flags, page.as_uri(),
            ],
            check=True, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip
    return opened.stdout, [line for line in asked if not _OWN_HOSTS.search(line)]


def test_a_page_that_loads_something_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img src="http://192.0.2.1/picture">')
    _dom, asked = _open(page, tmp_path, "--dump-dom")
    assert any(b"192.0.2.1/picture" in line for line in asked)


def test_a_hostile_report_makes_no_request_and_runs_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(to_html(samples.hostile()[0]))
    dom, asked = _open(page, tmp_path, "--dump-dom")
    assert asked == []
    assert "&lt;script&gt;alert(1)" in dom
    assert "<script" not in dom


def test_the_policy_holds_even_if_something_were_smuggled_in(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    smuggled = b'<img src="http://192.0.2.1/x"><script>document.title="ran"</script></main>'
    page.write_bytes(to_html(samples.MATCH).replace(b"</main>", smuggled))
    dom, asked = _open(page, tmp_path, "--dump-dom")
    assert asked == []
    assert "<title>ran</title>" not in dom


def test_the_report_opens_and_is_drawn_without_a_request(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(to_html(samples.MATCH))
    picture = tmp_path / "report.png"
    _dom, asked = _open(page, tmp_path, f"--screenshot={picture}", "--window-size=900,1400")
    assert asked == []
    assert picture.stat().st_size > 20_000


@pytest.mark.skipif(shutil.which("w3m") is None, reason="needs w3m (Debian: apt-get install w3m)")
def test_a_text_browser_shows_the_outcome_first_and_each_contact_on_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(to_html(samples.MATCH))
    command = ["w3m", "-dump", "-cols", "80", "report.html"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    lines = [line.strip(" •") for line in done.stdout.splitlines()]
    order = [
        texts.outcome_texts(Outcome.MATCH, samples.MATCH.source).headline,
        "What to do now",
        "Who can help",
        "What was checked",
        "Timeline",
    ]
    assert sorted(order, key=lines.index) == order
    assert {line.contact for line in help_lines()} <= set(lines)
