"""The sentences that a frightened person relies on: what an outcome means, and what they are asked to agree to.

They are few and stand apart, in a gettext catalogue of their own (`locale/*/LC_MESSAGES/statements.po`), so that a
native speaker can review all of them in one sitting; the header of each catalogue says whether one has.
docs/reference/languages.md tells how. Nothing else belongs here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spytriage.i18n import _, deferred
from spytriage.models import Outcome, SourceFacts


@dataclass(frozen=True, slots=True)
class OutcomeText:
    """What the outcome of a check says to the person."""

    headline: str
    meaning: str
    not_meaning: str
    next_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceText:
    """What differs from one kind of acquisition to another, as whole sentences: gender and case differ with the noun.

    Attributes:
        found: a published indicator was found in it.
        cannot_show: what such an acquisition does not hold.
        again: what to make and check when this check gave no answer.
        more: what else to make because it shows more; empty when nothing that the person can make does.
    """

    found: str
    cannot_show: str
    again: str
    more: str = ""


def outcome_texts(outcome: Outcome, source: SourceFacts) -> OutcomeText:
    """Return the sentences of an outcome for what was checked, in the current language.

    A kind of acquisition that this version does not know gets sentences that are true of any.
    """
    of = source_texts(source)
    text = _OUTCOMES[outcome](of)
    # Nobody takes a match for the word that all is well: there the room on a page and a screen is for the findings.
    limited = (text.not_meaning,) if outcome is Outcome.MATCH else (text.not_meaning, of.cannot_show)
    return OutcomeText(
        headline=_(text.headline),
        meaning=_(text.meaning),
        not_meaning=" ".join(_(sentence) for sentence in limited),
        next_steps=tuple(_(step) for step in text.next_steps if step),
    )


def outcome_headline(outcome: Outcome) -> str:
    """Return the first sentence of an outcome, of whatever was checked, in the current language."""
    return _(_OUTCOMES[outcome](_ANY_SOURCE).headline)


def source_texts(source: SourceFacts) -> SourceText:
    """Return the sentences of a kind of acquisition, in English."""
    special = _ENCRYPTED if source.encrypted else {}
    return special.get(source.kind) or _SOURCES.get(source.kind, _ANY_SOURCE)


def consent_text(field: str) -> str:
    """Return the label of a field of `models.ConsentSummary`, in the current language."""
    return _(_CONSENT_LABELS[field])


def consent_question(field: str) -> str:
    """Return the question behind a field of `models.ConsentSummary`, in the current language."""
    return _(_CONSENT_QUESTIONS[field])


def consent_opening() -> str:
    """Return what is said before the questions, in the current language."""
    return _("The answers are about this check only. Every question can be answered with no.")


# --- What was checked ---------------------------------------------------------------------------------------

# An iPad has such a backup too, so the word iPhone does not stand here. Only of a backup that was not encrypted is it
# true that one with a password shows more.
_BACKUP_WITH_PASSWORD = deferred(
    "Make a backup of the phone, encrypted with a password, and check that one too: it shows more."
)
_ANDROIDQF = deferred(
    "With your trainer or a help line, make an AndroidQF acquisition of the phone, with a bug report in it, and check "
    "that one too: it shows more."
)

_SOURCES: Mapping[str, SourceText] = {
    "ios-backup": SourceText(
        found=deferred("A published indicator was found in this backup."),
        cannot_show=deferred(
            "A backup holds only a part of what is on the phone: few records of which programs ran, no reports of "
            "crashes, and not what many apps keep to themselves."
        ),
        again=_BACKUP_WITH_PASSWORD,
        more=_BACKUP_WITH_PASSWORD,
    ),
    "ios-sysdiagnose": SourceText(
        found=deferred("A published indicator was found in this sysdiagnose archive."),
        cannot_show=deferred(
            "A sysdiagnose archive holds no messages and no browser history, and its largest part cannot be read yet."
        ),
        again=_BACKUP_WITH_PASSWORD,
        more=_BACKUP_WITH_PASSWORD,
    ),
    "ios-filesystem": SourceText(
        found=deferred("A published indicator was found in this copy of the phone's file system."),
        cannot_show=deferred(
            "A copy of the file system does not show what was only in the phone's memory, or what had been deleted."
        ),
        again=deferred("Ask whoever made this copy of the file system for a new one, and check that one too."),
    ),
    "androidqf": SourceText(
        found=deferred("A published indicator was found in this AndroidQF acquisition."),
        cannot_show=deferred(
            "An AndroidQF acquisition holds no messages of messenger apps and no browser history, and it does not show "
            "what an app did."
        ),
        again=deferred(
            "Make a new AndroidQF acquisition, with a bug report and the text messages in it, and check that one too."
        ),
    ),
    "android-bugreport": SourceText(
        found=deferred("A published indicator was found in this bug report."),
        cannot_show=deferred(
            "A bug report holds no messages, no browser history and none of the phone's files, and most of its records "
            "reach back only days."
        ),
        again=_ANDROIDQF,
        more=_ANDROIDQF,
    ),
    "android-backup": SourceText(
        found=deferred("A published indicator was found in this Android backup."),
        cannot_show=deferred(
            "An Android backup holds little more than text messages (SMS and MMS): it does not show which apps are on "
            "the phone, or what they did."
        ),
        again=_ANDROIDQF,
        more=_ANDROIDQF,
    ),
    "android-intrusion-logs": SourceText(
        found=deferred("A published indicator was found in these logs of Android's intrusion logging."),
        cannot_show=deferred(
            "Android's intrusion logging notes no messages, and nothing from before it was switched on."
        ),
        again=_ANDROIDQF,
        more=_ANDROIDQF,
    ),
}

_ENCRYPTED: Mapping[str, SourceText] = {
    "ios-backup": replace(
        _SOURCES["ios-backup"],
        again=deferred("Copy this backup again in full, or make a new one in the same way, and check that one too."),
        more=deferred(
            "Make a sysdiagnose archive of the phone and check that one too: it shows what a backup does not."
        ),
    ),
}

_ANY_SOURCE = SourceText(
    found=deferred("A published indicator was found in the files that were checked."),
    cannot_show=deferred("The files that were checked hold only a part of what is on the phone."),
    again=deferred("Ask a help line what to copy from the phone next, and check that too."),
)

# --- Outcomes -----------------------------------------------------------------------------------------------

_KEEP_PHONE = deferred(
    "Keep the phone as it is. Do not reset it, update it, sell it or throw it away, and delete nothing, "
    "until someone with experience has looked."
)
_KEEP_FILES = deferred(
    "Keep the files that were checked and this report in a place that only you, or people you trust, can reach."
)
_OTHER_DEVICE = deferred("Do not talk about this on the phone that was checked. Use another device to ask for help.")
_HELP_LINES = deferred(
    "Contact the help line that you or your trainer trust. Others that help people at risk: the Access Now "
    "Digital Security Helpline, Amnesty International's Security Lab and the Citizen Lab. In Mexico: R3D "
    "and SocialTIC."
)
_ASK_ANYWAY = deferred(
    "If you still have a reason to worry, such as a warning from Apple, Google or WhatsApp, a strange message or a "
    "threat, ask for help anyway, and do not reset or update the phone until someone with experience has looked."
)
_LATER = deferred("New indicators are published all the time: the same files can be checked against them later.")

_OUTCOMES: Mapping[Outcome, Callable[[SourceText], OutcomeText]] = {
    Outcome.MATCH: lambda of: OutcomeText(
        headline=of.found,
        meaning=deferred(
            "Something that was checked matches an indicator that researchers have published about spyware. "
            "Take it seriously. It is not the fault of whoever used this phone. "
            "Someone with experience must look at it before anyone draws a conclusion."
        ),
        not_meaning=deferred(
            "It does not mean that spyware ran on this phone. Each finding says what kind of trace it is: "
            "a link that arrived shows that the phone may have been a target, not that anything ran. "
            "Some matches have a harmless explanation. What the coverage table does not show as checked "
            "was not checked."
        ),
        next_steps=(_KEEP_PHONE, _KEEP_FILES, _OTHER_DEVICE, _HELP_LINES),
    ),
    Outcome.SUSPICIOUS: lambda _of: OutcomeText(
        headline=deferred("No published indicator was found, but something unusual was."),
        meaning=deferred(
            "Researchers have described something like it in cases of spyware. "
            "It is worth the time of someone with experience."
        ),
        not_meaning=deferred(
            "It does not mean that there is spyware on this phone: an update or an ordinary app can leave "
            "the same trace. It does not rule spyware out either: only published indicators were looked for, and "
            "what the coverage table does not show as checked was not checked."
        ),
        next_steps=(_KEEP_PHONE, _KEEP_FILES, _OTHER_DEVICE, _HELP_LINES),
    ),
    Outcome.NO_MATCH: lambda of: OutcomeText(
        headline=deferred("No known traces were found in what was checked."),
        meaning=deferred(
            "The parts that can be checked were read, and nothing in them matches the published indicators that "
            "were used."
        ),
        not_meaning=deferred(
            "It does not mean that there is no spyware on this phone, or that there never was. Spyware can "
            "leave no trace, traces disappear with time, and nobody can look for indicators "
            "that are not published. Finding nothing proves nothing."
        ),
        next_steps=(_ASK_ANYWAY, _HELP_LINES, of.more, _KEEP_FILES, _LATER),
    ),
    Outcome.INCONCLUSIVE: lambda of: OutcomeText(
        headline=deferred("This check cannot give an answer."),
        meaning=deferred(
            "No known traces were found in what could be checked, but something that should have been checked was "
            "not. The coverage table says what, and why."
        ),
        not_meaning=deferred(
            "It does not mean that nothing is there: a trace may be in a part that was not checked. "
            "It is no bad sign by itself either: damaged and incomplete files are common."
        ),
        next_steps=(of.again, _KEEP_PHONE, _KEEP_FILES, _HELP_LINES),
    ),
}

# --- Consent ------------------------------------------------------------------------------------------------

_CONSENT_QUESTIONS: Mapping[str, str] = {
    "data_owner_asked": deferred("Was the person who uses the phone asked, freely and with full information?"),
    "device_owner_asked": deferred("Was the owner of the device asked (the same person, or for example an employer)?"),
    "analyse": deferred("May the data from this phone be analysed for traces of spyware?"),
    "share_redacted": deferred("May the redacted report be given to a reviewer?"),
    "share_sealed": deferred("May sealed evidence be given to the reviewers that you name?"),
    "aggregate": deferred("May the result be counted in statistics without your name?"),
    "keep_observables": deferred(
        "May what was looked at be kept, sealed, for checks with newer indicators? It holds names of web sites, "
        "e-mail addresses, apps, programs and files with the first day of each; no message, and of web addresses "
        "no page or search that could be read."
    ),
}

_CONSENT_LABELS: Mapping[str, str] = {
    "data_owner_asked": deferred("the person who used the phone was asked"),
    "device_owner_asked": deferred("the owner of the phone was asked"),
    "analyse": deferred("may be analysed"),
    "share_redacted": deferred("the redacted report may be shared"),
    "share_sealed": deferred("the sealed evidence may be shared"),
    "aggregate": deferred("may be counted in statistics"),
    "keep_observables": deferred("observed technical traces may be kept"),
    "keep_until": deferred("keep until"),
    "form_reference": deferred("reference of the signed form"),
    "given_on": deferred("given on"),
}
