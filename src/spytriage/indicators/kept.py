"""What is kept of a phone's values so that they can be compared with later indicators, and no more than that.

A value is reduced to what the matcher looks at. Of a URL that is its host and port in clear; its path and query are
kept as codes: one-way, each begun with what stands before it. A URL of codes has the form of a URL, and an indicator
that is reduced in the same way meets it by the same rules: equal paths have equal codes, and a path that lies below
another begins with its codes. Nobody can read a path or a query from a code, but whoever opens it can try a guess.

What a look-up and an indicator have in common when they meet is written as keys (`keys_of_value`,
`keys_of_indicator`): a phone that has none of an indicator's keys cannot match it, so nothing else of it is opened.

WhatsApp names people by their telephone number, also in the folders of their pictures. No set publishes such a name,
so the number is not kept.

One rule is left out (`NOT_KEPT_FOR`): it looks for published domains anywhere in text that is no URL, and such text is
not kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address

from spytriage.indicators.hosts import Site, canonical_address, parse_network, parse_site
from spytriage.indicators.matcher import TRUNCATED_LENGTH, SetMatcher, base_name, normaliser
from spytriage.indicators.urls import without_www
from spytriage.models import Indicator, IndicatorIndex, IndicatorType, LookUp, Match, MatchRule

NOT_KEPT_FOR = MatchRule.LOOSE_URL_TEXT
"""The rule by which what is kept cannot be compared."""

_NUMBER = re.compile(r"\+?\d{5,20}(?:-\d{1,20})?@(?:[a-z]\.whatsapp\.net|g\.us|lid|broadcast)", re.IGNORECASE)
_CODED_SEGMENTS = 16
"""Folders of a path with a code of their own; those below share one."""
_COARSE = {4: (8, 16), 6: (16, 32)}
"""Lengths of the prefixes by which an address and a published network find each other."""
_BEGINNING = 4
"""Characters by which a file and a published path that is the beginning of its path find each other."""
_PART = 8
"""Characters by which the id of a profile and a published one that holds it find each other."""

_TABLES: Mapping[LookUp, IndicatorType] = {
    LookUp.PROCESS: IndicatorType.PROCESS,
    LookUp.EMAIL: IndicatorType.EMAIL,
    LookUp.FILE_NAME: IndicatorType.FILE_NAME,
    LookUp.PROFILE: IndicatorType.CONFIGURATION_PROFILE,
    LookUp.FILE_HASH: IndicatorType.FILE_SHA256,  # the three kinds of hash are written alike
    LookUp.APP_CERTIFICATE: IndicatorType.APP_CERTIFICATE,
    LookUp.APP_ID: IndicatorType.APP_ID,
    LookUp.ANDROID_PROPERTY: IndicatorType.ANDROID_PROPERTY,
}
_HASHES = {IndicatorType.FILE_MD5, IndicatorType.FILE_SHA1, IndicatorType.FILE_SHA256}
_SITES = {IndicatorType.DOMAIN, IndicatorType.IP_ADDRESS, IndicatorType.URL}


# --- Reducing -----------------------------------------------------------------------------------------------------


def reduced(look_up: LookUp, value: str) -> str:
    """Return what is kept of a value that is looked up; "" when nothing can ever match it."""
    if look_up is LookUp.URL:
        return _reduced_url(value)
    if look_up is LookUp.EMAIL and _NUMBER.fullmatch(value.strip()):
        return ""
    if look_up in {LookUp.FILE_PATH, LookUp.FILE_PATH_PROCESS}:
        return _NUMBER.sub("@", value)
    return normaliser(_TABLES[look_up])(base_name(value) if look_up is LookUp.PROCESS else value)


def _reduced_url(text: str) -> str:
    site = parse_site(text)
    if site is None:
        return f"/{_code(text.strip())}" if text.strip() else ""  # a URL without a host is compared as it is
    return _written(site, _coded(site.target))


def _written(site: Site, target: str) -> str:
    host = f"[{site.host}]" if ":" in site.host else site.host
    if site.port is None:
        return f"https://{host}{target}" if target else site.host
    scheme = "http" if site.port == 443 else "https"  # the one of which it is not the default
    return f"{scheme}://{host}:{site.port}{target}"


def _coded(target: str) -> str:
    path, mark, query = target.partition("?")
    if not path.startswith("/"):
        return f"/?{_code(target)}" if target else ""
    names = path.split("/")[1:]
    if len(names) > _CODED_SEGMENTS:
        names[_CODED_SEGMENTS:] = ["/".join(names[_CODED_SEGMENTS:])]
    codes, before = [], ""
    for name in names:
        before = _code(f"{before}/{name}")
        codes.append(f"/{before}")
    return "".join(codes) + (f"?{_code(f'{before}?{query}')}" if mark else "")


def _code(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).digest()
    return base64.b32encode(digest).decode("ascii").lower()


class KeptMatcher:
    """Looks up kept values among indicators, by the rules of `SetMatcher` but for `NOT_KEPT_FOR`."""

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        self._published: dict[tuple[str, str], list[Indicator]] = {}
        for indicator in indicators:
            self._published.setdefault((indicator.type.value, _reduced_indicator(indicator)), []).append(indicator)
        matcher = SetMatcher(
            Indicator(same[0].type, value, same[0].attributions) for (_, value), same in self._published.items()
        )
        self._find: dict[LookUp, Callable[[str], Match | None]] = {
            look_up: getattr(matcher, look_up.value) for look_up in LookUp
        }

    def match(self, look_up: LookUp, value: str) -> Match | None:
        """Return the indicators that a kept value meets."""
        found = self._find[look_up](value)
        if found is None or found.rule is NOT_KEPT_FOR:
            return None
        published = (indicator for met in found.indicators for indicator in self._published[met.key])
        return Match(tuple(published), found.rule)


def _reduced_indicator(indicator: Indicator) -> str:
    value = indicator.value.strip()
    if indicator.type not in _SITES or (indicator.type is IndicatorType.IP_ADDRESS and parse_network(value)):
        return indicator.value
    return _reduced_url(value)


# --- Keys ---------------------------------------------------------------------------------------------------------


def keys_of_value(look_up: LookUp, value: str) -> Iterator[str]:
    """Yield the keys of a kept value: it has at least one of each indicator that it can meet."""
    if look_up is LookUp.URL:
        yield from _keys_of_url(value)
    elif look_up is LookUp.FILE_PATH:
        yield from _keys_of_path(value)
    elif look_up is LookUp.FILE_PATH_PROCESS:
        *folders, name = value.split("/")
        yield f"{IndicatorType.PROCESS}:{name.strip()}"
        yield from (f"folder:{folder}" for folder in folders)
    elif look_up is LookUp.FILE_HASH:
        yield f"hash:{value}"
    else:
        yield f"{_TABLES[look_up]}:{value}"
        if look_up is LookUp.PROCESS and len(value) == TRUNCATED_LENGTH:
            yield f"cut:{value}"
        if look_up is LookUp.PROFILE:
            yield f"part:{value[:_PART]}"


def keys_of_indicator(indicator: Indicator) -> Sequence[str]:
    """Return the keys of an indicator: whatever meets it, but for `NOT_KEPT_FOR`, has at least one of them."""
    kind, value = indicator.type, indicator.value.strip()
    if kind in _SITES:
        return (_key_of_site(kind, value),)
    if kind in _HASHES:
        return (f"hash:{normaliser(kind)(value)}",)
    if kind is IndicatorType.FILE_PATH:
        return (f"path:{value.rstrip('/')}", _key_of_beginning(value.rstrip("/")))
    value = normaliser(kind)(value)
    keys = [f"{kind}:{value}"]
    if kind is IndicatorType.PROCESS:
        keys.append(f"folder:{value}")
        if len(value) > TRUNCATED_LENGTH:
            keys.append(f"cut:{value[:TRUNCATED_LENGTH]}")
    if kind is IndicatorType.CONFIGURATION_PROFILE:
        parts = {value[begin : begin + size] for size in range(1, _PART + 1) for begin in range(len(value))}
        keys += sorted(f"part:{part}" for part in parts)
    return keys


def _key_of_beginning(path: str) -> str:
    """Return what a path has as a key when this one is its beginning, though it ends within a name."""
    folder, slash, name = path.rpartition("/")
    if len(name) >= _BEGINNING:
        return f"begin:{folder}{slash}{name[:_BEGINNING]}"
    return f"path:{folder}" if slash else "paths"


def _key_of_site(kind: IndicatorType, value: str) -> str:
    if kind is IndicatorType.IP_ADDRESS and (network := parse_network(value)):
        short, long = _COARSE[network.version]
        length = long if network.prefixlen >= long else short
        return f"net:{int(network.network_address) >> (network.max_prefixlen - length)}/{length}"
    if kind is IndicatorType.URL:
        return _key_of_link(_reduced_url(value))
    site = parse_site(value)
    return f"host:{without_www(site.host)}" if site else f"text:{value}"


def _key_of_link(kept: str) -> str:
    site = parse_site(kept)
    return f"link:{without_www(site.host)}:{site.port}:{site.target}" if site else f"link:{kept}"


def _keys_of_url(kept: str) -> Iterator[str]:
    yield _key_of_link(kept)
    site = parse_site(kept)
    if site is None:
        return
    if canonical_address(site.host):
        yield f"host:{site.host}"
        address = ip_address(site.host)
        for length in _COARSE[address.version]:
            yield f"net:{int(address) >> (address.max_prefixlen - length)}/{length}"
        return
    name = site.host
    while name:
        yield f"host:{name}"
        name = name.partition(".")[2]


def _keys_of_path(path: str) -> Iterator[str]:
    folder, *names = path.split("/")
    yield "paths"
    yield f"{IndicatorType.FILE_NAME}:{(names[-1] if names else folder).strip()}"
    yield f"begin:{folder[:_BEGINNING]}"
    yield f"path:{folder}"
    for name in names:
        yield f"begin:{folder}/{name[:_BEGINNING]}"
        folder = f"{folder}/{name}"
        yield f"path:{folder}"


# --- Which cases need to be looked at -------------------------------------------------------------------------------


def keys_by_set(indexes: Iterable[IndicatorIndex]) -> dict[tuple[str, int], frozenset[tuple[str, str]]]:
    """Return the keys of each set's indicators, by the SHA-256 of the set and how many of them could be used.

    The second says that the version of spytriage that read it then understood as much of it.
    """
    found: dict[tuple[str, int], frozenset[tuple[str, str]]] = {}
    for index in indexes:
        held: dict[str, set[tuple[str, str]]] = {}
        for indicator in index.indicators:
            for claim in indicator.attributions:
                held.setdefault(claim.sha256, set()).add(indicator.key)
        for loaded in index.sets:
            found[loaded.sha256, loaded.usable] = frozenset(held.get(loaded.sha256, ()))
    return found
