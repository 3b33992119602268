"""What we look for: published STIX sets, read whole, matched exactly, and accounted for.

    path ─▶ bundle (patterns, hosts) ─▶ IndicatorIndex ─▶ matcher

`catalogue` and `store` know which sets there are and which are installed; `lint`, `diff` and `build` are for those
who make sets. An index is made where files are read. The worker that scans a phone gets plain indicators and builds
`SetMatcher`, which needs nothing but those.
"""

from __future__ import annotations

from spytriage.indicators.matcher import SetMatcher
from spytriage.indicators.sets import load
from spytriage.indicators.store import installed_sets, select

__all__ = ["SetMatcher", "installed_sets", "load", "select"]
