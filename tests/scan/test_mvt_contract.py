"""What we rely on in MVT, one test each: one that fails says which work-around to look at again."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from spytriage.artefacts import ARTEFACTS
from spytriage.scan.reading import WIDER_QUERIES

_LOOK = """
import inspect, json, sys
from mvt.common import command, module
from mvt.common.indicators import Indicators
from mvt.ios.cmd_check_backup import CmdIOSCheckBackup
from mvt.ios.modules.base import IOSExtraction
from mvt.ios.modules.backup.manifest import Manifest
from mvt.ios.modules.mixed.sms import SMS
from mvt.ios.modules.mixed.applications import Applications
from mvt.ios.modules.mixed.webkit_resource_load_statistics import WebkitResourceLoadStatistics
from mvt.ios.modules.mixed.whatsapp import Whatsapp
command_ = CmdIOSCheckBackup(target_path="/nowhere")
print(json.dumps({
    "modules": [m.__name__ for m in command_.modules],
    "ordered": [m.__name__ for m in command_._ordered_modules()],
    "matching": [m.__name__ for m in command_.modules
                 if m.check_indicators is not module.MVTModule.check_indicators],
    "run": inspect.getsource(command.Command.run),
    "checks": [name for name in dir(Indicators) if name.startswith("check_")],
    "base": [name for name in dir(IOSExtraction)],
    "open": inspect.getsource(IOSExtraction._open_sqlite_db),
    "inventory": inspect.getsource(IOSExtraction._get_stored_backup_file_ids),
    "by_name": [m.__name__ for m in command_.modules if "join(self.target_path" in inspect.getsource(m)],
    "sms": inspect.getsource(SMS),
    "applications": inspect.getsource(Applications._parse_itunes_timestamp),
    "whatsapp": inspect.getsource(Whatsapp.run),
    "webkit": inspect.getsource(WebkitResourceLoadStatistics.run),
    "queries": "".join(inspect.getsource(sys.modules[m.__module__]) for m in command_.modules)
               + inspect.getsource(sys.modules["mvt.ios.modules.net_base"]),
    "profiles": inspect.getsource(sys.modules["mvt.ios.modules.backup.configuration_profiles"]),
}))
"""


@pytest.fixture(scope="module")
def mvt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    private = str(tmp_path_factory.mktemp("mvt"))
    environment = {"HOME": private, "MVT_CONFIG_FOLDER": private, "MVT_DATA_FOLDER": private}
    done = subprocess.run([sys.executable, "-c", _LOOK], env=environment, check=True, capture_output=True, text=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_this_is_the_version_that_was_read() -> None:
    assert version("mvt") == "2026.10.26"


def test_every_module_has_an_artefact_and_says_whether_it_carries_indicators(mvt: dict[str, Any]) -> None:
    assert set(ARTEFACTS) == set(mvt["modules"])
    # GlobalPreferences checks a setting, but no indicator.
    carriers = {name for name, artefact in ARTEFACTS.items() if artefact.carries_indicators}
    assert carriers == set(mvt["matching"]) - {"GlobalPreferences"}


def test_all_modules_are_run(mvt: dict[str, Any]) -> None:
    assert sorted(mvt["ordered"]) == sorted(mvt["modules"])


def test_run_module_is_the_one_place_that_modules_pass_through(mvt: dict[str, Any]) -> None:
    assert mvt["run"].count("run_module(m)") == 1
    assert ".run()" not in mvt["run"]


def test_our_indicators_answer_every_matching_entry_point(mvt: dict[str, Any]) -> None:
    source = Path(__file__).parents[2] / "src" / "spytriage" / "scan" / "mvt_engine.py"
    inherited = {"check_domain", "check_domains", "check_urls", "check_processes"}  # built upon the others
    ours = {name for name in mvt["checks"] if f"def {name}(" in source.read_text()}
    assert set(mvt["checks"]) == ours | inherited


def test_the_seams_of_an_ios_backup_are_where_they_were(mvt: dict[str, Any]) -> None:
    assert {
        "_get_backup_file_from_id", "_get_backup_files_from_manifest", "_open_sqlite_db", "_get_stored_backup_file_ids",
    } <= set(mvt["base"])  # fmt: skip
    assert "_recovered_sqlite_paths.get(file_path, file_path)" in mvt["open"]


def test_nothing_but_the_front_of_a_backup_is_opened_by_name(mvt: dict[str, Any]) -> None:
    # Of an encrypted backup only these two lie where MVT looks by itself.
    assert set(mvt["by_name"]) == {"BackupInfo", "Manifest", "Applications"}


def test_the_inventory_of_stored_files_needs_a_path_and_a_log_only(mvt: dict[str, Any]) -> None:
    assert set(re.findall(r"self\.(\w+)", mvt["inventory"])) == {"target_path", "log"}


def test_mvt_still_looks_for_a_write_ahead_log_where_no_backup_has_one(mvt: dict[str, Any]) -> None:
    assert 'database_path + "-wal"' in mvt["open"]


def test_mvt_still_does_not_look_for_links_in_rich_text(mvt: dict[str, Any]) -> None:
    assert 'check_for_links(message.get("text", ""))' in mvt["sms"]
    assert mvt["sms"].count("attributedBody") == 1  # it is only written as base64


def test_mvt_still_takes_a_broken_profile_for_an_empty_one(mvt: dict[str, Any]) -> None:
    assert "except Exception:\n                    conf_plist = {}" in mvt["profiles"]


def test_mvt_still_orders_links_by_hash_and_reads_purchase_dates_as_local_time(mvt: dict[str, Any]) -> None:
    assert "list(set(filtered_links))" in mvt["whatsapp"]
    assert ".astimezone(timezone.utc)" in mvt["applications"]


def test_mvt_still_passes_over_rows_without_a_partner(mvt: dict[str, Any]) -> None:
    for narrow, _wide in WIDER_QUERIES:
        assert narrow.search(mvt["queries"]), narrow.pattern


def test_mvt_still_swallows_what_webkit_observations_raise(mvt: dict[str, Any]) -> None:
    assert 'except Exception as exc:\n                self.log.info("Unable to find WebKit' in mvt["webkit"]


def test_mvt_still_looks_for_a_log_beside_the_database_only(mvt: dict[str, Any]) -> None:
    assert 'os.path.isfile(database_path + "-wal")' in mvt["open"]


def test_only_the_engine_imports_mvt() -> None:
    root = Path(inspect.getfile(sys.modules["spytriage"])).parent
    importers = [
        path.name for path in root.rglob("*.py") if any(
            line.strip().startswith(("import mvt", "from mvt")) for line in path.read_text().splitlines()
        )
    ]  # fmt: skip
    assert importers == ["mvt_engine.py"]
