"""Reads a redaction policy: which field of which module may be shown in which form, and how closely in time.

`policies/table.yaml` is the most that any policy may show. A policy is a small YAML file that takes away from it; one
that would show more is refused, with the line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.errors import SpytriageError
from spytriage.i18n import _, deferred
from spytriage.models import CodeName, PseudonymKind, TimePrecision
from spytriage.redaction.generalise import GENERALISERS, Generaliser
from spytriage.yamltext import loaded

if TYPE_CHECKING:
    import yaml

POLICIES = ("review", "public", "internal")
"""The policies that ship with spytriage."""

_MAX_BYTES = 256 * 1024
_POLICY_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Generalise:
    """Show a closed word, a count or yes/no made from the field."""

    how: Generaliser


@dataclass(frozen=True, slots=True)
class Pseudonymise:
    """Show a keyed pseudonym of the field."""

    kind: PseudonymKind


@dataclass(frozen=True, slots=True)
class Seal:
    """Withhold the field; its name may be shown."""


@dataclass(frozen=True, slots=True)
class Show:
    """Show the field when it is the published indicator itself; otherwise do what `otherwise` says."""

    otherwise: Pseudonymise | Seal


Rule = Generalise | Pseudonymise | Seal | Show
Modules = Mapping[str, Mapping[CodeName, Rule]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a report may show."""

    name: str
    sha256: str  # of the policy's text and the table's
    modules: Modules
    time: TimePrecision = TimePrecision.DAY
    pseudonyms: bool = True
    device: bool = True  # whether the phone is described beyond its platform

    def rules_for(self, module: str) -> Mapping[CodeName, Rule]:
        """Return the rules of a module by field, in the table's order; none for a module that nobody knows."""
        return self.modules.get(module, {})

    def day(self, at: datetime | None) -> date | None:
        """Return the day that may stand for a time: itself, or the Monday of its week."""
        if at is None:
            return None
        day = at.date()
        return day - timedelta(days=day.weekday()) if self.time is TimePrecision.WEEK and day > date.min else day


class _PolicyProblem(Exception):  # noqa: N818 (carries a problem to the one place that knows the file)
    def __init__(self, node: yaml.Node, what: str) -> None:
        self.line, self.what = node.start_mark.line + 1, what
        super().__init__(what)


def load_policy(name: str = "review") -> Policy:
    """Read a policy that ships with spytriage, or else one from a file.

    Raises:
        SpytriageError: there is neither such a policy nor such a file, or the file is no policy, or it would show
            more than the table allows; the message names the line.
    """
    if name in POLICIES:
        return _policy((files("spytriage.redaction") / "policies" / f"{name}.yaml").read_bytes())
    path = Path(name)
    try:
        with path.open("rb") as handle:
            text = handle.read(_MAX_BYTES)
    except (OSError, ValueError) as error:
        raise SpytriageError(
            _("There is no such redaction policy, and no such file."),
            path=path,
            hint=_("Use review, public or internal, or name a policy file."),
        ) from error
    return _custom(text, path)


def _custom(text: bytes, path: Path) -> Policy:
    import yaml  # noqa: PLC0415 (start-up stays fast)

    try:
        policy = _policy(text)
    except _PolicyProblem as problem:
        raise SpytriageError(
            _("Line {line} of this redaction policy cannot be used: {what}").format(
                line=problem.line, what=_(problem.what)
            ),
            path=path,
            hint=_("A policy can only take away from the policy `review`. Correct the line; nothing was checked."),
        ) from problem
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise SpytriageError(
            _("This redaction policy is not YAML (line {line}).").format(line=mark.line + 1 if mark else 1),
            path=path,
            hint=_("Correct the line; nothing was checked."),
        ) from error
    if policy.name in POLICIES:
        raise SpytriageError(
            _("This redaction policy has the name of one that comes with spytriage."),
            path=path,
            hint=_("Give it a name of its own, so that a reader of the report can tell them apart."),
        )
    return policy


# --- The table --------------------------------------------------------------------------------------------------


@cache
def _table() -> tuple[bytes, Modules]:
    text = (files("spytriage.redaction") / "policies" / "table.yaml").read_bytes()
    return text, {module: dict(_table_rules(forms)) for module, forms in loaded(text).items()}


def _table_rules(forms: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[CodeName, Rule]]:
    shown = forms.get("show", ())
    pseudonyms = {field: Pseudonymise(PseudonymKind(kind)) for field, kind in forms.get("pseudonym", {}).items()}
    for field in shown:
        yield CodeName(field), Show(pseudonyms.get(field, Seal()))
    for field, how in forms.get("generalise", {}).items():
        yield CodeName(field), Generalise(GENERALISERS[how])
    for field, rule in pseudonyms.items():
        if field not in shown:
            yield CodeName(field), rule
    for field in forms.get("seal", ()):
        yield CodeName(field), Seal()


# --- A policy: what it takes away ---------------------------------------------------------------------------------


def _policy(text: bytes) -> Policy:
    """Parse a policy.

    Raises:
        _PolicyProblem: a line says something that no policy says, or shows more than the table.
        yaml.YAMLError: it is not YAML.
    """
    import yaml  # noqa: PLC0415

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        root = yaml.ScalarNode("tag:yaml.org,2002:null", "", yaml.Mark("", 0, 0, 0, "", 0))
    table_text, table = _table()
    entries = _mapping(root)
    values: dict[str, object] = {}
    modules: Modules = table
    for key, node in entries:
        if key.value == "modules":
            modules = _stricter(node, table)
        elif key.value in _SETTINGS:
            values[key.value] = _SETTINGS[key.value](node)
        else:
            raise _PolicyProblem(key, deferred("no policy has this key."))
    if "policy" not in values:
        raise _PolicyProblem(root, deferred("it has no name (policy: NAME)."))
    if values.get("pseudonyms") is False:
        modules = {module: {f: _without_pseudonym(r) for f, r in rules.items()} for module, rules in modules.items()}
    return Policy(
        name=str(values["policy"]),
        sha256=hashlib.sha256(text + b"\x00" + table_text).hexdigest(),
        modules=modules,
        time=TimePrecision(str(values.get("time", TimePrecision.DAY))),
        pseudonyms=values.get("pseudonyms") is not False,
        device=values.get("device") is not False,
    )


def _without_pseudonym(rule: Rule) -> Rule:
    match rule:
        case Pseudonymise():
            return Seal()
        case Show():
            return Show(Seal())
        case _:
            return rule


def _stricter(node: yaml.Node, table: Modules) -> Modules:
    """Return the table without what a policy seals."""
    modules = dict(table)
    for name, fields in _mapping(node):
        if name.value not in table:
            raise _PolicyProblem(name, deferred("MVT has no module of this name."))
        rules = dict(table[name.value])
        for field, form in _mapping(fields):
            if field.value not in rules:
                raise _PolicyProblem(field, deferred("this module has no field of this name in the table."))
            if _text(form) != "seal":
                raise _PolicyProblem(form, deferred("a policy can only seal a field; anything else may show more."))
            rules[CodeName(field.value)] = Seal()
        modules[name.value] = rules
    return modules


def _mapping(node: yaml.Node) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    import yaml  # noqa: PLC0415

    if not isinstance(node, yaml.MappingNode):
        raise _PolicyProblem(node, deferred("a list of `name: value` belongs here."))
    seen: set[str] = set()
    for key, _value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _PolicyProblem(key, deferred("a name belongs here."))
        if key.value in seen:
            raise _PolicyProblem(key, deferred("it was said before."))
        seen.add(key.value)
    return list(node.value)


def _text(node: yaml.Node) -> str:
    plain = node.tag in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:bool"}
    return node.value if plain and isinstance(node.value, str) else ""


def _name(node: yaml.Node) -> str:
    if not _POLICY_NAME.fullmatch(_text(node)):
        raise _PolicyProblem(node, deferred("a policy's name is made of lower-case letters, digits and hyphens."))
    return _text(node)


def _time(node: yaml.Node) -> TimePrecision:
    try:
        return TimePrecision(_text(node))
    except ValueError as error:
        raise _PolicyProblem(node, deferred("the time is week, day or exact.")) from error


def _yes_or_no(node: yaml.Node) -> bool:
    if node.tag != "tag:yaml.org,2002:bool":
        raise _PolicyProblem(node, deferred("this is true or false."))
    return _text(node).casefold() in {"true", "yes", "on"}


_SETTINGS: Mapping[str, Callable[[yaml.Node], object]] = {
    "policy": _name,
    "time": _time,
    "pseudonyms": _yes_or_no,
    "device": _yes_or_no,
}
