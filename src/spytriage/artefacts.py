"""What each module of MVT reads, in words a reader knows: the only artefact names that a report can show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artefact:
    """The artefact of one module.

    Attributes:
        label: its name in the field, the same in every language.
        carries_indicators: whether MVT matches it against indicators (when not, reading it cannot find a match).
    """

    label: str
    carries_indicators: bool = True


UNLISTED = Artefact("unlisted artefact", carries_indicators=False)

# By MVT's class name. Source: the modules of MVT 2026.10.26; a contract test notices new ones.
ARTEFACTS: dict[str, Artefact] = {
    "BackupInfo": Artefact("Info.plist", carries_indicators=False),
    "ConfigurationProfiles": Artefact("configuration profiles"),
    "Manifest": Artefact("Manifest.db"),
    "ProfileEvents": Artefact("MCProfileEvents.plist"),
    "Calls": Artefact("CallHistory.storedata", carries_indicators=False),
    "ChromeFavicon": Artefact("Chrome Favicons"),
    "ChromeHistory": Artefact("Chrome History"),
    "Contacts": Artefact("AddressBook.sqlitedb", carries_indicators=False),
    "FirefoxFavicon": Artefact("Firefox favicons"),
    "FirefoxHistory": Artefact("Firefox browser.db"),
    "IDStatusCache": Artefact("idstatuscache.plist"),
    "InteractionC": Artefact("interactionC.db", carries_indicators=False),
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
    "WhatsappContacts": Artefact("WhatsApp ContactsV2.sqlite", carries_indicators=False),
    "Shortcuts": Artefact("Shortcuts.sqlite"),
    "Applications": Artefact("Info.plist applications"),
    "Calendar": Artefact("Calendar.sqlitedb"),
    "GlobalPreferences": Artefact("GlobalPreferences.plist", carries_indicators=False),
}


def artefact_of(module: str) -> Artefact:
    """Return the artefact of a module, or `UNLISTED` for one that nobody has described yet."""
    return ARTEFACTS.get(module, UNLISTED)
