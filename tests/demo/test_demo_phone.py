"""The invented phone is the same every time, recognisably invented, and read by MVT as a real one."""

import hashlib
import json
import os
import plistlib
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from spytriage.demo import DemoPhone, write_phone
from spytriage.demo.databases import database
from spytriage.errors import SpytriageError
from tests.tools import run_mvt, slug

INDICATORS = Path(__file__).parents[2] / "indicators" / "demo.stix2"
RESERVED = (".example", "example.org", "example.com", "example.net")  # RFC 2606 and RFC 6761
BENIGN_HOSTS = {"bit.ly", "mmg.whatsapp.net", "s.whatsapp.net", "www.apple.com"}
INVENTED_NUMBER = re.compile(r"\+1 ?\(?202\)? ?555-?01\d\d")


@pytest.fixture(scope="module")
def phones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, DemoPhone]]:
    """Return a phone with traces and the same phone without."""
    base = tmp_path_factory.mktemp("phones")
    return {name: (base / name, write_phone(base / name, planted=name == "planted")) for name in ("planted", "plain")}


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def strings_in(value: object) -> Iterator[str]:
    """Yield every string in a value of a property list or a database, also in property lists inside it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes) and value.find(b"bplist00") in (0, 4):
        yield from strings_in(plistlib.loads(value[value.find(b"bplist00") :]))
    elif isinstance(value, dict):
        yield from strings_in([*value.items()])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner)


def contents_of(path: Path) -> object:
    data = path.read_bytes()
    if not data.startswith(b"SQLite format 3\0"):
        return plistlib.loads(data) if data.startswith((b"bplist00", b"<?xml")) else None
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for (table,) in tables]
    connection.close()
    return rows


def all_text(folder: Path) -> str:
    """Return every string that is anywhere on the phone, one a line."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "\n".join(text for path in files for text in strings_in(contents_of(path)))


@pytest.fixture(scope="module")
def mvt(phones, tmp_path_factory) -> dict[str, dict]:
    return {name: run_mvt(folder, [INDICATORS], tmp_path_factory.mktemp("mvt")) for name, (folder, _) in phones.items()}


def test_one_seed_is_one_phone(tmp_path, phones):
    folder, phone = phones["planted"]
    assert write_phone(tmp_path / "again") == phone
    assert files_of(tmp_path / "again") == files_of(folder)


def test_the_phone_does_not_depend_on_time_zone_or_hashing(tmp_path, phones):
    code = (
        "import sys; from pathlib import Path; from spytriage.demo import write_phone; write_phone(Path(sys.argv[1]))"
    )
    environment = os.environ | {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, tmp_path / "there"], env=environment, check=True)
    assert files_of(tmp_path / "there") == files_of(phones["planted"][0])


def test_another_seed_is_another_phone(tmp_path, phones):
    folder, phone = phones["planted"]
    other = write_phone(tmp_path / "other", seed=7)
    assert other.udid != phone.udid
    assert other.planted == phone.planted
    mine, theirs = files_of(folder), files_of(tmp_path / "other")
    assert mine.keys() == theirs.keys()
    differing = {name for name in mine if mine[name] != theirs[name]}
    assert {"Manifest.db", "Info.plist", "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"} <= differing


def test_every_stored_file_is_in_the_manifest_under_its_hash(phones):
    folder, _ = phones["planted"]
    with sqlite3.connect(folder / "Manifest.db") as connection:
        rows = connection.execute("SELECT fileID, domain, relativePath, flags, file FROM Files").fetchall()
    connection.close()
    assert {flags for *_, flags, _ in rows} == {1, 2, 4}
    for file_id, domain, path, flags, blob in rows:
        assert file_id == hashlib.sha1(f"{domain}-{path}".encode()).hexdigest()
        archive = plistlib.loads(blob)
        described = archive["$objects"][archive["$top"]["root"].data]
        assert archive["$objects"][described["RelativePath"].data] == path
        stored = folder / file_id[:2] / file_id
        assert stored.is_file() == (flags == 1)
        if flags == 1:
            assert described["Size"] == stored.stat().st_size
    on_disk = {path.name for path in folder.glob("??/*")}
    assert on_disk == {file_id for file_id, *_, flags, _ in rows if flags == 1}


def test_the_backup_says_that_it_is_complete_and_not_encrypted(phones):
    folder, phone = phones["planted"]
    manifest, status, info = (
        plistlib.loads((folder / name).read_bytes()) for name in ("Manifest.plist", "Status.plist", "Info.plist")
    )
    assert manifest["IsEncrypted"] is False
    assert status["SnapshotState"] == "finished"
    assert info["Unique Identifier"] == manifest["Lockdown"]["UniqueDeviceID"] == phone.udid
    assert set(info["Applications"]) == set(info["Installed Applications"])


def test_every_site_and_address_on_the_phone_is_invented_or_a_known_benign_one(phones):
    for folder, _ in phones.values():
        text = all_text(folder)
        hosts = re.findall(r"https?://([^/\s\"]+)", text) + re.findall(r"[\w.]@([\w.-]+\.\w+)", text)
        assert len(set(hosts)) > 10
        assert {host for host in hosts if not host.endswith(RESERVED)} <= BENIGN_HOSTS


def test_every_telephone_number_on_the_phone_is_reserved_for_fiction(phones):
    for folder, _ in phones.values():
        numbers = re.findall(r"\+\d[\d ()-]{6,}\d|\b1202\d{7}\b", all_text(folder))
        assert len(set(numbers)) > 5
        for number in numbers:
            assert INVENTED_NUMBER.fullmatch("+" + number.removeprefix("+")), number


def test_hostile_text_is_on_the_phone(phones):
    text = all_text(phones["plain"][0])
    for hostile in ("\x1b[2J", "\x9b1m", "\x1b]8;;", "[bold red]", "<script>", "\u202e", "\u200b", "=HYPERLINK("):
        assert hostile in text


def test_secrets_are_on_the_phone_and_hold_no_indicator(phones):
    folder, phone = phones["planted"]
    text = all_text(folder)
    missing = [secret for secret in phone.secrets if secret not in text]
    assert missing == []
    values = {planted.value for planted in phone.planted}
    assert not values & set(phone.secrets)
    assert min(map(len, phone.secrets)) >= 8
    assert not any(secret in value for secret in phone.secrets for value in values)


def test_every_planted_value_is_in_the_demo_set(phones):
    patterns = {item["pattern"] for item in json.loads(INDICATORS.read_text())["objects"] if "pattern" in item}
    for planted in phones["planted"][1].planted:
        assert any(f"'{planted.value}'" in pattern for pattern in patterns)
    assert phones["plain"][1].planted == ()


@pytest.mark.parametrize("name", ["planted", "plain"])
def test_every_module_of_mvt_reads_its_artefact(mvt, name):
    assert len(mvt[name]["modules"]) == 28
    assert [module for module, records in mvt[name]["modules"].items() if records == 0] == []
    assert mvt[name]["errors"] == []


def test_mvt_matches_what_was_planted_and_nothing_else(mvt, phones):
    met = Counter((alert["module"], alert["indicator"]) for alert in mvt["planted"]["alerts"] if alert["indicator"])
    assert met == Counter((slug(planted.module), planted.value) for planted in phones["planted"][1].planted)
    others = {(alert["module"], alert["level"]) for alert in mvt["planted"]["alerts"] if not alert["indicator"]}
    assert ("safari_history", "MEDIUM") in others  # the redirect under one second


def test_without_traces_mvt_reports_only_what_every_phone_has(mvt):
    alerts = mvt["plain"]["alerts"]
    assert [alert for alert in alerts if alert["indicator"]] == []
    assert {(alert["module"], alert["level"]) for alert in alerts} == {
        ("datausage", "LOW"),  # a record that iOS removed
        ("profile_events", "LOW"),
        ("global_preferences", "INFORMATIONAL"),  # lockdown mode
    }


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    with pytest.raises(SpytriageError, match="already in use"):
        write_phone(tmp_path / "used")
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "mine.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    write_phone(tmp_path / "empty")
    assert (tmp_path / "empty" / "Manifest.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpytriageError) as caught:
        write_phone(tmp_path / "file" / "phone")
    assert caught.value.hint


def test_databases_carry_no_trace_of_the_library_that_wrote_them():
    data = database("LID.sqlite", {})
    assert data[96:100] == bytes(4)
    assert data[18:20] == b"\x01\x01"  # rollback journal, no write-ahead log
