"""The words for people: honest in every language, completely translated, the same in the documentation."""

from __future__ import annotations

import ast
import gettext
import io
import re
from collections.abc import Iterator
from dataclasses import astuple, fields
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from spytriage import i18n, models
from spytriage.finding_kinds import KINDS, Benign, FindingId, Level, Trace
from spytriage.report import texts

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "spytriage"
SPANISH = SOURCES / "locale" / "es" / "LC_MESSAGES" / "spytriage.po"
KEYWORDS = {"_": None, "ngettext": (1, 2), "deferred": None}
LANGUAGES = ("en", "es")

# A verdict on the phone or the person is for a reviewer, never for this tool. Whole words only: "Seguridad"
# is a field of work, "seguro" a verdict.
FORBIDDEN = {
    "en": re.compile(
        r"\b(clean(er|est|s|ed|ly)?|(un)?safe(r|ly|ty)?|infect\w*|confirm(s|ed|ation)|victims?|hacked"
        r"|all[- ]clear|virus(es)?)\b",
        re.IGNORECASE,
    ),
    "es": re.compile(
        r"\b(limpi[oa]s?|(in)?segur[oa]s?|a salvo|infec\w+|confirm(a|an|ó|ad[oa]s?|aci\w+)|v[íi]ctimas?"
        r"|hacke\w+|todo está bien|virus)\b",
        re.IGNORECASE,
    ),
}
SPYWARE = re.compile(r"\b(Pegasus|Predator|QuaDream|Graphite|Candiru|NoviSpy|FinFisher|FinSpy)\b", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\{\w*(?:![rsa])?\}|%\(\w+\)[a-z]|%[sdr]")


@cache
def messages() -> tuple[str | tuple[str, str], ...]:
    """Return every message of the sources: a text, or singular and plural."""
    with (ROOT / "babel.cfg").open() as config:
        methods, options = parse_mapping_cfg(config)
    found = extract_from_dir(ROOT, methods, options, keywords=KEYWORDS)
    return tuple(dict.fromkeys(message for _file, _line, message, _comments, _context in found))


@cache
def spanish() -> Catalog:
    with SPANISH.open("rb") as file:
        return read_po(file, locale="es")


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def all_strings(language: str) -> list[str]:
    if language == "en":
        return [form for message in messages() for form in forms(message)]
    return [form for message in spanish() if message.id for form in forms(message.string)]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Speak each language from its .po, so that no compiled catalogue is needed."""
    compiled = io.BytesIO()
    write_mo(compiled, spanish())
    compiled.seek(0)
    monkeypatch.setitem(i18n._loaded, "es", gettext.GNUTranslations(compiled))
    with i18n.using_language(request.param):
        yield request.param


def outcome_sentences(outcome: models.Outcome) -> list[str]:
    text = texts.outcome_texts(outcome)
    return [text.headline, text.meaning, text.not_meaning, *text.next_steps]


# --- Words never used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_string_of_the_program_passes_a_verdict(code: str) -> None:
    strings = all_strings(code)
    assert len(strings) > 200
    assert [text for text in strings if FORBIDDEN[code].search(text)] == []


@pytest.mark.parametrize(
    ("code", "caught", "left_alone"),
    [
        ("en", ("Your phone is clean.", "You are SAFE", "infected"), ("unusual", "cleanup", "safeguard")),
        ("es", ("Está limpio", "es seguro", "infección"), ("Seguridad Digital", "seguir", "infiere")),
    ],
)
def test_the_list_catches_each_form_and_leaves_other_words_alone(
    code: str, caught: tuple[str, ...], left_alone: tuple[str, ...]
) -> None:
    assert all(FORBIDDEN[code].search(text) for text in caught)
    assert not any(FORBIDDEN[code].search(text) for text in left_alone)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_sentence_puts_a_number_beside_the_name_of_a_spyware(code: str) -> None:
    # "Extracted 1547 indicators" was taken for an infection with Pegasus.
    number = re.compile(r"\b\d|\{\w+\}|%\(")
    lines = [line for text in all_strings(code) for line in text.splitlines()]
    prose = [line for line in lines if not line.startswith("  spytriage ")]  # not the examples of commands
    sentences = [sentence for line in prose for sentence in re.split(r"(?<=[.;!?])\s", line)]
    assert [text for text in sentences if SPYWARE.search(text) and number.search(text)] == []


def test_no_sentence_of_an_outcome_holds_a_number(language: str) -> None:
    for outcome in models.Outcome:
        assert not [text for text in outcome_sentences(outcome) if re.search(r"\b\d", text)]


# --- What every outcome must say ----------------------------------------------------------------------------


def test_every_outcome_says_what_it_does_not_mean_and_what_was_not_checked(language: str) -> None:
    opening, not_checked = {
        "en": ("It does not mean", r"not checked|nobody can look for"),
        "es": ("No quiere decir", r"no se revisó|nadie puede buscar"),
    }[language]
    for outcome in models.Outcome:
        text = texts.outcome_texts(outcome)
        assert text.not_meaning.startswith(opening)
        assert re.search(not_checked, text.not_meaning)


def test_every_outcome_says_to_keep_the_phone_and_the_backup_and_whom_to_ask(language: str) -> None:
    reset, backup = {"en": ("reset", "backup"), "es": ("restablezca", "respaldo")}[language]
    for outcome in models.Outcome:
        steps = " ".join(texts.outcome_texts(outcome).next_steps)
        for needed in (reset, backup, "Access Now", "Citizen Lab", "R3D", "SocialTIC"):
            assert needed in steps


def test_no_match_says_that_finding_nothing_proves_nothing(language: str) -> None:
    proof = {"en": "Finding nothing proves nothing", "es": "No encontrar nada no prueba nada"}[language]
    assert proof in texts.outcome_texts(models.Outcome.NO_MATCH).not_meaning


def test_a_received_trace_never_says_that_something_ran(language: str) -> None:
    nothing_ran = {"en": "anything ran", "es": "algo se haya ejecutado"}[language]
    assert nothing_ran in texts.trace_text(Trace.RECEIVED)
    for finding, kind in KINDS.items():
        if kind.trace in {Trace.RECEIVED, Trace.CONTACTED}:
            assert nothing_ran in texts.finding_text(finding).meaning


# --- Every word has its text --------------------------------------------------------------------------------


def test_every_member_of_every_vocabulary_has_a_text(language: str) -> None:
    said = [
        *(sentence for outcome in models.Outcome for sentence in outcome_sentences(outcome)),
        *(sentence for finding in FindingId for sentence in astuple(texts.finding_text(finding))),
        *map(texts.trace_text, Trace),
        *map(texts.level_text, Level),
        *map(texts.benign_text, Benign),
        *map(texts.state_text, models.CoverageState),
        *map(texts.reason_text, models.Reason),
        *map(texts.fact_text, models.Fact),
        *map(texts.term_text, (*models.Term, True, False, 0, 12)),
        *map(texts.rule_text, models.MatchRule),
        *map(texts.indicator_type_text, models.IndicatorType),
        *(texts.consent_text(field.name) for field in fields(models.ConsentSummary)),
    ]
    assert all(text.strip() for text in said)


@pytest.mark.parametrize("limit", models.LimitId)
@pytest.mark.parametrize("count", [0, 1, 2, 1549])
def test_every_limit_is_a_full_sentence_with_its_counts(language: str, limit: models.LimitId, count: int) -> None:
    names = texts.LIMIT_VALUES.get(limit, ())
    sentence = texts.limit_text(models.Limit(limit, tuple((name, count) for name in names)))
    assert sentence.endswith(".")
    assert not PLACEHOLDER.search(sentence)
    assert sentence.count(str(count)) >= len(names)


def test_a_limit_without_its_count_is_refused() -> None:
    with pytest.raises(KeyError):
        texts.limit_text(models.Limit(models.LimitId.COVERAGE_GAPS))


# --- The Spanish catalogue ----------------------------------------------------------------------------------


def test_every_message_of_the_sources_is_translated() -> None:
    missing = []
    for message in messages():
        translated = spanish().get(forms(message)[0])
        if translated is None or translated.fuzzy or not all(forms(translated.string)):
            missing.append(message)
    assert missing == []


def test_the_catalogue_holds_no_message_that_the_sources_have_lost() -> None:
    used = {forms(message)[0] for message in messages()}
    assert [message.id for message in spanish() if message.id and forms(message.id)[0] not in used] == []
    assert not spanish().obsolete


def test_a_translation_keeps_placeholders_plurals_and_edges() -> None:
    wrong = []
    for message in messages():
        translated = spanish().get(forms(message)[0])
        if translated is None:
            continue  # named by the test above
        originals, translations = forms(message), forms(translated.string)
        same = len(originals) == len(translations) and all(
            sorted(PLACEHOLDER.findall(original)) == sorted(PLACEHOLDER.findall(form))
            and re.findall(r"^\s*|\s*$", original) == re.findall(r"^\s*|\s*$", form)
            for original, form in zip(originals, translations, strict=True)
        )
        if not same:
            wrong.append(message)
    assert wrong == []


def test_the_catalogue_is_the_same_file_wherever_it_is_made() -> None:
    text = SPANISH.read_text(encoding="utf-8")
    assert not re.search(r"^#[:,]? .*(/|\.py)", text, re.MULTILINE), "no file references"
    assert "fuzzy" not in text
    assert "Plural-Forms: nplurals=2; plural=(n != 1);" in text


# --- Nothing for people bypasses gettext --------------------------------------------------------------------


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield path, node


def test_every_error_message_and_hint_is_translatable() -> None:
    bare = [
        f"{path.name}:{call.lineno}"
        for path, call in calls("SpytriageError")
        for text in (*call.args[:1], *(word.value for word in call.keywords if word.arg == "hint"))
        if isinstance(text, ast.JoinedStr) or (isinstance(text, ast.Constant) and text.value)
    ]
    assert bare == []


def test_a_message_is_filled_in_after_it_is_translated() -> None:
    # An f-string, or a message filled in before the look-up, is never found in a catalogue.
    filled_early = [
        f"{path.name}:{call.lineno}"
        for path, call in calls("_", "ngettext", "deferred")
        if any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in call.args[:2])
    ]
    assert filled_early == []


# --- The pages that findings point to -----------------------------------------------------------------------

PAGES = {"en": ROOT / "docs" / "reference", "es": ROOT / "docs" / "es" / "reference"}
HEADINGS = {
    "en": ["What was seen", "What it means", "What it does not mean", "Harmless explanations",
           "What to do next", "Grade and sources"],
    "es": ["Qué se vio", "Qué significa", "Qué no significa", "Explicaciones inofensivas",
           "Qué hacer ahora", "Grado y fuentes"],
}  # fmt: skip


def unwrapped(path: Path) -> str:
    """Return a page on one line, without the marks for emphasis."""
    return " ".join(path.read_text(encoding="utf-8").replace("*", "").split())


@pytest.mark.parametrize("finding", FindingId)
def test_every_finding_has_a_page_that_says_the_same_as_the_report(language: str, finding: FindingId) -> None:
    path = PAGES[language] / "findings" / f"{finding}.md"
    headings = re.findall(r"^#+ .*", path.read_text(encoding="utf-8"), re.MULTILINE)
    text, page = texts.finding_text(finding), unwrapped(path)
    assert headings == [f"# {text.title}", *(f"## {heading}" for heading in HEADINGS[language])]
    for sentence in (text.seen, text.meaning, text.next_step, *map(texts.benign_text, KINDS[finding].benign)):
        assert sentence in page
    assert f"`{KINDS[finding].trace}`" in page


@pytest.mark.parametrize("finding", FindingId)
def test_a_page_names_the_grade_and_the_research_behind_it(finding: FindingId) -> None:
    page, kind = unwrapped(PAGES["en"] / "findings" / f"{finding}.md"), KINDS[finding]
    if finding is not FindingId.UNRECOGNISED_ALERT:  # its level is MVT's
        assert f"Level: `{kind.level}`" in page
    if kind.trace is Trace.ANOMALY and kind.level.rank >= Level.MEDIUM.rank:
        assert kind.source
        assert kind.source in page


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_index_lists_every_finding(code: str) -> None:
    index = (PAGES[code] / "findings" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[([\w-]+)\]\(\1\.md\)", index, re.MULTILINE) == list(FindingId)


@pytest.mark.parametrize("code", LANGUAGES)
def test_outcomes_are_documented_word_by_word(code: str) -> None:
    page = (PAGES[code] / "outcomes.md").read_text(encoding="utf-8")
    for vocabulary in (models.Outcome, models.CoverageState, models.Reason, models.LimitId):
        for word in vocabulary:
            assert f"`{word}`" in page
    for outcome in models.Outcome:
        assert f"| {outcome.exit_code} | `{outcome}` |" in page


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_pages_pass_no_verdict_either(code: str) -> None:
    pages = [PAGES[code] / "outcomes.md", *sorted((PAGES[code] / "findings").glob("*.md"))]
    assert [path.name for path in pages if FORBIDDEN[code].search(path.read_text(encoding="utf-8"))] == []
