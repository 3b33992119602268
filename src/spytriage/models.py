"""The frozen types that cross stages, and the words that are the same everywhere.

Two families are kept apart on purpose. *Raw* types (`RawAlert`, `Finding`) hold records of the phone and stop at
redaction. *Redacted* types (`RedactedFinding` and what it is made of) cannot hold a string of the phone: each value
says where it comes from, and is checked when it is made. `spytriage.report` accepts only the second family.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from spytriage.finding_kinds import FindingId, Level, Trace


class IndicatorType(StrEnum):
    """What an indicator names. The value is what stands in report.json."""

    DOMAIN = "domain"
    IP_ADDRESS = "ip-address"  # IPv4, IPv6, or a network in CIDR notation
    URL = "url"
    PROCESS = "process"
    EMAIL = "email"
    FILE_NAME = "file-name"
    FILE_PATH = "file-path"
    FILE_MD5 = "file-md5"
    FILE_SHA1 = "file-sha1"
    FILE_SHA256 = "file-sha256"
    APP_ID = "app-id"
    APP_CERTIFICATE = "app-certificate"  # hash of a signing certificate: MD5, SHA-1 or SHA-256
    CONFIGURATION_PROFILE = "configuration-profile"
    ANDROID_PROPERTY = "android-property"


@dataclass(frozen=True, slots=True)
class Attribution:
    """One published set that holds an indicator, and the family it names there."""

    set: str  # short name of the set, such as "pegasus-core"
    family: str  # name of the malware, campaign, actor or report object; "" when the set names none
    sha256: str  # of the bundle's bytes, lower-case hexadecimal
    object_id: str  # STIX id of the indicator in that bundle


@dataclass(frozen=True, slots=True)
class Indicator:
    """A value that somebody published, with every set that holds it."""

    type: IndicatorType
    value: str  # as published
    attributions: tuple[Attribution, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Return what identifies an indicator across bundles (their STIX ids are new in every version)."""
        return (self.type.value, self.value)


@dataclass(frozen=True, slots=True)
class UnusableIndicator:
    """An indicator of a set that is not matched against, and why."""

    object_id: str
    pattern: str
    reason: str  # a stable word, such as "unsupported-operator"


@dataclass(frozen=True, slots=True)
class IndicatorSet:
    """A loaded bundle: total = usable + len(unusable), always."""

    name: str
    title: str
    publisher: str
    families: tuple[str, ...]
    sha256: str
    total: int  # indicators in the bundle; a pattern with several alternatives counts once for each
    usable: int
    unusable: tuple[UnusableIndicator, ...]
    embedded: bool = False  # shipped with spytriage
    catalogued: bool = False  # its SHA-256 is the one that the catalogue pins


@dataclass(frozen=True, slots=True)
class IndicatorIndex:
    """Everything that is looked for in one check."""

    sets: tuple[IndicatorSet, ...]
    indicators: tuple[Indicator, ...]  # one per (type, value), with all attributions
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """The published STIX object of each indicator by its id, for copying into report.stix2."""


class MatchRule(StrEnum):
    """Why a value on the phone and an indicator belong together."""

    EXACT = "exact"
    SUBDOMAIN = "subdomain"  # a host below a published domain
    NETWORK = "network"  # an address inside a published network
    TRUNCATED_NAME = "truncated-name"  # iOS keeps 16 characters of a process name
    PATH_PREFIX = "path-prefix"  # a file below a published path
    # Loose rules: MVT calls these a match, we keep them as a lower-grade finding.
    LOOSE_URL_TEXT = "loose-url-text"  # a published domain somewhere in text that is no URL
    LOOSE_PATH_PREFIX = "loose-path-prefix"  # a path that begins alike, without a boundary
    LOOSE_PATH_SEGMENT = "loose-path-segment"  # a folder named like a published process
    LOOSE_PROFILE_TEXT = "loose-profile-text"  # part of a published profile id

    @property
    def is_loose(self) -> bool:
        """Return whether the rule is too weak to call its hit a match."""
        return self.value.startswith("loose-")


@dataclass(frozen=True, slots=True)
class Match:
    """The indicators that a value on the phone matches (at least one), by one rule."""

    indicators: tuple[Indicator, ...]
    rule: MatchRule


class Matcher(Protocol):
    """Look up values of the phone among all indicators. Each method takes a raw value of a record.

    A value that is empty, not text, or malformed matches nothing and raises nothing.
    """

    shortened_links: int
    """How many shortened links were met since it was last set to 0: they cannot be followed offline."""

    def url(self, value: object) -> Match | None: ...  # noqa: D102 (a table of look-ups)
    def process(self, value: object) -> Match | None: ...  # noqa: D102
    def email(self, value: object) -> Match | None: ...  # noqa: D102
    def file_name(self, value: object) -> Match | None: ...  # noqa: D102
    def file_path(self, value: object) -> Match | None: ...  # noqa: D102
    def file_path_process(self, value: object) -> Match | None: ...  # noqa: D102
    def profile(self, value: object) -> Match | None: ...  # noqa: D102
    def file_hash(self, value: object) -> Match | None: ...  # noqa: D102
    def app_certificate(self, value: object) -> Match | None: ...  # noqa: D102
    def app_id(self, value: object) -> Match | None: ...  # noqa: D102
    def android_property(self, value: object) -> Match | None: ...  # noqa: D102


class LookUp(StrEnum):
    """The ways in which a value of the phone is looked up: the methods of `Matcher`."""

    URL = "url"
    PROCESS = "process"
    EMAIL = "email"
    FILE_NAME = "file_name"
    FILE_PATH = "file_path"
    FILE_PATH_PROCESS = "file_path_process"
    PROFILE = "profile"
    FILE_HASH = "file_hash"
    APP_CERTIFICATE = "app_certificate"
    APP_ID = "app_id"
    ANDROID_PROPERTY = "android_property"


@dataclass(frozen=True, slots=True)
class Observable:
    """A value that was looked up on a phone, reduced to what is compared, without its record. Raw."""

    look_up: LookUp
    value: str  # see spytriage.indicators.kept
    module: str  # MVT's class name
    day: date | None  # UTC, of the first record that holds it, where one says so
    count: int  # how many look-ups it stands for
    sent: bool = False  # the records are messages that the phone's owner sent


@dataclass(frozen=True, slots=True)
class Kept:
    """What the matcher saw on a phone, deduplicated. Raw: leaves only sealed."""

    observables: Iterable[Observable]  # each value once; can be gone through again, and is not all unpacked together
    left_out: Mapping[str, int]  # by module: how many more there were than fit the bounds


class Outcome(StrEnum):
    """What a check came to. A match stays a match when coverage is partial."""

    MATCH = "match"  # a published indicator was found
    SUSPICIOUS = "suspicious"  # a documented anomaly, no indicator
    NO_MATCH = "no-match"  # no known traces in what was checked, and everything expected was checked
    INCONCLUSIVE = "inconclusive"  # nothing found, but something that should have been checked was not

    @property
    def exit_code(self) -> int:
        """Return the exit code of the program (1 is an error, 2 wrong usage)."""
        return {Outcome.NO_MATCH: 0, Outcome.MATCH: 3, Outcome.SUSPICIOUS: 4, Outcome.INCONCLUSIVE: 5}[self]


class CoverageState(StrEnum):
    """What became of one module of MVT."""

    CHECKED = "checked"  # its records were read and matched
    EXTRACTED_ONLY = "extracted-only"  # its records were read; MVT matches them against nothing
    NO_DATA = "no-data"  # the artefact is not in this source
    UNREADABLE = "unreadable"  # it is there, or should be, and could not be read (wholly)
    FAILED = "failed"  # the module broke
    NOT_RUN = "not-run"

    @property
    def is_gap(self) -> bool:
        """Return whether something that should have been checked was not."""
        return self in {CoverageState.UNREADABLE, CoverageState.FAILED, CoverageState.NOT_RUN}


class Reason(StrEnum):
    """Why a module is not `checked`. Closed words: a reason never quotes the phone."""

    ARTEFACT_MISSING = "artefact-missing"  # the manifest names it, the folder lacks it
    NOT_IN_SOURCE = "not-in-source"
    MANIFEST_DISAGREES = "manifest-disagrees"  # a stored file has no row, or a row is not what its file id says
    NOT_A_REGULAR_FILE = "not-a-regular-file"
    PERMISSION_DENIED = "permission-denied"
    DAMAGED = "damaged"  # not the format it should be
    TOO_LARGE = "too-large"  # larger than a stated limit
    LOCKED = "locked"  # encrypted, and the password is missing or wrong
    KEY_MISSING = "key-missing"  # an encrypted backup lacks the key of the file or of its protection class
    NO_SPACE = "no-space"  # neither memory nor disk had room for the copy that is read
    UNKNOWN_LAYOUT = "unknown-layout"  # the tables or keys that MVT knows are not in it
    PARTLY_READ = "partly-read"  # some of its files or records could not be read
    PARTLY_RECOVERED = "partly-recovered"  # a damaged database, of which some rows could be read
    EXCEPTION = "exception"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    WORKER_DIED = "worker-died"
    TOO_MUCH_OUTPUT = "too-much-output"
    NETWORK_REFUSED = "network-refused"  # the module tried to open a connection
    DISABLED = "disabled"  # MVT does not run it
    NOT_SUPPORTED = "not-supported"  # nobody reads it yet: neither MVT nor spytriage
    STOPPED = "stopped"  # the scan ended before its turn


@dataclass(frozen=True, slots=True)
class BackupKeys:
    """What opens the files of one encrypted iOS backup. Secret: held in memory only, and no repr shows it."""

    classes: Mapping[int, bytes] = field(repr=False)  # AES key by protection class
    manifest: bytes | None = field(repr=False)  # AES key of Manifest.db; None before iOS 10.2: it is not encrypted


@dataclass(frozen=True, slots=True)
class ModuleCoverage:
    """One line of the coverage ledger."""

    name: str  # MVT's class name
    state: CoverageState
    records: int | None = None  # how many records were read; None when none could be
    reason: Reason | None = None
    detail: str = ""  # a type name, a signal or counts; never text of the phone
    shortened_links: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,79}", self.name):
            raise ValueError("a module is named by its class")
        if not re.fullmatch(r"[A-Za-z0-9_ .:/=-]{0,80}", self.detail):
            raise ValueError("a detail is a type name, a signal or counts")


@dataclass(frozen=True, slots=True)
class RawAlert:
    """What MVT reported, with the whole record. Raw: never leaves redaction."""

    module: str  # MVT's class name
    level: Level  # MVT's
    message: str
    event_time: str
    event: Mapping[str, Any]  # JSON types; bytes as {"$bytes": base64}
    match: Match | None


@dataclass(frozen=True, slots=True)
class Finding:
    """An alert that was recognised, graded and dated. Raw: never leaves redaction."""

    id: FindingId
    trace: Trace
    level: Level
    alert: RawAlert
    artefact: str  # what the module read, such as "sms.db"
    at: datetime | None  # UTC, when the record says so
    artefacts: int  # corroboration: distinct artefacts with a match of one of this finding's families
    indicator_types: int  # corroboration: distinct indicator types among those matches


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What came out of the worker."""

    modules: tuple[ModuleCoverage, ...]  # in MVT's order
    alerts: tuple[RawAlert, ...]  # in the order in which modules ran
    engine: str  # "mvt"
    engine_version: str
    copied_to_disk: bool = False  # temporary copies in clear did not fit into memory-backed storage
    kept: Kept | None = field(default=None, repr=False)  # when the matcher's look-ups were to be kept


# --- Redacted types: what may leave -------------------------------------------------------------------------------


class Fact(StrEnum):
    """Names of the generalised facts that a finding may show beside its indicator."""

    DIRECTION = "direction"
    SERVICE = "service"
    READ = "read"
    LINKS = "links"  # number of links in the message
    SHORT_LINK = "short-link"  # whether one of them is a shortened link
    NAME_MATCH = "name-match"
    TRAFFIC = "traffic"  # order of magnitude of bytes
    SPAN_DAYS = "span-days"  # first to last record, in days
    REDIRECT = "redirect"
    FAST_REDIRECT = "fast-redirect"  # under one second
    STATUS = "status"
    DOMAIN_CLASS = "domain-class"  # where in the backup: Home, Root, App, ...
    INSTALLER = "installer"
    PAYLOAD_TYPE = "payload-type"
    OPERATION = "operation"
    SYSTEM_APP = "system-app"
    DISABLED_APP = "disabled-app"
    DANGEROUS_PERMISSIONS = "dangerous-permissions"  # how many of them an Android app was granted
    SIGNAL = "signal"  # that ended a process
    UID_CLASS = "uid-class"  # whose rights an Android process had
    ARCHITECTURE = "architecture"
    ANDROID_VERSION = "android-version"  # major


class Term(StrEnum):
    """The closed vocabulary of generalised values: nothing else can stand in a fact, except a count or yes/no."""

    RECEIVED = "received"
    SENT = "sent"
    SMS = "sms"
    IMESSAGE = "imessage"
    RCS = "rcs"
    WHATSAPP = "whatsapp"
    FACETIME = "facetime"
    APPLE_SERVICE = "apple-service"
    OTHER = "other"
    EXACT = "exact"
    TRUNCATED = "truncated"
    BYTES_NONE = "none"
    BYTES_UNDER_1_KB = "under-1-kB"
    BYTES_UNDER_1_MB = "1-kB-to-1-MB"
    BYTES_UNDER_100_MB = "1-MB-to-100-MB"
    BYTES_OVER_100_MB = "over-100-MB"
    HOME = "home"
    ROOT = "root"
    APP = "app"
    APP_GROUP = "app-group"
    SYSTEM = "system"
    MEDIA = "media"
    APP_STORE = "app-store"
    TESTFLIGHT = "testflight"
    DEVICE_MANAGEMENT = "device-management"
    UNKNOWN = "unknown"
    NOTIFICATION_SETTINGS = "notification-settings"
    INSTALL = "install"
    REMOVE = "remove"
    PLAY_STORE = "play-store"
    OTHER_STORE = "other-store"
    BROWSER = "browser"
    SIGABRT = "SIGABRT"
    SIGBUS = "SIGBUS"
    SIGFPE = "SIGFPE"
    SIGILL = "SIGILL"
    SIGSEGV = "SIGSEGV"
    SIGSYS = "SIGSYS"
    SIGTRAP = "SIGTRAP"
    ROOT_USER = "root-user"
    SYSTEM_USER = "system-user"
    APP_USER = "app-user"
    ARM = "arm"
    ARM64 = "arm64"
    X86 = "x86"
    X86_64 = "x86_64"


class TimePrecision(StrEnum):
    """How closely a report may say when something happened."""

    WEEK = "week"  # the Monday of the week stands for it
    DAY = "day"
    EXACT = "exact"


class CodeName(str):
    """A name that the code, MVT's or ours, gives to a module, an artefact or a field.

    A type of its own, so that no string of the phone stands where a name is expected: mypy refuses a `str`, and the
    constructor of what holds it does too.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> CodeName:
        """Make a name of a constant of the code or of a policy.

        Raises:
            TypeError: no name of code looks like this.
        """
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ .()/-]{0,79}", name):
            raise TypeError("modules, artefacts and fields are named by code, not by the phone")
        return super().__new__(cls, name)


class PseudonymKind(StrEnum):
    """What a pseudonym stands for; its prefix."""

    CONTACT = "contact"
    CHAT = "chat"
    ACCOUNT = "account"
    APP = "app"
    FILE = "file"
    VISIT = "visit"
    PROFILE = "profile"
    PROCESS = "process"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """HMAC-SHA-256 under the case's random key, shortened: stable in a case, unlinkable across cases."""

    kind: PseudonymKind
    code: str

    def __post_init__(self) -> None:
        if not isinstance(self.kind, PseudonymKind) or not re.fullmatch(r"[A-Z2-7]{6}", self.code):
            raise TypeError("a pseudonym is a kind and six characters of base32")

    def __str__(self) -> str:
        return f"{self.kind.value}-{self.code}"


@dataclass(frozen=True, slots=True)
class Commitment:
    """SHA-256 over a nonce and a sealed value: says nothing, until whoever unseals shows that they belong together."""

    name: CodeName  # of the field, see spytriage.evidence
    sha256: str

    def __post_init__(self) -> None:
        _require(self.name, CodeName)
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise TypeError("a commitment is 64 hexadecimal digits")


_HIGHEST_COUNT = 10_000_000
"""Counts that a fact may show. More digits could be a telephone number."""


@dataclass(frozen=True, slots=True)
class RedactedFinding:
    """The only finding that a report accepts: no field of it can hold a string of the phone.

    Each value says where it comes from: a published indicator, a closed word, a count, a day, a pseudonym.
    The constructor refuses anything else.
    """

    id: FindingId
    trace: Trace
    level: Level
    mvt_level: Level
    module: CodeName  # MVT's class name
    artefact: CodeName  # from spytriage.artefacts
    rule: MatchRule | None
    indicators: tuple[Indicator, ...]
    day: date | None  # UTC; the Monday of its week where the policy shows weeks
    cluster: int | None  # findings within a day of one another share a number
    offset_seconds: int | None  # since the first event of the cluster
    count: int  # how many alike were folded into this one
    facts: tuple[tuple[Fact, Term | int | bool], ...]
    pseudonyms: tuple[Pseudonym, ...]
    withheld: tuple[CodeName, ...]  # names of withheld fields, all of them named by the policy
    withheld_unlisted: int  # how many more fields were withheld that no policy names
    artefacts: int  # corroboration
    indicator_types: int
    ref: int = 0  # its number in the report (F1, F2, ...), by which sealed evidence names it
    at: datetime | None = None  # UTC, to the second; only where the policy shows exact times
    commitments: tuple[Commitment, ...] = ()  # when the evidence was sealed

    def __post_init__(self) -> None:
        _require(self.id, FindingId)
        _require(self.trace, Trace)
        _require(self.level, Level)
        _require(self.mvt_level, Level)
        _require(self.rule, MatchRule, optional=True)
        if type(self.day) not in (date, type(None)):
            raise TypeError("a finding shows a day, not a time")
        _require(self.at, datetime, optional=True)
        for number in (self.cluster, self.offset_seconds, self.count, self.withheld_unlisted,
                       self.artefacts, self.indicator_types, self.ref):  # fmt: skip
            _require(number, int, optional=True)
        for fact, shown in self.facts:
            _require(fact, Fact)
            if not isinstance(shown, Term) and not (isinstance(shown, int) and 0 <= shown <= _HIGHEST_COUNT):
                raise TypeError("a fact is a closed word, a count or yes/no")
        kinds: tuple[tuple[tuple[object, ...], type], ...] = (
            (self.indicators, Indicator),
            (self.pseudonyms, Pseudonym),
            (self.commitments, Commitment),
            ((self.module, self.artefact, *self.withheld), CodeName),
        )
        for values, kind in kinds:
            for value in values:
                _require(value, kind)


def _require(value: object, wanted: type, *, optional: bool = False) -> None:
    if not (optional and value is None) and not isinstance(value, wanted):
        raise TypeError(f"expected {wanted.__name__}")


class LimitId(StrEnum):
    """What a report must admit about itself."""

    EMBEDDED_CORE_ONLY = "embedded-core-only"
    FULL_PEGASUS_SET_MISSING = "full-pegasus-set-missing"
    BACKUP_NOT_ENCRYPTED = "backup-not-encrypted"
    COVERAGE_GAPS = "coverage-gaps"
    MODULES_MATCH_NOTHING = "modules-match-nothing"
    SHORTENED_LINKS = "shortened-links"
    UNUSABLE_INDICATORS = "unusable-indicators"
    IDSTATUSCACHE_EMPTY = "idstatuscache-empty"  # since iOS 14.7
    NO_SHUTDOWN_LOG = "no-shutdown-log"  # never in a backup
    NO_WIFI_FIGURES = "no-wifi-figures"  # DataUsage counts mobile data only
    ANDROID_KEEPS_LITTLE = "android-keeps-little"
    UNIFIED_LOGS_NOT_READ = "unified-logs-not-read"  # of a sysdiagnose
    NO_SHARING_CONSENT = "no-sharing-consent"
    PLAINTEXT_ON_DISK = "plaintext-on-disk"  # no memory-backed storage for temporary copies
    OPERATOR_KNOWS = "operator-knows"  # redaction cannot hide domains and days from whoever runs the spyware
    DEMO = "demo"  # an invented phone


@dataclass(frozen=True, slots=True)
class Limit:
    """Something the check could not do, or the reader must know, with the counts that belong to it."""

    id: LimitId
    values: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a report says of the phone and its acquisition."""

    kind: str  # "ios-backup"
    encrypted: bool
    model_family: str  # "iPhone", "iPad", "iPod", "Android" or "unknown"
    os_version: str  # "17.4", "14", or "unknown"
    device: Pseudonym | None
    # HMAC-SHA-256 of the acquisition under the case key: whoever unseals can check it, nobody else. None: not shown.
    digest: str | None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", self.kind):
            raise TypeError("a kind of acquisition is a word of the code")
        _require(self.device, Pseudonym, optional=True)
        if self.model_family not in {"iPhone", "iPad", "iPod", "Android", "unknown"}:
            raise TypeError("a report shows the model family only")
        if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?|unknown", self.os_version):
            raise TypeError("a report shows major.minor of the operating system only")
        if self.digest is not None and not re.fullmatch(r"[0-9a-f]{64}", self.digest):
            raise TypeError("a digest is 64 hexadecimal digits")


@dataclass(frozen=True, slots=True)
class ConsentSummary:
    """What a report says of the consent record: no name."""

    data_owner_asked: bool
    device_owner_asked: bool
    analyse: bool
    share_redacted: bool
    share_sealed: bool
    aggregate: bool
    keep_observables: bool
    keep_until: date | None
    form_reference: str  # a code of the signed form that is kept elsewhere
    given_on: date


@dataclass(frozen=True, slots=True)
class RedactionSummary:
    """Which policy was applied and what it held back."""

    policy: str
    policy_sha256: str
    fields_withheld: int
    fields_unlisted: int
    time: TimePrecision = TimePrecision.DAY
    pseudonyms: bool = True
    device: bool = True
    recipients: int = 0  # for how many the evidence was sealed; 0 when it was not


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What made the report."""

    version: str  # of spytriage
    engine: str
    engine_version: str
    checked_on: date  # UTC


class Tlp(StrEnum):
    """Who a report may be passed on to: the levels of the Traffic Light Protocol 2.0 (FIRST, 2022)."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    AMBER_STRICT = "amber+strict"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report may say, and nothing else. Language-free: renderings add the words."""

    outcome: Outcome
    limits: tuple[Limit, ...]
    modules: tuple[ModuleCoverage, ...]
    findings: tuple[RedactedFinding, ...]
    sets: tuple[IndicatorSet, ...]
    source: SourceFacts
    consent: ConsentSummary
    redaction: RedactionSummary
    tool: ToolFacts
    demo: bool = False
    tlp: Tlp = Tlp.AMBER_STRICT
    signer: str | None = None
    """Id of the key that the hand-off is signed with (16 hexadecimal digits), so that a signature cannot be taken away
    without notice; None when it is not signed."""
    objects: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """The published STIX objects of the indicators that matched: report.stix2 can be made again from report.json."""

    @property
    def told_limits(self) -> tuple[Limit, ...]:
        """Return what a reader is told: `limits`, and what the source itself implies.

        report.json says the latter as source.encrypted, and does not repeat it.
        """
        is_open = self.source.kind == "ios-backup" and not self.source.encrypted
        implied = (Limit(LimitId.BACKUP_NOT_ENCRYPTED),) if is_open else ()
        return tuple(dict.fromkeys((*self.limits, *implied)))


class Depth(StrEnum):
    """How far a recheck had to look."""

    OBSERVABLES = "observables"  # everything that was kept was compared
    KEYS = "keys"  # the keys of what was kept have none in common with the newer indicators
    SETS = "sets"  # the newer sets hold no indicator that the check did not look for
    REPORT = "report"  # nothing was kept: only the report's own findings could be compared


@dataclass(frozen=True, slots=True)
class Addendum:
    """Everything that an addendum may say: what newer indicators say of a phone that is not there any more."""

    report: Report  # what it adds to
    report_sha256: str  # of report.json
    outcome: Outcome  # that a check with the newer sets would have had, as far as can be told
    new: tuple[RedactedFinding, ...]  # their numbers go on from those of the report
    still_there: tuple[RedactedFinding, ...]  # of the report, with the indicators that are still published
    withdrawn: tuple[RedactedFinding, ...]  # of the report, with the indicators that no newer set holds
    sets: tuple[IndicatorSet, ...]
    depth: Depth
    not_kept_for: tuple[MatchRule, ...]  # rules by which newer indicators could not be compared
    left_out: tuple[tuple[CodeName, int], ...]  # by module: values that exceeded what is kept
    version: str  # of spytriage
    rechecked_on: date  # UTC

    @property
    def matches(self) -> bool:
        """Return whether newer indicators match; a loose rule is too weak to be called that."""
        return any(finding.rule and not finding.rule.is_loose for finding in self.new)

    @property
    def gaps(self) -> tuple[ModuleCoverage, ...]:
        """Return what the check could not read, or not to its end: what was not read could not be kept."""
        return tuple(module for module in self.report.modules if module.state.is_gap)
