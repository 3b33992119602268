"""The report as PDF: the same words, nothing fetched, nothing of the machine."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.report import samples

from spytriage.errors import SpytriageError
from spytriage.i18n import using_language
from spytriage.models import Outcome, Report
from spytriage.report import texts, to_json
from spytriage.report.help_lines import help_lines
from spytriage.report.pdf import to_pdf


def _is_usable() -> bool:
    if importlib.util.find_spec("weasyprint") is None:
        return False
    try:
        import weasyprint  # noqa: F401
    except OSError:
        return False
    return True


needs_weasyprint = pytest.mark.skipif(
    not _is_usable(), reason="needs WeasyPrint and Pango (Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0)"
)


def pages_of(data: bytes) -> list[str]:
    from pypdf import PdfReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pypdf, about its own dependencies
        return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(data)).pages]


@needs_weasyprint
@pytest.mark.slow
@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_first_page_of_each_outcome_is_for_the_person_and_holds_all_of_it(report: Report) -> None:
    first, second, *_others = pages_of(to_pdf(report))
    words = texts.outcome_texts(report.outcome, report.source)
    for sentence in (words.headline, words.meaning, words.not_meaning, *words.next_steps, "smex.org/helpdesk"):
        assert sentence in first
    assert "What was checked" in second
    assert "What was checked" not in first


@needs_weasyprint
@pytest.mark.slow
def test_a_pdf_is_the_same_bytes_each_time_and_says_nothing_of_the_machine() -> None:
    from pypdf import PdfReader

    data = to_pdf(samples.NO_MATCH)
    assert data == to_pdf(samples.NO_MATCH)
    assert set(PdfReader(io.BytesIO(data)).metadata or {}) <= {"/Title", "/Producer", "/Lang"}
    assert str(Path.home()).encode() not in data.replace(b"/Root", b"")


@needs_weasyprint
@pytest.mark.slow
def test_a_hostile_set_fetches_nothing_and_starts_nothing() -> None:
    data = to_pdf(samples.hostile()[0])
    assert not re.search(rb"/(URI|Launch|JavaScript|JS|EmbeddedFile|SubmitForm)\b", data)
    assert "<script>alert(1)</script>" in "".join(pages_of(data))


@needs_weasyprint
@pytest.mark.slow
def test_a_pdf_in_two_languages_holds_both() -> None:
    with using_language("es", "en"):
        first = pages_of(to_pdf(samples.NO_MATCH))[0]
    for language in ("es", "en"):
        with using_language(language):
            assert texts.outcome_texts(Outcome.NO_MATCH, samples.NO_MATCH.source).headline in first


@needs_weasyprint
@pytest.mark.slow
def test_values_keep_their_order_in_writing_from_right_to_left() -> None:
    with using_language("ar"):
        text = "".join(pages_of(to_pdf(samples.MATCH))).replace(" ", "")  # a line may end after a hyphen
    shown = ("bad[.]example[.]org", "2019-05-14", "sms.db", "link-received")
    for value in (*(line.contact for line in help_lines()), *shown):
        assert value in text, value


def test_without_weasyprint_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(SpytriageError, match="WeasyPrint") as error:
        to_pdf(samples.NO_MATCH)
    assert "spytriage[pdf]" in error.value.hint
    assert "print" in error.value.hint


@needs_weasyprint
@pytest.mark.slow
def test_without_fonts_the_error_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "fonts.conf").write_text(
        f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>"
    )
    (tmp_path / "report.json").write_bytes(to_json(samples.NO_MATCH))
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "report", "render", "report.json", "--format", "pdf", "-o", "report.pdf"],
        cwd=tmp_path, env={**os.environ, "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"), "LANG": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "no fonts" in done.stderr
    assert "What to do" in done.stderr
    assert not (tmp_path / "report.pdf").exists()
