"""The sentences that a frightened person relies on: what an outcome means, and what they are asked to agree to.

They are few and stand apart, in a gettext catalogue of their own (`locale/*/LC_MESSAGES/statements.po`), so that a
native speaker can review all of them in one sitting; the header of each catalogue says whether one has.
docs/reference/languages.md tells how. Nothing else belongs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spytriage.i18n import _, deferred
from spytriage.models import Outcome


@dataclass(frozen=True, slots=True)
class OutcomeText:
    """What the outcome of a check says to the person."""

    headline: str
    meaning: str
    not_meaning: str
    next_steps: tuple[str, ...]


def outcome_texts(outcome: Outcome) -> OutcomeText:
    """Return the sentences of an outcome, in the current language."""
    text = _OUTCOMES[outcome]
    return OutcomeText(
        _(text.headline), _(text.meaning), _(text.not_meaning), tuple(_(step) for step in text.next_steps)
    )


def consent_text(field: str) -> str:
    """Return the label of a field of `models.ConsentSummary`, in the current language."""
    return _(_CONSENT_LABELS[field])


def consent_question(field: str) -> str:
    """Return the question behind a field of `models.ConsentSummary`, in the current language."""
    return _(_CONSENT_QUESTIONS[field])


def consent_opening() -> str:
    """Return what is said before the questions, in the current language."""
    return _("The answers are about this check only. Every question can be answered with no.")


# --- Outcomes -----------------------------------------------------------------------------------------------

_KEEP_PHONE = deferred(
    "Keep the phone as it is. Do not reset it, update it, sell it or throw it away, and delete nothing, "
    "until someone with experience has looked."
)
_KEEP_BACKUP = deferred("Keep this backup and this report in a place that only you, or people you trust, can reach.")
_OTHER_DEVICE = deferred("Do not talk about this on the phone that was checked. Use another device to ask for help.")
_HELP_LINES = deferred(
    "Contact the help line that you or your trainer trust. Others that help people at risk: the Access Now "
    "Digital Security Helpline, Amnesty International's Security Lab and the Citizen Lab. In Mexico: R3D "
    "and SocialTIC."
)

_OUTCOMES: Mapping[Outcome, OutcomeText] = {
    Outcome.MATCH: OutcomeText(
        headline=deferred("A published indicator was found in this backup."),
        meaning=deferred(
            "Something in this backup matches an indicator that researchers have published about spyware. "
            "Take it seriously. It is not the fault of whoever used this phone. "
            "Someone with experience must look at it before anyone draws a conclusion."
        ),
        not_meaning=deferred(
            "It does not mean that spyware ran on this phone. Each finding says what kind of trace it is: "
            "a link that arrived shows that the phone may have been a target, not that anything ran. "
            "Some matches have a harmless explanation. What the coverage table does not show as checked "
            "was not checked."
        ),
        next_steps=(_KEEP_PHONE, _KEEP_BACKUP, _OTHER_DEVICE, _HELP_LINES),
    ),
    Outcome.SUSPICIOUS: OutcomeText(
        headline=deferred("No published indicator was found, but something unusual was."),
        meaning=deferred(
            "This backup holds something unusual that researchers have described in cases of spyware. "
            "It is worth the time of someone with experience."
        ),
        not_meaning=deferred(
            "It does not mean that there is spyware on this phone: an update or an ordinary app can leave "
            "the same trace. It does not rule spyware out either: a backup holds only part of a phone, and "
            "only published indicators were looked for. What the coverage table does not show as checked "
            "was not checked."
        ),
        next_steps=(_KEEP_PHONE, _KEEP_BACKUP, _OTHER_DEVICE, _HELP_LINES),
    ),
    Outcome.NO_MATCH: OutcomeText(
        headline=deferred("No known traces were found in what was checked."),
        meaning=deferred(
            "The parts of this backup that can be checked were read, and nothing in them matches the "
            "published indicators that were used."
        ),
        not_meaning=deferred(
            "It does not mean that there is no spyware on this phone, or that there never was. Spyware can "
            "leave no trace in a backup, traces disappear with time, and nobody can look for indicators "
            "that are not published. Finding nothing proves nothing."
        ),
        next_steps=(
            deferred(
                "If you still have a reason to worry, such as a warning from Apple, a strange message or a "
                "threat, ask for help anyway, and do not reset or update the phone until someone has looked."
            ),
            _HELP_LINES,
            _KEEP_BACKUP,
            deferred("New indicators are published all the time: the same backup can be checked against them later."),
        ),
    ),
    Outcome.INCONCLUSIVE: OutcomeText(
        headline=deferred("This check cannot give an answer."),
        meaning=deferred(
            "Nothing was found in what could be checked, but something that should have been checked was "
            "not. The coverage table says what, and why."
        ),
        not_meaning=deferred(
            "It does not mean that nothing is there: a trace may be in a part that was not checked. "
            "It is no bad sign by itself either: damaged and incomplete backups are common."
        ),
        next_steps=(
            deferred("Make a new backup, encrypted with a password, and check that one too."),
            _KEEP_PHONE,
            _KEEP_BACKUP,
            _HELP_LINES,
        ),
    ),
}

# --- Consent ------------------------------------------------------------------------------------------------

_CONSENT_QUESTIONS: Mapping[str, str] = {
    "data_owner_asked": deferred("Was the person who uses the phone asked, freely and with full information?"),
    "device_owner_asked": deferred("Was the owner of the device asked (the same person, or for example an employer)?"),
    "analyse": deferred("May this backup be analysed for traces of spyware?"),
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
