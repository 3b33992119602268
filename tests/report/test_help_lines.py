"""The help lines of the report: facts with a source and a day of review, whose words are translated."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import urlsplit

import pytest

from spytriage.report.help_lines import ENDONYMS, HelpLine, help_lines
from spytriage.report.texts import SERVES, serves_text


@pytest.mark.parametrize("line", help_lines(), ids=lambda line: line.id)
def test_an_entry_is_complete(line: HelpLine) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", line.id)
    assert line.organisation.strip() == line.organisation != ""
    assert serves_text(line.serves).endswith(".")
    assert set(line.languages) <= set(ENDONYMS)
    assert list(line.languages) == sorted(line.languages)
    source = urlsplit(line.source)
    assert (source.scheme, bool(source.netloc)) == ("https", True)
    assert date(2026, 1, 1) <= line.reviewed_on


@pytest.mark.parametrize("line", help_lines(), ids=lambda line: line.id)
def test_a_contact_is_an_address_to_type_and_belongs_to_the_organisation(line: HelpLine) -> None:
    assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+|[\w-]+(\.[\w-]+)+(/[\w./-]+)?", line.contact)
    host = line.contact.rpartition("@")[2].partition("/")[0]
    if "@" not in line.contact:
        assert urlsplit(line.source).netloc.removeprefix("www.") == host.removeprefix("www.")


def test_no_entry_stands_there_twice_and_no_word_is_left_over() -> None:
    lines = help_lines()
    assert len({line.id for line in lines}) == len({line.contact for line in lines}) == len(lines)
    assert {line.serves for line in lines} == set(SERVES)
