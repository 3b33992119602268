"""What each module of MVT reads, in words a reader knows: the only artefact names that a report can show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artefact:
    """The artefact of one module.

    Attributes:
        label: its name in the field, the same in every language.
        carries_indicators: whether it is matched against indicators (when not, reading it cannot find a match).
    """

    label: str
    carries_indicators: bool = True


UNLISTED = Artefact("unlisted artefact", carries_indicators=False)

# By MVT's class name; where two classes have one name, or a parser is our own, by the ledger's. Source:
# the modules of MVT 2026.10.26; a contract test notices new ones.
ARTEFACTS: dict[str, Artefact] = {
    "BackupInfo": Artefact("Info.plist"),
    "ConfigurationProfiles": Artefact("configuration profiles"),
    "Manifest": Artefact("Manifest.db"),
    "ProfileEvents": Artefact("MCProfileEvents.plist"),
    "Calls": Artefact("CallHistory.storedata"),
    "ChromeFavicon": Artefact("Chrome Favicons"),
    "ChromeHistory": Artefact("Chrome History"),
    "Contacts": Artefact("AddressBook.sqlitedb"),
    "FirefoxFavicon": Artefact("Firefox favicons"),
    "FirefoxHistory": Artefact("Firefox browser.db"),
    "IDStatusCache": Artefact("idstatuscache.plist"),
    "InteractionC": Artefact("interactionC.db"),
    "LocationdClients": Artefact("locationd clients.plist"),
    "OSAnalyticsADDaily": Artefact("osanalytics.addaily.plist"),
    "Datausage": Artefact("DataUsage.sqlite"),
    "SafariBrowserState": Artefact("Safari BrowserState.db"),
    "SafariHistory": Artefact("Safari History.db"),
    "TCC": Artefact("TCC.db"),
    "SMS": Artefact("sms.db"),
    "SMSAttachments": Artefact("sms.db attachments"),
    "WebkitResourceLoadStatistics": Artefact("WebKit observations.db"),
    "WebkitSessionResourceLog": Artefact("WebKit resourceLog.plist"),
    "Whatsapp": Artefact("WhatsApp ChatStorage.sqlite"),
    "WhatsappContacts": Artefact("WhatsApp ContactsV2.sqlite"),
    "Shortcuts": Artefact("Shortcuts.sqlite"),
    "Applications": Artefact("Info.plist applications"),
    "Calendar": Artefact("Calendar.sqlitedb"),
    "GlobalPreferences": Artefact("GlobalPreferences.plist", carries_indicators=False),
    # File system of an iPhone.
    "CacheFiles": Artefact("Cache.db"),
    "Filesystem": Artefact("list of files"),
    "Netusage": Artefact("netusage.sqlite"),
    "Analytics": Artefact("Analytics databases"),
    "AnalyticsIOSVersions": Artefact("Analytics databases (versions)", carries_indicators=False),
    "SafariFavicon": Artefact("Safari Favicons.db"),
    "ShutdownLog": Artefact("shutdown.log"),
    "IOSVersionHistory": Artefact("Analytics journals", carries_indicators=False),
    "WebkitIndexedDB": Artefact("WebKit IndexedDB"),
    "WebkitLocalStorage": Artefact("WebKit LocalStorage"),
    "WebkitSafariViewService": Artefact("WebKit SafariViewService"),
    # sysdiagnose: parsers of our own.
    "SysdiagnoseShutdown": Artefact("sysdiagnose shutdown.log"),
    "SysdiagnoseProcesses": Artefact("sysdiagnose ps.txt"),
    "SysdiagnoseCrashes": Artefact("sysdiagnose crash reports"),
    "UnifiedLogs": Artefact("unified logs", carries_indicators=False),
    # AndroidQF.
    "AQFPackages": Artefact("packages.json"),
    "AQFProcesses": Artefact("ps.txt"),
    "AQFGetProp": Artefact("getprop.txt"),
    "AQFSettings": Artefact("settings files", carries_indicators=False),
    "AQFFiles": Artefact("files.json"),
    "AQFLogTimestamps": Artefact("logs (times)", carries_indicators=False),
    "RootBinaries": Artefact("root_binaries.json", carries_indicators=False),
    "Mounts": Artefact("mounts.json"),
    # Android bug report.
    "DumpsysAccessibility": Artefact("dumpstate accessibility"),
    "DumpsysActivities": Artefact("dumpstate package activities"),
    "DumpsysAppops": Artefact("dumpstate appops"),
    "DumpsysBatteryDaily": Artefact("dumpstate batterystats daily"),
    "DumpsysBatteryHistory": Artefact("dumpstate batterystats history"),
    "DumpsysDBInfo": Artefact("dumpstate dbinfo"),
    "DumpsysGetProp": Artefact("dumpstate properties"),
    "DumpsysPackages": Artefact("dumpstate package"),
    "DumpsysPlatformCompat": Artefact("dumpstate platform_compat"),
    "DumpsysReceivers": Artefact("dumpstate package receivers"),
    "DumpsysADBState": Artefact("dumpstate adb", carries_indicators=False),
    "BugReportTimestamps": Artefact("bug report files (times)", carries_indicators=False),
    "Tombstones": Artefact("tombstones"),
    "Processes": Artefact("dumpstate processes"),
    "Settings": Artefact("dumpstate settings", carries_indicators=False),
    "BugreportMounts": Artefact("mountinfo"),
    # Android backup, intrusion logs.
    "AndroidSMS": Artefact("SMS backup"),
    "DnsEvent": Artefact("intrusion log DNS events"),
    "ConnectEvent": Artefact("intrusion log connections"),
    "SecurityEvent": Artefact("intrusion log security events"),
}

ALWAYS_HELD: dict[str, frozenset[str]] = {
    "ios-backup": frozenset({"BackupInfo", "Applications", "Manifest", "SMS"}),
    "ios-filesystem": frozenset({"SMS", "TCC"}),
    "ios-sysdiagnose": frozenset({"SysdiagnoseProcesses", "SysdiagnoseShutdown"}),
    "androidqf": frozenset({"AQFPackages", "AQFProcesses", "AQFGetProp", "AQFFiles", "DumpsysPackages"}),
    "android-bugreport": frozenset({"DumpsysPackages"}),
    "android-backup": frozenset({"AndroidSMS"}),
    "android-intrusion-logs": frozenset({"DnsEvent", "ConnectEvent", "SecurityEvent"}),
}
"""By kind of acquisition: what each one holds, so that one without it is cut short, and not a phone that lacks it.

Sources: every iPhone has sms.db and TCC.db; sysdiagnose runs `ps` and keeps shutdown.log; the modules that AndroidQF
always runs (backups and logs depend on what the person allows); every bug report dumps the package service.
"""


def artefact_of(module: str) -> Artefact:
    """Return the artefact of a module, or `UNLISTED` for one that nobody has described yet."""
    return ARTEFACTS.get(module, UNLISTED)
