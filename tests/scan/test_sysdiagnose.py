"""The parsers for sysdiagnose archives: what they read, and that nothing in a file can break them otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.scan.more_checks import MORE_CHECKS
from spytriage.scan.sysdiagnose import crash_report, process_list, shutdown_log
from tests.acquisitions import SHUTDOWN_LOG


def test_a_shutdown_log_gives_who_was_still_there_and_when() -> None:
    records = list(shutdown_log(SHUTDOWN_LOG + SHUTDOWN_LOG.replace("[1726128000]", "@1726214400")))

    assert [record["isodate"][:10] for record in records] == ["2024-09-12", "2024-09-12", "2024-09-13", "2024-09-13"]
    assert records[1]["path"] == "/private/var/db/demospy/stage2/agent"
    assert records[1]["process"] == "agent"


def test_a_shutdown_that_did_not_end_is_not_lost() -> None:
    assert len(list(shutdown_log("remaining client pid: 7 (/usr/libexec/x)\n"))) == 1


def test_a_list_of_processes_gives_programs_without_their_arguments() -> None:
    text = "USER PID COMMAND\nroot 1 /sbin/launchd\nmobile 9 /usr/libexec/demospyd --now --quiet\nbroken\n"

    assert [record["path"] for record in process_list(text)] == ["/sbin/launchd", "/usr/libexec/demospyd"]


@pytest.mark.parametrize("text", ["", "no header", "COMMAND PID\nx 1\n"])
def test_what_is_no_list_of_processes_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="not a list"):
        list(process_list(text))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps({"procName": "demospyd", "usedImages": [{"path": "/usr/lib/x"}]}), {"demospyd", "/usr/lib/x"}),
        (json.dumps({"processes": [{"name": "demospyd"}, {"name": 7}]}), {"demospyd"}),
        (json.dumps({"processByPid": {"9": {"procname": "demospyd"}}}), {"demospyd"}),
        ("Process:      demospyd [90]\nPath:         /usr/lib/demospyd\n", {"demospyd", "/usr/lib/demospyd"}),
    ],
)  # fmt: skip
def test_a_report_gives_the_names_and_paths_in_it(body: str, expected: set[str]) -> None:
    header = json.dumps({"app_name": "demo", "timestamp": "2024-09-12 08:00:00"})

    records = list(crash_report(f"{header}\n{body}"))

    assert {value for record in records for key, value in record.items() if key != "isodate"} == expected | {"demo"}
    assert {record["isodate"] for record in records} == {"2024-09-12 08:00:00"}


@pytest.mark.parametrize("text", ["", "neither", "[" * 1_000_000, '{"a":' * 1_000_000])
def test_what_is_no_report_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="not a report"):
        list(crash_report(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.sampled_from(["name", "path"]), inner),
)


@given(JSON, JSON)
def test_no_report_breaks_the_parser_or_the_look_up(header: Any, body: Any) -> None:
    try:
        records = list(crash_report(f"{json.dumps(header)}\n{json.dumps(body)}"))
    except ValueError:
        return
    for record in records:
        list(MORE_CHECKS["SysdiagnoseCrashes"].look_ups(record))


@given(st.text())
def test_no_text_breaks_the_logs(text: str) -> None:
    list(shutdown_log(f"remaining client pid: {text}\nSIGTERM: [{text}]\n"))
    list(process_list(f"USER COMMAND\n{text}\n"))


def test_a_gigantic_line_is_no_trouble() -> None:
    assert list(shutdown_log("remaining client pid: 1 (" + "x" * 20_000_000 + "\n")) == []
