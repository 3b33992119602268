"""Host names and addresses: taken out of whatever a phone stores as a URL, and brought to one spelling."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from functools import cache, lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from spytriage.indicators.data import data_file

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PLAIN_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_BARE_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]{0,62}")  # a name in its one spelling; no address
_SCHEME = re.compile(r"[a-z0-9.+:-]*//", re.IGNORECASE)
_LINK = re.compile(r"https?://", re.IGNORECASE)
_NAME_IN_TEXT = re.compile(r"\w[\w-]*(?:\.\w[\w-]*)+")
_LATIN_NAME_IN_TEXT = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_AFTER_LINK = "/.,;:!'\"()[]{}<>*_~`|\u2026\u2019\u201c\u201d\u00bb"
"""What ends a sentence that ends with a link; no two pages differ in that alone."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_HOST = 1_024
"""How many characters of a host are looked at, from its end, where the domain stands. The DNS allows 253."""

# Names that are used inside one network only (RFC 6762, 8375, 6761, and common practice).
_PRIVATE_ZONES = (
    ".local", ".localdomain", ".localhost", ".lan", ".home", ".home.arpa", ".internal", ".intranet", ".corp",
    ".private",
)  # fmt: skip
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
WIDEST_NETWORK = {4: 8, 6: 16}
"""Shortest prefix of a network that is still matched: a wider one would match half the internet."""


class Site(NamedTuple):
    """A URL in one spelling: scheme, user info, fragment and default port are left out.

    Attributes:
        host: lower case, punycode, no trailing dot; an address in its canonical form, without brackets.
        port: None when it is the default of the scheme or not given.
        target: path and `?query` when there is one, without slashes and punctuation at their ends.
    """

    host: str
    port: int | None
    target: str


def parse_site(text: str) -> Site | None:
    """Return the parts of a URL, a bare host or an address that matter; None when there is no host in it."""
    text = text.strip()
    if _BARE_NAME.fullmatch(text):  # nearly every published domain
        return Site(text, None, "")
    if address := canonical_address(text):  # an IPv6 address without brackets
        return Site(address, None, "")
    # As MVT does, read text without a scheme as if it had one; "host//path" looks like a scheme and is none.
    candidates = (text, f"https://{text}") if _SCHEME.match(text) else (f"https://{text}",)
    for candidate in candidates:
        try:
            parts = _split(candidate.replace("\\", "/"))  # as browsers read it: or `evil\@good` were a page of good's
            host = (_host_of_link if _LINK.match(text) else canonical_host)(parts.hostname or "")
        except ValueError:
            continue
        if host:
            query = parts.query.rstrip(_AFTER_LINK)
            return Site(host, _port(parts), parts.path.rstrip(_AFTER_LINK) + (f"?{query}" if query else ""))
    return None


def _split(link: str) -> SplitResult:
    try:
        return urlsplit(link)
    except ValueError:  # brackets belong to IPv6 addresses, or to a sentence: `[https://evil.example]`
        return urlsplit(link.partition("]")[0])


def _host_of_link(text: str) -> str:
    """Return the host of a link that may stand in running text, where a sentence goes on right behind it.

    MVT takes everything up to the next blank for the link, so that the host may be `evil.example),`; in scripts that
    write no blanks, the next word.
    """
    host = canonical_host(text).rstrip("_-")
    if not _PLAIN_HOST.fullmatch(host) and not canonical_address(host) and (name := _NAME_IN_TEXT.match(text.lower())):
        host = canonical_host(name[0]).rstrip("_-")
    if not text.isascii() and not has_known_suffix(host) and (name := _LATIN_NAME_IN_TEXT.match(text.lower())):
        return name[0] if has_known_suffix(name[0]) else host
    return host


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        return None
    return None if port == _DEFAULT_PORTS.get(parts.scheme.lower()) else port


def canonical_host(host: str) -> str:
    r"""Return a host in one spelling, or "" when nothing is left of it.

    What cannot stand in the DNS is kept: a browser may have gone there all the same.

    >>> canonical_host("EVIL.Example.")
    'evil.example'
    """
    host = host.partition("\\")[0].strip(".").lower()[-MAX_HOST:]  # browsers read a backslash as the end of the host
    if _PLAIN_HOST.fullmatch(host):
        return host
    if address := canonical_address(host):
        return address
    if "%" in host:
        host = unquote(host)
    if not host.isascii():
        import idna  # noqa: PLC0415 (its tables are large, and few hosts need them)

        with suppress(idna.IDNAError):
            host = idna.encode(host, uts46=True).decode("ascii")  # nontransitional, as browsers do
    return ".".join(filter(None, host.lower().split(".")))


def canonical_address(text: str) -> str:
    """Return an IPv4 or IPv6 address in one spelling (no brackets, no zone), or "" when it is none."""
    if not text or not (text[0].isdigit() or ":" in text):
        return ""
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def parse_network(text: str) -> Network | None:
    """Return a network in CIDR notation, or None when the text is none (a bare address is none either)."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def address_problem(text: str) -> str | None:
    """Return why an address or network cannot be an indicator, as a stable word; None when it can."""
    network = parse_network(text)
    if network is None:
        address = canonical_address(text.strip())
        if not address:
            return "not-an-address"
        network = ipaddress.ip_network(address)
    elif network.prefixlen < WIDEST_NETWORK[network.version]:
        return "too-broad"
    for private in _PRIVATE_NETWORKS:
        if network.version == private.version and network.subnet_of(private):  # type: ignore[arg-type]
            return "private-host"
    return None


def host_problem(host: str) -> str | None:
    """Return why a canonical host name cannot be an indicator, as a stable word; None when it can."""
    if not _PLAIN_HOST.fullmatch(host):
        return "not-a-host-name"
    if "." not in host:
        return "private-host" if host == "localhost" else "single-label-host"
    if host.endswith(_PRIVATE_ZONES):
        return "private-host"
    return None


@lru_cache(maxsize=65_536)
def is_public_suffix(name: str) -> bool:
    """Return whether anybody can register names below this one (`com.mx`, but also `github.io`)."""
    from tld import get_tld  # noqa: PLC0415 (reads the public suffix list)

    # The list that the tld package ships; asked about a name below, since of a suffix itself it returns the last label.
    return bool(get_tld(f"https://x.{name}", fail_silently=True) == name)


def has_known_suffix(host: str) -> bool:
    """Return whether a host name ends in a suffix of the public suffix list."""
    # Nearly every last label is a suffix by itself. A few (`ck`) are only together with the label before.
    return _known_ending(host.rpartition(".")[2]) or _known_ending(".".join(host.rsplit(".", 2)[-2:]))


@lru_cache(maxsize=65_536)
def _known_ending(labels: str) -> bool:
    from tld import get_tld  # noqa: PLC0415

    return get_tld(f"https://{labels}", fail_silently=True) is not None


def mvt_would_parse(text: str) -> bool:
    """Return whether MVT takes a host out of this text (otherwise it looks for domains anywhere in it)."""
    from tld import get_tld  # noqa: PLC0415

    try:
        return get_tld(text, fail_silently=True, fix_protocol=True) is not None
    except (ValueError, AttributeError):
        return False


@cache
def shortener_hosts() -> frozenset[str]:
    """Return the hosts of services that shorten links."""
    lines = data_file("shorteners.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
