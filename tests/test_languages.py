"""The languages: complete, chosen as people expect, and spoken by the whole program."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Message
from babel.messages.plurals import get_plural
from hypothesis import given
from hypothesis import strategies as st
from tools.messages import DOMAINS, TRANSLATED, extract, forms, missing, path_of, read, updated

from spytriage.i18n import LANGUAGES, Choice, choose_languages, closest, direction, language_tag

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "src" / "spytriage"
PLACEHOLDER = re.compile(r"\{\w*(?:![rsa])?\}|%\(\w+\)[a-z]|%[sdr]")
KEPT = re.compile(r"`[^`]+`|(?<![\w-])--[a-z][\w-]+|\b[\w-]+\.(?:jsonl?|stix2|yaml|html|age|csv|pub|zip|minisig)\b")
LETTERS = re.compile(r"[^\W\d_]{2,}")
NAMES = {"en": "English", "es": "Español", "pt_BR": "Português (Brasil)", "fr": "Français", "ar": "العربية"}
"""What each language calls itself, in the table of the documentation."""
CATALOGUES = [(language, domain) for language in TRANSLATED for domain in DOMAINS]
LOCALES = {
    "en": "en_GB.UTF-8", "es": "es_MX.UTF-8", "pt_BR": "pt_PT.UTF-8", "fr": "fr_CA.UTF-8", "ar": "ar_EG.UTF-8",
}  # fmt: skip


def translations(language: str) -> Iterator[tuple[str, str, Message]]:
    """Yield each form of each translation with the English that it stands for."""
    for domain in DOMAINS:
        for message in read(language, domain):
            if message.id:
                english = forms(message.id)
                for number, form in enumerate(forms(message.string)):
                    yield english[min(number, len(english) - 1)], form, message


# --- The catalogues -----------------------------------------------------------------------------------------


def test_the_program_and_the_catalogues_have_the_same_languages() -> None:
    assert {path.name for path in (SOURCES / "locale").iterdir()} == set(TRANSLATED)
    assert set(NAMES) == set(LANGUAGES)


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_every_message_of_the_sources_is_translated_and_no_other(language: str, domain: str) -> None:
    catalogue = read(language, domain)
    assert [message.id for message in catalogue if message.id] == list(extract(domain))
    assert [message.id for message in missing(language)] == []
    assert not catalogue.obsolete


@pytest.mark.parametrize(("language", "domain"), CATALOGUES)
def test_make_messages_would_change_nothing(language: str, domain: str) -> None:
    written = path_of(language, domain).read_bytes()
    assert written == updated(language, domain)
    assert b"fuzzy" not in written


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_plural_has_as_many_forms_as_the_language_needs(language: str) -> None:
    needed = get_plural(language)
    for domain in DOMAINS:
        assert f"Plural-Forms: nplurals={needed.num_plurals}; " in path_of(language, domain).read_text("utf-8")
        for message in read(language, domain):
            if message.pluralizable:
                assert len(forms(message.string)) == needed.num_plurals


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_placeholders_and_edges_and_what_a_computer_reads(language: str) -> None:
    for english, form, _message in translations(language):
        assert Counter(PLACEHOLDER.findall(form)) == Counter(PLACEHOLDER.findall(english)), form
        assert re.findall(r"^\s*|\s*$", form) == re.findall(r"^\s*|\s*$", english), form
        assert set(KEPT.findall(english)) <= set(KEPT.findall(form)), form
        assert (form.count("\n"), form.count("\b")) == (english.count("\n"), english.count("\b")), form


@pytest.mark.parametrize("language", TRANSLATED)
def test_an_example_shows_the_same_command_in_every_language(language: str) -> None:
    for english, form, _message in translations(language):
        for line, other in zip(english.splitlines(), form.splitlines(), strict=True):
            if line.startswith("  spytriage "):
                command, told = (re.split(r" {2,}", text.strip())[0] for text in (line, other))
                own = re.sub(r"--lang \w+(?!\S)", f"--lang {language}", command)
                assert told in {command, own}


@pytest.mark.parametrize("language", TRANSLATED)
def test_digits_are_the_ones_that_the_machine_fields_have(language: str) -> None:
    assert not [form for _english, form, _message in translations(language) if re.search(r"[٠-٩۰-۹]", form)]


@pytest.mark.parametrize("language", TRANSLATED)
def test_yes_and_no_are_two_different_letters(language: str) -> None:
    message = read(language, "spytriage").get("y/n")
    assert message is not None
    yes, no = str(message.string).split("/")
    assert (len(yes), len(no)) == (1, 1)
    assert yes.casefold() == yes != no == no.casefold()


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_documentation_says_who_has_reviewed_the_statements(language: str) -> None:
    header = path_of(language, "statements").read_text("utf-8")
    found = re.search(r'"X-Native-Review: (.+)\\n"', header)
    assert found
    for page in ("docs/reference/languages.md", "docs/es/reference/languages.md"):
        assert f"| `{language}` | {NAMES[language]} | `{found[1]}` |" in (ROOT / page).read_text("utf-8")


# --- Nothing for people bypasses gettext --------------------------------------------------------------------

# What prints or shows its text: the place of the text among the arguments, and the keywords that hold text.
SHOWING = {
    "SpytriageError": (0, ("hint",)),
    "echo": (0, ("message",)), "secho": (0, ("message",)), "prompt": (0, ("text",)), "confirm": (0, ("text",)),
    "print": (0, ()), "Text": (0, ("text",)), "add_column": (0, ("header",)),
    "option": (None, ("help", "prompt")), "Option": (None, ("help", "prompt")), "argument": (None, ("help",)),
    "command": (None, ("help", "short_help", "epilog")), "group": (None, ("help", "short_help", "epilog")),
    "UsageError": (0, ("message",)), "BadParameter": (0, ("message",)), "ClickException": (0, ("message",)),
}  # fmt: skip


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield path, node, name


def bare_words(node: ast.expr) -> str:
    """Return the letters that an expression shows as they stand in the source."""
    match node:
        case ast.Constant(value=str(text)):
            return " ".join(LETTERS.findall(text))
        case ast.JoinedStr(values=parts):
            return " ".join(filter(None, map(bare_words, parts)))
        case ast.BinOp(left=left, right=right):
            return " ".join(filter(None, map(bare_words, (left, right))))
        case ast.IfExp(body=body, orelse=orelse):
            return " ".join(filter(None, map(bare_words, (body, orelse))))
        case ast.Call(func=ast.Attribute(value=inner, attr="format")):
            return bare_words(inner)
    return ""


def test_every_text_that_is_shown_goes_through_gettext() -> None:
    bare = []
    for path, call, name in calls():
        if name in SHOWING and "demo/" not in path.as_posix():
            place, keywords = SHOWING[name]
            shown = [word.value for word in call.keywords if word.arg in keywords]
            shown += call.args[place : place + 1] if place is not None else []
            bare += [f"{path.name}:{call.lineno} {words}" for text in shown if (words := bare_words(text))]
    assert bare == []


def test_a_message_is_filled_in_after_it_is_translated() -> None:
    # An f-string, or a message filled in before the look-up, is never found in a catalogue.
    filled_early = [
        f"{path.name}:{call.lineno}"
        for path, call, name in calls()
        if name in {"_", "ngettext", "deferred"}
        and any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in call.args[:2])
    ]
    assert filled_early == []


class Page(HTMLParser):
    """Collects what a reader of a template would see of its own text."""

    NAMES = frozenset({"SHA", "TLP", "UTC", "CC", "BY", "spytriage", "report", "json", "html", "minisign"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within.append(tag)
        for name, value in attrs:
            if name in {"alt", "title", "aria-label", "placeholder", "summary"}:
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "code", "pre"} & set(self._within):
            self.seen += [word for word in LETTERS.findall(data) if word not in self.NAMES]


@pytest.mark.parametrize("template", sorted(SOURCES.rglob("*.jinja")), ids=lambda path: path.name)
def test_a_template_has_no_words_of_its_own(template: Path) -> None:
    page = Page()
    tree = jinja2.Environment(autoescape=True).parse(template.read_text("utf-8"))
    for data in tree.find_all(jinja2.nodes.TemplateData):
        page.feed(data.data)
    assert page.seen == []


# --- Which language -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("es", "es"), ("es_MX.UTF-8", "es"), ("ES-mx", "es"), ("pt_BR.UTF-8", "pt_BR"), ("pt-PT", "pt_BR"),
        ("pt", "pt_BR"), ("fr_CA@euro", "fr"), ("ar_EG.UTF-8", "ar"), ("en_US.UTF-8", "en"), ("de", None),
        ("arz", None), ("C", None), ("", None),
    ],
)  # fmt: skip
def test_a_locale_gets_the_closest_language(name: str, language: str | None) -> None:
    assert closest(name) == language


@pytest.mark.parametrize(
    ("wanted", "environment", "choice"),
    [
        (None, {}, Choice(("en",))),
        (None, {"LANG": "C.UTF-8"}, Choice(("en",))),
        (None, {"LANG": "fr_FR.UTF-8"}, Choice(("fr",))),
        (None, {"LANG": "fr_FR.UTF-8", "LC_ALL": "ar_EG.UTF-8"}, Choice(("ar",))),
        (None, {"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, Choice(("en",))),
        (None, {"LANG": "fr_FR.UTF-8", "LANGUAGE": "de:es"}, Choice(("es",))),
        (None, {"LANG": "de_DE.UTF-8"}, Choice(("en",), ("de_DE",))),
        ("", {"LANG": "es_MX.UTF-8"}, Choice(("es",))),
        ("es", {"LANG": "fr_FR.UTF-8"}, Choice(("es",))),
        ("es,en", {}, Choice(("es", "en"))),
        ("pt-BR, es", {}, Choice(("pt_BR", "es"))),
        ("es,es_MX,es", {}, Choice(("es",))),
        ("de,es", {}, Choice(("es",), ("de",))),
        ("de", {"LANG": "es_MX.UTF-8"}, Choice(("en",), ("de",))),
    ],
)
def test_the_option_decides_or_else_the_environment(
    wanted: str | None, environment: dict[str, str], choice: Choice
) -> None:
    assert choose_languages(wanted, environment) == choice


@given(st.text(), st.text())
def test_whatever_is_asked_for_there_is_a_language(wanted: str, locale: str) -> None:
    choice = choose_languages(wanted, {"LC_ALL": locale})
    assert choice.languages
    assert set(choice.languages) <= set(LANGUAGES)


def test_a_page_knows_the_tag_and_the_direction_of_its_language() -> None:
    assert [(language_tag(language), direction(language)) for language in LANGUAGES] == [
        ("en", "ltr"), ("es", "ltr"), ("pt-BR", "ltr"), ("fr", "ltr"), ("ar", "rtl"),
    ]  # fmt: skip


# --- The program in each language ---------------------------------------------------------------------------

# The helps of all commands in one process: a process each would take a minute.
ALL_HELPS = """
import sys
from spytriage.cli import _COMMANDS, main
from spytriage.i18n import current_language
import click
def help_of(*words):
    try:
        main([*words, "--help"])
    except SystemExit as ended:
        assert not ended.code, words
help_of()
for name, place in _COMMANDS.items():
    help_of(name)
    module, attribute = place.split(":")
    command = getattr(sys.modules[module], attribute)
    for inner in getattr(command, "commands", {}):
        help_of(name, inner)
"""


def run(here: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env={"PATH": os.environ["PATH"], "HOME": str(here), "SOURCE_DATE_EPOCH": "1777852800", **environment},
        capture_output=True, text=True, check=False, encoding="utf-8", stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_has_its_help(tmp_path: Path, language: str) -> None:
    done = run(tmp_path, "-c", ALL_HELPS, LC_ALL=LOCALES[language], PYTHONUTF8="1")
    assert (done.returncode, done.stderr) == (0, "")
    used = {"en": "Usage:", "es": "Uso:", "pt_BR": "Uso:", "fr": "Utilisation\u00a0:", "ar": "الاستعمال:"}[language]
    assert done.stdout.count(used) > 20
    assert ("Show this message and exit." in done.stdout) == (language == "en")


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_demo_tells_the_same_facts(tmp_path: Path, language: str) -> None:
    english = run(tmp_path, "-m", "spytriage", "demo", "--output", "english")
    done = run(tmp_path, "-m", "spytriage", "demo", "--output", "own", LC_ALL=LOCALES[language], PYTHONUTF8="1")

    assert (done.returncode, done.stderr) == (english.returncode, english.stderr) == (0, "")
    # Keys, enum values, digits and dates are never translated: what a machine reads is the same, byte for byte.
    for name in ("report.json", "report.stix2"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "english" / name).read_bytes()
    page = (tmp_path / "own" / "report.html").read_text("utf-8")
    assert f'<html lang="{language_tag(language)}"' in page
    for finding in json.loads((tmp_path / "own" / "report.json").read_bytes())["findings"]:
        assert finding["id"] in page
        assert not finding["day"] or finding["day"] in page


def test_a_language_that_is_not_there_is_told_once_and_english_is_used(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "spytriage", "consent", "show", "none.yaml", "--lang", "de", LC_ALL="es_MX.UTF-8")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"There is no translation into de. Used instead: en. There is: {', '.join(LANGUAGES)}.\n"
    )
    assert done.stderr.count("translation") == 1
    assert "What to do:" in done.stderr


def test_a_screen_without_the_letters_of_a_language_does_not_stop_the_program(tmp_path: Path) -> None:
    done = run(
        tmp_path, "-m", "spytriage", "--lang", "ar", "--help", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="latin-1"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u0627" in done.stdout
