"""The words for people: what each outcome, finding, state and limit means, in the language in use.

Every sentence stands in a table of `deferred()` strings and is translated when it is asked for, so that one
process can render in more than one language. The rules for the wording are held by tests/test_wording.py:
short and true, what to do next, what it does not mean, never a verdict on the phone or the person. The sentences of
outcomes and of consent stand in `spytriage.statements`.

A limit is a sentence with counts. The names it needs stand in `LIMIT_VALUES`; the pipeline provides them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spytriage.finding_kinds import Benign, FindingId, Level, Trace
from spytriage.i18n import _, deferred, ngettext
from spytriage.models import (
    CoverageState,
    Fact,
    IndicatorType,
    Limit,
    LimitId,
    MatchRule,
    Reason,
    RedactionSummary,
    SourceFacts,
    Term,
    TimePrecision,
)
from spytriage.statements import OutcomeText, consent_text, outcome_texts

__all__ = [
    "LIMIT_VALUES", "SERVES", "FindingText", "OutcomeText", "consent_text", "encryption_text", "finding_text",
    "limit_text", "outcome_texts", "phrase", "redaction_texts", "serves_text", "source_text", "term_text",
]  # fmt: skip

LIMIT_VALUES: Mapping[LimitId, tuple[str, ...]] = {
    LimitId.EMBEDDED_CORE_ONLY: (
        "embedded",
        "full",
    ),  # indicators in the embedded set, in the full published set
    LimitId.COVERAGE_GAPS: ("modules",),  # modules whose state is a gap
    LimitId.MODULES_MATCH_NOTHING: ("modules",),  # modules that are extracted-only
    LimitId.SHORTENED_LINKS: ("links",),
    LimitId.UNUSABLE_INDICATORS: ("indicators",),
}
"""The names of the counts that `limit_text` needs, for the limits that have any."""


@dataclass(frozen=True, slots=True)
class FindingText:
    """What one kind of finding says to the person."""

    title: str
    seen: str
    meaning: str
    next_step: str


def finding_text(finding: FindingId) -> FindingText:
    """Return the sentences of a kind of finding, in the current language."""
    text = _FINDINGS[finding]
    return FindingText(_(text.title), _(text.seen), _(text.meaning), _(text.next_step))


def phrase(word: Trace | Level | Benign | CoverageState | Reason | Fact | MatchRule | IndicatorType) -> str:
    """Return what a closed word of a report says, in the current language."""
    return _(_PHRASES[type(word)][word])


def limit_text(limit: Limit) -> str:
    """Return the sentence of a limit with its counts, in the current language.

    Raises:
        KeyError: when the limit lacks a count that `LIMIT_VALUES` names.
    """
    values = dict(limit.values)
    if limit.id in _COUNTED_LIMITS:
        return _COUNTED_LIMITS[limit.id](values).format(**values)
    return _(_LIMITS[limit.id])


def term_text(value: Term | int | bool) -> str:
    """Return the value of a fact in the current language: a phrase, yes or no, or a count in digits."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return _(_TERMS[value]) if isinstance(value, Term) else str(value)


def redaction_texts(redaction: RedactionSummary) -> tuple[str, ...]:
    """Return what a reader must know of the redaction, in the current language: what it did and what it cannot do."""
    sealed = ngettext(
        "The records behind the findings are sealed in evidence.age, for {count} key. Nobody else can open it.",
        "The records behind the findings are sealed in evidence.age, for {count} keys. Nobody else can open it.",
        redaction.recipients,
    ).format(count=redaction.recipients)
    return (
        _(_TIMES[redaction.time]),
        sealed if redaction.recipients else _("The records behind the findings were not kept: nobody can unseal them."),
        *(_(text) for text in _REDACTION_LIMITS),
    )


def source_text(kind: str) -> str:
    """Return a noun for a kind of acquisition, in the current language; its code word when it is a new one."""
    return _(_SOURCES[kind]) if kind in _SOURCES else kind


def encryption_text(source: SourceFacts) -> str:
    """Return whether what was checked is encrypted, in the current language; nothing where that is not expected."""
    if source.encrypted:
        return _("encrypted")
    return _("not encrypted") if source.kind == "ios-backup" else ""


def serves_text(serves: str) -> str:
    """Return whom a help line serves, in the current language."""
    return _(SERVES[serves])


# --- Findings -----------------------------------------------------------------------------------------------

_ASK_REVIEWER = deferred(
    "Leave the phone as it is, keep the files that were checked, and ask a help line to look at this finding."
)
_KEEP_MESSAGE = deferred(
    "Do not open the link and do not delete the message. Keep the files that were checked, and ask a help line to look "
    "at this finding."
)
_REMEMBER_VISIT = deferred(
    "Ask the person, without blame, whether they remember the visit and why. Delete nothing from the "
    "browser, keep the files that were checked, and ask a help line to look at this finding."
)
_COMPARE = deferred(
    "Nothing to do by itself. A reviewer can compare its day with the other findings and with what the "
    "person remembers."
)

_FINDINGS: Mapping[FindingId, FindingText] = {
    FindingId.PROCESS_RAN: FindingText(
        title=deferred("A process on a published spyware list ran"),
        seen=deferred(
            "The phone's own records of running programs name a process that researchers have published as "
            "a sign of spyware."
        ),
        meaning=deferred(
            "A program with that name ran on the phone. This is the strongest kind of trace that a check "
            "can find. Now and then an ordinary program has the same name."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.PROCESS_ASKED_PERMISSION: FindingText(
        title=deferred("A process on a published spyware list asked for a permission"),
        seen=deferred("The list of permissions, such as camera or microphone, names a process that was published."),
        meaning=deferred(
            "iOS writes down which program asks for access. A program with that name asked, so it ran. "
            "It does not say that access was given or used."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.PROCESS_ASKED_LOCATION: FindingText(
        title=deferred("A process on a published spyware list was among the users of the location"),
        seen=deferred("The list of programs that use the location names a process or file that was published."),
        meaning=deferred(
            "A program with that name was known to the location service of the phone. "
            "It does not say that the location was read or sent."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.APP_INSTALLED: FindingText(
        title=deferred("An app on a published spyware list is installed"),
        seen=deferred("A list of apps holds one whose identifier, certificate or file was published."),
        meaning=deferred("The app was on the phone when its data was copied. It does not say what the app did."),
        next_step=deferred(
            "Do not remove the app yet: removing it destroys traces. Keep the files that were checked, and ask a "
            "help line to look."
        ),
    ),
    FindingId.PROFILE_INSTALLED: FindingText(
        title=deferred("A configuration profile on a published spyware list is there"),
        seen=deferred("A configuration profile on the phone has an identifier that was published."),
        meaning=deferred(
            "A profile can change what the phone trusts and where its traffic goes. Somebody installed this "
            "one, perhaps by persuading the person. Employers and schools use profiles too."
        ),
        next_step=deferred(
            "Do not remove the profile yet. Ask the person whether an employer or school manages the phone, "
            "keep the files that were checked, and ask a help line to look."
        ),
    ),
    FindingId.FILE_PRESENT: FindingText(
        title=deferred("A file on a published spyware list is there"),
        seen=deferred("The list of files holds a name, path or hash that was published."),
        meaning=deferred(
            "A file by that name exists or existed on the phone. A name is not the content: other programs, "
            "developers' phones among them, can make a file of the same name."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.LINK_IN_SHORTCUT: FindingText(
        title=deferred("A shortcut opens a site on a published spyware list"),
        seen=deferred("A shortcut (an automation in Apple's Shortcuts app) opens an address that was published."),
        meaning=deferred(
            "Spyware has used shortcuts to start again after a restart. It does not say that this one ran."
        ),
        next_step=deferred(
            "Do not run or delete the shortcut. Ask the person where it came from, keep the files that were "
            "checked, and ask a help line to look."
        ),
    ),
    FindingId.SITE_VISITED: FindingText(
        title=deferred("The browser's history holds a site on a published spyware list"),
        seen=deferred("The browser's history or open tabs hold an address on a domain that was published."),
        meaning=deferred(
            "The phone opened the address, or was sent there by another page. It may have loaded something "
            "from it; it does not say that anything ran."
        ),
        next_step=_REMEMBER_VISIT,
    ),
    FindingId.SITE_CONTACTED: FindingText(
        title=deferred("The phone was in contact with a site on a published spyware list"),
        seen=deferred("The phone's technical records name a domain or address that was published."),
        meaning=deferred(
            "A page or an app loaded something from that domain, perhaps without the person seeing it. "
            "It does not say that anything ran."
        ),
        next_step=_REMEMBER_VISIT,
    ),
    FindingId.SITE_DATA_STORED: FindingText(
        title=deferred("A site on a published spyware list stored data on the phone"),
        seen=deferred("A file of the phone carries the name of a domain that was published."),
        meaning=deferred(
            "Browsers keep such files for sites that were loaded, also for sites inside other pages. "
            "It does not say that anything ran."
        ),
        next_step=_REMEMBER_VISIT,
    ),
    FindingId.LINK_RECEIVED: FindingText(
        title=deferred("A message carried a link to a site on a published spyware list"),
        seen=deferred("A message that arrived on the phone holds a link to a domain that was published."),
        meaning=deferred(
            "Somebody may have tried to target this person. It does not say that the link was opened, "
            "or that anything ran."
        ),
        next_step=_KEEP_MESSAGE,
    ),
    FindingId.LINK_SENT: FindingText(
        title=deferred("A message that was sent links to a site on a published spyware list"),
        seen=deferred("A message that was sent from this phone holds a link to a domain that was published."),
        meaning=deferred(
            "Often the person passed a strange link on to ask about it, so they may have received it first. "
            "It does not say that the link was opened, or that anything ran."
        ),
        next_step=deferred(
            "Ask the person where the link came from. Do not open it and do not delete the message. "
            "Whoever received it may need help too."
        ),
    ),
    FindingId.ATTACHMENT_RECEIVED: FindingText(
        title=deferred("An attachment has a name on a published spyware list"),
        seen=deferred("The list of message attachments holds a file name or path that was published."),
        meaning=deferred(
            "A file by that name came with a message. A name is not the content, and it does not say that anything ran."
        ),
        next_step=deferred(
            "Do not open the attachment and do not delete the message. Keep the files that were checked, and ask a "
            "help line to look."
        ),
    ),
    FindingId.ACCOUNT_LOOKED_UP: FindingText(
        title=deferred("An account on a published spyware list was in touch with this phone"),
        seen=deferred("Apple's record of looked-up accounts names an e-mail address that was published."),
        meaning=deferred(
            "An Apple service, such as iMessage, looked up an account that researchers have tied to attacks. "
            "The phone may have been a target. It does not say that anything ran."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.INVITATION_RECEIVED: FindingText(
        title=deferred("A calendar invitation names an account on a published spyware list"),
        seen=deferred("A calendar entry names a participant whose e-mail address was published."),
        meaning=deferred(
            "Somebody may have tried to target this person through the calendar. It does not say that anything ran."
        ),
        next_step=deferred(
            "Do not answer or delete the invitation. Keep the files that were checked, and ask a help line to look."
        ),
    ),
    FindingId.LOOSE_MATCH: FindingText(
        title=deferred("Something resembles an entry of a published spyware list"),
        seen=deferred("A record contains a published indicator as a part of something else, or begins like one."),
        meaning=deferred("The resemblance is often chance. It does not count as a match, and it is shown for review."),
        next_step=_COMPARE,
    ),
    FindingId.USAGE_RECORD_MANIPULATED: FindingText(
        title=deferred("A record of mobile data use lacks its process"),
        seen=deferred("The phone noted mobile data for a process, and the entry that names the process is gone."),
        meaning=deferred(
            "Researchers saw this where spyware removed its own name. It does not prove that: "
            "iOS also removes entries itself, for example when it tidies up or updates."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.USAGE_RECORD_GAP: FindingText(
        title=deferred("A number is missing in the records of mobile data use"),
        seen=deferred("The numbered list of processes that used mobile data has a gap."),
        meaning=deferred(
            "An entry was removed. Most phones have such gaps, because iOS removes entries itself. "
            "Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.PROCESS_WITHOUT_FILE: FindingText(
        title=deferred("A program that used data has no file"),
        seen=deferred(
            "The records of data use name a process, or leave its name empty, and the copy of the phone's files "
            "holds no program of that name."
        ),
        meaning=deferred(
            "Many processes of iOS are recorded under another name than their file, and a copy often lacks part of "
            "the system. Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.LOOKUP_MALFORMED: FindingText(
        title=deferred("An account in Apple's records is malformed"),
        seen=deferred("Apple's record of looked-up accounts holds an entry with bytes that no address has."),
        meaning=deferred(
            "Researchers have described odd entries of this record in cases of attacks through iMessage. "
            "It does not prove an attack: a fault in iOS can leave such an entry."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.CALENDAR_EXPLOIT_PATTERN: FindingText(
        title=deferred("A calendar entry looks like a published attack"),
        seen=deferred("A calendar entry has the same title and note as entries that researchers have described."),
        meaning=deferred(
            "Invisible calendar invitations with these words were used to attack phones. "
            "The words are common ones, so it does not prove an attack: an ordinary meeting can carry them."
        ),
        next_step=deferred(
            "Ask the person whether they know the meeting. Do not delete it. Keep the files that were checked, "
            "and ask a help line to look."
        ),
    ),
    FindingId.ATTACHMENT_ODD_PATH: FindingText(
        title=deferred("An attachment is stored in an unusual place"),
        seen=deferred("A received attachment is recorded under a temporary folder, not where attachments belong."),
        meaning=deferred(
            "It is unusual and has ordinary causes, such as an update of iOS. "
            "Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.PROFILE_HIDES_NOTIFICATIONS: FindingText(
        title=deferred("A configuration profile controls notifications"),
        seen=deferred("A configuration profile on the phone sets which notifications are shown."),
        meaning=deferred(
            "It could hide something from the person. Employers and schools use such profiles too. "
            "Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person whether an employer or school manages the phone, and who put the profile there."
        ),
    ),
    FindingId.FAST_REDIRECT: FindingText(
        title=deferred("A page sent the browser elsewhere very fast"),
        seen=deferred("The browser's history shows a jump from one site to another in less than a second."),
        meaning=deferred(
            "Attacks in the network have used such jumps. Ordinary sites, short links and advertisements "
            "use them every day. Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.REDIRECT_NEAR_MATCH: FindingText(
        title=deferred("The record of a matching site also names other sites"),
        seen=deferred(
            "The browser's record that matched an indicator also names sites that led to it or came after it."
        ),
        meaning=deferred(
            "It can help a reviewer to see how the phone came to the site. By itself it does not add a match."
        ),
        next_step=_COMPARE,
    ),
    FindingId.APP_NOT_FROM_STORE: FindingText(
        title=deferred("An app did not come from the App Store"),
        seen=deferred("The list of installed apps holds one whose source is not the App Store or a known manager."),
        meaning=deferred(
            "Test apps, company apps and other stores do this. Alone it does not say anything about spyware."
        ),
        next_step=deferred("Ask the person whether they know the app and who installed it. Do not remove it yet."),
    ),
    FindingId.APP_WITHOUT_IDENTIFIER: FindingText(
        title=deferred("An app lacks its identifier"),
        seen=deferred("The list of installed apps holds an entry without the identifier that apps normally have."),
        meaning=deferred(
            "An unfinished installation, an update or a test app can leave this. "
            "Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.PROFILE_EVENT: FindingText(
        title=deferred("A configuration profile was installed or removed"),
        seen=deferred("The phone's log of configuration profiles notes an operation on this day."),
        meaning=deferred(
            "Most profiles come from an employer, a school, a mobile operator or a VPN. "
            "Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person whether they remember it. A reviewer can compare its day with the other findings."
        ),
    ),
    FindingId.APPLE_THREAT_NOTIFICATION: FindingText(
        title=deferred("A message looks like a threat notification from Apple"),
        seen=deferred("A text message begins with the words of Apple's warning about targeted attacks."),
        meaning=deferred(
            "Apple warns people whom it believes to be targets of mercenary spyware. Take it seriously. "
            "It does not say that an attack succeeded, and anybody can send a message with the same words."
        ),
        next_step=deferred(
            "Open no link in the message. On another device, type the address of your Apple account page "
            "(account.apple.com) yourself and sign in: Apple shows a banner there if the notification is "
            "real. Then contact a help line, and do not reset or update the phone before they have answered."
        ),
    ),
    FindingId.LOCKDOWN_MODE_ON: FindingText(
        title=deferred("Lockdown Mode is on"),
        seen=deferred("The phone's settings say that Lockdown Mode was on when its data was copied."),
        meaning=deferred(
            "Lockdown Mode closes ways that attacks have used. It does not undo what happened before, "
            "and it does not stop everything."
        ),
        next_step=deferred("Leave it on."),
    ),
    FindingId.LOCKDOWN_MODE_OFF: FindingText(
        title=deferred("Lockdown Mode was turned off"),
        seen=deferred("The phone's settings hold Lockdown Mode as switched off."),
        meaning=deferred(
            "It is context only, and most people never turn it on. It does not say anything about spyware."
        ),
        next_step=deferred("If it was on before, ask the person whether they turned it off themselves."),
    ),
    FindingId.PROPERTY_SET: FindingText(
        title=deferred("A system property on a published spyware list is set"),
        seen=deferred("The list of Android's system properties holds a name that was published."),
        meaning=deferred(
            "Some spyware leaves a property of its own in the system. It does not say when it was set, or "
            "that anything still runs."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.ACCOUNT_IN_TOUCH: FindingText(
        title=deferred("A record of contacts or calls names an account on a published spyware list"),
        seen=deferred(
            "The phone's contacts, calls or record of interactions hold an address, app or link that was published."
        ),
        meaning=deferred(
            "The account or link was known to this phone: somebody saved it, or there was contact. It does "
            "not say that anything ran."
        ),
        next_step=_ASK_REVIEWER,
    ),
    FindingId.ROOT_ACCESS_SIGNS: FindingText(
        title=deferred("There are signs of root access"),
        seen=deferred("The phone holds a program for root access, or a part of its system can be written to."),
        meaning=deferred(
            "With root access a program can do anything on the phone. People who change their phones do this"
            " on purpose. Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person whether they changed the system of the phone. If not, ask a help line to look at"
            " this finding."
        ),
    ),
    FindingId.FILE_IN_TEMPORARY_FOLDER: FindingText(
        title=deferred("There is a file in Android's temporary folder"),
        seen=deferred("The list of files names one below /data/local/tmp."),
        meaning=deferred(
            "Programs that are started over a cable lie there: tools of developers and of helpers, and "
            "sometimes exploits. Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.PROCESS_CRASHED: FindingText(
        title=deferred("A process with wide rights crashed"),
        seen=deferred("A crash record names a process that ran as root, as the system or as the shell."),
        meaning=deferred(
            "Such processes crash on ordinary phones too. An exploit that fails can leave the same record. "
            "Alone it does not say anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.SECURITY_LOG_EVENT: FindingText(
        title=deferred("The security log notes an unusual event"),
        seen=deferred(
            "Android's log of security events holds a certificate authority that was installed, a failed "
            "check of a key or certificate, or a failed wipe."
        ),
        meaning=deferred(
            "Whoever controls an installed certificate authority can read traffic. Employers and network "
            "tools install them too. Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person whether they or their employer installed a certificate. A reviewer can compare the day."
        ),
    ),
    FindingId.APP_SIDELOADED: FindingText(
        title=deferred("An Android app did not come from an official store"),
        seen=deferred(
            "The list of packages holds an app that came through a browser, a file manager, a cable or another store."
        ),
        meaning=deferred(
            "Many people install apps this way. Stalkerware and spyware that somebody installs by hand come "
            "this way too. Alone it does not say anything about spyware."
        ),
        next_step=deferred("Ask the person whether they know the app and who installed it. Do not remove it yet."),
    ),
    FindingId.PROTECTION_OFF: FindingText(
        title=deferred("A protection of Android is switched off"),
        seen=deferred(
            "A setting lowers the phone's protection, or the app that scans or updates the phone is disabled."
        ),
        meaning=deferred(
            "Makers and people change such settings. Stalkerware asks whoever installs it to switch "
            "protections off. Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person whether they changed it. Write down its state before you switch it on again."
        ),
    ),
    FindingId.APP_WITH_WIDE_ACCESS: FindingText(
        title=deferred("An app has, or asked for, wide access"),
        seen=deferred("An app offers an accessibility service, or used a permission such as installing other apps."),
        meaning=deferred(
            "An accessibility service can read the screen and press buttons. Screen readers and password "
            "managers need it, and stalkerware uses it. Alone it does not say anything about spyware."
        ),
        next_step=deferred("Ask the person whether they know the app and who installed it. Do not remove it yet."),
    ),
    FindingId.APP_REMOVED: FindingText(
        title=deferred("An app was removed or set back to an older version"),
        seen=deferred("The battery statistics note an app that was removed or downgraded on this day."),
        meaning=deferred(
            "People remove apps every day. It is context that helps to read the rest. Alone it does not say "
            "anything about spyware."
        ),
        next_step=_COMPARE,
    ),
    FindingId.UPDATES_OVERDUE: FindingText(
        title=deferred("The phone's last security update is more than six months old"),
        seen=deferred(
            "The phone names a security patch level that is more than six months before the day of the check."
        ),
        meaning=deferred("Known ways in stay open on such a phone. Alone it does not say anything about spyware."),
        next_step=deferred(
            "Update the phone after the evidence is kept, or plan for another one if the maker gives no more updates."
        ),
    ),
    FindingId.DEBUG_ACCESS: FindingText(
        title=deferred("The phone trusts a computer for debugging"),
        seen=deferred("The phone keeps the key of a computer that may control it over a cable or the network (ADB)."),
        meaning=deferred(
            "It may be the computer of whoever made this acquisition, or one of the person's. Whoever has "
            "such a computer can install programs. Alone it does not say anything about spyware."
        ),
        next_step=deferred(
            "Ask the person which computers they have allowed. After the evidence is kept, revoke them in "
            "the developer options."
        ),
    ),
    FindingId.UNRECOGNISED_ALERT: FindingText(
        title=deferred("An alert that this version does not know"),
        seen=deferred("The Mobile Verification Toolkit raised an alert of a form that spytriage cannot describe yet."),
        meaning=deferred(
            "It is counted so that it is not lost. What it means is not known, so it does not say much alone."
        ),
        next_step=deferred("Tell the reviewer, and keep the files that were checked: the details are in them."),
    ),
}

# --- Words of findings --------------------------------------------------------------------------------------

_TRACES: Mapping[Trace, str] = {
    Trace.RAN: deferred("ran: a process ran on the phone"),
    Trace.INSTALLED: deferred("installed: an app, a profile or a file is there"),
    Trace.CONTACTED: deferred("contacted: the phone loaded something from a site"),
    Trace.RECEIVED: deferred("received: the phone may have been a target; not a sign that anything ran"),
    Trace.ANOMALY: deferred("anomaly: something unusual, without a published indicator"),
    Trace.NOTICE: deferred("notice: context that helps to read the rest"),
}

_LEVELS: Mapping[Level, str] = {
    Level.INFORMATIONAL: deferred("informational"),
    Level.LOW: deferred("low"),
    Level.MEDIUM: deferred("medium"),
    Level.HIGH: deferred("high"),
    Level.CRITICAL: deferred("critical"),
}

_BENIGN: Mapping[Benign, str] = {
    Benign.RESEARCH_OR_NEWS: deferred("The person, or somebody they know, read or wrote about the spyware."),
    Benign.TYPED_NOT_REACHED: deferred("The address was typed or suggested, and the site was never reached."),
    Benign.FORWARDED_FOR_HELP: deferred("The link was passed on to ask whether it is dangerous."),
    Benign.EMBEDDED_IN_PAGE: deferred("Another page loaded something from the site, and nobody chose to visit it."),
    Benign.DOMAIN_CHANGED_HANDS: deferred("The domain belongs to somebody else today, or did so at that time."),
    Benign.DEVELOPER_PHONE: deferred("The phone is used to develop or test software."),
    Benign.SAME_NAME: deferred("Something harmless has the same name by chance."),
    Benign.WORK_MANAGED: deferred("An employer or a school manages the phone."),
    Benign.TEST_APP: deferred("It is a test app (TestFlight), a company app, or an app from another store."),
    Benign.CLEAN_UP: deferred("iOS removes old records itself."),
    Benign.OS_UPDATE: deferred("An update of iOS, or a restored backup, changed the records."),
    Benign.IMPERSONATION: deferred("Anybody can send a text that looks like Apple's."),
    Benign.ORDINARY_REDIRECT: deferred("Short links, advertisements and sites that moved redirect just as fast."),
    Benign.ORDINARY_EVENT: deferred("It is an ordinary meeting with common words."),
    Benign.OWN_CHOICE: deferred("The person did it themselves."),
    Benign.PHONE_MAKER: deferred("The maker of the phone set it up like this."),
    Benign.ORDINARY_APP: deferred("Many ordinary apps do this."),
}

_RULES: Mapping[MatchRule, str] = {
    MatchRule.EXACT: deferred("the same value"),
    MatchRule.SUBDOMAIN: deferred("a host below the published domain"),
    MatchRule.NETWORK: deferred("an address inside the published network"),
    MatchRule.TRUNCATED_NAME: deferred("the first 16 characters of the published name (iOS keeps no more)"),
    MatchRule.PATH_PREFIX: deferred("a file below the published path"),
    MatchRule.LOOSE_URL_TEXT: deferred("the published domain somewhere in a text (weak)"),
    MatchRule.LOOSE_PATH_PREFIX: deferred("a path that begins like the published one (weak)"),
    MatchRule.LOOSE_PATH_SEGMENT: deferred("a folder named like a published process (weak)"),
    MatchRule.LOOSE_PROFILE_TEXT: deferred("a part of the published profile identifier (weak)"),
}

_INDICATOR_TYPES: Mapping[IndicatorType, str] = {
    IndicatorType.DOMAIN: deferred("domain"),
    IndicatorType.IP_ADDRESS: deferred("IP address"),
    IndicatorType.URL: deferred("web address (URL)"),
    IndicatorType.PROCESS: deferred("process name"),
    IndicatorType.EMAIL: deferred("e-mail address"),
    IndicatorType.FILE_NAME: deferred("file name"),
    IndicatorType.FILE_PATH: deferred("file path"),
    IndicatorType.FILE_MD5: deferred("file hash (MD5)"),
    IndicatorType.FILE_SHA1: deferred("file hash (SHA-1)"),
    IndicatorType.FILE_SHA256: deferred("file hash (SHA-256)"),
    IndicatorType.APP_ID: deferred("app identifier"),
    IndicatorType.APP_CERTIFICATE: deferred("hash of an app's signing certificate"),
    IndicatorType.CONFIGURATION_PROFILE: deferred("configuration profile identifier"),
    IndicatorType.ANDROID_PROPERTY: deferred("Android system property"),
}

_TIMES: Mapping[TimePrecision, str] = {
    TimePrecision.WEEK: deferred("Weeks are shown, not days: the day given is the Monday."),
    TimePrecision.DAY: deferred("Days are shown, no times."),
    TimePrecision.EXACT: deferred("Exact times are shown: this report is for the team that has the phone."),
}
_REDACTION_LIMITS = (
    deferred(
        "Redaction cannot hide that this phone was checked, on which day, and what kind of trace was found: "
        "whoever knows whose report this is knows that too."
    ),
    deferred(
        "Days and kinds of trace together can point to a person when others know what happened on those days. "
        "Give the report only to those who need it."
    ),
)

_FACTS: Mapping[Fact, str] = {
    Fact.DIRECTION: deferred("direction"),
    Fact.SERVICE: deferred("service"),
    Fact.READ: deferred("read"),
    Fact.LINKS: deferred("links in the message"),
    Fact.SHORT_LINK: deferred("with a shortened link"),
    Fact.NAME_MATCH: deferred("name"),
    Fact.TRAFFIC: deferred("data transferred"),
    Fact.SPAN_DAYS: deferred("days from first to last record"),
    Fact.REDIRECT: deferred("redirected"),
    Fact.FAST_REDIRECT: deferred("redirected in under one second"),
    Fact.STATUS: deferred("status number"),
    Fact.DOMAIN_CLASS: deferred("part of the backup"),
    Fact.INSTALLER: deferred("installed by"),
    Fact.PAYLOAD_TYPE: deferred("what the profile sets"),
    Fact.OPERATION: deferred("operation"),
    Fact.SYSTEM_APP: deferred("part of the system"),
    Fact.DISABLED_APP: deferred("disabled"),
    Fact.DANGEROUS_PERMISSIONS: deferred("far-reaching permissions granted"),
    Fact.SIGNAL: deferred("ended by the signal"),
    Fact.UID_CLASS: deferred("ran with the rights of"),
    Fact.ARCHITECTURE: deferred("architecture"),
    Fact.ANDROID_VERSION: deferred("version of Android"),
}

_TERMS: Mapping[Term, str] = {
    Term.RECEIVED: deferred("received"),
    Term.SENT: deferred("sent"),
    # Names of services are the same in every language.
    Term.SMS: "SMS",
    Term.IMESSAGE: "iMessage",
    Term.RCS: "RCS",
    Term.WHATSAPP: "WhatsApp",
    Term.FACETIME: "FaceTime",
    Term.TESTFLIGHT: "TestFlight",
    Term.APP_STORE: "App Store",
    Term.APPLE_SERVICE: deferred("another Apple service"),
    Term.OTHER: deferred("other"),
    Term.EXACT: deferred("the whole name"),
    Term.TRUNCATED: deferred("the first 16 characters"),
    Term.BYTES_NONE: deferred("none"),
    Term.BYTES_UNDER_1_KB: deferred("under 1 kB"),
    Term.BYTES_UNDER_1_MB: deferred("1 kB to 1 MB"),
    Term.BYTES_UNDER_100_MB: deferred("1 MB to 100 MB"),
    Term.BYTES_OVER_100_MB: deferred("over 100 MB"),
    Term.HOME: deferred("home folder"),
    Term.ROOT: deferred("root folder"),
    Term.APP: deferred("an app"),
    Term.APP_GROUP: deferred("a group of apps"),
    Term.SYSTEM: deferred("system"),
    Term.MEDIA: deferred("photos and media"),
    Term.DEVICE_MANAGEMENT: deferred("device management"),
    Term.UNKNOWN: deferred("unknown"),
    Term.NOTIFICATION_SETTINGS: deferred("notifications"),
    Term.INSTALL: deferred("installed"),
    Term.REMOVE: deferred("removed"),
    Term.PLAY_STORE: "Google Play",
    Term.OTHER_STORE: deferred("another app store"),
    Term.BROWSER: deferred("by hand, from a file or a browser"),
    Term.ROOT_USER: deferred("root, who may do everything"),
    Term.SYSTEM_USER: deferred("the system"),
    Term.APP_USER: deferred("an ordinary app"),
    # Signals and architectures have one name everywhere.
    **{term: term.value for term in (
        Term.SIGABRT, Term.SIGBUS, Term.SIGFPE, Term.SIGILL, Term.SIGSEGV, Term.SIGSYS, Term.SIGTRAP,
        Term.ARM, Term.ARM64, Term.X86, Term.X86_64,
    )},
}  # fmt: skip

# --- Coverage, limits, consent ------------------------------------------------------------------------------

_STATES: Mapping[CoverageState, str] = {
    CoverageState.CHECKED: deferred("checked"),
    CoverageState.EXTRACTED_ONLY: deferred("read, but compared with nothing"),
    CoverageState.NO_DATA: deferred("not in these files"),
    CoverageState.UNREADABLE: deferred("could not be read"),
    CoverageState.FAILED: deferred("checking it failed"),
    CoverageState.NOT_RUN: deferred("not checked"),
}

_REASONS: Mapping[Reason, str] = {
    Reason.ARTEFACT_MISSING: deferred("it is listed, but the file is missing"),
    Reason.MANIFEST_DISAGREES: deferred("the list of files in this backup does not agree with the files in it"),
    Reason.NOT_IN_SOURCE: deferred("these files do not contain it"),
    Reason.NOT_A_REGULAR_FILE: deferred("it is not an ordinary file"),
    Reason.PERMISSION_DENIED: deferred("this computer does not allow reading it"),
    Reason.DAMAGED: deferred("it is damaged"),
    Reason.TOO_LARGE: deferred("it is larger than the stated limit"),
    Reason.LOCKED: deferred("it is encrypted, and the password is missing or wrong"),
    Reason.KEY_MISSING: deferred("the backup lacks the key that opens it"),
    Reason.NO_SPACE: deferred("this computer has no room for the temporary copy that is read"),
    Reason.UNKNOWN_LAYOUT: deferred("its layout is unknown, perhaps from a newer version of the system"),
    Reason.PARTLY_READ: deferred("only a part of it could be read"),
    Reason.PARTLY_RECOVERED: deferred("it is damaged: only the rows that could be recovered were checked"),
    Reason.EXCEPTION: deferred("the check met an error"),
    Reason.OUT_OF_MEMORY: deferred("the check needed too much memory"),
    Reason.TIMED_OUT: deferred("the check took too long"),
    Reason.WORKER_DIED: deferred("the check ended unexpectedly"),
    Reason.TOO_MUCH_OUTPUT: deferred("the check gave too much output"),
    Reason.NETWORK_REFUSED: deferred("the check tried to use the network and was stopped"),
    Reason.DISABLED: deferred("switched off in the Mobile Verification Toolkit"),
    Reason.NOT_SUPPORTED: deferred("spytriage cannot read it yet"),
    Reason.STOPPED: deferred("the scan ended before its turn"),
}

_PHRASES: Mapping[type[StrEnum], Mapping[Any, str]] = {
    Trace: _TRACES, Level: _LEVELS, Benign: _BENIGN, CoverageState: _STATES, Reason: _REASONS, Fact: _FACTS,
    MatchRule: _RULES, IndicatorType: _INDICATOR_TYPES,
}  # fmt: skip

_LIMITS: Mapping[LimitId, str] = {
    LimitId.BACKUP_NOT_ENCRYPTED: deferred(
        "The backup was not encrypted. Such a backup lacks health data and passwords, and usually Safari history and "
        "call history too; the table of what was checked tells. A backup with a password holds more."
    ),
    LimitId.FULL_PEGASUS_SET_MISSING: deferred(
        "The full set that Amnesty International has published on Pegasus was not among the sets used. What is only in "
        "it was not looked for."
    ),
    LimitId.IDSTATUSCACHE_EMPTY: deferred(
        "From iOS 14.7 on, the record of looked-up Apple accounts is empty: it cannot show contact with a "
        "published account."
    ),
    LimitId.NO_SHUTDOWN_LOG: deferred(
        "A backup never holds the phone's shutdown log, where researchers have found traces of spyware. It "
        "was not checked."
    ),
    LimitId.NO_WIFI_FIGURES: deferred(
        "The records of data use count mobile data only: a process that used nothing but Wi-Fi may not be in them."
    ),
    LimitId.ANDROID_KEEPS_LITTLE: deferred(
        "Android keeps far less than an iPhone of what ran and which sites were contacted. What it did not keep "
        "cannot be found."
    ),
    LimitId.UNIFIED_LOGS_NOT_READ: deferred(
        "The unified logs, the largest part of a sysdiagnose archive, were not examined: spytriage cannot read them "
        "yet."
    ),
    LimitId.NO_SHARING_CONSENT: deferred(
        "The person has not agreed to share this report. Do not pass it on without asking."
    ),
    LimitId.PLAINTEXT_ON_DISK: deferred(
        "Temporary copies did not fit into the memory of this computer, or it has no memory-backed folder: parts "
        "of the data lay readable on its disk during the check. They were deleted afterwards, but deleted data "
        "can sometimes be recovered."
    ),
    LimitId.OPERATOR_KNOWS: deferred(
        "Whoever runs the spyware knows its own domains and days, and may recognise the person in this "
        "report. Redaction protects from everyone else."
    ),
    LimitId.DEMO: deferred("This is a demonstration: the phone, the people and the messages are invented."),
}

_COUNTED_LIMITS: Mapping[LimitId, Callable[[Mapping[str, int]], str]] = {
    LimitId.EMBEDDED_CORE_ONLY: lambda _values: _(
        "Only the small set that comes with spytriage was used: {embedded} indicators. The full set that "
        "Amnesty International has published holds {full}. What is only in the full set was not looked for."
    ),
    LimitId.COVERAGE_GAPS: lambda values: ngettext(
        "{modules} part of the data that should have been checked was not. The coverage table says which, and why.",
        "{modules} parts of the data that should have been checked were not. The coverage table says which, and why.",
        values["modules"],
    ),
    LimitId.MODULES_MATCH_NOTHING: lambda values: ngettext(
        "{modules} part of the data was read, but the Mobile Verification Toolkit compares it with no "
        "indicator: it cannot show a match.",
        "{modules} parts of the data were read, but the Mobile Verification Toolkit compares them with no "
        "indicator: they cannot show a match.",
        values["modules"],
    ),
    LimitId.SHORTENED_LINKS: lambda values: ngettext(
        "{links} shortened link was found. Where it leads can only be seen online, and this check stays "
        "offline: its target was not checked.",
        "{links} shortened links were found. Where they lead can only be seen online, and this check stays "
        "offline: their targets were not checked.",
        values["links"],
    ),
    LimitId.UNUSABLE_INDICATORS: lambda values: ngettext(
        "{indicators} indicator of the sets used cannot be looked for. The list of sets says why.",
        "{indicators} indicators of the sets used cannot be looked for. The list of sets says why.",
        values["indicators"],
    ),
}

_SOURCES: Mapping[str, str] = {
    "ios-backup": deferred("backup of an iPhone or iPad"),
    "ios-sysdiagnose": deferred("sysdiagnose archive of an iPhone"),
    "ios-filesystem": deferred("file system of an iPhone"),
    "androidqf": deferred("AndroidQF acquisition"),
    "android-backup": deferred("Android backup"),
    "android-bugreport": deferred("Android bug report"),
    "android-intrusion-logs": deferred("logs of Android's intrusion logging"),
}

# --- Help lines: the facts stand in help_lines.yaml -----------------------------------------------------------

SERVES: Mapping[str, str] = {
    "civil-society": deferred(
        "Activists, journalists, bloggers, human rights defenders and their organisations, anywhere; day and night."
    ),
    "human-rights-defenders": deferred("Human rights defenders, activists and journalists, anywhere."),
    "defenders-in-danger": deferred("Human rights defenders in danger, anywhere; an emergency line."),
    "journalists": deferred("Journalists, anywhere; examines attacks on their devices."),
    "research": deferred("Studies attacks on civil society, together with help lines like these."),
    "latin-america": deferred("Activists, journalists and human rights defenders in Mexico and Latin America."),
    "mexico": deferred("People in Mexico: digital rights, and legal action against surveillance."),
    "arabic-speaking-countries": deferred(
        "Activists, journalists and human rights defenders in Arabic-speaking countries."
    ),
}
"""Whom a help line serves, by the word of help_lines.yaml."""
