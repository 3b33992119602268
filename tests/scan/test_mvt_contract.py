"""What we rely on in MVT, one test each: one that fails says which work-around to look at again."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import tld.utils

from spytriage.artefacts import ARTEFACTS
from spytriage.scan import layouts, mvt_stand_ins, supervisor
from spytriage.scan.reading import WIDER_QUERIES

_LOOK = """
import importlib, inspect, json, sys
from mvt.common import command, module, utils
from mvt.common.indicators import Indicators
from mvt.ios.cmd_check_backup import CmdIOSCheckBackup
from mvt.ios.modules.base import IOSExtraction
from mvt.ios.modules.backup.manifest import Manifest
from mvt.ios.modules.mixed.safari_history import SafariHistory
from mvt.ios.modules.mixed.sms import SMS
from mvt.ios.modules.mixed.applications import Applications
from mvt.ios.modules.mixed.webkit_resource_load_statistics import WebkitResourceLoadStatistics
from mvt.ios.modules.mixed.whatsapp import Whatsapp
from mvt.android.cmd_check_androidqf import CmdAndroidCheckAndroidQF
from mvt.android.cmd_check_backup import CmdAndroidCheckBackup
from mvt.android.cmd_check_bugreport import CmdAndroidCheckBugreport
from mvt.android.cmd_check_intrusion_logs import CmdAndroidCheckIntrusionLogs
from mvt.android.modules.androidqf.base import AndroidQFModule
from mvt.android.modules.androidqf.aqf_files import AQFFiles
from mvt.android.modules.backup.base import BackupModule
from mvt.android.modules.bugreport.base import BugReportModule
from mvt.android.modules.intrusion_logs.base import IntrusionLogsModule
from mvt.android.parsers import backup as android_backup
from mvt.ios.cmd_check_fs import CmdIOSCheckFS
from mvt.ios.cmd_check_sysdiagnose import CmdIOSCheckSysdiagnose
from mvt.ios.modules.fs.filesystem import Filesystem
from mvt.ios.modules.fs.shutdownlog import ShutdownLog
from mvt.common import config, log
from tld import base as tld_base
command_ = CmdIOSCheckBackup(target_path="/nowhere")
others = [CmdIOSCheckFS, CmdAndroidCheckAndroidQF, CmdAndroidCheckBackup, CmdAndroidCheckBugreport,
          CmdAndroidCheckIntrusionLogs]
all_modules = [m for c in [CmdIOSCheckBackup, *others] for m in c(target_path="/nowhere").modules]
same_name = {m for m in all_modules for other in all_modules if m is not other and m.__name__ == other.__name__}
print(json.dumps({
    "modules": [m.__name__ for m in command_.modules],
    "ordered": [m.__name__ for m in command_._ordered_modules()],
    "all": sorted({(m.__module__, m.__name__) for m in all_modules}),
    "same_name": sorted(f"{m.__module__}.{m.__name__}" for m in same_name),
    "matching": [m.__name__ for m in all_modules
                 if m.check_indicators is not module.MVTModule.check_indicators],
    "sysdiagnose": [m.__name__ for m in CmdIOSCheckSysdiagnose(target_path="/nowhere").modules
                    if m.check_indicators is not module.MVTModule.check_indicators],
    "android": {b.__name__: [name for name in dir(b)] for b in (AndroidQFModule, BackupModule, BugReportModule)},
    "qf_finish": inspect.getsource(CmdAndroidCheckAndroidQF.finish),
    "logs": inspect.getsource(IntrusionLogsModule),
    "android_sms": inspect.getsource(android_backup.parse_sms_file),
    "links": inspect.getsource(utils.check_for_links),
    "filesystem": inspect.getsource(Filesystem.run),
    "shutdown": inspect.getsource(ShutdownLog.check_indicators),
    "patterns": {m.__name__: inspect.getsource(m) for m in CmdAndroidCheckAndroidQF(target_path="/nowhere").modules},
    "run": inspect.getsource(command.Command.run),
    "checks": [name for name in dir(Indicators) if name.startswith("check_")],
    "base": [name for name in dir(IOSExtraction)],
    "open": inspect.getsource(IOSExtraction._open_sqlite_db),
    "manifest": inspect.getsource(Manifest.run),
    "redirects": inspect.getsource(SafariHistory._find_injections),
    "by_name": [m.__name__ for m in command_.modules if "join(self.target_path" in inspect.getsource(m)],
    "sms": inspect.getsource(SMS),
    "applications": inspect.getsource(Applications._parse_itunes_timestamp),
    "whatsapp": inspect.getsource(Whatsapp.run),
    "webkit": inspect.getsource(WebkitResourceLoadStatistics.run),
    "queries": "".join(inspect.getsource(sys.modules[m.__module__]) for m in command_.modules)
               + inspect.getsource(sys.modules["mvt.ios.modules.net_base"])
               + inspect.getsource(importlib.import_module("mvt.ios.modules.fs.safari_favicon")),
    "profiles": inspect.getsource(sys.modules["mvt.ios.modules.backup.configuration_profiles"]),
    "settings": config.settings.model_dump(),
    "printing": [inspect.getsource(m) for m in (command, log, tld_base)],
}))
"""


@pytest.fixture(scope="module")
def mvt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    environment = supervisor._environment(tmp_path_factory.mktemp("mvt"))
    done = subprocess.run([sys.executable, "-c", _LOOK], env=environment, check=True, capture_output=True, text=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_this_is_the_version_that_was_read() -> None:
    assert version("mvt") == "2026.10.26"


OWN = {"SysdiagnoseShutdown", "SysdiagnoseProcesses", "SysdiagnoseCrashes", "UnifiedLogs", "AndroidSMS",
       "BugreportMounts"}  # fmt: skip


def test_every_module_has_an_artefact_and_says_whether_it_carries_indicators(mvt: dict[str, Any]) -> None:
    assert set(ARTEFACTS) == {name for _module, name in mvt["all"]} | OWN
    # These check settings, files or keys, but no indicator.
    heuristic = {"GlobalPreferences", "AQFSettings", "Settings", "RootBinaries", "DumpsysADBState"}
    carriers = {name for name, artefact in ARTEFACTS.items() if artefact.carries_indicators}
    ours = {"Calls", "Contacts", "InteractionC", "WhatsappContacts", "BackupInfo"}
    assert carriers - OWN == (set(mvt["matching"]) - heuristic) | ours
    assert not ours & set(mvt["matching"])


def test_modules_of_one_name_are_the_ones_that_have_a_name_of_their_own(mvt: dict[str, Any]) -> None:
    assert mvt["same_name"] == [
        "mvt.android.modules.androidqf.mounts.Mounts",
        "mvt.android.modules.backup.sms.SMS",
        "mvt.android.modules.bugreport.mounts.Mounts",
        "mvt.ios.modules.mixed.sms.SMS",
    ]


def test_the_seams_of_android_modules_are_where_they_were(mvt: dict[str, Any]) -> None:
    for names in mvt["android"].values():
        assert {"_get_files_by_pattern", "_get_file_content"} <= set(names)
    assert mvt["qf_finish"].count("self.run_") == 3  # bug report, backup, intrusion logs


def test_what_is_unpacked_of_an_androidqf_archive_is_what_its_modules_ask_for(mvt: dict[str, Any]) -> None:
    asked = {
        pattern for source in mvt["patterns"].values() for pattern in re.findall(r'_by_pattern\("([^"]+)"\)', source)
    }
    assert asked <= {*layouts.ANDROIDQF, *layouts.ANDROIDQF_NAMES}
    assert len(asked) >= 8


def test_mvt_still_compares_nothing_in_a_sysdiagnose(mvt: dict[str, Any]) -> None:
    assert mvt["sysdiagnose"] == []


def test_mvt_still_takes_received_android_messages_for_sent_ones(mvt: dict[str, Any]) -> None:
    assert '"sent" if int(entry["date_sent"]) else "received"' in mvt["android_sms"]


def test_mvt_still_compares_relative_paths_and_asks_its_own_list_for_processes(mvt: dict[str, Any]) -> None:
    assert "os.path.relpath(file_path, self.target_path)" in mvt["filesystem"]
    assert 'self.indicators.get_iocs("processes")' in mvt["shutdown"]


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


def test_the_inventory_of_stored_files_is_asked_for_single_files_only(mvt: dict[str, Any]) -> None:
    assert re.findall(r"stored_file_ids\b(?! =| is not None)", mvt["manifest"]) == ["stored_file_ids"]
    assert 'file_data["fileID"] not in stored_file_ids' in mvt["manifest"]


def test_mvt_still_compares_every_redirect_with_every_visit(mvt: dict[str, Any]) -> None:
    assert "for redirect in self.results:" in mvt["redirects"]


def test_mvt_still_looks_for_a_write_ahead_log_where_no_backup_has_one(mvt: dict[str, Any]) -> None:
    assert 'database_path + "-wal"' in mvt["open"]


def test_mvt_still_does_not_look_for_links_in_rich_text(mvt: dict[str, Any]) -> None:
    assert 'check_for_links(message.get("text", ""))' in mvt["sms"]
    assert mvt["sms"].count("attributedBody") == 1  # it is only written as base64


def test_mvt_still_takes_only_what_begins_with_http_for_a_link(mvt: dict[str, Any]) -> None:
    assert r"(?P<url>https?://[^\s]+)" in mvt["links"]


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


def test_the_settings_that_are_stood_in_for_are_what_mvt_would_read_in_a_worker(mvt: dict[str, Any]) -> None:
    assert dict(mvt_stand_ins.SETTINGS) == {
        name: value for name, value in mvt["settings"].items() if name != "PYPI_UPDATE_URL"
    }


def test_what_is_stood_in_for_is_used_by_nothing_that_a_check_calls(mvt: dict[str, Any]) -> None:
    stood_in = {name for names in mvt_stand_ins.WHILE_IMPORTED.values() for name in names}
    users = {
        function.name
        for source in mvt["printing"]
        for function in ast.walk(ast.parse(source)) if isinstance(function, ast.FunctionDef)
        for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name) and node.id in stood_in
    }  # fmt: skip
    assert users == {"show_alerts_brief", "show_disable_adb_warning", "show_support_message", "update_tld_names"}
    assert "self.show_" not in mvt["run"]


def test_the_list_of_public_suffixes_has_the_same_lines_however_it_is_opened() -> None:
    assert 'codecs_open(local_path, "r", encoding="utf8")' in inspect.getsource(tld.utils)
    path = Path(tld.utils.project_dir(tld.utils.MozillaTLDSourceParser.local_path))
    with path.open(encoding="utf8") as lines:
        assert list(lines) == path.read_text("utf8").splitlines(keepends=True)  # as codecs parts them


def test_only_the_engine_imports_mvt() -> None:
    root = Path(inspect.getfile(sys.modules["spytriage"])).parent
    importers = [
        path.name for path in root.rglob("*.py") if any(
            line.strip().startswith(("import mvt", "from mvt")) for line in path.read_text().splitlines()
        )
    ]  # fmt: skip
    assert sorted(importers) == ["mvt_engine.py"]
