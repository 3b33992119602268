"""The worker process: reads one job, locks itself down, runs the modules of MVT that it is handed, and reports.

Started by `spytriage.scan` with a clean environment, and ended by it. The counterpart of `pipeline`: it joins the
matcher and the engine, which do not know each other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spytriage.scan.guard import (
    Guard,
    defend_sqlite,
    end_with_parent,
    forbid_core_dumps,
    limit_cpu,
    limit_files,
    limit_memory,
)
from spytriage.scan.isolation import isolate
from spytriage.scan.mvt_stand_ins import stood_in
from spytriage.scan.protocol import Job, Message, Run, Started, encode


def main(extra_modules: Sequence[type[Any]] = ()) -> None:
    """Do the job on standard input; messages go to standard output.

    Args:
        extra_modules: MVT modules to run beside MVT's own (MVT calls them custom modules).
    """
    job = Job.from_line(sys.stdin.buffer.readline())
    folders = Path(job.workspace), Path(job.disk)
    isolate(Path(job.path), folders)  # before there is a second thread
    requests = end_with_parent()  # the parent makes the first one only when it has heard of us
    forbid_core_dumps()
    # Only messages may reach the pipe: whatever else prints, prints to nowhere.
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_memory(job.memory_bytes)
    limit_files(job.file_bytes, job.open_files)
    limit_cpu(job.seconds)
    defend_sqlite()

    guard = Guard(*folders)
    guard.lock()
    # Only now: merely importing MVT's HTTP library opens a socket, to see whether there is IPv6.
    with stood_in():
        from spytriage.scan import mvt_engine  # noqa: PLC0415
    from spytriage.findings import time_of, was_sent  # noqa: PLC0415
    from spytriage.indicators.kept import reduced  # noqa: PLC0415
    from spytriage.indicators.matcher import SetMatcher  # noqa: PLC0415
    from spytriage.scan.observing import Recorder  # noqa: PLC0415

    places = {indicator.key: place for place, indicator in enumerate(job.indicators)}

    def emit(message: Message) -> None:
        if isinstance(message, Started):
            limit_cpu(job.seconds)
        messages.write(encode(message, places))
        messages.flush()

    recorder = Recorder(reduced, time_of, was_sent) if job.keep else None
    engine = mvt_engine.Engine(job, SetMatcher(job.indicators), guard, emit, recorder)
    if engine.prepare(extra_modules):
        while True:
            engine.run(Run.from_line(requests.get()))


if __name__ == "__main__":
    main()
