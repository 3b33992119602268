"""Look up values of a phone among all indicators, by constant-time look-ups.

Where MVT compares text, this compares what the text means: hosts by parsing the URL, paths by their folders. The
hits that MVT has and we hold to be too weak are kept under the loose rules, so that whatever MVT reports is either
matched here or comes back with a loose rule (tests/indicators/test_parity_with_mvt.py).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from spytriage.indicators.hosts import (
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

TRUNCATED_LENGTH = 16
"""iOS keeps this many characters of a process name in its usage records."""

_REMEMBERED = 100_000
# The common form of a URL on a phone; anything else is parsed in full.
_COMMON_URL = re.compile(r"(?:https?://)?((?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63})(?=[?#]|/(?!/)|\Z)")

_Hits = list[tuple[MatchRule, Iterable[Indicator]]]


def _best(hits: _Hits) -> Match | None:
    """Return all indicators that were met, strongest rule first; the match is named by that rule."""
    if not hits:
        return None
    met = dict.fromkeys(indicator for _, indicators in hits for indicator in indicators)
    return Match(tuple(met), hits[0][0])


class _Table:
    """Indicators by a normalised value."""

    def __init__(self, normalise: Callable[[str], str]) -> None:
        self._normalise = normalise
        self.rows: dict[str, list[Indicator]] = {}

    def add(self, indicator: Indicator) -> None:
        key = self._normalise(indicator.value)
        if key:
            self.rows.setdefault(key, []).append(indicator)

    def get(self, value: object) -> Iterable[Indicator]:
        """Return the indicators that a raw value names; nothing for what is not text."""
        return self.rows.get(self._normalise(value), ()) if isinstance(value, str) else ()

    def match(self, value: object) -> Match | None:
        found = self.get(value)
        return Match(tuple(found), MatchRule.EXACT) if found else None


@dataclass(slots=True)
class _Folder:
    """One step of the tree of published paths."""

    below: dict[str, _Folder] = field(default_factory=dict)
    lengths: set[int] = field(default_factory=set)  # of the names below that are the end of a published path
    here: list[Indicator] = field(default_factory=list)


@dataclass(slots=True)
class _Verdict:
    """What is known of a host, whatever the rest of the URL."""

    hits: _Hits
    is_shortener: bool
    has_links: bool  # there are indicators with a port, a path or a query on this host
    is_odd: bool  # no public suffix: MVT would look for domains anywhere in the URL


_NOTHING = _Verdict([], is_shortener=False, has_links=False, is_odd=False)


def _text(value: str) -> str:
    return value.strip()


def _lower(value: str) -> str:
    return value.strip().lower()


def _digest(value: str) -> str:
    return value.strip().replace(":", "").lower()  # certificate hashes are also written with colons


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]


_TABLES: dict[IndicatorType, Callable[[str], str]] = {
    IndicatorType.PROCESS: _text,
    IndicatorType.EMAIL: _lower,
    IndicatorType.FILE_NAME: _text,
    IndicatorType.FILE_MD5: _digest,
    IndicatorType.FILE_SHA1: _digest,
    IndicatorType.FILE_SHA256: _digest,
    IndicatorType.APP_ID: _lower,
    IndicatorType.APP_CERTIFICATE: _digest,
    IndicatorType.CONFIGURATION_PROFILE: _lower,
    IndicatorType.ANDROID_PROPERTY: _lower,
}
_HASHES = (IndicatorType.FILE_MD5, IndicatorType.FILE_SHA1, IndicatorType.FILE_SHA256)


class SetMatcher:
    """All indicators of a check, indexed by what they name. Implements `spytriage.models.Matcher`.

    A match holds every indicator that the value meets, those of the strongest rule first, and is named by that rule;
    a loose rule is tried only when no other gives a match.
    """

    def __init__(self, indicators: Iterable[Indicator]) -> None:
        self.shortened_links = 0
        self._tables = {kind: _Table(normalise) for kind, normalise in _TABLES.items()}
        self._truncated: dict[str, list[Indicator]] = {}
        self._paths = _Folder()
        self._sites = _Sites()
        for indicator in indicators:
            self._add(indicator)

    def _add(self, indicator: Indicator) -> None:
        table = self._tables.get(indicator.type)
        if table is not None:
            table.add(indicator)
        elif indicator.type is IndicatorType.FILE_PATH:
            self._add_path(indicator)
        else:
            self._sites.add(indicator)
        if indicator.type is IndicatorType.PROCESS and len(name := indicator.value.strip()) > TRUNCATED_LENGTH:
            cut = name[:TRUNCATED_LENGTH]
            self._truncated.setdefault(cut, []).append(indicator)

    def _add_path(self, indicator: Indicator) -> None:
        parent = folder = self._paths
        name, path = "", indicator.value.strip().rstrip("/")
        for name in path.split("/"):
            parent, folder = folder, folder.below.setdefault(name, _Folder())
        if path:  # "/" alone would match every file
            parent.lengths.add(len(name))
            folder.here.append(indicator)

    def url(self, value: object) -> Match | None:
        """Match a URL, a bare host or an address by its host, and count it when it is a shortened link."""
        if not isinstance(value, str) or not value or self._sites.is_known_harmless(value):
            return None
        match, is_short = self._sites.match(value)
        self.shortened_links += is_short
        return match

    def process(self, value: object) -> Match | None:
        """Match the last part of a path or name, and a name of 16 characters as the beginning of a longer one."""
        if not isinstance(value, str):
            return None
        name = _base_name(value)
        found = self._tables[IndicatorType.PROCESS].get(name)
        cut = self._truncated.get(name, ()) if len(name) == TRUNCATED_LENGTH else ()
        if not found and not cut:
            return None
        return _best([hit for hit in ((MatchRule.EXACT, found), (MatchRule.TRUNCATED_NAME, cut)) if hit[1]])

    def email(self, value: object) -> Match | None:
        """Match an e-mail address or account, whatever its case."""
        return self._tables[IndicatorType.EMAIL].match(value)

    def file_name(self, value: object) -> Match | None:
        """Match a file name as it is."""
        return self._tables[IndicatorType.FILE_NAME].match(value)

    def file_path(self, value: object) -> Match | None:
        """Match the name at the end of a path, and the folders it lies in."""
        if not isinstance(value, str) or not value:
            return None
        names = value.split("/")
        named = self._tables[IndicatorType.FILE_NAME].rows.get(names[-1])
        if named is None and names[0] not in self._paths.below and not self._paths.lengths:
            return None
        strict, loose = self._walk(names)
        if named:
            strict.insert(0, (MatchRule.EXACT, named))
        return _best(strict) or _best(loose)

    def _walk(self, names: list[str]) -> tuple[_Hits, _Hits]:
        strict: _Hits = []
        loose: _Hits = []
        folder = self._paths
        for depth, name in enumerate(names):
            for length in folder.lengths:
                if length < len(name) and (begun := folder.below.get(name[:length])):
                    loose.append((MatchRule.LOOSE_PATH_PREFIX, begun.here))
            following = folder.below.get(name)
            if following is None:
                break
            folder = following
            if folder.here:
                is_whole = not any(names[depth + 1 :])
                strict.insert(0, (MatchRule.EXACT if is_whole else MatchRule.PATH_PREFIX, folder.here))
        return strict, [hit for hit in loose if hit[1]]

    def file_path_process(self, value: object) -> Match | None:
        """Match a file that is named like a process; a folder of that name is a loose match."""
        if not isinstance(value, str):
            return None
        *folders, name = value.split("/")
        table = self._tables[IndicatorType.PROCESS].rows
        if found := table.get(name):
            return Match(tuple(found), MatchRule.EXACT)
        return _best([(MatchRule.LOOSE_PATH_SEGMENT, table[part]) for part in folders if part in table])

    def profile(self, value: object) -> Match | None:
        """Match the identifier of a configuration profile; a part of one is a loose match."""
        table = self._tables[IndicatorType.CONFIGURATION_PROFILE]
        if not isinstance(value, str) or not (wanted := _lower(value)):
            return None
        return table.match(value) or _best(
            [(MatchRule.LOOSE_PROFILE_TEXT, found) for key, found in table.rows.items() if wanted in key]
        )

    def file_hash(self, value: object) -> Match | None:
        """Match a hash of a file, written in hexadecimal: MD5, SHA-1 or SHA-256."""
        return _best([(MatchRule.EXACT, found) for kind in _HASHES if (found := self._tables[kind].get(value))])

    def app_certificate(self, value: object) -> Match | None:
        """Match the hash of a signing certificate."""
        return self._tables[IndicatorType.APP_CERTIFICATE].match(value)

    def app_id(self, value: object) -> Match | None:
        """Match the identifier of an app or package."""
        return self._tables[IndicatorType.APP_ID].match(value)

    def android_property(self, value: object) -> Match | None:
        """Match the name of an Android system property."""
        return self._tables[IndicatorType.ANDROID_PROPERTY].match(value)


class _Sites:
    """Domains, addresses, networks and URLs, by host."""

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
        self._harmless: set[str] = set()  # hosts on which nothing can match
        self._match_any = lru_cache(maxsize=_REMEMBERED)(self._match_uncommon)

    def add(self, indicator: Indicator) -> None:
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
                row = self._links.setdefault(_without_www(site.host), {})
                row.setdefault((site.port, site.target), []).append(indicator)
        elif site is None:
            return
        elif site.port is not None or site.target:
            self._pages[_without_www(site.host)].append((site, indicator))
        else:
            self._domains.setdefault(site.host, []).append(indicator)
            if (bare := _without_www(site.host)) != site.host:
                self._www.setdefault(bare, []).append(indicator)

    def is_known_harmless(self, text: str) -> bool:
        """Return whether nothing can match on the host of a URL; most of a phone's URLs end here."""
        end = text.find("/", 8)
        return end > 0 and text.startswith("https://") and text[8:end] in self._harmless

    def match(self, text: str) -> tuple[Match | None, bool]:
        """Return what a URL matches, and whether it is a shortened link."""
        common = _COMMON_URL.match(text)
        if common is None:
            return self._match_any(text)
        verdict = self._judge(common[1])
        if verdict is _NOTHING:
            return None, False
        return self._finish(text, verdict, parse_site(text), lambda: verdict.is_odd)

    def _match_uncommon(self, text: str) -> tuple[Match | None, bool]:
        site = parse_site(text)
        if site is None:
            unparsed = self._unparsed.get(text.strip())
            return (Match(tuple(unparsed), MatchRule.EXACT) if unparsed else self._find_anywhere(text)), False
        return self._finish(text, self._judge(site.host), site, lambda: not mvt_would_parse(text))

    def _finish(
        self, text: str, verdict: _Verdict, site: Site | None, is_odd: Callable[[], bool]
    ) -> tuple[Match | None, bool]:
        is_maps = site is not None and site.host.endswith("goo.gl") and site.target.startswith("/maps/")
        is_short = verdict.is_shortener and not is_maps
        hits = verdict.hits
        if verdict.has_links and site is not None:
            hits = self._links_of(site) + hits
        if hits:
            return _best(hits), is_short
        # Where MVT takes no host out of the text, it looks for domains anywhere in it; so it does with short links.
        return (self._find_anywhere(text) if is_short or is_odd() else None), is_short

    def _links_of(self, site: Site) -> _Hits:
        bare = _without_www(site.host)
        hits: _Hits = []
        if found := self._links.get(bare, {}).get((site.port, site.target)):
            hits.append((MatchRule.EXACT, found))
        path = site.target.partition("?")[0]
        for page, indicator in self._pages.get(bare, ()):
            if page.port in (None, site.port) and f"{path}/".startswith(f"{page.target}/"):
                rule = MatchRule.EXACT if path == page.target else MatchRule.PATH_PREFIX
                hits.append((rule, (indicator,)))
        return hits

    def _judge(self, host: str) -> _Verdict:
        if (known := self._verdicts.get(host)) is not None:
            return known
        bare = _without_www(host)
        is_address = bool(canonical_address(host))
        verdict = _Verdict(
            hits=self._networks_of(host) if is_address else self._domains_of(host, bare),
            is_shortener=bare in shortener_hosts(),
            has_links=bare in self._links or bare in self._pages,
            is_odd=is_address or not has_known_suffix(host),
        )
        if verdict == _NOTHING:
            verdict = _NOTHING
            self._harmless.add(host)
        if len(self._verdicts) >= _REMEMBERED:
            self._verdicts.clear()
            self._harmless.clear()
        self._verdicts[host] = verdict
        return verdict

    def _domains_of(self, host: str, bare: str) -> _Hits:
        tables = ((self._domains, host), (self._domains, bare), (self._www, bare))
        hits: _Hits = [(MatchRule.EXACT, found) for table, name in tables if (found := table.get(name))]
        parent = host.partition(".")[2]
        while parent:
            # Below a public suffix, names belong to anybody: `github.io` says nothing about `someone.github.io`.
            if parent != bare and (found := self._domains.get(parent)) and not is_public_suffix(parent):
                hits.append((MatchRule.SUBDOMAIN, found))
            parent = parent.partition(".")[2]
        return hits

    def _networks_of(self, host: str) -> _Hits:
        address = ip_address(host)
        hits: _Hits = [(MatchRule.EXACT, found)] if (found := self._domains.get(host)) else []
        for (version, length), row in self._networks.items():
            shift = address.max_prefixlen - length
            if version == address.version and (found := row.get(int(address) >> shift << shift)):
                hits.append((MatchRule.NETWORK, found))
        return hits

    def _find_anywhere(self, text: str) -> Match | None:
        """Look for published domains and addresses anywhere in a text that is no URL."""
        if self._automaton is None:
            self._automaton = _automaton(self._anywhere)
        if not self._anywhere:
            return None
        met = dict.fromkeys(indicator for _, found in self._automaton.iter(text.lower()) for indicator in found)
        return Match(tuple(met), MatchRule.LOOSE_URL_TEXT) if met else None


def _without_www(host: str) -> str:
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
