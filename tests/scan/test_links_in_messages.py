"""A link in a message is met as a phone shows it: with a scheme, or as a plain name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.indicators import load
from spytriage.models import IndicatorIndex, IndicatorType, Report, ScanResult
from spytriage.scan.sieves import links_in, links_in_rich_text, names_in
from tests.acquisitions import SMS_ENTRY, android_backup, text_messages
from tests.indicators.conftest import bundle_with
from tests.tools import SMS, edited

Scan = Callable[..., ScanResult]
LURE = "lure.example.org"
WHATSAPP = ("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite")


@pytest.fixture
def index(tmp_path: Path) -> IndicatorIndex:
    path = tmp_path / "made.stix2"
    path.write_text(json.dumps(bundle_with([(IndicatorType.DOMAIN, LURE)])))
    return load([path])


def met(result: ScanResult) -> list[tuple[str, str]]:
    return [(alert.module, one.value) for alert in result.alerts if alert.match for one in alert.match.indicators]


def rich(text: str) -> bytes:
    """Return a string as it stands in the archived body of a message."""
    string = text.encode()
    length = bytes([len(string)]) if len(string) < 0x80 else b"\x81" + len(string).to_bytes(2, "little")
    return b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x01+" + length + string + b"\x86\x84\x02iI\x01"


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("mira lure.example.org/x?1", ["lure.example.org/x?1"]),
        ("LURE.Example.ORG", ["LURE.Example.ORG"]),
        ("(lure.example.org)", ["lure.example.org"]),
        ("entra:lure.example.org/x", ["lure.example.org/x"]),
        ("lure.example.org.", ["lure.example.org"]),
        ("lure.example.org:8080/a y más", ["lure.example.org:8080/a"]),
        ("看lure.example.org吧", ["lure.example.org"]),
        ("bit.ly/abc", ["bit.ly/abc"]),
        ("a.b.com.mx, c.net", ["a.b.com.mx", "c.net"]),
        ("xn--e1afmkfd.xn--p1ai/x", ["xn--e1afmkfd.xn--p1ai/x"]),
        ("https://a.example.org/?u=lure.example.org", ["https://a.example.org/?u=lure.example.org"]),
        ("escribe a ana.perez@lure.example.org", []),
        ("IMG_0001.jpg, nota.pdf, 3.14, v1.2.3, etc...", []),
        ("áulure.example.org", []),
        ("", []),
    ],
)
def test_what_a_phone_shows_as_a_link_is_a_link(text: str, links: list[str]) -> None:
    assert links_in(text) == links


@pytest.mark.parametrize("before", ["", "mira ", "x" * 69 + " ", "ñ" * 200 + " "])
def test_the_length_of_a_rich_text_is_no_letter_of_its_first_name(before: str) -> None:
    assert links_in_rich_text(rich(f"{before}{LURE}/x")) == [f"{LURE}/x"]


@given(st.text(alphabet=st.sampled_from("ab.-@/ \x84\x01+\x81\x82é看\0"), max_size=200), st.binary(max_size=100))
def test_no_text_breaks_the_search_for_names(text: str, body: bytes) -> None:
    assert all(name in text for name in names_in(text))
    links_in_rich_text(text.encode("latin-1", "ignore") + body)


def test_texts_made_to_keep_the_search_busy_do_not() -> None:
    for text in ("a." * 500_000, "a" * 1_000_000 + ".", "a.b@" * 250_000, "-." * 500_000, "a:" * 500_000):
        assert names_in(text) == []
    links_in_rich_text(b"\x84\x01+\x82\xff\xff\xff\xff." * 100_000)


@pytest.mark.parametrize(
    "change",
    [
        ("UPDATE message SET text = ? WHERE ROWID = (SELECT MIN(ROWID) FROM message)", f"mira {LURE}/x"),
        (
            "UPDATE message SET text = NULL, attributedBody = ? WHERE ROWID = (SELECT MIN(ROWID) FROM message)",
            rich(f"{LURE}/x"),
        ),
    ],
)
def test_a_plain_name_in_a_message_is_met(
    run_scan: Scan, unplanted: Path, index: IndicatorIndex, change: tuple[str, str | bytes]
) -> None:
    with edited(unplanted, SMS) as database:
        database.execute(change[0], (change[1],))

    assert met(run_scan(unplanted, index)) == [("SMS", LURE)]


def test_a_plain_name_in_a_whatsapp_message_is_met(run_scan: Scan, unplanted: Path, index: IndicatorIndex) -> None:
    with edited(unplanted, WHATSAPP) as database:
        database.execute(
            "UPDATE ZWAMESSAGE SET ZTEXT = ? WHERE Z_PK = (SELECT MIN(Z_PK) FROM ZWAMESSAGE)", (f"{LURE}/x",)
        )

    assert met(run_scan(unplanted, index)) == [("Whatsapp", LURE)]


def test_a_plain_name_in_a_message_of_an_android_backup_is_met(
    run_check: Callable[..., Report], tmp_path: Path, index: IndicatorIndex
) -> None:
    path = tmp_path / "backup.ab"
    path.write_bytes(android_backup({SMS_ENTRY: text_messages("hola", f"mira {LURE}/x")}))

    assert [finding.id for finding in run_check(path, index).findings] == ["link-received"]
