"""Match URLs, host names and addresses by the host they name.

A phone stores millions of URLs on few hosts, and next to none of them is published. What is known of a host is found
out once; a URL on a harmless host costs two look-ups.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from spytriage.indicators.hosts import (
    MAX_HOST,
    Site,
    canonical_address,
    has_known_suffix,
    is_public_suffix,
    mvt_would_parse,
    parse_network,
    parse_site,
    shortener_hosts,
)
from spytriage.models import Indicator, IndicatorType, Match, MatchRule

_REMEMBERED_HOSTS = 200_000
"""How many hosts are remembered: more than a phone has seen, few enough for memory."""

_REMEMBERED_TEXTS = 20_000
"""How many answers are remembered for texts that are no common URL, such as the folders of a path."""

# The common form of a URL on a phone; anything else is parsed in full.
_COMMON_URL = re.compile(r"(?:https?://)?((?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63})(?=[?#]|/(?!/)|\Z)")

Hits = list[tuple[MatchRule, Iterable[Indicator]]]


def best(hits: Hits) -> Match | None:
    """Return all indicators that were met, strongest rule first; the match is named by that rule."""
    if not hits:
        return None
    met = dict.fromkeys(indicator for _, indicators in hits for indicator in indicators)
    return Match(tuple(met), hits[0][0])


@dataclass(slots=True)
class _Verdict:
    """What is known of a host, whatever the rest of the URL."""

    hits: Hits
    is_shortener: bool
    has_links: bool  # there are indicators with a port, a path or a query on this host
    is_odd: bool  # no public suffix: MVT would look for domains anywhere in the URL


_NOTHING = _Verdict([], is_shortener=False, has_links=False, is_odd=False)


class UrlMatcher:
    """Published domains, addresses, networks and URLs, by host.

    Attributes:
        harmless: hosts that were met, and on which nothing can match whatever the rest of the URL.
    """

    def __init__(self) -> None:
        self._domains: dict[str, list[Indicator]] = {}
        self._www: dict[str, list[Indicator]] = {}  # published as www.host: the bare host, nothing else below it
        self._networks: dict[tuple[int, int], dict[int, list[Indicator]]] = {}
        self._links: dict[str, dict[tuple[int | None, str], list[Indicator]]] = {}  # URLs, by host
        self._pages: dict[str, list[tuple[Site, Indicator]]] = defaultdict(list)  # domains with a port or path
        self._unparsed: dict[str, list[Indicator]] = {}  # URLs without a host
        self._anywhere: list[Indicator] = []
        self._automaton: Any = None
        self._verdicts: dict[str, _Verdict] = {}
        self._named: set[str] = set(shortener_hosts())  # hosts that something is known of
        self.harmless: set[str] = set()
        self._match_any = lru_cache(maxsize=_REMEMBERED_TEXTS)(self._match_uncommon)

    def add(self, indicator: Indicator) -> None:
        """Look for an indicator from now on."""
        value = indicator.value.strip()
        if indicator.type is not IndicatorType.URL:
            self._anywhere.append(indicator)
        network = parse_network(value) if indicator.type is IndicatorType.IP_ADDRESS else None
        if network is not None:
            row = self._networks.setdefault((network.version, network.prefixlen), {})
            row.setdefault(int(network.network_address), []).append(indicator)
        else:
            self._add_site(indicator, value)

    def _add_site(self, indicator: Indicator, value: str) -> None:
        site = parse_site(value)
        if indicator.type is IndicatorType.URL:
            if site is None:
                self._unparsed.setdefault(value, []).append(indicator)
            else:
                self._named.add(without_www(site.host))
                row = self._links.setdefault(without_www(site.host), {})
                row.setdefault((site.port, site.target), []).append(indicator)
            return
        if site is None:
            return
        self._named.update((site.host, without_www(site.host)))
        if site.port is not None or site.target:
            self._pages[without_www(site.host)].append((site, indicator))
        else:
            self._domains.setdefault(site.host, []).append(indicator)
            if (bare := without_www(site.host)) != site.host:
                self._www.setdefault(bare, []).append(indicator)

    def match(self, text: str) -> tuple[Match | None, bool]:
        """Return what a URL matches, and whether it is a shortened link."""
        common = _COMMON_URL.match(text)
        if common is None:
            return self._match_any(text)
        verdict = self._judge(common[1][-MAX_HOST:])
        if verdict is _NOTHING:
            return None, False
        return self._finish(text, verdict, parse_site(text), lambda: verdict.is_odd)

    def _match_uncommon(self, text: str) -> tuple[Match | None, bool]:
        site = parse_site(text)
        if site is None:
            unparsed = self._unparsed.get(text.strip())
            return (Match(tuple(unparsed), MatchRule.EXACT) if unparsed else self._find_anywhere(text)), False
        return self._finish(text, self._judge(site.host), site, lambda: "\\" in text or not mvt_would_parse(text))

    def _finish(
        self, text: str, verdict: _Verdict, site: Site | None, is_odd: Callable[[], bool]
    ) -> tuple[Match | None, bool]:
        is_maps = site is not None and site.host.endswith("goo.gl") and site.target.startswith("/maps/")
        is_short = verdict.is_shortener and not is_maps
        hits = verdict.hits
        if verdict.has_links and site is not None:
            hits = self._links_of(site) + hits
        if hits:
            return best(hits), is_short
        # Where MVT takes no host out of the text, it looks for domains anywhere in it; so it does with short links.
        return (self._find_anywhere(text) if is_short or is_odd() else None), is_short

    def _links_of(self, site: Site) -> Hits:
        bare = without_www(site.host)
        hits: Hits = []
        if found := self._links.get(bare, {}).get((site.port, site.target)):
            hits.append((MatchRule.EXACT, found))
        path = site.target.partition("?")[0]
        for page, indicator in self._pages.get(bare, ()):
            if page.port in (None, site.port) and f"{path}/".startswith(f"{page.target}/"):
                rule = MatchRule.EXACT if path == page.target else MatchRule.PATH_PREFIX
                hits.append((rule, (indicator,)))
        return hits

    def _judge(self, host: str) -> _Verdict:
        if host in self.harmless:
            return _NOTHING
        if (known := self._verdicts.get(host)) is not None:
            return known
        if len(self.harmless) + len(self._verdicts) >= _REMEMBERED_HOSTS:
            self._verdicts.clear()
            self.harmless.clear()
        if self._is_harmless(host):
            self.harmless.add(host)
            return _NOTHING
        bare = without_www(host)
        is_address = bool(canonical_address(host))
        verdict = self._verdicts[host] = _Verdict(
            hits=self._networks_of(host) if is_address else self._domains_of(host, bare),
            is_shortener=bare in shortener_hosts(),
            has_links=bare in self._links or bare in self._pages,
            is_odd=is_address or not has_known_suffix(host),
        )
        return verdict

    def _is_harmless(self, host: str) -> bool:
        name = host
        while name:
            if name in self._named:
                return False
            name = name.partition(".")[2]
        return has_known_suffix(host)  # an address has none

    def _domains_of(self, host: str, bare: str) -> Hits:
        tables = ((self._domains, host), (self._domains, bare), (self._www, bare))
        hits: Hits = [(MatchRule.EXACT, table[name]) for table, name in tables if name in table]
        parent = host.partition(".")[2]
        while parent:
            # Below a public suffix, names belong to anybody: `github.io` says nothing about `someone.github.io`.
            if parent != bare and (found := self._domains.get(parent)) and not is_public_suffix(parent):
                hits.append((MatchRule.SUBDOMAIN, found))
            parent = parent.partition(".")[2]
        return hits

    def _networks_of(self, host: str) -> Hits:
        address = ip_address(host)
        hits: Hits = [(MatchRule.EXACT, found)] if (found := self._domains.get(host)) else []
        for (version, length), row in self._networks.items():
            shift = address.max_prefixlen - length
            if version == address.version and (found := row.get(int(address) >> shift << shift)):
                hits.append((MatchRule.NETWORK, found))
        return hits

    def _find_anywhere(self, text: str) -> Match | None:
        """Look for published domains and addresses anywhere in a text that is no URL."""
        if not self._anywhere:
            return None
        if self._automaton is None:
            self._automaton = _automaton(self._anywhere)
        met = dict.fromkeys(indicator for _, found in self._automaton.iter(text.lower()) for indicator in found)
        return Match(tuple(met), MatchRule.LOOSE_URL_TEXT) if met else None


def without_www(host: str) -> str:
    """Return the host without `www.`, unless what is left is no name of its own (`www.com`)."""
    bare = host.removeprefix("www.")
    return bare if "." in bare else host


def _automaton(indicators: Iterable[Indicator]) -> Any:
    import ahocorasick  # noqa: PLC0415

    words: dict[str, list[Indicator]] = {}
    for indicator in indicators:
        words.setdefault(indicator.value.strip().lower(), []).append(indicator)
    automaton = ahocorasick.Automaton()
    for word, found in words.items():
        automaton.add_word(word, found)
    automaton.make_automaton()
    return automaton
