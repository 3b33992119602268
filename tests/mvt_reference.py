"""Run MVT's own check and print what it did as JSON: argv is the kind, the acquisition and the STIX files.

A script of its own, because MVT reads its configuration from the environment when it is imported.
"""

import json
import logging
import sys
from typing import Any

from mvt.android.cmd_check_androidqf import CmdAndroidCheckAndroidQF
from mvt.android.cmd_check_backup import CmdAndroidCheckBackup
from mvt.android.cmd_check_bugreport import CmdAndroidCheckBugreport
from mvt.android.cmd_check_intrusion_logs import CmdAndroidCheckIntrusionLogs
from mvt.ios.cmd_check_backup import CmdIOSCheckBackup
from mvt.ios.cmd_check_fs import CmdIOSCheckFS

COMMANDS = {
    "ios-backup": CmdIOSCheckBackup,
    "ios-filesystem": CmdIOSCheckFS,
    "androidqf": CmdAndroidCheckAndroidQF,
    "android-backup": CmdAndroidCheckBackup,
    "android-bugreport": CmdAndroidCheckBugreport,
    "android-intrusion-logs": CmdAndroidCheckIntrusionLogs,
}


class _Errors(logging.Handler):
    """Collects what went wrong; alerts have log levels of their own and are not errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.ERROR or record.exc_info:
            self.messages.append(record.getMessage())


def checked(kind: str, backup: str, *indicator_files: str) -> dict[str, Any]:
    """Return {modules: {name: records}, errors: [...], alerts: [...]}."""
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    logging.getLogger("mvt").setLevel(logging.DEBUG)
    command = COMMANDS[kind](target_path=backup, ioc_files=list(indicator_files), disable_version_check=True)
    command.run()
    alerts = [
        {
            "module": alert.module,
            "level": alert.level.name,
            "message": alert.message,
            "indicator": alert.matched_indicator.value if alert.matched_indicator else None,
        }
        for alert in command.alertstore.alerts
    ]
    modules = {type(module).__name__: len(module.results) for module in command.executed}
    return {"modules": modules, "errors": errors.messages, "alerts": alerts}


if __name__ == "__main__":
    json.dump(checked(*sys.argv[1:]), sys.stdout)
