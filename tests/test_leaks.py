"""Nothing of the phone leaves: canaries in every field of every record, and a tripwire that is no decoration."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import logging
import os
import plistlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spytriage import i18n, pipeline, release
from spytriage.cli.deliver import check_and_deliver
from spytriage.consent import Grant
from spytriage.errors import SpytriageError
from spytriage.evidence import parse_recipients
from spytriage.finding_kinds import Level
from spytriage.i18n import using_language
from spytriage.indicators import load
from spytriage.indicators.data import data_file
from spytriage.models import (
    CoverageState,
    Indicator,
    Match,
    MatchRule,
    ModuleCoverage,
    RawAlert,
    RedactedFinding,
    Report,
    ScanResult,
    Tlp,
)
from spytriage.pipeline import Check, check
from spytriage.redaction import POLICIES, load_policy
from spytriage.redaction.tripwire import Secret, Tripwire
from spytriage.report.pdf import to_pdf
from spytriage.source import Device, Source
from tests.canaries import SHAPES, Canaries
from tests.conftest import consent
from tests.report.test_pdf import needs_weasyprint, pages_of
from tests.tools import DAY, KEY, Recorder

TABLE = load_policy()
INDEX = load([data_file("demo.stix2")])
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"  # of age's own documentation
PLANTED: list[int] = []
"""How many canaries each test of this file has planted."""


def record_of(module: str, canaries: Canaries, shapes: Iterator[str]) -> dict[str, Any]:
    """A record with a canary in each field that the table names, and in one that nobody knows."""
    record = {str(field): canaries.value(next(shapes)) for field in TABLE.rules_for(module)}
    return record | {canaries.word(): canaries.value(next(shapes)), "isodate": "2021-07-18 22:10:05.123456"}


def alert_of(module: str, record: dict[str, Any], canaries: Canaries, indicator: Indicator | None) -> RawAlert:
    match = Match((indicator,), MatchRule.SUBDOMAIN) if indicator else None
    return RawAlert(module, Level.CRITICAL, f"Found {canaries.word()} in {canaries.word('latin')}", "", record, match)


def deliver(
    alerts: list[RawAlert],
    folder: Path,
    *,
    policy: str = "review",
    language: str = "en",
    sealed: bool = True,
    printed: Callable[[Tripwire, Report], None] | None = None,
) -> dict[str, str]:
    """Run everything behind the scan, and return all that came out by name; `printed` may look at its PDF."""
    request = Check(
        folder, INDEX, consent(Grant.ANALYSE, Grant.SHARE_REDACTED, Grant.SHARE_SEALED), DAY, KEY,
        policy=load_policy(policy), recipients=parse_recipients([RECIPIENT]) if sealed else None,
    )  # fmt: skip
    names = tuple(dict.fromkeys(alert.module for alert in alerts))
    modules = tuple(ModuleCoverage(name, CoverageState.CHECKED, 1) for name in names)
    source = Source(
        "ios-backup", folder, False, False, Device("iPhone14,5", "17.4.1", "00008101-000A1B2C3D4E5F6A"), b"d" * 32
    )
    with pytest.MonkeyPatch.context() as patch, using_language(*language.split(",")):
        patch.setattr(
            pipeline, "scan", lambda *_args, **_options: ScanResult(modules, tuple(alerts), "mvt", "2026.10.26")
        )
        patch.setattr(pipeline, "opened", lambda *_: nullcontext(source))
        examined = check(request, Recorder())
        report, files = release.release(request, examined, folder / "report")
        shown = release._on_terminal(report).decode()
        if printed:
            printed(release._tripwire(request, examined, report), report)
    outputs = {path.name: path.read_bytes().decode("latin-1" if path.suffix == ".age" else "utf-8") for path in files}
    return {**outputs, "terminal": shown, "names": " ".join(outputs)}


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that temporary files and the home folder lie in."""
    for name in ("TMPDIR", "HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def left_behind(folder: Path) -> dict[str, str]:
    """What lies in a folder: names and contents."""
    return {
        str(path): f"{path} {path.read_bytes().decode('utf-8', 'replace') if path.is_file() else ''}"
        for path in folder.rglob("*")
    }


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es", "ar,en"])
@pytest.mark.parametrize("policy", POLICIES)
def test_no_field_of_any_record_of_any_module_comes_out(
    private: Path, policy: str, language: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    canaries = Canaries(len(policy) + len(language) * (language != "en"))
    shapes = itertools.cycle(SHAPES)
    alerts = []
    for module, indicator in zip(TABLE.modules, itertools.cycle(INDEX.indicators), strict=False):
        alerts.append(alert_of(module, record_of(module, canaries, shapes), canaries, indicator))
        alerts.append(alert_of(module, record_of(module, canaries, shapes), canaries, None))
    PLANTED.append(len(canaries))

    with caplog.at_level(logging.DEBUG):
        outputs = deliver(alerts, private, policy=policy, language=language)

    out, err = capfd.readouterr()
    said = {**outputs, **left_behind(private), "stdout": out, "stderr": err, "log": caplog.text}
    assert canaries.found_in(said) == []
    assert len(outputs) == 8


@pytest.mark.slow
@settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)
@given(data=st.data(), seed=st.integers(0, 2**32), policy=st.sampled_from(POLICIES))
def test_whatever_stands_in_a_record_stays_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int, policy: str
) -> None:
    canaries = Canaries(seed)
    alerts = []
    for module in data.draw(st.lists(st.sampled_from(sorted(TABLE.modules)), min_size=1, max_size=6)):
        size = len(TABLE.rules_for(module)) + 1
        shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=size, max_size=size))
        record = record_of(module, canaries, iter(shapes))
        hostile = data.draw(st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=3))
        indicator = data.draw(st.sampled_from([None, *INDEX.indicators]))
        alerts.append(alert_of(module, {**hostile, **record}, canaries, indicator))
    PLANTED.append(len(canaries))
    folder = tmp_path_factory.mktemp("case")

    outputs = deliver(alerts, folder, policy=policy)

    assert canaries.found_in({**outputs, **left_behind(folder)}) == []


# --- A whole phone ------------------------------------------------------------------------------------------------

_LEFT_ALONE = re.compile(r"(?i)guid|uuid|fileid|domain|relativepath|service|mime|uti|^id$|procname|bundle|client|key")


def plant_in_databases(backup: Path, canaries: Canaries) -> None:
    """Put a canary into every text of every database of a backup, keeping what MVT needs to find it."""
    for path in sorted(backup.rglob("*")):
        if path.is_file() and path.name != "Manifest.db" and path.read_bytes()[:6] == b"SQLite":
            with closing(sqlite3.connect(path)) as connection, connection:
                _plant(connection, canaries)


def _plant(connection: sqlite3.Connection, canaries: Canaries) -> None:
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for column in columns:
            if _LEFT_ALONE.search(column) or table.startswith("sqlite_"):
                continue
            rows = connection.execute(f'SELECT rowid, "{column}" FROM "{table}" WHERE typeof("{column}") = \'text\'')
            for row, text in rows.fetchall():
                joint = "/" if "url" in column.casefold() else " "
                value = canaries.word("latin") if joint == "/" else canaries.value("sentence")
                connection.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (text + joint + value, row))


def plant_in_info(backup: Path, canaries: Canaries) -> None:
    info = plistlib.loads((backup / "Info.plist").read_bytes())
    for name in ("Device Name", "Display Name", "Phone Number", "IMEI", "ICCID", "MEID", "Serial Number", "GUID"):
        info[name] = canaries.word("latin")
    info["Unique Identifier"] = info["Target Identifier"] = canaries.word("latin")
    (backup / "Info.plist").write_bytes(plistlib.dumps(info))


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "language"), [("review", "en"), ("public", "es"), ("internal", "en")])
def test_nothing_of_a_whole_phone_comes_out(phone: Path, private: Path, policy: str, language: str) -> None:
    canaries = Canaries(7)
    plant_in_databases(phone, canaries)
    plant_in_info(phone, canaries)
    folder = phone.rename(phone.with_name(canaries.word("latin")))
    PLANTED.append(len(canaries))
    here = private / "here"
    here.mkdir()
    consent().write(here / "consent.yaml")

    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "check", folder, "--consent", "consent.yaml", "--policy", policy,
         "-i", data_file("demo.stix2"), "--lang", language, "--output", "report"],
        cwd=here, env={**os.environ, "LANG": "C.UTF-8"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 3, done.stderr
    said = {"stdout": done.stdout, "stderr": done.stderr, **left_behind(here), **left_behind(private / "TMPDIR")}
    assert canaries.found_in(said) == []
    assert list((private / "TMPDIR").iterdir()) == []
    assert len(canaries) > 500


@pytest.mark.slow
def test_at_least_ten_thousand_canaries_were_planted() -> None:
    if not PLANTED:
        pytest.skip("the tests above did not run")
    assert sum(PLANTED) >= 10_000


# --- The tripwire ---------------------------------------------------------------------------------------------------

MESSAGE = {
    "text": "Nos vemos en la plaza de siempre, llama al +1 (202) 555-0123, hay una cámara",
    "phone_number": "+12025550199",
    "account": "P:ana.example@example.org",
    "direction": "received from a friend",
    "service": "a service of friends",
    "isodate": "2021-07-18 22:10:05.123456",
    "isodate_read": "",
    "links": ["https://ana-quintana.free-news-alert.example/x?u=ana"],
    "attributedBody": {"$bytes": "c3RyZWFtdHlwZWQgbGxlZ28gYSBsYXMgb2Nobw=="},
    "nota de la fuente": "Rosaura",
}
DOMAIN = next(indicator for indicator in INDEX.indicators if indicator.value == "free-news-alert.example")


def deliver_message(folder: Path, *, policy: str = "review", sealed: bool = True) -> dict[str, str]:
    alert = RawAlert("SMS", Level.CRITICAL, "MVT repeats it all", "", MESSAGE, Match((DOMAIN,), MatchRule.SUBDOMAIN))
    return deliver([alert], folder, policy=policy, sealed=sealed)


def assert_stopped(folder: Path, **options: Any) -> SpytriageError:
    with pytest.raises(SpytriageError, match="The report was stopped") as error:
        deliver_message(folder, **options)
    assert not list(folder.glob("report*"))
    assert not list(folder.glob(".spytriage*"))
    said = f"{error.value.message} {error.value.hint}"
    for secret in ("plaza", "2025550", "555-0", "ana-quintana", "Rosaura", "friend", "2021-07-18"):
        assert secret not in said
    return error.value


def test_the_message_itself_passes_when_all_rules_hold(tmp_path: Path) -> None:
    assert len(deliver_message(tmp_path)) == 8


class _Unchecked:
    """Stands where a value of a type is expected, and says something else."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


Spoil = Callable[[RedactedFinding], Mapping[str, Any]]

RULES_TURNED_OFF: dict[str, tuple[str, Spoil]] = {
    "a pseudonym is the account": ("review", lambda f: {"pseudonyms": (_Unchecked(MESSAGE["account"]),)}),
    "a pseudonym is the number": ("review", lambda f: {"pseudonyms": (_Unchecked(MESSAGE["phone_number"]),)}),
    "a number without its plus": ("review", lambda f: {"pseudonyms": (_Unchecked("contact 1 202 555 0199"),)}),
    "a fact is the field": ("review", lambda f: {"facts": ((next(iter(f.facts))[0], MESSAGE["direction"]),)}),
    "a service is not generalised": ("review", lambda f: {"facts": ((f.facts[1][0], MESSAGE["service"]),)}),
    "a withheld field is shown": ("review", lambda f: {"withheld": (*f.withheld, MESSAGE["text"])}),
    "an unlisted field is named": ("review", lambda f: {"withheld": (*f.withheld, "nota de la fuente")}),
    "the URL stands for the indicator": (
        "review", lambda f: {"indicators": (dataclasses.replace(DOMAIN, value=MESSAGE["links"][0]),)},
    ),
    "the host stands for the indicator": (
        "review",
        lambda f: {"indicators": (dataclasses.replace(DOMAIN, value="ana-quintana.free-news-alert.example"),)},
    ),
    "the exact time is shown": ("review", lambda f: {"artefact": "sms.db 2021-07-18 22:10:05"}),
    "the day is shown where weeks are": ("public", lambda f: {"day": date(2021, 7, 18)}),
    "MVT's sentence is shown": ("review", lambda f: {"artefact": "MVT repeats it all"}),
    "the rich text is shown": ("review", lambda f: {"artefact": "streamtyped llego a las ocho"}),
    "a count is a telephone number": ("review", lambda f: {"count": 12025550199}),
    "a number is hashed without a key": (
        "review", lambda f: {"pseudonyms": (_Unchecked(hashlib.sha256(b"+12025550199").hexdigest()),)},
    ),
}  # fmt: skip


def without_reading_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the other outputs be rendered without reading report.json back, which would notice first."""
    from spytriage.report import folder

    written: list[Report] = []
    to_json = folder.to_json

    def remembering(report: Report) -> bytes:
        written.append(report)
        return to_json(report)

    monkeypatch.setattr(folder, "to_json", remembering)
    monkeypatch.setattr(folder, "from_json", lambda content: written[-1])


@pytest.mark.parametrize("rule", RULES_TURNED_OFF)
def test_the_tripwire_catches_a_rule_of_redaction_that_is_turned_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    policy, spoil = RULES_TURNED_OFF[rule]
    original = pipeline.redact

    def spoilt(*arguments: Any) -> Any:
        redacted = original(*arguments)
        for finding in redacted.findings:
            for name, value in spoil(finding).items():
                object.__setattr__(finding, name, value)
        return redacted

    monkeypatch.setattr(pipeline, "redact", spoilt)
    without_reading_back(monkeypatch)
    # Sealing copies findings, and their constructor would notice: here only the tripwire stands in the way.
    assert_stopped(tmp_path, policy=policy, sealed=False)


ENCODED = {
    "in clear": "Nos vemos en la plaza",
    "in capitals": "NOS VEMOS EN LA PLAZA",
    "eight characters of it": "la plaza",
    "percent-encoded": "x=Nos%20vemos%20en%20la%20plaza",
    "form-encoded": "x=Nos+vemos+en+la+plaza",
    "in base64": "Tm9zIHZlbW9zIGVuIGxhIHBsYXph",
    "in the middle of base64": "eHh4IE5vcyB2ZW1vcyBlbiBsYSBwbGF6YQ==",
    "in hexadecimal": "4e6f732076656d6f7320656e206c6120706c617a61",
    "HTML-escaped": "&#78;&#111;&#115;&#32;&#118;&#101;&#109;&#111;&#115;&#32;en",
    "JSON-escaped": r"\u004e\u006f\u0073\u0020\u0076\u0065\u006d\u006f\u0073",
    "decomposed": "hay una ca\u0301mara",
    "full-width": "Ｎｏｓ ｖｅｍｏｓ ｅｎ",
    "over a line break": "Nos vemos\n      en la plaza",
    "a number without separators": "12025550123",
    "a number with others": "1-202-555-0123",
    "a number in Arabic digits": "١٢٠٢٥٥٥٠١٢٣",
    "a link made unclickable": "ana-quintana[.]free-news",
    "the UDID": "00008101-000A1B2C3D4E5F6A",
    "the model": "iPhone14,5",
    "an unrelated number": "+44 7700 900123",
    "an unrelated address": "someone@example.net",
    "an IMEI": "49-015420-323751-8",
    "an ICCID": "8952020123456789012",
    "a serial number": "C8QH6T96DPNG",
}


OUTPUTS = ("to_html", "to_stix", "to_json", "to_manifest", "terminal", "name")


@pytest.mark.parametrize(
    ("output", "how"), [*(("to_html", how) for how in ENCODED), *((output, "in clear") for output in OUTPUTS[1:])]
)
def test_the_tripwire_reads_every_output_in_every_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, how: str
) -> None:
    from spytriage.report import folder

    text = ENCODED[how]
    without_reading_back(monkeypatch)

    def leak(original: Callable[..., bytes]) -> Callable[..., bytes]:
        def leaking(report: Any, *arguments: Any) -> bytes:
            # The tripwire's reference has to stay honest: its findings have no day.
            real = any(finding.day for finding in report.findings)
            extra = f"<!-- {text} -->" if output == "to_html" else f"\n{text}\n"
            return original(report, *arguments) + (extra.encode() if real else b"")

        return leaking

    if output == "terminal":
        monkeypatch.setattr(release, "_on_terminal", leak(release._on_terminal))
    elif output == "name":
        render = folder.render

        def named(*arguments: Any) -> dict[str, bytes]:
            return {**render(*arguments), text: b""}

        monkeypatch.setattr(folder, "render", named)
    else:
        monkeypatch.setattr(folder, output, leak(getattr(folder, output)))
    assert_stopped(tmp_path)


@pytest.mark.parametrize(("quiet", "as_json"), [(False, False), (True, False), (False, True)])
def test_the_tripwire_reads_a_summary_when_the_terminal_will_show_it(
    written_phone: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: bool, as_json: bool
) -> None:
    read = []
    monkeypatch.setattr(release.Tripwire, "inspect", lambda _self, outputs: read.append("terminal" in outputs))
    request = Check(written_phone[0], load([data_file("demo.stix2")]), consent(Grant.ANALYSE), DAY, KEY)
    check_and_deliver(request, tmp_path / "report", as_json=as_json, quiet=quiet, tlp=Tlp.RED, signer=None)
    assert read == [not quiet and not as_json]


@pytest.mark.slow
@needs_weasyprint
@pytest.mark.parametrize("language", ["en", "es,en"])
def test_the_tripwire_lets_the_text_of_a_pdf_pass_and_would_stop_a_leak_in_it(tmp_path: Path, language: str) -> None:
    alert = RawAlert("SMS", Level.CRITICAL, "MVT repeats it all", "", MESSAGE, Match((DOMAIN,), MatchRule.SUBDOMAIN))
    seen = []

    def printed(tripwire: Tripwire, report: Report) -> None:
        text = "\n".join(pages_of(to_pdf(report)))
        assert "free-news-alert[.]example" in text
        tripwire.inspect({"report.pdf": text.encode()})
        with pytest.raises(SpytriageError, match=r"report\.pdf"):
            tripwire.inspect({"report.pdf": f"{text} Nos vemos en la plaza".encode()})
        seen.append(text)

    deliver([alert], tmp_path, language=language, printed=printed)
    assert seen


@pytest.mark.parametrize("form", ["md", "csv", "timesketch", "jsonl"])
def test_the_tripwire_reads_what_can_be_made_of_the_report_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    original = release.RENDERERS[form]

    def leaking(report: Any) -> bytes:
        real = any(finding.day for finding in report.findings)
        return original(report) + (b"Nos vemos en la plaza" if real else b"")

    monkeypatch.setitem(release.RENDERERS, form, leaking)
    assert f"report.{form}" in assert_stopped(tmp_path).message


def test_a_leak_through_the_coverage_ledger_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ScanResult

    def spoilt(modules: tuple[ModuleCoverage, ...], *rest: Any) -> ScanResult:
        return original(tuple(dataclasses.replace(m, detail="Nos vemos en la plaza") for m in modules), *rest)

    monkeypatch.setitem(deliver.__globals__, "ScanResult", spoilt)
    assert_stopped(tmp_path)


def test_an_error_names_output_field_and_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spytriage.report import folder

    original = folder.to_html
    monkeypatch.setattr(
        folder, "to_html", lambda report: original(report) + (b"la plaza de siempre" if report.findings[0].day else b"")
    )
    error = assert_stopped(tmp_path)
    assert "report.html" in error.message
    assert "SMS.text" in error.message
    assert "sealed-text" in error.message
    assert error.exit_code == 1


@pytest.mark.parametrize("language", ["en", "es"])
def test_a_message_in_the_words_of_the_report_is_no_false_alarm(tmp_path: Path, language: str) -> None:
    with using_language(language):
        words = " ".join(i18n.every_message())
    match = Match((DOMAIN,), MatchRule.EXACT)
    alerts = [
        RawAlert("SMS", Level.CRITICAL, "", "", {"text": words, "isodate": f"2021-07-{1 + day % 28:02} 10:00"}, match)
        for day in range(28)
    ]
    # More kinds than the page shows of each: it says how many it leaves out.
    alerts += [dataclasses.replace(alert, module=name) for alert in alerts for name in list(TABLE.modules)[:9]]

    outputs = deliver(alerts, tmp_path, language=language)

    assert "report.json" in outputs


@pytest.mark.parametrize("published", [True, False])
def test_a_message_of_mvt_that_quotes_the_indicator_is_no_false_alarm(published: bool) -> None:
    value = "free-news-alert.example"
    said = f'Found HTTP redirect between suspicious domains: ORIGIN: "{value}", found mention of "{value}" in a file'
    report = json.dumps({"indicators": [{"type": "domain", "value": value}]}, indent=1).encode()
    tripwire = Tripwire.make(
        [Secret("Manifest.message", said)], published=[value] if published else [], fixed=[], digests=[]
    )

    with nullcontext() if published else pytest.raises(SpytriageError, match="rule: sealed-text"):
        tripwire.inspect({"report.json": report})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("policy", POLICIES)
def test_real_evidence_with_every_published_set_raises_no_false_alarm(
    shared: Path, tmp_path: Path, policy: str, language: str
) -> None:
    own = {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000001", "objects": [
        {"type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-00000000000{place}",
         "created": "2021-07-18T10:00:00.000Z", "modified": "2021-07-18T10:00:00.000Z", "pattern": pattern,
         "pattern_type": "stix", "valid_from": "2021-07-18T10:00:00Z", "indicator_types": ["malicious-activity"]}
        for place, pattern in enumerate((
            "[domain-name:value='example.org']", "[process:name='Launch']", "[email-addr:value='foobar@example.org']",
        ))
    ]}  # fmt: skip
    (tmp_path / "own.stix2").write_text(json.dumps(own))
    index = load([*sorted((shared / "indicators").glob("*.stix2")), tmp_path / "own.stix2"])
    request = Check(shared / "fixtures" / "mvt" / "ios_backup", index, consent(), DAY, KEY, policy=load_policy(policy))

    with using_language(language):
        report, _files = release.release(request, check(request, Recorder()), tmp_path / "report")

    assert len(report.findings) >= 5


class TestAnIndicatorThatIsItselfPersonal:
    ACCOUNT = next(indicator for indicator in INDEX.indicators if "@" in indicator.value)

    def test_is_shown_as_published(self, tmp_path: Path) -> None:
        record = {"user": f"mailto:{self.ACCOUNT.value}", "package": "com.apple.madrid", "isodate": ""}
        alert = RawAlert("IDStatusCache", Level.CRITICAL, "", "", record, Match((self.ACCOUNT,), MatchRule.EXACT))
        outputs = deliver([alert], tmp_path)
        assert self.ACCOUNT.value in outputs["report.json"]

    def test_is_not_shown_when_the_record_did_not_match(self, tmp_path: Path) -> None:
        record = {"user": f"mailto:{self.ACCOUNT.value}", "package": "com.apple.madrid", "isodate": ""}
        outputs = deliver([RawAlert("IDStatusCache", Level.HIGH, "", "", record, None)], tmp_path)
        text = "".join(outputs.values())
        assert self.ACCOUNT.value not in text
        assert self.ACCOUNT.value.replace(".", "[.]").replace("@", "[@]") not in text


class TestBadInput:
    @pytest.mark.parametrize("value", [None, True, 1.5, -1, 10**30, [], {}, [[[]]], {"a": {"b": [None]}}, {"$cut": 9}])
    def test_a_value_that_is_not_text(self, tmp_path: Path, value: Any) -> None:
        match = Match((DOMAIN,), MatchRule.EXACT)
        deliver(
            [
                RawAlert(module, Level.CRITICAL, "", "", dict.fromkeys(map(str, TABLE.rules_for(module)), value), match)
                for module in TABLE.modules
            ],
            tmp_path,
        )

    def test_a_type_of_record_that_nobody_has_seen(self, tmp_path: Path) -> None:
        canaries = Canaries()
        record = {canaries.word(): canaries.value(shape) for shape in SHAPES}
        alert = RawAlert(
            "ModuleOfALaterVersion", Level.HIGH, canaries.word(), "", record, Match((DOMAIN,), MatchRule.EXACT)
        )

        outputs = deliver([alert], tmp_path)

        assert canaries.found_in(outputs) == []
        assert f'"withheld_unlisted": {len(record)}' in outputs["report.json"]
        assert '"module": "UnlistedModule"' in outputs["report.json"]

    def test_a_message_of_fifty_megabytes(self, tmp_path: Path) -> None:
        from spytriage.scan.records import bounded

        event, message = bounded({**MESSAGE, "text": "la plaza de siempre " * 2_500_000}, "x" * 50_000_000)
        alert = RawAlert("SMS", Level.CRITICAL, message, "", event, Match((DOMAIN,), MatchRule.SUBDOMAIN))
        assert len(deliver([alert], tmp_path)["report.json"]) < 100_000


# --- As a stranger would read it -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "spytriage", "demo", "--output", "report", "--quiet"],
        cwd=folder, env={**os.environ, "SOURCE_DATE_EPOCH": "1777852800"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in (folder / "report").iterdir()}


class TestAStranger:
    def test_finds_no_secret_among_the_strings(
        self, demo_report: dict[str, bytes], written_phone: tuple[Path, Any]
    ) -> None:
        strings = [text for data in demo_report.values() for text in re.findall(rb"[\x20-\x7e]{4,}", data)]
        everything = b"\n".join(strings).decode()
        for secret in (*written_phone[1].secrets, written_phone[1].udid):
            assert secret not in everything

    def test_finds_no_path_user_host_or_time_of_day(self, demo_report: dict[str, bytes]) -> None:
        import getpass
        import socket

        everything = b"\n".join(demo_report.values()).decode()
        assert not re.search(r"/(home|Users|tmp|var|private|root)/\w", everything)
        for name in {getpass.getuser(), socket.gethostname(), sys.prefix} - {"root"}:
            assert name not in everything
        times = set(re.findall(r"\b\d{2}:\d{2}:\d{2}\b", everything))
        assert times <= {"00:00:00", "23:59:59", "10:00:00", "12:00:00"} | published_times()

    def test_finds_no_comment_and_no_metadata_in_the_page(self, demo_report: dict[str, bytes]) -> None:
        page = demo_report["report.html"].decode()
        assert "<!--" not in page
        names = set(re.findall(r'<meta name="([^"]+)"', page))
        assert names == {"referrer", "robots", "format-detection", "viewport", "color-scheme"}
        assert not re.search(r"<(img|script|iframe|object|link|image|use|foreignObject)\b", page)  # svg is drawn inline

    def test_finds_no_property_of_ours_in_the_stix(self, demo_report: dict[str, bytes]) -> None:
        assert not re.search(rb'"x_', demo_report["report.stix2"])

    def test_finds_nothing_written_into_the_pictures_of_the_project(self) -> None:
        root = Path(__file__).parents[1]
        pictures = sorted((root / "docs").rglob("*.png"))
        assert pictures
        for picture in pictures:
            data = picture.read_bytes()
            kinds = set(re.findall(rb"(tEXt|iTXt|zTXt|eXIf|tIME)", data))
            assert kinds <= set(), picture.name


def published_times() -> set[str]:
    text = data_file("demo.stix2").read_text() + data_file("pegasus-core.stix2").read_text()
    return set(re.findall(r"\b\d{2}:\d{2}:\d{2}\b", text))
