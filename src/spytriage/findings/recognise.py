"""Which kind of finding an alert is. An alert shape that nobody foresaw is `unrecognised-alert`, never dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spytriage.finding_kinds import FindingId
from spytriage.models import IndicatorType, RawAlert

_T = IndicatorType
_SITES = frozenset({_T.DOMAIN, _T.IP_ADDRESS, _T.URL})
_FILES = frozenset({_T.FILE_NAME, _T.FILE_PATH})
_PROCESSES = frozenset({_T.PROCESS})
_APPS = frozenset({_T.APP_ID})
_HASHES = frozenset({_T.FILE_MD5, _T.FILE_SHA1, _T.FILE_SHA256})
_TOUCHED = {frozenset({_T.EMAIL}) | _SITES | _APPS: FindingId.ACCOUNT_IN_TOUCH}
_RAN = {_PROCESSES | _FILES: FindingId.PROCESS_RAN, _APPS: FindingId.PROCESS_RAN}
_INSTALLED = {_APPS: FindingId.APP_INSTALLED}
_CONTACTED = {_SITES: FindingId.SITE_CONTACTED, _APPS: FindingId.APP_INSTALLED}

# By module and by the type of the indicator that matched.
_MATCHED: Mapping[str, Mapping[frozenset[IndicatorType], FindingId]] = {
    "ConfigurationProfiles": {frozenset({_T.CONFIGURATION_PROFILE}): FindingId.PROFILE_INSTALLED},
    "ProfileEvents": {
        frozenset({_T.CONFIGURATION_PROFILE}): FindingId.PROFILE_INSTALLED,
        _PROCESSES: FindingId.PROCESS_RAN,
    },
    "Manifest": {_FILES: FindingId.FILE_PRESENT, _SITES: FindingId.SITE_DATA_STORED},
    "Applications": {_PROCESSES | {_T.APP_ID}: FindingId.APP_INSTALLED},
    "Calendar": {frozenset({_T.EMAIL}): FindingId.INVITATION_RECEIVED},
    "ChromeFavicon": {_SITES: FindingId.SITE_VISITED},
    "ChromeHistory": {_SITES: FindingId.SITE_VISITED},
    "FirefoxFavicon": {_SITES: FindingId.SITE_VISITED},
    "FirefoxHistory": {_SITES: FindingId.SITE_VISITED},
    "SafariBrowserState": {_SITES: FindingId.SITE_VISITED},
    "SafariHistory": {_SITES: FindingId.SITE_VISITED},
    "WebkitResourceLoadStatistics": {_SITES: FindingId.SITE_CONTACTED},
    "WebkitSessionResourceLog": {_SITES: FindingId.SITE_CONTACTED},
    "IDStatusCache": {frozenset({_T.EMAIL}): FindingId.ACCOUNT_LOOKED_UP},
    "LocationdClients": {_PROCESSES: FindingId.PROCESS_ASKED_LOCATION, _FILES: FindingId.FILE_PRESENT},
    "OSAnalyticsADDaily": {_PROCESSES: FindingId.PROCESS_RAN},
    "Datausage": {_PROCESSES: FindingId.PROCESS_RAN},
    "TCC": {_PROCESSES: FindingId.PROCESS_ASKED_PERMISSION},
    "SMS": {_SITES: FindingId.LINK_RECEIVED},
    "SMSAttachments": {_FILES: FindingId.ATTACHMENT_RECEIVED},
    "Whatsapp": {_SITES: FindingId.LINK_RECEIVED},
    "Shortcuts": {_SITES: FindingId.LINK_IN_SHORTCUT},
    # Comparisons of our own (scan.more_checks).
    "InteractionC": _TOUCHED,
    "Contacts": _TOUCHED,
    "Calls": _TOUCHED,
    "WhatsappContacts": _TOUCHED,
    "BackupInfo": {_PROCESSES | _APPS: FindingId.APP_INSTALLED},
    # File system of an iPhone.
    "CacheFiles": {_SITES: FindingId.SITE_CONTACTED},
    "Filesystem": {_FILES | _PROCESSES: FindingId.FILE_PRESENT},
    "Netusage": {_PROCESSES: FindingId.PROCESS_RAN},
    "Analytics": {_PROCESSES: FindingId.PROCESS_RAN, _SITES: FindingId.SITE_CONTACTED},
    "SafariFavicon": {_SITES: FindingId.SITE_VISITED},
    "ShutdownLog": _RAN,
    "WebkitIndexedDB": {_SITES: FindingId.SITE_DATA_STORED},
    "WebkitLocalStorage": {_SITES: FindingId.SITE_DATA_STORED},
    "WebkitSafariViewService": {_SITES: FindingId.SITE_DATA_STORED},
    # sysdiagnose
    "SysdiagnoseShutdown": _RAN,
    "SysdiagnoseProcesses": _RAN,
    "SysdiagnoseCrashes": {_PROCESSES | _APPS: FindingId.PROCESS_RAN, _FILES: FindingId.FILE_PRESENT},
    # Android
    "AQFPackages": {_APPS | _HASHES | {_T.APP_CERTIFICATE}: FindingId.APP_INSTALLED},
    "AQFProcesses": _RAN,
    "Processes": _RAN,
    "AQFGetProp": {frozenset({_T.ANDROID_PROPERTY}): FindingId.PROPERTY_SET},
    "DumpsysGetProp": {frozenset({_T.ANDROID_PROPERTY}): FindingId.PROPERTY_SET},
    "AQFFiles": {_FILES | _HASHES: FindingId.FILE_PRESENT},
    "Mounts": {_FILES: FindingId.FILE_PRESENT},
    "BugreportMounts": {_FILES: FindingId.FILE_PRESENT},
    "DumpsysAccessibility": _INSTALLED,
    "DumpsysActivities": _INSTALLED,
    "DumpsysAppops": _INSTALLED,
    "DumpsysBatteryDaily": _INSTALLED,
    "DumpsysBatteryHistory": _INSTALLED,
    "DumpsysDBInfo": _INSTALLED,
    "DumpsysPackages": _INSTALLED,
    "DumpsysPlatformCompat": _INSTALLED,
    "DumpsysReceivers": _INSTALLED,
    "Tombstones": {_PROCESSES: FindingId.PROCESS_RAN},
    "AndroidSMS": {_SITES: FindingId.LINK_RECEIVED},
    "DnsEvent": _CONTACTED,
    "ConnectEvent": _CONTACTED,
    "SecurityEvent": {_APPS: FindingId.APP_INSTALLED, _FILES: FindingId.FILE_PRESENT},
}

# Alerts without an indicator: module and how MVT 2026.10.26 begins its message.
_UNMATCHED: tuple[tuple[str, str, FindingId], ...] = (
    ("ConfigurationProfiles", "Found a potentially suspicious configuration profile",
     FindingId.PROFILE_HIDES_NOTIFICATIONS),
    ("ProfileEvents", "On ", FindingId.PROFILE_EVENT),
    ("Applications", "Suspicious application identified without", FindingId.APP_WITHOUT_IDENTIFIER),
    ("Applications", "Suspicious app not installed from", FindingId.APP_NOT_FROM_STORE),
    ("Calendar", "Potential Quadream exploit", FindingId.CALENDAR_EXPLOIT_PATTERN),
    ("SafariHistory", "Redirect took less than a second", FindingId.FAST_REDIRECT),
    ("WebkitSessionResourceLog", "Found HTTP redirect between", FindingId.REDIRECT_NEAR_MATCH),
    ("IDStatusCache", "Found an ID Status Cache entry with suspicious", FindingId.LOOKUP_MALFORMED),
    ("Datausage", "Found manipulated process entry", FindingId.USAGE_RECORD_MANIPULATED),
    ("Datausage", "Missing process", FindingId.USAGE_RECORD_GAP),
    ("Datausage", "Could not find the binary", FindingId.PROCESS_WITHOUT_FILE),
    ("Datausage", "Found process entry with empty", FindingId.PROCESS_WITHOUT_FILE),
    ("SMS", "Apple warning about state-sponsored attack", FindingId.APPLE_THREAT_NOTIFICATION),
    ("SMSAttachments", "Suspicious iMessage attachment", FindingId.ATTACHMENT_ODD_PATH),
    ("GlobalPreferences", "Lockdown mode enabled", FindingId.LOCKDOWN_MODE_ON),
    ("GlobalPreferences", "Lockdown mode disabled", FindingId.LOCKDOWN_MODE_OFF),
    ("Netusage", "Found manipulated process entry", FindingId.USAGE_RECORD_MANIPULATED),
    ("Netusage", "Missing process", FindingId.USAGE_RECORD_GAP),
    ("Netusage", "Could not find the binary", FindingId.PROCESS_WITHOUT_FILE),
    ("Netusage", "Found process entry with empty", FindingId.PROCESS_WITHOUT_FILE),
    ("AQFPackages", "Found an installed package related to rooting", FindingId.ROOT_ACCESS_SIGNS),
    ("AQFPackages", "Found a package installed via", FindingId.APP_SIDELOADED),
    ("AQFPackages", "Found a non-system package installed via", FindingId.APP_SIDELOADED),
    ("AQFPackages", "Security package", FindingId.PROTECTION_OFF),
    ("AQFPackages", "System OTA update package", FindingId.PROTECTION_OFF),
    ("AQFSettings", "Found suspicious", FindingId.PROTECTION_OFF),
    ("Settings", "Found suspicious", FindingId.PROTECTION_OFF),
    ("AQFGetProp", "This phone has not received security updates", FindingId.UPDATES_OVERDUE),
    ("DumpsysGetProp", "This phone has not received security updates", FindingId.UPDATES_OVERDUE),
    ("AQFFiles", "Found ", FindingId.FILE_IN_TEMPORARY_FOLDER),
    ("RootBinaries", "Found root binary", FindingId.ROOT_ACCESS_SIGNS),
    ("Mounts", "", FindingId.ROOT_ACCESS_SIGNS),
    ("BugreportMounts", "", FindingId.ROOT_ACCESS_SIGNS),
    ("DumpsysPackages", "Found an installed package related to rooting", FindingId.ROOT_ACCESS_SIGNS),
    ("DumpsysAccessibility", "Found accessibility service", FindingId.APP_WITH_WIDE_ACCESS),
    ("DumpsysAccessibility", "The accessibility dump states", FindingId.APP_WITH_WIDE_ACCESS),
    ("DumpsysAppops", "Package '", FindingId.APP_WITH_WIDE_ACCESS),
    ("DumpsysAppops", "Risky package '", FindingId.APP_WITH_WIDE_ACCESS),
    ("DumpsysBatteryDaily", "Detected ", FindingId.APP_REMOVED),
    ("DumpsysADBState", "Found a", FindingId.DEBUG_ACCESS),
    ("Tombstones", "Potentially suspicious crash", FindingId.PROCESS_CRASHED),
    ("SecurityEvent", "", FindingId.SECURITY_LOG_EVENT),
)  # fmt: skip


def recognise(alert: RawAlert) -> FindingId:
    """Return the kind of finding that an alert is."""
    if alert.match is None:
        return _without_indicator(alert)
    if alert.match.rule.is_loose:
        return FindingId.LOOSE_MATCH
    types = {indicator.type for indicator in alert.match.indicators}
    for expected, finding_id in _MATCHED.get(alert.module, {}).items():
        if types & expected:
            sent = finding_id is FindingId.LINK_RECEIVED and was_sent(alert.event)
            return FindingId.LINK_SENT if sent else finding_id
    return FindingId.UNRECOGNISED_ALERT


def _without_indicator(alert: RawAlert) -> FindingId:
    for module, beginning, finding_id in _UNMATCHED:
        if alert.module == module and alert.message.startswith(beginning):
            return finding_id
    return FindingId.UNRECOGNISED_ALERT


def was_sent(record: Mapping[str, Any]) -> bool:
    """Return whether the phone's owner sent the message (iMessage and SMS; WhatsApp)."""
    return record.get("direction") == "sent" or record.get("ZISFROMME") == 1
