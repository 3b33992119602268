"""The kinds of finding there are: stable id, kind of trace, grade, benign explanations.

The words for people stand in `spytriage.report.texts`; each id has a page under docs/reference/findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trace(StrEnum):
    """What kind of trace a finding is, strongest first."""

    RAN = "ran"  # a process ran
    INSTALLED = "installed"  # an app, profile or file is there
    CONTACTED = "contacted"  # the phone loaded the site
    RECEIVED = "received"  # a message carried the link, an account was looked up: targeting
    ANOMALY = "anomaly"  # no indicator
    NOTICE = "notice"  # context


class Level(StrEnum):
    """How serious a finding is, weakest first; the same words as MVT's."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return the place in the order, 0 for the weakest."""
        return list(Level).index(self)


class Benign(StrEnum):
    """Why a finding may be harmless: known explanations, each with a sentence in report.texts."""

    RESEARCH_OR_NEWS = "research-or-news"  # somebody read about the spyware
    TYPED_NOT_REACHED = "typed-not-reached"  # an address typed and never reached
    FORWARDED_FOR_HELP = "forwarded-for-help"  # the owner passed a link on to ask about it
    EMBEDDED_IN_PAGE = "embedded-in-page"  # another page loaded it
    DOMAIN_CHANGED_HANDS = "domain-changed-hands"
    DEVELOPER_PHONE = "developer-phone"
    SAME_NAME = "same-name"  # an app or file that happens to be named alike
    WORK_MANAGED = "work-managed"  # an employer's device management
    TEST_APP = "test-app"  # TestFlight or an enterprise app
    CLEAN_UP = "clean-up"  # iOS removes old records itself
    OS_UPDATE = "os-update"
    IMPERSONATION = "impersonation"  # anybody can send a text that looks like Apple's
    ORDINARY_REDIRECT = "ordinary-redirect"  # short links and moved sites redirect fast
    ORDINARY_EVENT = "ordinary-event"
    OWN_CHOICE = "own-choice"
    PHONE_MAKER = "phone-maker"  # the maker of an Android phone set it up so
    ORDINARY_APP = "ordinary-app"


class FindingId(StrEnum):
    """Stable ids; the documentation address of a finding is docs/reference/findings/<id>.md."""

    PROCESS_RAN = "process-ran"
    PROCESS_ASKED_PERMISSION = "process-asked-permission"
    PROCESS_ASKED_LOCATION = "process-asked-location"
    APP_INSTALLED = "app-installed"
    PROFILE_INSTALLED = "profile-installed"
    FILE_PRESENT = "file-present"
    LINK_IN_SHORTCUT = "link-in-shortcut"
    PROPERTY_SET = "property-set"
    SITE_VISITED = "site-visited"
    SITE_CONTACTED = "site-contacted"
    SITE_DATA_STORED = "site-data-stored"
    LINK_RECEIVED = "link-received"
    LINK_SENT = "link-sent"
    ATTACHMENT_RECEIVED = "attachment-received"
    ACCOUNT_LOOKED_UP = "account-looked-up"
    INVITATION_RECEIVED = "invitation-received"
    ACCOUNT_IN_TOUCH = "account-in-touch"
    LOOSE_MATCH = "loose-match"
    USAGE_RECORD_MANIPULATED = "usage-record-manipulated"
    USAGE_RECORD_GAP = "usage-record-gap"
    PROCESS_WITHOUT_FILE = "process-without-file"
    LOOKUP_MALFORMED = "lookup-malformed"
    CALENDAR_EXPLOIT_PATTERN = "calendar-exploit-pattern"
    ATTACHMENT_ODD_PATH = "attachment-odd-path"
    PROFILE_HIDES_NOTIFICATIONS = "profile-hides-notifications"
    FAST_REDIRECT = "fast-redirect"
    REDIRECT_NEAR_MATCH = "redirect-near-match"
    APP_NOT_FROM_STORE = "app-not-from-store"
    APP_WITHOUT_IDENTIFIER = "app-without-identifier"
    ROOT_ACCESS_SIGNS = "root-access-signs"
    FILE_IN_TEMPORARY_FOLDER = "file-in-temporary-folder"
    PROCESS_CRASHED = "process-crashed"
    SECURITY_LOG_EVENT = "security-log-event"
    APP_SIDELOADED = "app-sideloaded"
    PROTECTION_OFF = "protection-off"
    PROFILE_EVENT = "profile-event"
    APP_WITH_WIDE_ACCESS = "app-with-wide-access"
    APP_REMOVED = "app-removed"
    UPDATES_OVERDUE = "updates-overdue"
    DEBUG_ACCESS = "debug-access"
    APPLE_THREAT_NOTIFICATION = "apple-threat-notification"
    LOCKDOWN_MODE_ON = "lockdown-mode-on"
    LOCKDOWN_MODE_OFF = "lockdown-mode-off"
    UNRECOGNISED_ALERT = "unrecognised-alert"


@dataclass(frozen=True, slots=True)
class FindingKind:
    """What is the same for all findings of one id.

    Attributes:
        id: the stable id.
        trace: the kind of trace.
        level: our grade. An anomaly of `medium` or above makes the outcome `suspicious`; only anomalies that
            spyware research documents carry such a level, and `source` names that research.
        benign: known harmless explanations.
        source: who documented the anomaly, for those that can make an outcome `suspicious`.
    """

    id: FindingId
    trace: Trace
    level: Level
    benign: tuple[Benign, ...] = ()
    source: str = ""


_AMNESTY_2021 = (
    "Amnesty International Security Lab, Forensic Methodology Report: How to catch NSO Group's Pegasus, 2021"
)
_CITIZEN_LAB_2021 = "The Citizen Lab, FORCEDENTRY: NSO Group iMessage Zero-Click Exploit Captured in the Wild, 2021"
_CITIZEN_LAB_2023 = "The Citizen Lab, Sweet QuaDreams, 2023"

_KINDS = (
    # With a published indicator, strongest first.
    FindingKind(FindingId.PROCESS_RAN, Trace.RAN, Level.CRITICAL, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)),
    FindingKind(
        FindingId.PROCESS_ASKED_PERMISSION, Trace.RAN, Level.CRITICAL, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)
    ),
    FindingKind(FindingId.PROCESS_ASKED_LOCATION, Trace.RAN, Level.HIGH, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)),
    FindingKind(FindingId.APP_INSTALLED, Trace.INSTALLED, Level.CRITICAL, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)),
    FindingKind(FindingId.PROFILE_INSTALLED, Trace.INSTALLED, Level.CRITICAL, (Benign.WORK_MANAGED,)),
    FindingKind(FindingId.FILE_PRESENT, Trace.INSTALLED, Level.HIGH, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)),
    FindingKind(FindingId.LINK_IN_SHORTCUT, Trace.INSTALLED, Level.HIGH, (Benign.RESEARCH_OR_NEWS,)),
    FindingKind(FindingId.PROPERTY_SET, Trace.INSTALLED, Level.HIGH, (Benign.SAME_NAME, Benign.DEVELOPER_PHONE)),
    FindingKind(
        FindingId.SITE_VISITED,
        Trace.CONTACTED,
        Level.HIGH,
        (Benign.RESEARCH_OR_NEWS, Benign.TYPED_NOT_REACHED, Benign.DOMAIN_CHANGED_HANDS),
    ),
    FindingKind(
        FindingId.SITE_CONTACTED,
        Trace.CONTACTED,
        Level.HIGH,
        (Benign.EMBEDDED_IN_PAGE, Benign.RESEARCH_OR_NEWS, Benign.DOMAIN_CHANGED_HANDS),
    ),
    FindingKind(
        FindingId.SITE_DATA_STORED, Trace.CONTACTED, Level.HIGH, (Benign.EMBEDDED_IN_PAGE, Benign.RESEARCH_OR_NEWS)
    ),
    FindingKind(
        FindingId.LINK_RECEIVED, Trace.RECEIVED, Level.HIGH, (Benign.FORWARDED_FOR_HELP, Benign.RESEARCH_OR_NEWS)
    ),
    FindingKind(
        FindingId.LINK_SENT, Trace.RECEIVED, Level.MEDIUM, (Benign.FORWARDED_FOR_HELP, Benign.RESEARCH_OR_NEWS)
    ),
    FindingKind(FindingId.ATTACHMENT_RECEIVED, Trace.RECEIVED, Level.HIGH, (Benign.SAME_NAME,)),
    FindingKind(FindingId.ACCOUNT_LOOKED_UP, Trace.RECEIVED, Level.HIGH, (Benign.RESEARCH_OR_NEWS,)),
    FindingKind(FindingId.INVITATION_RECEIVED, Trace.RECEIVED, Level.HIGH, (Benign.RESEARCH_OR_NEWS,)),
    FindingKind(FindingId.ACCOUNT_IN_TOUCH, Trace.RECEIVED, Level.HIGH, (Benign.RESEARCH_OR_NEWS, Benign.SAME_NAME)),
    # Anomalies: no indicator, or one that is only loosely met.
    FindingKind(FindingId.LOOSE_MATCH, Trace.ANOMALY, Level.LOW, (Benign.SAME_NAME, Benign.RESEARCH_OR_NEWS)),
    FindingKind(
        FindingId.USAGE_RECORD_MANIPULATED,
        Trace.ANOMALY,
        Level.MEDIUM,
        (Benign.CLEAN_UP, Benign.OS_UPDATE),
        source=_CITIZEN_LAB_2021,
    ),
    FindingKind(FindingId.USAGE_RECORD_GAP, Trace.ANOMALY, Level.LOW, (Benign.CLEAN_UP, Benign.OS_UPDATE)),
    FindingKind(FindingId.PROCESS_WITHOUT_FILE, Trace.ANOMALY, Level.LOW, (Benign.ORDINARY_APP, Benign.OS_UPDATE)),
    FindingKind(FindingId.LOOKUP_MALFORMED, Trace.ANOMALY, Level.HIGH, (Benign.OS_UPDATE,), source=_AMNESTY_2021),
    FindingKind(
        FindingId.CALENDAR_EXPLOIT_PATTERN,
        Trace.ANOMALY,
        Level.MEDIUM,
        (Benign.ORDINARY_EVENT,),
        source=_CITIZEN_LAB_2023,
    ),
    FindingKind(FindingId.ATTACHMENT_ODD_PATH, Trace.ANOMALY, Level.LOW, (Benign.OS_UPDATE,)),
    FindingKind(FindingId.PROFILE_HIDES_NOTIFICATIONS, Trace.ANOMALY, Level.LOW, (Benign.WORK_MANAGED,)),
    FindingKind(FindingId.FAST_REDIRECT, Trace.ANOMALY, Level.LOW, (Benign.ORDINARY_REDIRECT,)),
    FindingKind(FindingId.REDIRECT_NEAR_MATCH, Trace.ANOMALY, Level.LOW, (Benign.ORDINARY_REDIRECT,)),
    FindingKind(FindingId.APP_NOT_FROM_STORE, Trace.ANOMALY, Level.LOW, (Benign.TEST_APP, Benign.DEVELOPER_PHONE)),
    FindingKind(FindingId.APP_WITHOUT_IDENTIFIER, Trace.ANOMALY, Level.LOW, (Benign.TEST_APP, Benign.OS_UPDATE)),
    FindingKind(
        FindingId.ROOT_ACCESS_SIGNS,
        Trace.ANOMALY,
        Level.LOW,
        (Benign.OWN_CHOICE, Benign.DEVELOPER_PHONE, Benign.PHONE_MAKER),
    ),
    FindingKind(
        FindingId.FILE_IN_TEMPORARY_FOLDER, Trace.ANOMALY, Level.LOW, (Benign.DEVELOPER_PHONE, Benign.PHONE_MAKER)
    ),
    FindingKind(FindingId.PROCESS_CRASHED, Trace.ANOMALY, Level.LOW, (Benign.ORDINARY_APP, Benign.PHONE_MAKER)),
    FindingKind(
        FindingId.SECURITY_LOG_EVENT,
        Trace.ANOMALY,
        Level.LOW,
        (Benign.WORK_MANAGED, Benign.OWN_CHOICE, Benign.ORDINARY_APP),
    ),
    FindingKind(
        FindingId.APP_SIDELOADED,
        Trace.ANOMALY,
        Level.LOW,
        (Benign.OWN_CHOICE, Benign.ORDINARY_APP, Benign.DEVELOPER_PHONE),
    ),
    FindingKind(FindingId.PROTECTION_OFF, Trace.ANOMALY, Level.LOW, (Benign.OWN_CHOICE, Benign.PHONE_MAKER)),
    # Context.
    FindingKind(FindingId.PROFILE_EVENT, Trace.NOTICE, Level.LOW, (Benign.WORK_MANAGED, Benign.OWN_CHOICE)),
    FindingKind(
        FindingId.APP_WITH_WIDE_ACCESS,
        Trace.NOTICE,
        Level.LOW,
        (Benign.ORDINARY_APP, Benign.OWN_CHOICE, Benign.PHONE_MAKER),
    ),
    FindingKind(FindingId.APP_REMOVED, Trace.NOTICE, Level.LOW, (Benign.OWN_CHOICE, Benign.ORDINARY_APP)),
    FindingKind(FindingId.UPDATES_OVERDUE, Trace.NOTICE, Level.LOW, (Benign.PHONE_MAKER,)),
    FindingKind(FindingId.DEBUG_ACCESS, Trace.NOTICE, Level.LOW, (Benign.OWN_CHOICE, Benign.DEVELOPER_PHONE)),
    FindingKind(FindingId.APPLE_THREAT_NOTIFICATION, Trace.NOTICE, Level.HIGH, (Benign.IMPERSONATION,)),
    FindingKind(FindingId.LOCKDOWN_MODE_ON, Trace.NOTICE, Level.INFORMATIONAL, (Benign.OWN_CHOICE,)),
    FindingKind(FindingId.LOCKDOWN_MODE_OFF, Trace.NOTICE, Level.INFORMATIONAL, (Benign.OWN_CHOICE,)),
    # An alert shape that nobody foresaw: counted, never dropped. Its trace and level are set from the alert.
    FindingKind(FindingId.UNRECOGNISED_ALERT, Trace.ANOMALY, Level.LOW),
)
KINDS: dict[FindingId, FindingKind] = {kind.id: kind for kind in _KINDS}
