"""Whatever MVT matches, we match: strictly where it is right, by a loose rule where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.indicators.conftest import bundle_with
from tests.indicators.oracle import MvtOracle

from spytriage.indicators import SetMatcher, load
from spytriage.models import Indicator, IndicatorType, Match, MatchRule

METHODS = {
    "check_url": "url",
    "check_process": "process",
    "check_email": "email",
    "check_file_name": "file_name",
    "check_file_path": "file_path",
    "check_file_path_process": "file_path_process",
    "check_profile": "profile",
    "check_file_hash": "file_hash",
    "check_app_certificate_hash": "app_certificate",
    "check_app_id": "app_id",
    "check_android_property_name": "android_property",
}

label = st.sampled_from(["evil", "news", "a", "b", "www", "m", "x1", "evil-news", "xn--bcher-kva"])
ending = st.sampled_from(["com", "com.mx", "co.uk", "example", "org", "github.io", "notatld", "ck", "www.ck", "de"])
domain = st.builds(lambda labels, end: ".".join([*labels, end]), st.lists(label, min_size=1, max_size=3), ending)
address = st.sampled_from(["93.184.216.34", "93.184.216.3", "193.184.216.34"])
host = st.one_of(domain, address, st.sampled_from(["bit.ly", "t.co", "goo.gl", "www.bit.ly"]))
name = st.sampled_from(["bh", "launchd", "demosurveillance", "demosurveillanceagentd", "demosurveillanced", "tmp", "l"])
path = st.builds(lambda parts, end: "/" + "/".join(parts) + end, st.lists(name, min_size=1, max_size=4),
                 st.sampled_from(["", "/", "x"]))  # fmt: skip
digest = st.sampled_from(["a" * 32, "b" * 40, "c" * 64, "d" * 64])
profile = st.sampled_from(["DEADBEEF-0000-4000-8000-000000000001", "DEADBEEF-0000-4000-8000-000000000002"])

url = st.one_of(
    st.builds(
        "".join,
        st.tuples(
            st.sampled_from(["", "http://", "https://", "HTTP://", "//", "ftp://", "https:", "mailto:", "x:y//", " "]),
            st.sampled_from(["", "", "", "user@", "user:pass@", "evil.com@"]),
            st.one_of(host, host.map(str.upper), host.map(lambda value: f"[{value}]"), st.just("")),
            st.sampled_from(["", "", ".", ":8080", ":443", ":x", "\\"]),
            st.sampled_from(["", "/", "/p", "//p", "?q=1", "#f", "/maps/x", " "]),
            st.one_of(st.just(""), host, st.text(max_size=6)),
        ),
    ),
    st.text(max_size=30),
)

published = st.one_of(
    st.tuples(st.just(IndicatorType.DOMAIN), domain),
    st.tuples(st.just(IndicatorType.IP_ADDRESS), address),
    st.tuples(st.just(IndicatorType.URL), st.builds("https://{}{}".format, domain, path)),
    st.tuples(st.just(IndicatorType.PROCESS), name),
    st.tuples(st.just(IndicatorType.EMAIL), st.builds("{}@{}".format, name, domain)),
    st.tuples(st.just(IndicatorType.FILE_NAME), name),
    st.tuples(st.just(IndicatorType.FILE_PATH), path),
    st.tuples(st.just(IndicatorType.FILE_SHA256), st.just("c" * 64)),
    st.tuples(st.just(IndicatorType.FILE_MD5), st.just("a" * 32)),
    st.tuples(st.just(IndicatorType.APP_CERTIFICATE), st.just("d" * 64)),
    st.tuples(st.just(IndicatorType.APP_ID), domain),
    st.tuples(st.just(IndicatorType.CONFIGURATION_PROFILE), profile),
    st.tuples(st.just(IndicatorType.ANDROID_PROPERTY), domain),
)
record = st.one_of(
    st.tuples(st.just("check_url"), st.one_of(url, st.builds("https://{}{}".format, domain, path))),
    st.tuples(st.just("check_process"), st.one_of(name, path, st.builds("{}{}".format, path, name))),
    st.tuples(st.just("check_email"), st.builds("{}@{}".format, name, domain).map(str.title)),
    st.tuples(st.just("check_file_name"), name),
    st.tuples(st.sampled_from(["check_file_path", "check_file_path_process"]), path),
    st.tuples(st.just("check_profile"), st.one_of(profile, st.sampled_from(["DEADBEEF", "0", "deadbeef"]))),
    st.tuples(st.sampled_from(["check_file_hash", "check_app_certificate_hash"]), digest.map(str.upper)),
    st.tuples(st.sampled_from(["check_app_id", "check_android_property_name"]), domain.map(str.upper)),
)


@pytest.fixture
def published_matcher(mvt: MvtOracle, shared_bundles: list[Path]) -> tuple[SetMatcher, list[Indicator]]:
    """Load all published sets, here and in MVT."""
    mvt.load(*shared_bundles)
    index = load(shared_bundles)
    return SetMatcher(index.indicators), list(index.indicators)


def assert_says_the_same(
    indicators: Sequence[Indicator], method: str, value: str, theirs: list[str] | None, ours: Match | None
) -> None:
    """Assert that our match has the indicator that MVT names.

    The one exception: we have a strict match, and the indicator that MVT names would alone be a loose one.
    """
    if theirs is None:
        return
    assert ours is not None, (method, value, theirs)
    named = theirs[1].lower()
    if named not in {indicator.value.strip().lower() for indicator in ours.indicators}:
        only = [indicator for indicator in indicators if indicator.value.strip().lower() == named]
        alone = getattr(SetMatcher(only), METHODS[method])(value)
        assert alone is not None, (method, value, theirs, ours)
        assert alone.rule.is_loose, (method, value, theirs, ours)
        assert not ours.rule.is_loose, (method, value, theirs, ours)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(published, min_size=1, max_size=12), st.lists(record, min_size=1, max_size=25))
def test_whatever_mvt_matches_we_match_with_the_same_indicator(
    mvt: MvtOracle, tmp_path: Path, values: list[tuple[IndicatorType, str]], records: list[tuple[str, str]]
) -> None:
    bundle = tmp_path / "made.stix2"
    bundle.write_text(json.dumps(bundle_with(values)))
    mvt.load(bundle)
    index = load([bundle])
    assert not index.sets[0].unusable
    matcher = SetMatcher(index.indicators)
    for method, value in records:
        theirs = mvt.check(method, [value])[0]
        ours = getattr(matcher, METHODS[method])(value)
        assert_says_the_same(index.indicators, method, value, theirs, ours)


RECORDS_OF = {
    IndicatorType.DOMAIN: (
        "check_url",
        ["{}", "https://{}/a?b=c", "http://www.{}/", "https://{}:8443/x", "https://a.{}"],
    ),
    IndicatorType.IP_ADDRESS: ("check_url", ["http://{}/x", "{}", "http://{}:8080"]),
    IndicatorType.URL: ("check_url", ["{}"]),
    IndicatorType.PROCESS: ("check_process", ["{}", "/usr/libexec/{}"]),
    IndicatorType.EMAIL: ("check_email", ["{}"]),
    IndicatorType.FILE_NAME: ("check_file_path", ["/private/var/{}"]),
    IndicatorType.FILE_PATH: ("check_file_path", ["{}", "{}/below", "{}beside"]),
    IndicatorType.FILE_SHA256: ("check_file_hash", ["{}"]),
    IndicatorType.APP_ID: ("check_app_id", ["{}"]),
    IndicatorType.APP_CERTIFICATE: ("check_app_certificate_hash", ["{}"]),
    IndicatorType.CONFIGURATION_PROFILE: ("check_profile", ["{}"]),
    IndicatorType.ANDROID_PROPERTY: ("check_android_property_name", ["{}"]),
}


def test_every_published_indicator_is_met_where_mvt_meets_it_and_where_it_should_be(
    mvt: MvtOracle, shared_bundles: list[Path]
) -> None:
    index = load(shared_bundles)
    matcher = SetMatcher(index.indicators)
    mvt.load(*shared_bundles)
    asked: dict[str, list[tuple[str, Indicator]]] = {}
    for indicator in index.indicators:
        method, shapes = RECORDS_OF[indicator.type]
        shapes = shapes[:1] if indicator.type is IndicatorType.DOMAIN and "/" in indicator.value else shapes
        asked.setdefault(method, []).extend((shape.format(indicator.value), indicator) for shape in shapes)
    for method, rows in asked.items():
        answers = mvt.check(method, [value for value, _ in rows])
        for (value, indicator), theirs in zip(rows, answers, strict=True):
            ours = getattr(matcher, METHODS[method])(value)
            assert_says_the_same(index.indicators, method, value, theirs, ours)
            assert ours is not None
            assert indicator in ours.indicators or value.endswith("beside"), (method, value, ours)
            assert not ours.rule.is_loose or value.endswith("beside"), (method, value, ours)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_mvt_matches_of_the_published_sets_we_match(
    mvt: MvtOracle, published_matcher: tuple[SetMatcher, list[Indicator]], data: st.DataObject
) -> None:
    matcher, indicators = published_matcher
    indicator = data.draw(st.sampled_from(indicators))
    around = st.sampled_from(
        ["", "x", ".", "/", "//", "www.", "https://", "http://a.", ":8443", "?q=", "@", " ", "X", "\\"]
    )
    value = data.draw(around) + data.draw(around) + indicator.value + data.draw(around) + data.draw(around)
    value = data.draw(st.sampled_from([value, value.upper(), value[:16], value[:-1]]))
    for method, ours in METHODS.items():
        (theirs,) = mvt.check(method, [value])
        assert_says_the_same(indicators, method, value, theirs, getattr(matcher, ours)(value))


TEXT, PREFIX = MatchRule.LOOSE_URL_TEXT, MatchRule.LOOSE_PATH_PREFIX
SEGMENT, PROFILE = MatchRule.LOOSE_PATH_SEGMENT, MatchRule.LOOSE_PROFILE_TEXT


@pytest.mark.parametrize(
    ("one", "method", "value", "rule"),
    [
        ((IndicatorType.DOMAIN, "evil.example"), "check_url", "not a url: evil.example", TEXT),
        ((IndicatorType.DOMAIN, "evil.example"), "check_url", "https://bit.ly/evil.example", TEXT),
        ((IndicatorType.IP_ADDRESS, "93.184.216.3"), "check_url", "http://93.184.216.34/", TEXT),
        ((IndicatorType.FILE_PATH, "/tmp/l/"), "check_file_path", "/tmp/launchd", PREFIX),
        ((IndicatorType.PROCESS, "bh"), "check_file_path_process", "/var/mobile/bh/x", SEGMENT),
        ((IndicatorType.CONFIGURATION_PROFILE, "DEADBEEF-0000"), "check_profile", "DEAD", PROFILE),
    ],
)
def test_each_false_alarm_of_mvt_is_kept_as_a_loose_match(
    mvt: MvtOracle, write: Callable[..., Path], one: tuple[IndicatorType, str], method: str, value: str, rule: MatchRule
) -> None:
    bundle = write(bundle_with([one]))
    mvt.load(bundle)
    assert mvt.check(method, [value])[0] is not None
    match = getattr(SetMatcher(load([bundle]).indicators), METHODS[method])(value)
    assert match.rule is rule
    assert match.rule.is_loose
