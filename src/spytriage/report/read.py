"""report.json read back: the inverse of `wire`, strict, for reports that came from somebody else.

Nothing is believed: every value goes through the types that a report is made of, and these refuse whatever a redacted
report cannot hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

from spytriage.errors import SpytriageError
from spytriage.finding_kinds import FindingId, Level, Trace
from spytriage.handoff import LARGEST
from spytriage.i18n import _
from spytriage.jsontext import is_nested_beyond, typed
from spytriage.models import (
    Addendum,
    Attribution,
    CodeName,
    Commitment,
    ConsentSummary,
    CoverageState,
    Depth,
    Fact,
    Indicator,
    IndicatorSet,
    IndicatorType,
    Limit,
    LimitId,
    MatchRule,
    ModuleCoverage,
    Outcome,
    Pseudonym,
    PseudonymKind,
    Reason,
    RedactedFinding,
    RedactionSummary,
    Report,
    SourceFacts,
    Term,
    TimePrecision,
    Tlp,
    ToolFacts,
    UnusableIndicator,
)
from spytriage.report.published import DEEPEST_OBJECT
from spytriage.report.texts import LIMIT_VALUES
from spytriage.report.wire import SCHEMA_VERSION

LARGEST_REPORT = LARGEST  # bytes; two hundred thousand findings fit

ADDENDUM_VERSION = 1
# What a report says of a finding and of a set, and an addendum does not.
_WHOLE_FINDING: dict[str, Any] = {
    "cluster": None, "offset_seconds": None, "facts": {}, "pseudonyms": [], "withheld": [], "withheld_unlisted": 0,
    "corroboration": {"artefacts": 0, "indicator_types": 0}, "time": None, "commitments": {},
}  # fmt: skip
_WHOLE_SET: dict[str, Any] = {"families": [], "unusable": [], "embedded": False}

_T = TypeVar("_T")
_Json = Mapping[str, Any]


def from_json(data: bytes) -> Report:
    """Return the report that a report.json holds.

    Keys that this version does not know are passed over: whoever must notice them compares `to_json` of the result
    with the data.

    Raises:
        SpytriageError: it is no report.json, or one of a newer schema.
    """
    try:
        content: Any = json.loads(data) if len(data) <= LARGEST_REPORT else None
        version = content["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _not_a_report() from error
    if type(version) is int and version > SCHEMA_VERSION:
        raise SpytriageError(
            _("This report has schema version {version}; this program reads version {ours}.").format(
                version=version, ours=SCHEMA_VERSION
            ),
            hint=_("Use a newer spytriage."),
        )
    try:
        if type(version) is not int or version != SCHEMA_VERSION:
            raise ValueError("schema version")  # noqa: TRY301 (one error for all of them)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()  # halves of characters, numbers that are none
        return _report(content)
    # Attribute errors: a list where an object belongs.
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _not_a_report() from error


def addendum_from_json(data: bytes, report: Report) -> Addendum:
    """Return the addendum to a report that an addendum.json holds.

    What it says of the report but for its SHA-256 is taken from the report, and so are findings of the report. Whoever
    must notice a difference writes the result again and compares it with the data.

    Raises:
        SpytriageError: it is no addendum.json, one of another version, or names findings that the report has not.
    """
    try:
        content: Any = json.loads(data) if len(data) <= LARGEST_REPORT else None
        if type(content["addendum_version"]) is not int or content["addendum_version"] != ADDENDUM_VERSION:
            raise ValueError("addendum version")  # noqa: TRY301 (one error for all of them)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return _addendum(content, report)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SpytriageError(
            _("This is not an addendum.json of this version of spytriage to this report, or it was changed."),
            hint=_("Ask whoever gave it to you to send the report and the addendum again."),
        ) from error


def _addendum(content: _Json, report: Report) -> Addendum:
    reported, not_rechecked = {finding.ref: finding for finding in report.findings}, content["not_rechecked"]

    def known(entry: _Json) -> RedactedFinding:
        return replace(reported[_reference(entry["ref"])], indicators=_indicators(entry["indicators"]))

    return Addendum(
        report=report,
        report_sha256=_sha256(content["report"]["sha256"]),
        outcome=Outcome(content["outcome"]),
        new=tuple(_new_finding(finding) for finding in content["new"]),
        still_there=tuple(known(finding) for finding in content["still_there"]),
        withdrawn=tuple(known(finding) for finding in content["withdrawn"]),
        sets=tuple(_set({**_WHOLE_SET, **loaded}) for loaded in content["indicators"]["sets"]),
        depth=Depth(not_rechecked["depth"]),
        not_kept_for=tuple(_rule_not_kept(rule) for rule in not_rechecked["rules"]),
        left_out=tuple((CodeName(typed(str, entry["name"])), _at_least_one(entry["count"]))
                       for entry in not_rechecked["left_out"]),
        version=_plain(content["tool"]["version"]),
        rechecked_on=_day(content["tool"]["rechecked_on"]),
    )  # fmt: skip


def _rule_not_kept(value: str) -> MatchRule:
    if (rule := MatchRule(value)) is not MatchRule.LOOSE_URL_TEXT:
        raise ValueError("what this rule compares is kept")
    return rule


def _new_finding(finding: _Json) -> RedactedFinding:
    return _finding({**_WHOLE_FINDING, "mvt_level": finding["level"], **finding})


def _not_a_report() -> SpytriageError:
    return SpytriageError(
        _("This is not a report.json of spytriage, or it was changed."),
        hint=_("Ask whoever gave it to you to send the whole hand-off again."),
    )


def _report(content: _Json) -> Report:
    return Report(
        outcome=Outcome(content["outcome"]),
        limits=tuple(_limit(limit) for limit in content["limits"]),
        modules=tuple(_module(module) for module in content["coverage"]["modules"]),
        findings=tuple(_finding(finding) for finding in content["findings"]),
        sets=tuple(_set(loaded) for loaded in content["indicators"]["sets"]),
        source=_source(content["source"]),
        consent=_consent(content["consent"]),
        redaction=_redaction(content["redaction"]),
        tool=_tool(content["tool"]),
        demo=typed(bool, content["demo"]),
        tlp=Tlp(content["tlp"]),
        signer=_or_none(_key_id, content["signer"]),
        objects=tuple(_object(item) for item in content["objects"]),
    )


def _object(item: object) -> _Json:
    if is_nested_beyond(published := typed(dict, item), DEEPEST_OBJECT):
        raise ValueError("a published object is not as deep as that")
    return published


def _limit(limit: _Json) -> Limit:
    kind = LimitId(limit["id"])
    return Limit(kind, tuple((name, _count(limit["values"][name])) for name in LIMIT_VALUES.get(kind, ())))


def _module(module: _Json) -> ModuleCoverage:
    return ModuleCoverage(
        name=_plain(module["name"]),
        state=CoverageState(module["state"]),
        records=_or_none(_count, module["records"]),
        reason=_or_none(Reason, module["reason"]),
        detail=_plain(module["detail"]),
        shortened_links=_count(module["shortened_links"]),
    )


def _finding(finding: _Json) -> RedactedFinding:
    return RedactedFinding(
        id=FindingId(finding["id"]),
        trace=Trace(finding["trace"]),
        level=Level(finding["level"]),
        mvt_level=Level(finding["mvt_level"]),
        module=CodeName(typed(str, finding["module"])),
        artefact=CodeName(typed(str, finding["artefact"])),
        rule=_or_none(MatchRule, finding["rule"]),
        indicators=_indicators(finding["indicators"]),
        day=_or_none(_day, finding["day"]),
        cluster=_or_none(_whole, finding["cluster"]),
        offset_seconds=_or_none(_whole, finding["offset_seconds"]),
        count=_at_least_one(finding["count"]),
        facts=tuple((Fact(name), _fact(value)) for name, value in finding["facts"].items()),
        pseudonyms=tuple(_pseudonym(text) for text in finding["pseudonyms"]),
        withheld=tuple(CodeName(typed(str, name)) for name in finding["withheld"]),
        withheld_unlisted=_count(finding["withheld_unlisted"]),
        artefacts=_count(finding["corroboration"]["artefacts"]),
        indicator_types=_count(finding["corroboration"]["indicator_types"]),
        at=_moment(finding["day"], finding["time"]),
        ref=_reference(finding["ref"]),
        commitments=tuple(
            Commitment(CodeName(name), typed(str, digest)) for name, digest in finding["commitments"].items()
        ),
    )


def _indicators(entries: list[_Json]) -> tuple[Indicator, ...]:
    """Return each indicator once with all sets that hold it: on the wire there is an entry for each."""
    claims: dict[tuple[IndicatorType, str], list[Attribution]] = {}
    for entry in entries:
        key = IndicatorType(entry["type"]), typed(str, entry["value"])
        set_name, family, object_id = (typed(str, entry[name]) for name in ("set", "family", "object_id"))
        claims.setdefault(key, []).append(Attribution(set_name, family, _sha256(entry["sha256"]), object_id))
    return tuple(Indicator(kind, value, tuple(entry)) for (kind, value), entry in claims.items())


def _fact(value: object) -> Term | int | bool:
    return value if isinstance(value, bool | int) else Term(typed(str, value))


def _pseudonym(text: object) -> Pseudonym:
    kind, _dash, code = typed(str, text).rpartition("-")
    return Pseudonym(PseudonymKind(kind), code)


def _set(loaded: _Json) -> IndicatorSet:
    return IndicatorSet(
        name=typed(str, loaded["name"]),
        title=typed(str, loaded["title"]),
        publisher=typed(str, loaded["publisher"]),
        families=tuple(typed(str, family) for family in loaded["families"]),
        sha256=_sha256(loaded["sha256"]),
        total=_count(loaded["total"]),
        usable=_count(loaded["usable"]),
        unusable=tuple(
            UnusableIndicator(typed(str, entry["object_id"]), typed(str, entry["pattern"]), typed(str, entry["reason"]))
            for entry in loaded["unusable"]
        ),
        embedded=typed(bool, loaded["embedded"]),
        catalogued=typed(bool, loaded["catalogued"]),
    )


def _source(source: _Json) -> SourceFacts:
    return SourceFacts(
        kind=typed(str, source["kind"]),
        encrypted=typed(bool, source["encrypted"]),
        model_family=typed(str, source["model_family"]),
        os_version=typed(str, source["os_version"]),
        device=_or_none(_pseudonym, source["device"]),
        digest=_or_none(_plain, source["digest"]),
    )


def _consent(consent: _Json) -> ConsentSummary:
    answers = ("data_owner_asked", "device_owner_asked", "analyse", "share_redacted", "share_sealed", "aggregate",
               "keep_observables")  # fmt: skip
    return ConsentSummary(
        **{name: typed(bool, consent[name]) for name in answers},
        keep_until=_or_none(_day, consent["keep_until"]),
        form_reference=_plain(consent["form_reference"]),
        given_on=_day(consent["given_on"]),
    )


def _redaction(redaction: _Json) -> RedactionSummary:
    return RedactionSummary(
        policy=_plain(redaction["policy"]),
        policy_sha256=_sha256(redaction["policy_sha256"]),
        fields_withheld=_count(redaction["fields_withheld"]),
        fields_unlisted=_count(redaction["fields_unlisted"]),
        time=TimePrecision(redaction["time"]),
        pseudonyms=typed(bool, redaction["pseudonyms"]),
        device=typed(bool, redaction["device"]),
        recipients=_count(redaction["recipients"]),
    )


def _tool(tool: _Json) -> ToolFacts:
    return ToolFacts(
        version=_plain(tool["version"]),
        engine=_plain(tool["engine"]),
        engine_version=_plain(tool["engine_version"]),
        checked_on=_day(tool["checked_on"]),
    )


# --- Single values ------------------------------------------------------------------------------------------------


def _or_none(read: Callable[[Any], _T], value: object) -> _T | None:
    return None if value is None else read(value)


def _whole(value: object) -> int:
    return typed(int, value)


def _plain(value: object) -> str:
    """Return a text that programs write, and no set and no person: a name, a version, a digest."""
    if not re.fullmatch(r"[\x20-\x7e]{0,200}", text := typed(str, value)):
        raise ValueError("no program of ours writes this")
    return text


def _sha256(value: object) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text := typed(str, value)):
        raise ValueError("a SHA-256 is 64 hexadecimal digits")
    return text


def _count(value: object) -> int:
    if (number := typed(int, value)) < 0:
        raise ValueError("a count is not negative")
    return number


def _at_least_one(value: object) -> int:
    if (number := _count(value)) == 0:
        raise ValueError("what was seen was seen at least once")
    return number


def _day(value: object) -> date:
    text = typed(str, value)
    if (day := date.fromisoformat(text)).isoformat() != text:  # the function takes 20260504 too
        raise ValueError("a day is written YYYY-MM-DD")
    return day


def _moment(day: object, time: object) -> datetime | None:
    """Return the exact time of a finding, which only the policy `internal` shows."""
    if time is None:
        return None
    moment = datetime.fromisoformat(f"{typed(str, day)}T{typed(str, time)}+00:00")
    if f"{moment:%H:%M:%S}" != time:  # the function takes 10:00 too
        raise ValueError("a time is written HH:MM:SS")
    return moment


def _reference(value: object) -> int:
    text = typed(str, value)
    if text != f"F{int(text[1:])}":
        raise ValueError("a finding is called F1, F2, ...")
    return int(text[1:])


def _key_id(value: object) -> str:
    text = typed(str, value)
    if len(text) != 16 or set(text) - set("0123456789ABCDEF"):
        raise ValueError("a key id is 16 hexadecimal digits")
    return text
