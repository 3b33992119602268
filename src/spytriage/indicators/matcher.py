"""Look up values of a phone among all indicators, by constant-time look-ups.

Where MVT compares text, this compares what the text means: hosts by parsing the URL, paths by their folders. The
hits that MVT has and we hold to be too weak are kept under the loose rules, so that whatever MVT reports is either
matched here or comes back with a loose rule (tests/indicators/test_parity_with_mvt.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spytriage.indicators.urls import Hits, UrlMatcher, best
from spytriage.models import Indicator, IndicatorType, Match, MatchRule

TRUNCATED_LENGTH = 16
"""iOS keeps this many characters of a process name in its usage records."""


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


def _text(value: str) -> str:
    return value.strip()


def _lower(value: str) -> str:
    return value.strip().lower()


def _digest(value: str) -> str:
    return value.strip().replace(":", "").lower()  # certificate hashes are also written with colons


def base_name(path: str) -> str:
    """Return the last part of a path or name."""
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


def normaliser(kind: IndicatorType) -> Callable[[str], str]:
    """Return what brings a value of a kind that is compared whole to its one spelling."""
    return _TABLES[kind]


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
        self._urls = UrlMatcher()
        for indicator in indicators:
            self._add(indicator)

    def _add(self, indicator: Indicator) -> None:
        table = self._tables.get(indicator.type)
        if table is not None:
            table.add(indicator)
        elif indicator.type is IndicatorType.FILE_PATH:
            self._add_path(indicator)
        else:
            self._urls.add(indicator)
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
        if not isinstance(value, str) or not value:
            return None
        # Most URLs of a phone are of a few harmless hosts: they end here.
        end = value.find("/", 8)
        if end > 0 and value[8:end] in self._urls.harmless and value.startswith("https://"):
            return None
        match, is_short = self._urls.match(value)
        self.shortened_links += is_short
        return match

    def process(self, value: object) -> Match | None:
        """Match the last part of a path or name, and a name of 16 characters as the beginning of a longer one."""
        if not isinstance(value, str):
            return None
        name = base_name(value)
        found = self._tables[IndicatorType.PROCESS].get(name)
        cut = self._truncated.get(name, ()) if len(name) == TRUNCATED_LENGTH else ()
        if not found and not cut:
            return None
        return best([hit for hit in ((MatchRule.EXACT, found), (MatchRule.TRUNCATED_NAME, cut)) if hit[1]])

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
        return best(strict) or best(loose)

    def _walk(self, names: list[str]) -> tuple[Hits, Hits]:
        strict: Hits = []
        loose: Hits = []
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
        return best([(MatchRule.LOOSE_PATH_SEGMENT, table[part]) for part in folders if part in table])

    def profile(self, value: object) -> Match | None:
        """Match the identifier of a configuration profile; a part of one is a loose match."""
        table = self._tables[IndicatorType.CONFIGURATION_PROFILE]
        if not isinstance(value, str) or not (wanted := _lower(value)):
            return None
        return table.match(value) or best(
            [(MatchRule.LOOSE_PROFILE_TEXT, found) for key, found in table.rows.items() if wanted in key]
        )

    def file_hash(self, value: object) -> Match | None:
        """Match a hash of a file, written in hexadecimal: MD5, SHA-1 or SHA-256."""
        return best([(MatchRule.EXACT, found) for kind in _HASHES if (found := self._tables[kind].get(value))])

    def app_certificate(self, value: object) -> Match | None:
        """Match the hash of a signing certificate."""
        return self._tables[IndicatorType.APP_CERTIFICATE].match(value)

    def app_id(self, value: object) -> Match | None:
        """Match the identifier of an app or package."""
        return self._tables[IndicatorType.APP_ID].match(value)

    def android_property(self, value: object) -> Match | None:
        """Match the name of an Android system property."""
        return self._tables[IndicatorType.ANDROID_PROPERTY].match(value)
