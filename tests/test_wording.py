"""The words for people: honest in every language, and the same in the documentation."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import astuple, fields
from functools import cache
from gettext import GNUTranslations, NullTranslations
from itertools import product
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from tools.messages import DOMAINS, extract, forms, read

from spytriage import i18n, models, statements
from spytriage.finding_kinds import KINDS, Benign, FindingId, Level, Trace
from spytriage.i18n import LANGUAGES, _
from spytriage.report import texts
from spytriage.source.kinds import KINDS as KINDS_OF_SOURCE

ROOT = Path(__file__).parent.parent
DOCUMENTED = ("en", "es")  # the pages stand in these languages only

# A verdict on the phone or the person is for a reviewer, never for this tool. Whole words only: "Seguridad"
# is a field of work, "seguro" a verdict. The Arabic list allows for the letters that Arabic writes onto a word.
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
    "pt_BR": re.compile(
        r"\b(limp[oa]s?|limpeza|(in)?segur[oa]s?|a salvo|infe[ct]\w+|confirm\w+|v[íi]timas?"
        r"|hacke\w+|(está )?tudo bem|tudo certo|v[íi]rus)\b",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"\b(propres?|nettoy\w+|saine?s?|sûr(e|s|es|ement)?|sécurisée?s?|en sécurité(?! numérique)|indemnes?"
        r"|sain et sauf|infect\w+|confirm\w+|victimes?|pirat\w+|tout va bien|virus)\b",
        re.IGNORECASE,
    ),
    "ar": re.compile(
        r"\b[وفبلك]*(ال|لل)?(نظيف\w*|آمن\w*|أمان|مأمون\w*|سليم\w*|مصاب\w*|إصابة|أصيب\w*|عدوى|ملوث\w*"
        r"|[متيأ]?ؤكد\w*|ت?أكيد\w*|ت?أكد\w*|ضحية|ضحايا|مخترق\w*|اختراق\w*|اخترق\w*|فيروس\w*)\b"
    ),
}
VOWEL_SIGNS = re.compile(r"[\u064b-\u0652\u0670]")  # Arabic is written with and without them
SPYWARE = re.compile(
    r"\b(Pegasus|Predator|QuaDream|Graphite|Candiru|NoviSpy|FinFisher|FinSpy|KingsPawn|Hermit|RCS)\b", re.IGNORECASE
)
PLACEHOLDER = re.compile(r"\{\w*(?:![rsa])?\}|%\(\w+\)[a-z]|%[sdr]")


@cache
def all_strings(language: str) -> tuple[str, ...]:
    """Return every string of the program in a language, each form of a plural by itself."""
    if language == "en":
        return tuple(form for domain in DOMAINS for message in extract(domain) for form in forms(message))
    entries = (entry for domain in DOMAINS for entry in read(language, domain) if entry.id)
    return tuple(form for entry in entries for form in forms(entry.string))


def verdicts(language: str, text: str) -> str:
    found = FORBIDDEN[language].search(VOWEL_SIGNS.sub("", text))
    return found[0] if found else ""


@cache
def spoken(language: str) -> NullTranslations:
    """Return a language as its .po files have it, so that no compiled catalogue is needed."""
    both = NullTranslations()
    for domain in DOMAINS if language != "en" else ():
        compiled = io.BytesIO()
        write_mo(compiled, read(language, domain))
        compiled.seek(0)
        both.add_fallback(GNUTranslations(compiled))
    return both


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(i18n._loaded, request.param, spoken(request.param))
    with i18n.using_language(request.param):
        yield request.param


def source(kind: str, *, encrypted: bool = False) -> models.SourceFacts:
    return models.SourceFacts(kind, encrypted, "unknown", "unknown", None, None)


UNKNOWN = "of-a-later-version"
SOURCES = (source("ios-backup"), source("ios-backup", encrypted=True),
           *(source(kind.name) for kind in KINDS_OF_SOURCE), source("androidqf", encrypted=True),
           source(UNKNOWN))  # fmt: skip


def outcome_sentences(outcome: models.Outcome) -> list[str]:
    said = []
    for each in SOURCES:
        text = texts.outcome_texts(outcome, each)
        said += [text.headline, text.meaning, text.not_meaning, *text.next_steps]
    return said


# --- Words never used ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_string_of_the_program_passes_a_verdict(code: str) -> None:
    strings = all_strings(code)
    assert len(strings) > 200
    assert {text: word for text in strings if (word := verdicts(code, text))} == {}


@pytest.mark.parametrize(
    ("code", "caught", "left_alone"),
    [
        ("en", ("Your phone is clean.", "You are SAFE", "infected"), ("unusual", "cleanup", "safeguard")),
        ("es", ("Está limpio", "es seguro", "infección"), ("Seguridad Digital", "seguir", "infiere")),
        ("pt_BR", ("Está limpo", "é SEGURO", "infectado", "confirmado"), ("Segurança Digital", "seguir", "seguinte")),
        ("fr", ("Il est propre", "c'est SÛR", "infecté", "victime"), ("sécurité numérique", "sur le disque", "santé")),
        ("ar", ("الهاتف نظيف", "هاتفك آمِن", "وهو مُصاب", "تأكيد الإصابة"), ("الأمن الرقمي", "مؤشر", "من")),
    ],
)
def test_the_list_catches_each_form_and_leaves_other_words_alone(
    code: str, caught: tuple[str, ...], left_alone: tuple[str, ...]
) -> None:
    assert all(verdicts(code, text) for text in caught)
    assert not any(verdicts(code, text) for text in left_alone)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_message_puts_a_number_of_indicators_beside_the_name_of_a_spyware(code: str) -> None:
    # "Extracted 1547 indicators" was taken for an infection with Pegasus.
    number = re.compile(r"\b\d|\{\w+\}|%\(")
    of_indicators = re.compile(r"\{(usable|total|unusable|full|embedded|indicators?|count)\}|%\((count|total|usable)\)")
    of_a_family = re.compile(r"\{(name|family|families|spyware)\}|%\((name|family)\)")
    for text in all_strings(code):
        prose = "\n".join(line for line in text.splitlines() if not line.startswith("  spytriage "))  # not examples
        assert not (SPYWARE.search(prose) and number.search(prose)), text
        assert not (of_indicators.search(prose) and of_a_family.search(prose)), text


def test_no_sentence_of_an_outcome_holds_a_number(language: str) -> None:
    for outcome in models.Outcome:
        assert not [text for text in outcome_sentences(outcome) if re.search(r"\b\d", text)]


# --- What every outcome must say ----------------------------------------------------------------------------


def test_every_outcome_says_what_it_does_not_mean_and_what_was_not_checked(language: str) -> None:
    opening, not_checked = {
        "en": ("It does not mean", r"not checked|nobody can look for"),
        "es": ("No quiere decir", r"no se revisó|nadie puede buscar"),
        "pt_BR": ("Não quer dizer", r"não foi verificad[oa]|ninguém pode procurar"),
        "fr": ("Cela ne veut pas dire", r"n'a pas été examinée?|personne ne peut rechercher"),
        "ar": ("هذا لا يعني", r"لم يُفحص|ولا أحد يستطيع أن يبحث"),
    }[language]
    for outcome, each in product(models.Outcome, SOURCES):
        text = texts.outcome_texts(outcome, each)
        assert text.not_meaning.startswith(opening)
        assert re.search(not_checked, text.not_meaning)


def test_every_outcome_says_to_keep_the_phone_and_the_files_and_whom_to_ask(language: str) -> None:
    reset, files = {
        "en": ("reset", "Keep the files"),
        "es": ("restablezca", "Guarde los archivos"),
        "pt_BR": ("restaure", "Guarde os arquivos"),
        "fr": ("réinitialisez", "Gardez les fichiers"),
        "ar": ("إعادة ضبط", "حفظ الملفات"),
    }[language]
    for outcome, each in product(models.Outcome, SOURCES):
        steps = " ".join(texts.outcome_texts(outcome, each).next_steps)
        for needed in (reset, files, "Access Now", "Citizen Lab", "R3D", "SocialTIC"):
            assert needed in steps


# --- Each kind of acquisition in its own words ----------------------------------------------------------------

NAMED = {  # what each kind is called in the sentences about it
    "ios-backup": {"en": "backup", "es": "respaldo", "pt_BR": "backup", "fr": "sauvegarde", "ar": "النسخة الاحتياطية"},
    "ios-sysdiagnose": dict.fromkeys(LANGUAGES, "sysdiagnose"),
    "ios-filesystem": {"en": "file system", "es": "sistema de archivos", "pt_BR": "sistema de arquivos",
                       "fr": "système de fichiers", "ar": "نظام ملفات|نظام الملفات"},
    "androidqf": dict.fromkeys(LANGUAGES, "AndroidQF"),
    "android-bugreport": {"en": "bug report", "es": "informe de errores", "pt_BR": "relatório de bug",
                          "fr": "rapport de bug", "ar": "تقرير الأخطاء"},
    "android-backup": {"en": "Android backup", "es": "respaldo de Android", "pt_BR": "backup de Android",
                       "fr": "sauvegarde Android", "ar": "نسخة Android الاحتياطية"},
    "android-intrusion-logs": {"en": "intrusion logging", "es": "registro de intrusiones",
                               "pt_BR": "registro de intrusões", "fr": "journalisation des intrusions",
                               "ar": "تسجيل التسلل"},
    UNKNOWN: {"en": "files that were checked", "es": "archivos que se revisaron",
              "pt_BR": "arquivos que foram verificados", "fr": "fichiers qui ont été examinés",
              "ar": "الملفات التي فُحصت"},
}  # fmt: skip
BACKUP = {"en": "backup", "es": "respaldo", "pt_BR": "backup", "fr": "sauvegarde", "ar": "نسخة|النسخ"}
PASSWORD = {"en": "password", "es": "contraseña", "pt_BR": "senha", "fr": "mot de passe", "ar": "كلمة مرور"}
TO_MAKE = {  # what to make when the check gave no answer, and what shows more when it found nothing
    ("ios-backup", False): ("PASSWORD", "PASSWORD"),
    ("ios-backup", True): ("BACKUP", "sysdiagnose"),
    ("ios-sysdiagnose", False): ("PASSWORD", "PASSWORD"),
    ("ios-filesystem", False): ("NAME", ""),
    ("androidqf", False): ("AndroidQF", ""),
    ("androidqf", True): ("AndroidQF", ""),
    ("android-bugreport", False): ("AndroidQF", "AndroidQF"),
    ("android-backup", False): ("AndroidQF", "AndroidQF"),
    ("android-intrusion-logs", False): ("AndroidQF", "AndroidQF"),
    (UNKNOWN, False): ("", ""),
}


def test_a_sentence_of_its_own_names_what_was_checked_and_what_it_cannot_show(language: str) -> None:
    assert {each.kind for each in SOURCES} == {*NAMED}, "give a new kind its words in statements.py"
    for each in SOURCES:
        name = re.compile(NAMED[each.kind][language], re.IGNORECASE)
        assert name.search(texts.outcome_texts(models.Outcome.MATCH, each).headline)
        for outcome in {*models.Outcome} - {models.Outcome.MATCH}:
            assert name.search(texts.outcome_texts(outcome, each).not_meaning)


def test_nobody_reads_of_a_backup_or_a_password_that_their_acquisition_has_not(language: str) -> None:
    backup, password = re.compile(BACKUP[language]), re.compile(PASSWORD[language])
    for outcome, each in product(models.Outcome, SOURCES):
        text = texts.outcome_texts(outcome, each)
        about = " ".join((text.headline, text.meaning, text.not_meaning))
        everything = " ".join((about, *text.next_steps))
        assert not password.search(about)
        if each.encrypted or not each.kind.startswith("ios-"):
            assert not password.search(everything), each
        if not each.kind.endswith("-backup") and language != "ar" and each.kind != "ios-sysdiagnose":
            assert not backup.search(everything), each
        if each.kind.startswith("android"):
            assert "iPhone" not in everything
        elif each.kind.startswith("ios"):
            assert "Android" not in everything


def test_the_next_step_asks_for_what_the_phone_can_give(language: str) -> None:
    assert {(each.kind, each.encrypted) for each in SOURCES} == {*TO_MAKE}
    for each in SOURCES:
        words = {"PASSWORD": PASSWORD[language], "BACKUP": BACKUP[language], "NAME": NAMED[each.kind][language]}
        again, more = (words.get(word, word) for word in TO_MAKE[each.kind, each.encrypted])
        no_answer = texts.outcome_texts(models.Outcome.INCONCLUSIVE, each).next_steps
        nothing = texts.outcome_texts(models.Outcome.NO_MATCH, each).next_steps
        assert re.search(again, no_answer[0])
        assert len(no_answer) == 4
        assert len(nothing) == 4 + bool(more)
        assert re.search(more, nothing[2])
        for outcome in (models.Outcome.MATCH, models.Outcome.SUSPICIOUS):
            assert texts.outcome_texts(outcome, each).next_steps == texts.outcome_texts(outcome, SOURCES[0]).next_steps


def test_only_a_backup_of_an_iphone_is_called_not_encrypted(language: str) -> None:
    for each in SOURCES:
        told = texts.encryption_text(each)
        assert bool(told) == (each.encrypted or each.kind == "ios-backup")


@pytest.mark.parametrize(("count", "noun"), [(3, "سجلات"), (10, "سجلات"), (11, "سجلًا"), (15, "سجلًا"), (99, "سجلًا"),
                                             (100, "سجل"), (102, "سجل"), (103, "سجلات"), (111, "سجلًا")])  # fmt: skip
def test_arabic_counts_agree_with_their_noun(count: int, noun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(i18n._loaded, "ar", spoken("ar"))
    with i18n.using_language("ar"):
        assert i18n.ngettext("%(count)d record", "%(count)d records", count) == f"%(count)d {noun}"


def test_every_arabic_plural_tells_the_form_after_a_hundred_from_that_after_eleven() -> None:
    # 11 to 99 take an accusative: a form for them that is also that of 100 has a noun of which both are written alike.
    entries = [entry for domain in DOMAINS for entry in read("ar", domain) if isinstance(entry.id, tuple)]
    assert len(entries) > 20
    marked = re.compile(r"\w[^\W\d_]*ً?ا(?= |\.|$|:)")
    for entry in entries:
        after_a_hundred, after_eleven = entry.string[4:6]
        if after_a_hundred != after_eleven:
            assert len(marked.findall(after_eleven)) > len(marked.findall(after_a_hundred)), entry.id


def test_no_match_says_that_finding_nothing_proves_nothing(language: str) -> None:
    proof = {
        "en": "Finding nothing proves nothing",
        "es": "No encontrar nada no prueba nada",
        "pt_BR": "Não encontrar nada não prova nada",
        "fr": "Ne rien trouver ne prouve rien",
        "ar": "عدم العثور على شيء لا يثبت شيئًا",
    }[language]
    for each in SOURCES:
        assert proof in texts.outcome_texts(models.Outcome.NO_MATCH, each).not_meaning


def test_a_received_trace_never_says_that_something_ran(language: str) -> None:
    nothing_ran = {
        "en": "anything ran",
        "es": "algo se haya ejecutado",
        "pt_BR": "algo tenha sido executado",
        "fr": "quelque chose s'est exécuté",
        "ar": "على أن شيئًا عمل",
    }[language]
    assert nothing_ran in texts.phrase(Trace.RECEIVED)
    for finding, kind in KINDS.items():
        if kind.trace in {Trace.RECEIVED, Trace.CONTACTED}:
            assert nothing_ran in texts.finding_text(finding).meaning


# --- Every word has its text --------------------------------------------------------------------------------


def test_every_member_of_every_vocabulary_has_a_text(language: str) -> None:
    said = [
        *(sentence for outcome in models.Outcome for sentence in outcome_sentences(outcome)),
        *(sentence for finding in FindingId for sentence in astuple(texts.finding_text(finding))),
        *map(texts.phrase, Trace),
        *map(texts.phrase, Level),
        *map(texts.phrase, Benign),
        *map(texts.phrase, models.CoverageState),
        *map(texts.phrase, models.Reason),
        *map(texts.phrase, models.Fact),
        *map(texts.term_text, (*models.Term, True, False, 0, 12)),
        *map(texts.phrase, models.MatchRule),
        *map(texts.phrase, models.IndicatorType),
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


@pytest.mark.parametrize("language", DOCUMENTED, indirect=True)
@pytest.mark.parametrize("finding", FindingId)
def test_every_finding_has_a_page_that_says_the_same_as_the_report(language: str, finding: FindingId) -> None:
    path = PAGES[language] / "findings" / f"{finding}.md"
    assert path.exists(), "copy the page of a finding of the same trace"
    headings = re.findall(r"^#+ .*", path.read_text(encoding="utf-8"), re.MULTILINE)
    text, page = texts.finding_text(finding), unwrapped(path)
    assert headings == [f"# {text.title}", *(f"## {heading}" for heading in HEADINGS[language])]
    for sentence in (text.seen, text.meaning, text.next_step, *map(texts.phrase, KINDS[finding].benign)):
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


@pytest.mark.parametrize("code", DOCUMENTED)
def test_the_index_lists_every_finding(code: str) -> None:
    index = (PAGES[code] / "findings" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([\w-]+)\]\(\1\.md\)", index, re.MULTILINE)
    assert rows == [*map(str, FindingId)], "a row for each member of FindingId, in its order"


@pytest.mark.parametrize("code", DOCUMENTED)
def test_outcomes_are_documented_word_by_word(code: str) -> None:
    page = (PAGES[code] / "outcomes.md").read_text(encoding="utf-8")
    for vocabulary in (models.Outcome, models.CoverageState, models.Reason, models.LimitId):
        for word in vocabulary:
            assert f"`{word}`" in page
    for outcome in models.Outcome:
        assert f"| {outcome.exit_code} | `{outcome}` |" in page


@pytest.mark.parametrize("language", DOCUMENTED, indirect=True)
def test_outcomes_say_in_the_documentation_what_they_say_in_a_report(language: str) -> None:
    page = unwrapped(PAGES[language] / "outcomes.md")
    for each in SOURCES:
        own = statements.source_texts(each)
        assert all(_(sentence) in page for sentence in (own.found, own.cannot_show, own.again, own.more) if sentence)
        for outcome in models.Outcome:
            text = texts.outcome_texts(outcome, each)
            assert text.meaning in page
            assert text.headline in page
            assert text.not_meaning.removesuffix(f" {_(own.cannot_show)}") in page


@pytest.mark.parametrize("code", DOCUMENTED)
def test_the_pages_pass_no_verdict_either(code: str) -> None:
    pages = [PAGES[code] / "outcomes.md", *sorted((PAGES[code] / "findings").glob("*.md"))]
    assert [path.name for path in pages if verdicts(code, path.read_text(encoding="utf-8"))] == []
