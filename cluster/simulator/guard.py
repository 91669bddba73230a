"""Two processes watch each other, so that even SIGKILL on either leaves nothing running.

The one the caller started only waits; the other is the simulator. Orphans of a killed simulator fall to the
first, which ends them; a killed first one takes the simulator along through the parent-death signal."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from types import FrameType

from cluster.simulator import procfs
from cluster.simulator.prctl import become_subreaper, die_with_parent


def run(settings: str) -> int:
    """Run the simulator with these settings (JSON) in a child process; its exit code."""
    become_subreaper()
    # Sockets and pipes live here: the path is short and holds nothing a shell would read.
    short = tempfile.mkdtemp(prefix="sparksim-", dir="/tmp")
    first = os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(signal.SIGTERM)
        if os.getppid() != first:  # it died between fork and prctl
            os._exit(1)
        os.execv(sys.executable, [sys.executable, "-m", "cluster.simulator.server", settings, short])
    return _wait(child, short)


def _wait(child: int, short: str) -> int:
    def forward(signum: int, _frame: FrameType | None) -> None:
        procfs.signal_all([child], signum)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, forward)
    pid, status = 0, 0
    while pid != child:
        pid, status = os.waitpid(-1, 0)
    procfs.end_descendants(5.0)
    shutil.rmtree(short, ignore_errors=True)
    return os.waitstatus_to_exitcode(status) & 0xFF
