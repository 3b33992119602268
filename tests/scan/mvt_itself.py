"""MVT in this process, without anything of ours: its own files, its own matcher, its own way of running a module."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spytriage.models import Indicator, IndicatorType
from spytriage.scan.records import bounded

_PATTERNS = {
    IndicatorType.DOMAIN: "domain-name:value",
    IndicatorType.IP_ADDRESS: "ipv4-addr:value",
    IndicatorType.URL: "url:value",
    IndicatorType.FILE_PATH: "file:path",
    IndicatorType.FILE_NAME: "file:name",
    IndicatorType.EMAIL: "email-addr:value",
    IndicatorType.APP_ID: "app:id",
    IndicatorType.PROCESS: "process:name",
}


@dataclass(frozen=True)
class Raised:
    """An alert of MVT's, in our words."""

    level: str
    value: str  # of the indicator
    message: str  # of an alert without one
    event: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """What MVT made of a module."""

    alerts: tuple[Raised, ...]
    broke: str  # the exception that ended it, "" when it ran to its end


class Mvt:
    """MVT's command for backups, one module at a time."""

    def __init__(self, engine: ModuleType, indicators: Sequence[Indicator], folder: Path) -> None:
        """Load indicators into MVT's own matcher; `engine` is imported, so MVT's configuration is a private one."""
        from mvt.common.indicators import Indicators

        assert engine.MVT_VERSION
        bundle = folder / "same.stix2"
        bundle.write_text(json.dumps({"objects": [
            {"type": "indicator", "id": f"indicator--{number}", "pattern": f"[{_PATTERNS[one.type]}='{one.value}']"}
            for number, one in enumerate(indicators)
        ]}))  # fmt: skip
        self._indicators = Indicators()
        self._indicators.parse_stix2(str(bundle))
        assert self._indicators.total_ioc_count == len(indicators)

    def run(self, backup: Path, name: str) -> Ended:
        """Run a module as MVT's command does."""
        import mvt.common.command
        import mvt.common.module
        from mvt.ios.cmd_check_backup import CmdIOSCheckBackup

        broke: list[str] = []
        modules: list[Any] = []

        def run_module(module: Any) -> None:
            modules.append(module)
            if type(module).__name__ == name:
                for step in ("run", "check_indicators"):
                    setattr(module, step, _noting(getattr(module, step), broke))
            mvt.common.module.run_module(module)

        options = {"disable_version_check": True, "disable_indicator_check": True}
        command = CmdIOSCheckBackup(target_path=str(backup), iocs=self._indicators, module_name=name, **options)
        with pytest.MonkeyPatch.context() as patch, suppress(Exception, SystemExit):
            patch.setattr(mvt.common.command, "run_module", run_module)
            patch.setattr(logging.root.manager, "disable", logging.CRITICAL)
            command.run()
        for module in modules:
            for folder in module._sqlite_temp_directories:  # MVT leaves them to the end of its process
                folder.cleanup()
        alerts = [alert for module in modules if type(module).__name__ == name for alert in module.alertstore.alerts]
        return Ended(tuple(map(_raised, alerts)), broke[-1] if broke else "")


def _noting(step: Any, broke: list[str]) -> Any:
    def noting() -> None:
        try:
            step()
        except NotImplementedError:  # it compares with no indicator
            raise
        except Exception as error:
            broke.append(type(error).__name__)
            raise

    return noting


def _raised(alert: Any) -> Raised:
    event, message = bounded(alert.event, alert.message)
    value = alert.matched_indicator.value if alert.matched_indicator else ""
    return Raised(alert.level.name, value, "" if value else message, dict(event))
