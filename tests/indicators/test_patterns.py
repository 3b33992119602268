"""The fast path says what the grammar says; what cannot be matched says why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spytriage.indicators import patterns
from spytriage.indicators.build import pattern_of
from spytriage.indicators.patterns import Equality, Refusal, read_pattern, read_with_grammar
from spytriage.models import IndicatorType

DOMAIN = IndicatorType.DOMAIN

key = st.sampled_from([*patterns._KEYS, "file:hashes.'SHA-256'", "file:hashes.SHA-256", "app:cert.'SHA-1'", "x:y"])
space = st.sampled_from(["", " ", "\t", "\n ", "\u00a0", "/* c */"])
operator = st.sampled_from(["=", "==", "!=", "NOT =", " = ", "IN", "LIKE", "IS"])
literal = st.text(st.sampled_from("ab'\\=[] .OR\n\u00e9"), max_size=8)
quoted = st.one_of(literal.map(lambda text: f"'{text}'"), st.text(max_size=8), st.sampled_from(["5", "h'ff'", "true"]))
near_pattern = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["[", "", "[["]), space, key, space, operator, space, quoted, space,
    st.sampled_from(["]", "", "]]"]),
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.one_of(near_pattern, st.text(max_size=30)))
def test_the_fast_path_agrees_with_the_grammar(pattern: str) -> None:
    assert read_pattern(pattern) == read_with_grammar(pattern)


@given(st.sampled_from(IndicatorType), st.text(min_size=1))
def test_any_value_comes_back_from_the_pattern_that_build_writes(kind: IndicatorType, value: str) -> None:
    assert read_pattern(pattern_of(kind, value)) == [Equality(kind, value)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[url:value='https://evil.example/?a=b&c=d']", [Equality(IndicatorType.URL, "https://evil.example/?a=b&c=d")]),
        (r"[process:name = 'o\'hare\\x']", [Equality(IndicatorType.PROCESS, r"o'hare\x")]),
        ("[file:hashes.'SHA-256' = 'aa']", [Equality(IndicatorType.FILE_SHA256, "aa")]),
        ("[file:hashes.sha256='aa']", [Equality(IndicatorType.FILE_SHA256, "aa")]),
        ("[ipv6-addr:value = '2001:db8::1']", [Equality(IndicatorType.IP_ADDRESS, "2001:db8::1")]),
        ("[ipv4-addr:value ISSUBSET '93.184.216.0/24']", [Equality(IndicatorType.IP_ADDRESS, "93.184.216.0/24")]),
        ("[domain-name:value='a.b' OR domain-name:value='c.d']", [Equality(DOMAIN, "a.b"), Equality(DOMAIN, "c.d")]),
        ("[domain-name:value='a.b'] OR [process:name='x']",
         [Equality(DOMAIN, "a.b"), Equality(IndicatorType.PROCESS, "x")]),
        ("[domain-name:value IN ('a.b', 'c.d')]", [Equality(DOMAIN, "a.b"), Equality(DOMAIN, "c.d")]),
        ("[domain-name:value='a.b' OR (domain-name:value='c.d' AND process:name='x')]",
         [Equality(DOMAIN, "a.b"), Refusal("and")]),
        ("[domain-name:value='a.b' OR network-traffic:dst_port=5]", [Equality(DOMAIN, "a.b"), Refusal("unknown-key")]),
    ],
)  # fmt: skip
def test_each_alternative_is_an_indicator_of_its_own(pattern: str, expected: list[Equality | Refusal]) -> None:
    assert read_pattern(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[domain-name:value='a.b' AND process:name='x']", "and"),
        ("[domain-name:value='a.b'] AND [process:name='x']", "and"),
        ("[domain-name:value='a.b'] FOLLOWEDBY [process:name='x']", "followed-by"),
        ("[domain-name:value='a.b'] WITHIN 5 SECONDS", "qualifier"),
        ("[domain-name:value='a.b'] REPEATS 5 TIMES", "qualifier"),
        ("[domain-name:value LIKE '%.b']", "like"),
        ("[domain-name:value MATCHES '.*']", "matches"),
        ("[domain-name:value != 'a.b']", "negated"),
        ("[domain-name:value NOT IN ('a.b')]", "negated"),
        ("[domain-name:value > 'a.b']", "order-comparison"),
        ("[EXISTS domain-name:value]", "exists"),
        ("[ipv4-addr:value ISSUPERSET '1.2.3.4/32']", "superset"),
        ("[domain-name:value ISSUBSET '1.2.3.4/32']", "unsupported-operator"),
        ("[domain-name:value = 5]", "not-text"),
        ("[domain-name:resolves_to_refs = 'x']", "unknown-key"),
        ("[domain-name:value = 'a.b'", "invalid-pattern"),
        ("[domain-name:value = a.b]", "invalid-pattern"),
        ("", "invalid-pattern"),
        ("[" + "(" * 5000 + "domain-name:value='a.b'" + ")" * 5000 + "]", "too-complex"),
        ("[domain-name:value='" + "a" * 30_000 + "' OR domain-name:value='b.c']", "too-complex"),
    ],
)
def test_what_cannot_be_matched_says_why(pattern: str, reason: str) -> None:
    assert read_pattern(pattern) == [Refusal(reason)]


def test_a_long_chain_of_alternatives_is_read_whole() -> None:
    chain = " OR ".join(f"domain-name:value='d{number}.example'" for number in range(400))
    assert len(read_pattern(f"[{chain}]")) == 400
