"""Reads a redaction policy: which field of which module may be shown in which form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from spytriage.models import PseudonymKind
from spytriage.redaction.generalise import GENERALISERS, Generaliser


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


Rule = Generalise | Pseudonymise | Seal


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: its name, the SHA-256 of its text, and the rules by module and field."""

    name: str
    sha256: str
    modules: Mapping[str, Mapping[str, Rule]]

    def rules_for(self, module: str) -> Mapping[str, Rule]:
        """Return the rules of a module by field; none for a module that the policy does not know."""
        return self.modules.get(module, {})


def load_policy(name: str = "review") -> Policy:
    """Read a policy that ships with spytriage."""
    import yaml  # noqa: PLC0415 (start-up stays fast)

    text = (files("spytriage.redaction") / "policies" / f"{name}.yaml").read_bytes()
    data = yaml.safe_load(text)
    modules = {
        module: {field: _rule(rule) for field, rule in fields.items()} for module, fields in data["modules"].items()
    }
    return Policy(data["name"], hashlib.sha256(text).hexdigest(), modules)


def _rule(rule: Any) -> Rule:
    match rule:
        case "seal":
            return Seal()
        case {"generalise": how}:
            return Generalise(GENERALISERS[how])
        case {"pseudonym": kind}:
            return Pseudonymise(PseudonymKind(kind))
        case _:
            raise ValueError(f"not a rule: {rule!r}")
