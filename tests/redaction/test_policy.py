"""Policies: the table knows every record of MVT, and a policy can only take away from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest

from spytriage.artefacts import ARTEFACTS
from spytriage.errors import SpytriageError
from spytriage.models import TimePrecision
from spytriage.redaction import POLICIES, load_policy
from spytriage.redaction.policy import Generalise, Policy, Pseudonymise, Seal, Show

REVIEW = load_policy()

# Names that modules' code uses and that are no field of a record: parts of plists, SQL and constants, options.
NO_FIELDS = {
    "ConfigurationProfiles": {"InstallDate", "OTAProfileStub", "PayloadContent", "PayloadDisplayName", "PayloadType",
                              "PayloadUUID", "SignerCerts"},
    "Manifest": {"fileID", "file", "relativePath"},
    "ProfileEvents": {"ProfileEvents", "file_id"},
    "IDStatusCache": {"IDStatus", "LookupDate"},
    "OSAnalyticsADDaily": {"netUsageBaseline"},
    "Datausage": {"fast_mode", "prev_proc_bundle", "prev_proc_first", "prev_proc_id", "prev_proc_name"},
    "Filesystem": {"fast_mode"},
    "SafariBrowserState": {"file_id", "data_length", "entry_title", "entry_url"},
    "SafariHistory": {"file_id"},
    "WebkitResourceLoadStatistics": {"file_id"},
    "WebkitSessionResourceLog": {"browsingStatistics", "domain", "file_id", "hadUserInteraction", "lastSeen",
                                 "mostRecentUserInteraction"},
    "Whatsapp": {"data", "event", "module", "timestamp"},
    "InteractionC": {"data", "domain", "event", "module", "timestamp"},
    "IOSVersionHistory": {"timestamp"},
    "Shortcuts": {"parameters", "urls", "identifier"},
    "Applications": {"Applications", "PlaceholderIcon", "iTunesMetadata"},
    "SysdiagnoseInfo": {"imei", "meid", "os-build", "os-version", "productName", "productType", "serial-number",
                        "sinf", "udid"},
    "DumpsysAppops": {"access", "appWidgetVisible", "attribution", "duration", "entries", "event", "mode", "name",
                      "relative_time", "state", "timestamp"},
    "DumpsysBatteryHistory": {"d", "h", "m", "ms", "s"},
    "DumpsysPackages": {"appId", "dataDir", "firstInstallTime", "first_install_time", "flags", "granted",
                        "installReason", "installerPackageName", "lastUpdateTime", "name", "notLaunched",
                        "timeStamp", "type", "uninstallReason", "userId", "user_id", "versionName"},
    "DumpsysADBState": {"debugging_manager", "lastConnection", "started"},
    "BugReportTimestamps": {"device_timezone"},
    "Tombstones": {"code", "code_name", "error", "id", "name", "number", "parsed", "protobuf", "record", "text"},
    "Settings": {"description", "key", "mode", "newValue", "oldValue", "package", "safe_value", "time", "timestamp"},
    "AQFPackages": {"attributes", "certificate", "last_analysis_results", "last_analysis_stats", "malicious", "path",
                    "sha256", "virustotal_delay"},
    "RootBinaries": {"KingoUser.apk", "SuperSu.apk", "Superuser.apk", "busybox", "magisk", "magiskhide", "magiskinit",
                     "magiskpolicy", "su", "supersu"},
    "DnsEvent": {"device_timezone"},
    "ConnectEvent": {"device_timezone"},
    "SecurityEvent": {"command", "device_timezone", "key_id", "name", "package_name", "path", "process", "subject",
                      "success", "uid"},
}  # fmt: skip
NO_FIELDS |= {"Netusage": NO_FIELDS["Datausage"], "AQFSettings": NO_FIELDS["Settings"]}


def _is_of_a_plist(name: str) -> bool:
    return name.startswith(("Z", "SessionHistory", "WFWorkflow", "subframeUnder", "subresourceUnder", "topFrame",
                            "mostRecent", "Prevalent"))  # fmt: skip


@pytest.fixture(scope="module")
def mvt_fields(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The fields of records, by module, by MVT's own code."""
    private = str(tmp_path_factory.mktemp("mvt"))
    environment = {
        "PATH": os.environ["PATH"], "HOME": private, "MVT_CONFIG_FOLDER": private, "MVT_DATA_FOLDER": private,
        "MVT_NETWORK_ACCESS_ALLOWED": "false",
    }  # fmt: skip
    script = Path(__file__).with_name("mvt_fields.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_the_table_knows_every_module_of_every_command_and_no_other(mvt_fields: dict[str, list[str]]) -> None:
    # Ours: two that the ledger tells apart from their namesakes, and what we read of a sysdiagnose.
    ours = {"AndroidSMS", "BugreportMounts", "SysdiagnoseShutdown", "SysdiagnoseProcesses", "SysdiagnoseCrashes"}
    assert set(REVIEW.modules) == set(mvt_fields) | ours


def test_every_module_that_a_ledger_can_name_has_a_row() -> None:
    assert set(ARTEFACTS) - set(REVIEW.modules) <= {"UnifiedLogs"}


def test_the_table_names_every_field_that_a_module_gives_a_record(mvt_fields: dict[str, list[str]]) -> None:
    unnamed = {
        module: sorted(
            name
            for name in set(names) - set(REVIEW.rules_for(module)) - NO_FIELDS.get(module, set())
            if not _is_of_a_plist(name)
        )
        for module, names in mvt_fields.items()
    }
    assert {module: names for module, names in unnamed.items() if names} == {}


def test_text_of_people_is_never_generalised_or_given_a_pseudonym() -> None:
    never = {"text", "body", "url", "title", "tab_title", "relative_path", "bundle_id", "summary", "description",
             "ZTEXT", "message", "command_line", "abort_message", "number", "location", "full_name"}  # fmt: skip
    shown = {field for rules in REVIEW.modules.values() for field, rule in rules.items() if not isinstance(rule, Seal)}
    assert not shown & never


class TestTheShippedPolicies:
    @pytest.mark.parametrize("name", POLICIES)
    def test_are_named_and_have_a_digest(self, name: str) -> None:
        policy = load_policy(name)
        assert policy.name == name
        assert len(policy.sha256) == 64

    def test_have_digests_that_differ(self) -> None:
        assert len({load_policy(name).sha256 for name in POLICIES}) == len(POLICIES)

    def test_show_a_week_a_day_or_a_time(self) -> None:
        assert [load_policy(name).time for name in POLICIES] == [
            TimePrecision.DAY, TimePrecision.WEEK, TimePrecision.EXACT,
        ]  # fmt: skip
        sunday = datetime(2021, 7, 18, 22, 10)
        assert REVIEW.day(sunday) == date(2021, 7, 18)
        assert load_policy("public").day(sunday) == date(2021, 7, 12)
        assert load_policy("public").day(datetime.min) == date.min

    def test_differ_in_nothing_that_the_table_forbids(self) -> None:
        assert load_policy("internal").modules == REVIEW.modules
        public = load_policy("public")
        for module, rules in REVIEW.modules.items():
            for field, rule in rules.items():
                match rule:
                    case Pseudonymise():
                        expected: object = Seal()
                    case Show():
                        expected = Show(Seal())
                    case Generalise() | Seal():
                        expected = rule
                assert public.rules_for(module)[field] == expected


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return path

    return write


class TestAPolicyOfOnesOwn:
    def test_may_take_away(self, write: Callable[[str], Path]) -> None:
        path = write("policy: newsroom\ntime: week\nmodules:\n  SMS:\n    phone_number: seal\n    service: seal\n")

        policy = load_policy(str(path))

        assert (policy.name, policy.time, policy.pseudonyms, policy.device) == (
            "newsroom", TimePrecision.WEEK, True, True,
        )  # fmt: skip
        assert policy.rules_for("SMS")["phone_number"] == policy.rules_for("SMS")["service"] == Seal()
        assert policy.rules_for("SMS")["direction"] == REVIEW.rules_for("SMS")["direction"]
        assert policy.sha256 != REVIEW.sha256

    @pytest.mark.parametrize(
        ("line", "text"),
        [
            (2, "policy: own\ntimes: day\n"),
            (2, "policy: own\ntime: hour\n"),
            (2, "policy: own\npseudonyms: perhaps\n"),
            (3, "policy: own\nmodules:\n  SMSes:\n    text: seal\n"),
            (4, "policy: own\nmodules:\n  SMS:\n    txt: seal\n"),
            (4, "policy: own\nmodules:\n  SMS:\n    text: show\n"),
            (5, "policy: own\nmodules:\n  SMS:\n    phone_number: seal\n    text: {pseudonym: contact}\n"),
            (4, "policy: own\nmodules:\n  SMS:\n    text: {generalise: links}\n"),
            (4, "policy: own\nmodules:\n  SMS:\n    direction: {generalise: service}\n"),
            (3, "policy: own\nmodules:\n  - SMS\n"),
            (2, "policy: own\npolicy: own\n"),
            (1, "time: day\n"),
            (1, "policy: 'Ana García'\n"),
            (1, "- policy\n"),
            (1, ""),
            (2, "policy: own\n[1, 2]: day\n"),
            (2, "policy: own\n? {a: b}\n: day\n"),
            (2, "policy: own\nmodules: &a {SMS: *a}\n"),
        ],
    )
    def test_is_refused_with_the_line_when_it_is_wrong_or_shows_more(
        self, write: Callable[[str], Path], line: int, text: str
    ) -> None:
        with pytest.raises(SpytriageError, match=rf"[Ll]ine {line}\b") as error:
            load_policy(str(write(text)))
        assert error.value.hint

    @pytest.mark.parametrize("text", ["policy: [", "policy: own\n\tx: y", "\x00", "policy: !!python/name:os x"])
    def test_is_refused_when_it_is_no_yaml_of_ours(self, write: Callable[[str], Path], text: str) -> None:
        with pytest.raises(SpytriageError):
            load_policy(str(write(text)))

    def test_cannot_pass_for_a_shipped_one(self, write: Callable[[str], Path]) -> None:
        with pytest.raises(SpytriageError, match="has the name of one"):
            load_policy(str(write("policy: review\n")))

    @pytest.mark.parametrize("name", ["revue", "no/such/file.yaml", ".", "x" * 5000, "a\x00b"])
    def test_that_is_not_there_is_an_error_that_names_the_shipped_ones(self, name: str) -> None:
        with pytest.raises(SpytriageError) as error:
            load_policy(name)
        assert "review, public or internal" in error.value.hint


def test_a_policy_is_frozen() -> None:
    with pytest.raises(AttributeError):
        REVIEW.time = TimePrecision.EXACT  # type: ignore[misc]
    assert isinstance(REVIEW, Policy)
