"""What is kept of a phone meets later indicators just as the phone itself would, and cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.indicators.test_parity_with_mvt import METHODS, address, domain, label, path, published, record

from spytriage.indicators import SetMatcher
from spytriage.indicators.kept import NOT_KEPT_FOR, KeptMatcher, keys_of_indicator, keys_of_value, reduced
from spytriage.models import Attribution, Indicator, IndicatorType, LookUp, Match, MatchRule

query = st.sampled_from(["", "?", "?q=1", "?id=ana", "/?q=1", "#f", "/", "//"])
link = st.builds("{}{}{}{}{}".format, st.sampled_from(["", "http://", "https://", "HTTPS://"]),
                 st.one_of(domain, address, st.just("[2001:db8::1]")),
                 st.sampled_from(["", ":80", ":443", ":8080", "."]), st.one_of(st.just(""), path), query)  # fmt: skip
more_published = st.one_of(
    published,
    st.tuples(st.just(IndicatorType.URL), link),
    st.tuples(st.just(IndicatorType.URL), st.text(max_size=8)),
    st.tuples(st.just(IndicatorType.DOMAIN), link),
    st.tuples(st.just(IndicatorType.IP_ADDRESS),
              st.sampled_from(["93.184.0.0/14", "93.184.216.0/24", "93.0.0.0/8", "2001:db8::/32", "2001::/16"])),
    st.tuples(st.just(IndicatorType.PROCESS), st.sampled_from(["demosurveillancea", "demosurveillance", " bh "])),
    st.tuples(st.just(IndicatorType.FILE_SHA1), st.just("b" * 40)),
    st.tuples(st.just(IndicatorType.FILE_PATH), st.text(alphabet="/abcd", min_size=1, max_size=8)),
    st.tuples(st.just(IndicatorType.CONFIGURATION_PROFILE), st.text(alphabet="ABab-", min_size=1, max_size=20)),
)  # fmt: skip
more_record = st.one_of(
    record,
    st.tuples(st.just("check_url"), link),
    st.tuples(st.just("check_url"), st.text(max_size=12)),
    st.tuples(st.just("check_file_path"), st.text(alphabet="/abcd ", max_size=12)),
    st.tuples(st.just("check_file_path_process"), path),
    st.tuples(st.just("check_profile"), st.text(alphabet="ABab-", min_size=1, max_size=12)),
)


def indicator(kind: IndicatorType, value: str) -> Indicator:
    return Indicator(kind, value, (Attribution("s", "F", "0" * 64, "indicator--1"),))


def told(match: Match | None) -> tuple[set[tuple[str, str]], MatchRule] | None:
    return ({one.key for one in match.indicators}, match.rule) if match and match.rule is not NOT_KEPT_FOR else None


@settings(deadline=None, max_examples=150)
@given(sets=st.lists(more_published, min_size=1, max_size=6), seen=st.lists(more_record, min_size=1, max_size=6))
@example([(IndicatorType.URL, "http://evil.com:443/a")], [("check_url", "http://evil.com:443/a/")])
@example([(IndicatorType.DOMAIN, "evil.com/a/b")], [("check_url", "https://www.evil.com/a/b/c?d")])
@example([(IndicatorType.URL, "/only/a/path")], [("check_url", "/only/a/path")])
@example([(IndicatorType.FILE_PATH, "/tmp/bh")], [("check_file_path", "/tmp/bhd/x")])
@example([(IndicatorType.FILE_PATH, "abcde")], [("check_file_path", "abcdef")])
@example([(IndicatorType.PROCESS, "bh")], [("check_file_path_process", "/a/bh/c")])
@example([(IndicatorType.CONFIGURATION_PROFILE, "ab-abbbbbbbbbbb-a")], [("check_profile", "b-abbbbbbbbbbb")])
def test_a_kept_value_meets_the_indicators_that_the_value_itself_meets(
    sets: list[tuple[IndicatorType, str]], seen: list[tuple[str, str]]
) -> None:
    indicators = [indicator(kind, value) for kind, value in dict.fromkeys(sets) if value.strip()]
    fresh, later = SetMatcher(indicators), KeptMatcher(indicators)
    for method, value in seen:
        look_up = LookUp(METHODS[method])
        expected = told(getattr(fresh, look_up.value)(value))
        kept = reduced(look_up, value)

        assert told(later.match(look_up, kept) if kept else None) == expected, (look_up, value, kept)
        if expected:
            keys = set(keys_of_value(look_up, kept))
            for one in indicators:
                if one.key in expected[0]:
                    assert keys & set(keys_of_indicator(one)), (look_up, value, kept, one)


@given(sets=st.lists(more_published, min_size=1, max_size=4), seen=st.lists(more_record, min_size=1, max_size=4))
def test_reducing_twice_is_reducing_once_for_what_is_compared(
    sets: list[tuple[IndicatorType, str]], seen: list[tuple[str, str]]
) -> None:
    # Somebody may keep what a later version reduces again: hosts and names must survive that.
    for method, value in seen:
        look_up = LookUp(METHODS[method])
        if look_up is not LookUp.URL:
            kept = reduced(look_up, value)
            assert reduced(look_up, kept) == kept if kept else True


@given(st.lists(label, min_size=1, max_size=24), st.text(max_size=12))
def test_no_path_and_no_search_can_be_read(names: list[str], query: str) -> None:
    folder = "/".join(f"secretfolder-{name}" for name in names)
    kept = reduced(LookUp.URL, f"https://example.org/{folder}?q=secretsearch-{query}")
    assert kept.startswith("https://example.org/")
    assert "secret" not in kept
    assert len(kept) < 200


def test_two_pages_of_a_site_are_kept_apart_and_a_folder_is_seen_in_both() -> None:
    one = reduced(LookUp.URL, "https://example.org/news/one")
    two = reduced(LookUp.URL, "https://example.org/news/two")
    assert one != two
    assert one.rpartition("/")[0] == two.rpartition("/")[0] == reduced(LookUp.URL, "https://example.org/news")


@pytest.mark.parametrize("name", ["12025550123@s.whatsapp.net", "+12025550123@S.WhatsApp.net", "12025550123-160@g.us"])
def test_a_telephone_number_of_whatsapp_is_not_kept(name: str) -> None:
    assert reduced(LookUp.EMAIL, name) == ""
    kept = reduced(LookUp.FILE_PATH, f"/Message/Media/{name}/a/b/photo.jpg")
    assert "2025550123" not in kept
    assert kept.endswith("/a/b/photo.jpg")


def test_an_address_that_is_published_is_kept() -> None:
    assert reduced(LookUp.EMAIL, " Operator7@Example.org ") == "operator7@example.org"


def test_a_domain_in_text_that_is_no_web_address_is_not_looked_for_since_the_text_is_not_kept() -> None:
    text, published = "call evil.com now", indicator(IndicatorType.DOMAIN, "evil.com")
    fresh = SetMatcher([published]).url(text)
    assert fresh is not None
    assert fresh.rule is NOT_KEPT_FOR
    assert KeptMatcher([published]).match(LookUp.URL, reduced(LookUp.URL, text)) is None
