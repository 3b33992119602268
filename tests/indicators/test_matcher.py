"""The matcher is right where comparing text is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.indicators import SetMatcher
from spytriage.models import Attribution, Indicator, IndicatorType, MatchRule

SHA = "0" * 64


def one(kind: IndicatorType, value: str, name: str = "made") -> Indicator:
    return Indicator(kind, value, (Attribution(name, "Made", SHA, "indicator--1"),))


def matcher_of(*rows: tuple[IndicatorType, str]) -> SetMatcher:
    return SetMatcher([one(kind, value) for kind, value in rows])


DOMAIN, ADDRESS, URL = IndicatorType.DOMAIN, IndicatorType.IP_ADDRESS, IndicatorType.URL


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://evil.example",
        "evil.example",
        "EVIL.Example/x",
        "https://evil.example:8443/x",
        "https://user:secret@evil.example/x",
        "https://evil.example./x",
        "https://www.evil.example/x",
        "https://evil.example?q=1",
        "https://evil.example#f",
        "https://evil.example\\x",
        "https://ev%69l.example/",
        "  https://evil.example/x  ",
        "evil.example//x",
        "//evil.example/x",
        "https://.evil.example/x",
        "https://evil..example/x",
    ],
)
def test_a_host_is_found_however_the_url_is_written(url: str) -> None:
    match = matcher_of((DOMAIN, "evil.example")).url(url)
    assert match is not None
    assert match.rule is MatchRule.EXACT


@pytest.mark.parametrize(
    "after", [*".,;:!?)'\"]>*_&|", "...", "),", "\u2026", "\u2019s", "\u3001", "\uff0c", "%2Fx", "\0", "\0x"]
)
def test_a_link_at_the_end_of_a_sentence_is_the_link(after: str) -> None:
    match = matcher_of((DOMAIN, "evil.example")).url(f"https://evil.example{after}")
    assert match is not None
    assert match.rule is MatchRule.EXACT


@pytest.mark.parametrize("after", ["看看", "を見てください", "นี่", "，快看"])
def test_a_link_in_a_script_without_blanks_ends_where_the_script_begins(after: str) -> None:
    match = matcher_of((DOMAIN, "evil.com")).url(f"https://evil.com{after}")
    assert match is not None
    assert match.rule is MatchRule.EXACT


@pytest.mark.parametrize("after", [".", ",", ")", "!", "\u2019"])
def test_a_published_short_link_at_the_end_of_a_sentence_matches(after: str) -> None:
    matcher = matcher_of((IndicatorType.URL, "https://short.example/abc"))
    assert matcher.url(f"https://short.example/abc{after}") is not None
    assert matcher.url(f"https://short.example/abcd{after}") is None


def test_a_backslash_ends_a_host_as_it_does_in_a_browser() -> None:
    matcher = matcher_of((DOMAIN, "evil.example"))
    for url in (r"https://evil.example\@example.org/", r"https://evil.example\.example.org/"):
        match = matcher.url(url)
        assert match is not None
        assert match.rule is MatchRule.EXACT


@pytest.mark.parametrize("url", ["https://a.evil.example/", "https://a.b.EVIL.example:1/", "a.evil.example"])
def test_a_subdomain_of_a_published_domain_matches(url: str) -> None:
    match = matcher_of((DOMAIN, "evil.example")).url(url)
    assert match is not None
    assert match.rule is MatchRule.SUBDOMAIN


@pytest.mark.parametrize(
    "url",
    [
        "https://notevil.com/",
        "https://evil.com.org/",
        "https://example.org/evil.com",
        "https://example.org/?next=https://evil.com/",
        "https://evil.com@example.org/",
        "https://evil.co/",
    ],
)
def test_a_published_domain_elsewhere_in_a_url_is_no_match(url: str) -> None:
    assert matcher_of((DOMAIN, "evil.com")).url(url) is None


def test_a_harmless_host_that_was_met_before_does_not_hide_one_that_begins_alike() -> None:
    matcher = matcher_of((DOMAIN, "evil.com"))
    assert matcher.url("https://evil.co/x") is None
    assert matcher.url("https://evil.com") is not None
    assert matcher.url("https://evil.com/x") is not None


def test_a_host_of_any_length_is_read_from_its_end_and_in_no_time() -> None:
    import time

    matcher = matcher_of((DOMAIN, "evil.example"))
    begin = time.process_time()
    for prefix in ("a." * 500_000, "ü." * 100_000, "x" * 1_000_000 + "@"):
        assert matcher.url(f"https://{prefix}evil.example/") is not None
    assert time.process_time() - begin < 10


def test_international_names_are_the_same_in_both_spellings() -> None:
    assert matcher_of((DOMAIN, "xn--bcher-kva.example")).url("https://BÜCHER.example/")
    assert matcher_of((DOMAIN, "bücher.example")).url("https://xn--bcher-kva.example/")


def test_a_domain_published_with_www_means_the_site_not_its_neighbours() -> None:
    matcher = matcher_of((DOMAIN, "www.evil.example"))
    assert matcher.url("https://www.evil.example/")
    assert matcher.url("https://evil.example/")
    assert matcher.url("https://mail.evil.example/") is None or matcher.url("https://mail.evil.example/").rule.is_loose


def test_a_domain_published_with_a_path_does_not_match_the_whole_host() -> None:
    matcher = matcher_of((DOMAIN, "shared.org/evil"))
    assert matcher.url("https://shared.org/evil").rule is MatchRule.EXACT
    assert matcher.url("https://shared.org/evil/x?y").rule is MatchRule.PATH_PREFIX
    assert matcher.url("https://shared.org/evilness") is None
    assert matcher.url("https://shared.org/") is None


def test_a_published_public_suffix_does_not_match_everybody_below_it() -> None:
    matcher = matcher_of((DOMAIN, "github.io"), (DOMAIN, "com.mx"))
    assert matcher.url("https://somebody.github.io/") is None
    assert matcher.url("https://shop.com.mx/") is None
    assert matcher.url("https://github.io/") is not None


def test_an_address_matches_exactly_and_never_as_a_part_of_another() -> None:
    matcher = matcher_of((ADDRESS, "93.184.216.3"))
    assert matcher.url("http://93.184.216.3:8080/x").rule is MatchRule.EXACT
    assert matcher.url("93.184.216.3").rule is MatchRule.EXACT
    longer = matcher.url("http://93.184.216.34/")
    assert longer is not None
    assert longer.rule is MatchRule.LOOSE_URL_TEXT


@pytest.mark.parametrize(
    "url", ["http://[2001:db8::1]/x", "http://[2001:DB8:0:0::1]:443/", "2001:db8::1", "[2001:db8::1]"]
)
def test_an_ipv6_address_matches_in_every_spelling(url: str) -> None:
    match = matcher_of((ADDRESS, "2001:db8::1")).url(url)
    assert match is not None
    assert match.rule is MatchRule.EXACT


def test_an_ipv4_address_inside_ipv6_is_the_same_address() -> None:
    assert matcher_of((ADDRESS, "93.184.216.3")).url("http://[::ffff:93.184.216.3]/")


def test_an_address_inside_a_published_network_matches_by_the_network() -> None:
    matcher = matcher_of((ADDRESS, "93.184.216.0/24"), (ADDRESS, "2001:db8::/32"))
    assert matcher.url("http://93.184.216.77/").rule is MatchRule.NETWORK
    assert matcher.url("http://[2001:db8:1::5]/").rule is MatchRule.NETWORK
    assert matcher.url("http://93.184.217.77/") is None


def test_a_published_url_matches_with_either_scheme_and_with_or_without_its_last_slash() -> None:
    matcher = matcher_of((URL, "http://short-link.example/AbC/"))
    for same in ("https://short-link.example/AbC", "http://www.short-link.example/AbC/#x", "short-link.example/AbC"):
        assert matcher.url(same), same
    for other in (
        "http://short-link.example/abc",
        "http://short-link.example/AbC/d",
        "http://short-link.example/AbC?d",
    ):
        assert matcher.url(other) is None, other


def test_all_that_is_met_is_kept_the_strongest_rule_first() -> None:
    page, parent = one(URL, "https://a.evil.example/x"), one(DOMAIN, "evil.example")
    match = SetMatcher([parent, page]).url("https://a.evil.example/x")
    assert match is not None
    assert match.indicators == (page, parent)
    assert match.rule is MatchRule.EXACT


def test_spellings_of_one_domain_in_two_sets_are_both_kept() -> None:
    indicators = [one(DOMAIN, "evil.example", "first"), one(DOMAIN, "EVIL.example", "second")]
    match = SetMatcher(indicators).url("https://evil.example/")
    assert match is not None
    assert set(match.indicators) == set(indicators)


def test_shortened_links_are_counted_each_time_and_maps_are_none() -> None:
    matcher = matcher_of((URL, "http://bit.ly/AbC"))
    assert matcher.url("http://bit.ly/AbC")
    assert matcher.url("http://bit.ly/AbC")
    assert matcher.url("https://t.co/zzz") is None
    assert matcher.url("https://goo.gl/maps/zzz") is None
    assert matcher.url("https://example.org/") is None
    assert matcher.shortened_links == 3
    matcher.shortened_links = 0
    matcher.url("HTTPS://BIT.LY/zzz")
    assert matcher.shortened_links == 1


def test_a_truncated_process_name_is_said_to_be_truncated() -> None:
    matcher = matcher_of((IndicatorType.PROCESS, "demosurveillanceagentd"), (IndicatorType.PROCESS, "bh"))
    assert matcher.process("demosurveillance").rule is MatchRule.TRUNCATED_NAME
    assert matcher.process("/usr/libexec/demosurveillanceagentd").rule is MatchRule.EXACT
    assert matcher.process("demosurveillanc") is None
    assert matcher.process("demosurveillanceagent") is None
    assert matcher.process("bhx") is None


def test_a_path_matches_on_the_boundaries_of_its_folders() -> None:
    matcher = matcher_of((IndicatorType.FILE_PATH, "/private/var/tmp/l/"))
    assert matcher.file_path("/private/var/tmp/l").rule is MatchRule.EXACT
    assert matcher.file_path("/private/var/tmp/l/").rule is MatchRule.EXACT
    assert matcher.file_path("/private/var/tmp/l/x/y").rule is MatchRule.PATH_PREFIX
    assert matcher.file_path("/private/var/tmp/launchd").rule is MatchRule.LOOSE_PATH_PREFIX
    assert matcher.file_path("/private/var/tmp") is None
    assert matcher.file_path("/x/private/var/tmp/l") is None


def test_a_file_name_matches_at_the_end_of_a_path_only() -> None:
    matcher = matcher_of((IndicatorType.FILE_NAME, "roleaccountd.plist"))
    assert matcher.file_path("/Library/Preferences/roleaccountd.plist")
    assert matcher.file_path("/Library/roleaccountd.plist/x") is None
    assert matcher.file_name("roleaccountd.plist")
    assert matcher.file_name("/Library/roleaccountd.plist") is None


def test_a_folder_named_like_a_process_is_weaker_than_a_file_named_so() -> None:
    matcher = matcher_of((IndicatorType.PROCESS, "bh"))
    assert matcher.file_path_process("/private/var/db/bh").rule is MatchRule.EXACT
    assert matcher.file_path_process("/var/mobile/bh/x").rule is MatchRule.LOOSE_PATH_SEGMENT
    assert matcher.file_path_process("/var/mobile/bhx") is None


def test_profiles_hashes_apps_accounts_and_properties_match_whatever_their_case() -> None:
    matcher = matcher_of(
        (IndicatorType.CONFIGURATION_PROFILE, "DEADBEEF-0000-4000-8000-000000000001"),
        (IndicatorType.FILE_SHA256, "c" * 64),
        (IndicatorType.APP_CERTIFICATE, "AB" * 20),
        (IndicatorType.APP_ID, "org.example.Spy"),
        (IndicatorType.EMAIL, "Operator@example.org"),
        (IndicatorType.ANDROID_PROPERTY, "sys.demo.note"),
    )
    assert matcher.profile("deadbeef-0000-4000-8000-000000000001").rule is MatchRule.EXACT
    assert matcher.profile("0000-4000").rule is MatchRule.LOOSE_PROFILE_TEXT
    assert matcher.file_hash("C" * 64)
    assert matcher.file_hash("c" * 63) is None
    assert matcher.app_certificate(":".join(["ab"] * 20))
    assert matcher.app_id("ORG.example.spy")
    assert matcher.email("operator@EXAMPLE.org")
    assert matcher.android_property("SYS.demo.note")


METHODS = [
    "url", "process", "email", "file_name", "file_path", "file_path_process", "profile", "file_hash",
    "app_certificate", "app_id", "android_property",
]  # fmt: skip
everything = matcher_of(
    (DOMAIN, "evil.example"), (ADDRESS, "93.184.216.0/24"), (URL, "https://evil.example/x"),
    (IndicatorType.PROCESS, "demosurveillanceagentd"), (IndicatorType.FILE_PATH, "/private/var/tmp/l/"),
    (IndicatorType.CONFIGURATION_PROFILE, "DEADBEEF"), (IndicatorType.EMAIL, "a@example.org"),
)  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "value", [None, "", b"evil.example", 7, ["evil.example"], {}, "\x00", "\ud800", "https://[", "//"]
)
def test_what_is_no_value_matches_nothing_and_raises_nothing(method: str, value: object) -> None:
    assert getattr(everything, method)(value) is None


@pytest.mark.parametrize("method", METHODS)
@given(value=st.one_of(st.text(), st.text("https:/[].@evil\\?#%x1 "), st.builds("http://{}".format, st.text())))
def test_any_text_at_all_raises_nothing(method: str, value: str) -> None:
    getattr(everything, method)(value)


def test_the_matcher_can_be_imported_without_what_reading_bundles_needs() -> None:
    import subprocess
    import sys

    code = (
        "import sys, spytriage.indicators.matcher;"
        "print([name for name in ('stix2', 'stix2patterns', 'mvt', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
