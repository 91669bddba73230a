"""What /proc says of this machine's processes."""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def all_pids() -> Iterator[int]:
    """Every process id on this machine."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            yield int(entry)


def read_proc(pid: int, name: str) -> bytes:
    """One file of /proc/PID; empty when the process is gone or not ours."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def marked(marker: str) -> list[int]:
    """Processes that carry `marker` (NAME=value) in the environment they were started with."""
    needle = marker.encode()
    return [pid for pid in all_pids() if needle in read_proc(pid, "environ").split(b"\0")]


def parent_of(pid: int) -> int:
    """The parent's id, 0 when the process is gone."""
    stat = read_proc(pid, "stat")
    fields = stat[stat.rfind(b")") + 2 :].split()
    return int(fields[1]) if len(fields) > 1 else 0


def descendants(ancestor: int) -> list[int]:
    """Children, grandchildren and so on."""
    parents = {pid: parent_of(pid) for pid in all_pids()}
    found = [ancestor]
    for candidate in found:  # grows while we walk it
        found.extend(pid for pid, parent in parents.items() if parent == candidate)
    return found[1:]


def signal_all(pids: Sequence[int], signum: int) -> None:
    """Signal each; one that is gone by now does not matter."""
    for pid in pids:
        try:
            os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue


def catches(pid: int, signum: int) -> bool:
    """Whether the process has a handler for the signal.

    The kernel drops an unhandled signal to the init of a PID namespace; a container's PID 1 is one."""
    for line in read_proc(pid, "status").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) & (1 << (signum - 1)))
    return False


def end_descendants(seconds: float) -> list[int]:
    """SIGKILL whatever still descends from this process; what could not be ended."""
    deadline = time.monotonic() + seconds
    while pids := [pid for pid in descendants(os.getpid()) if read_proc(pid, "cmdline")]:
        if time.monotonic() > deadline:
            return pids
        signal_all(pids, signal.SIGKILL)
        time.sleep(0.02)
    return []


def signal_group(leader: int, name: str) -> None:
    """Signal a session's process group by the signal's short name (TERM); an unknown name is ignored."""
    signum = getattr(signal, "SIG" + name, None)
    if signum is not None:
        try:
            os.killpg(leader, signum)
        except (ProcessLookupError, PermissionError):
            return
