"""What MVT 2026.10.26 imports for its own command line, and no module of it uses: a worker starts without it.

Reading settings alone (pydantic) takes as long as all the rest of MVT. tests/scan/test_mvt_contract.py notices when
MVT's settings differ from these, when it imports more from what is stood in for, or uses it in a check.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

SETTINGS: Mapping[str, Any] = {
    "NETWORK_ACCESS_ALLOWED": False,
    "NETWORK_TIMEOUT": 15,
    "IOS_BACKUP_PASSWORD": None,
    "ANDROID_BACKUP_PASSWORD": None,
    "STIX2": None,
    "VT_API_KEY": None,
    "PROFILE": False,
    "HASH_FILES": False,
}
"""What `mvt.common.config.settings` reads in a worker: MVT's defaults, and the environment of `supervisor`.

The address where MVT would look for updates of itself is left out: a worker has no network, and nobody asks for it.

MVT also writes them to a file as it is imported.
"""

# By module, the names that are imported from it. A worker prints nothing, so that there is nothing behind most of them.
FOR_GOOD: Mapping[str, Mapping[str, Any]] = {
    "mvt.common.config": {"settings": SimpleNamespace(**SETTINGS)},
    "mvt.ios.cli": {"cli": None, "main": None},
    "mvt.android.cli": {"cli": None, "main": None},
}
WHILE_IMPORTED: Mapping[str, Mapping[str, Any]] = {
    "rich.console": {"Console": None},
    "rich.logging": {"RichHandler": logging.Handler},  # a base class
    "rich.panel": {"Panel": None},
    "rich.text": {"Text": None},
    "urllib.request": {"urlopen": None},  # tld could fetch a newer list of suffixes
}


@contextmanager
def stood_in() -> Iterator[None]:
    """Have MVT imported without these while the block runs: some packages of others are whole again after it."""
    _put_off("requests")
    sys.modules |= {name: _module(name, names) for name, names in FOR_GOOD.items()}
    for_now = {name: _module(name, names) for name, names in WHILE_IMPORTED.items() if name not in sys.modules}
    sys.modules |= for_now
    try:
        yield
    finally:
        for name in for_now:
            del sys.modules[name]
    # What codecs opens is read by Python, line by line: the list of public suffixes takes twice as long.
    vars(sys.modules["tld.utils"])["codecs_open"] = open


def _module(name: str, names: Mapping[str, Any]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


def _put_off(package: str) -> None:
    """Have a package imported only when something of it is asked for."""
    stand_in = ModuleType(package)

    def first_use(name: str) -> Any:
        if sys.modules[package] is stand_in:
            del sys.modules[package]
        return getattr(importlib.import_module(package), name)

    stand_in.__getattr__ = first_use  # type: ignore[method-assign]
    sys.modules.setdefault(package, stand_in)
