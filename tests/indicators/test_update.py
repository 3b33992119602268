"""`update` takes what the catalogue pins, whole, from where the catalogue says, or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.indicators.conftest import bundle_of, indicator

from spytriage.cli import main
from spytriage.errors import SpytriageError
from spytriage.indicators import catalogue as catalogue_module
from spytriage.indicators import update
from spytriage.indicators.catalogue import CatalogueEntry, catalogue
from spytriage.indicators.store import install, records
from spytriage.indicators.update import fetch_pinned, fetch_unpinned

BUNDLE = json.dumps(bundle_of(indicator("[process:name='x']"))).encode()
NEWER = json.dumps(bundle_of(indicator("[process:name='y']"))).encode()
ENTRY = CatalogueEntry(
    name="made", title="Made", publisher="Somebody", family="Made", repository="owner/name", path="a folder/made.stix2",
    licence="MIT", commit="c0ffee", sha256=hashlib.sha256(BUNDLE).hexdigest(), size=len(BUNDLE), counts={"process": 1},
    pinned_on=date(2026, 1, 1),
)  # fmt: skip
LOOSE = replace(ENTRY, name="loose", commit=None, sha256=None, size=None, path="loose.stix2")

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A local stand-in for the host of published files."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Answer = sends(BUNDLE)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answer(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def sends(body: bytes, status: int = 200, length: int | None = None, **headers: str) -> Answer:
    def _answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return _answer


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server()
    monkeypatch.setenv("SPYTRIAGE_UPDATE_URL", made.url)
    monkeypatch.setenv("SPYTRIAGE_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for module in (catalogue_module, update):
        monkeypatch.setattr(module, "catalogue", lambda: (ENTRY, LOOSE))
    yield made
    made.stop()


def pinned(*names: str) -> list[str]:
    """Fetch and install what is pinned; return the names of what was installed."""
    return [
        record.name
        for fetched in fetch_pinned(names)
        if fetched.candidate
        for record in install([fetched.candidate], date(2026, 2, 2))
    ]


def test_a_pinned_set_comes_from_its_commit_and_is_installed_once(server: Server) -> None:
    assert pinned() == ["made"]
    assert server.asked == ["/owner/name/c0ffee/a%20folder/made.stix2"]
    (record,) = records()
    assert (record.name, record.sha256, record.official, record.catalogued) == ("made", ENTRY.sha256, True, True)
    assert pinned() == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (sends(b"gone", 404), "answers 404"),
        (sends(b"", 500), "answers 500"),
        (sends(NEWER), "not what the catalogue pins"),
        (sends(b""), "not what the catalogue pins"),
        (sends(BUNDLE[:-20], length=len(BUNDLE)), "only a part of it came"),
        (sends(BUNDLE + b" " * 500), "more than expected"),
        (sends(b"", 302, Location="http://127.0.0.1:1/made.stix2"), "sends us elsewhere"),
        (sends(b"", 301, Location="/owner/name/c0ffee/other.stix2"), "sends us elsewhere"),
        (hangs_up, "could not be fetched"),
    ],
)
def test_when_anything_goes_wrong_nothing_is_installed(
    server: Server, answer: Answer, says: str, tmp_path: Path
) -> None:
    server.answer = answer
    with pytest.raises(SpytriageError, match=says) as raised:
        pinned()
    assert raised.value.hint
    assert not records()
    assert not (tmp_path / "data").exists()


def test_without_a_network_the_error_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPYTRIAGE_UPDATE_URL", "http://127.0.0.1:1")
    with pytest.raises(SpytriageError, match="no connection"):
        pinned()
    assert not records()


def test_an_unknown_name_or_one_that_is_not_pinned_is_one_clear_error(server: Server) -> None:
    with pytest.raises(SpytriageError, match="no set of the name nonsense"):
        pinned("nonsense")
    with pytest.raises(SpytriageError, match="does not pin"):
        pinned("loose")
    assert server.asked == []


def test_an_unpinned_version_is_taken_from_the_newest_and_never_called_pinned(server: Server) -> None:
    pinned()
    server.answer = sends(NEWER)
    (fetched,) = fetch_unpinned(["made"])
    assert server.asked[-1] == "/owner/name/HEAD/a%20folder/made.stix2"
    assert fetched.candidate is not None
    install([fetched.candidate])
    (record,) = records()
    assert (record.name, record.official, record.catalogued) == ("made", True, False)
    assert [found.candidate for found in fetch_unpinned(["made"])] == [None]


def test_an_unpinned_file_that_is_no_bundle_is_not_installed(server: Server) -> None:
    server.answer = sends(b"<html>")
    with pytest.raises(SpytriageError, match="not JSON"):
        list(fetch_unpinned(["loose"]))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["--lang", "en", "indicators", "update", *arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_the_command_says_what_it_installed_and_what_was_there(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "made") == (
        0, "Installed: made, the version that the catalogue pins\n  usable indicators: 1 of 1\n",
    )  # fmt: skip
    assert run(capsys) == (0, "made: nothing new\n")
    server.answer = sends(b"", 404)
    code, text = run(capsys, "--unpinned", "loose")
    assert code == 1
    assert "What to do:" in text


@pytest.mark.parametrize(("answer", "installs"), [("n\n", False), ("y\n", True)])
def test_an_unpinned_version_shows_what_changed_and_asks(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str, installs: bool
) -> None:
    run(capsys, "made")
    server.answer = sends(NEWER)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    code, text = run(capsys, "--unpinned", "made")
    assert code == 0
    assert "added: 1\n  process\ty" in text
    assert "withdrawn: 1\n  process\tx" in text
    assert (records()[0].sha256 != ENTRY.sha256) is installs


def test_an_unpinned_set_is_installed_unasked_when_told_so(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "--unpinned", "--yes", "loose")
    assert code == 0
    assert "new: 1 usable indicators" in text
    assert [record.name for record in records()] == ["loose"]


def test_the_catalogue_says_where_every_known_set_is_and_what_is_in_it(shared_bundles: list[Path]) -> None:
    from spytriage.indicators.sets import read_file

    pins = {entry.sha256: entry for entry in catalogue() if entry.sha256}
    assert len(pins) == 16
    for path in shared_bundles:
        entry, loaded = pins[hashlib.sha256(path.read_bytes()).hexdigest()], read_file(path).set
        assert entry.path.endswith(f"/{path.name}")
        assert (entry.size, entry.total, entry.unusable) == (path.stat().st_size, loaded.total, len(loaded.unusable))
        assert (entry.family,) == loaded.families


def test_every_entry_of_the_catalogue_is_complete_or_says_that_it_is_not_pinned() -> None:
    names = [entry.name for entry in catalogue()]
    assert len(set(names)) == len(names)
    for entry in catalogue():
        whole = (entry.commit, entry.sha256, entry.size, entry.pinned_on, entry.licence)
        assert all(whole) or not any(whole), entry.name
        assert entry.sha256 is None or len(entry.sha256) == 64
        assert entry.commit is None or len(entry.commit) == 40
    assert [entry.name for entry in catalogue() if not entry.sha256] == ["stalkerware"]
