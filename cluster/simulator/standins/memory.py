"""The Spark's one memory pool: models register what they hold, everything that reports memory reads it here."""

# Stand-ins import this and pathlib would cost them 10 ms of start-up each.

from __future__ import annotations

import json
import os

from cluster.simulator.faults import Faults
from cluster.simulator.procfs import read_proc
from cluster.simulator.standins import spark

TOTAL_GIB = 119.7
IDLE_AVAILABLE_GIB = 115.0
LEAST_GIB = 0.6  # with so little left a real Spark stands still
RUNNING_OUT_FROM_GIB = 10.0
MIB = 1024


def hold(gib: float, name: str, folder: str = "", pid: int = 0) -> None:
    """Register what this process (or `pid` on another Spark's `folder`) holds from now on."""
    pid = pid or os.getpid()
    target = os.path.join(folder or spark.folder(), "gpu", str(pid))
    text = json.dumps({"mib": round(gib * MIB), "name": name, "start": _start_time(pid)})
    with open(target + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(target + ".new", target)
    if not folder and spark.in_container():
        with open(spark.path("run", "cgroup", str(pid)), "w", encoding="ascii") as file:
            file.write(f"0::/system.slice/docker-{os.environ['SPARKSIM_CONTAINER']}.scope\n")


def release(folder: str = "", pid: int = 0) -> None:
    """Give it back, unless the memory-not-returned fault keeps it."""
    target = os.path.join(folder or spark.folder(), "gpu", str(pid or os.getpid()))
    if os.path.exists(target) and spark.faults().value("memory-not-returned") is None:
        os.unlink(target)


def holders(folder: str = "") -> list[tuple[int, str, int]]:
    """(pid, name, MiB) of every live holder."""
    return [(pid, name, mib) for pid, name, mib, alive in _entries(folder or spark.folder()) if alive]


def held_gib(folder: str) -> float:
    """What is taken from the pool, by live holders and by the memory-not-returned fault."""
    entries = _entries(folder)
    live = sum(mib for _, _, mib, alive in entries if alive) / MIB
    stuck_for = Faults(os.path.join(folder, "faults")).number("memory-not-returned", -1.0)
    if stuck_for is None:
        return live
    dead = [mib for _, _, mib, alive in entries if not alive]
    if stuck_for >= 0:
        return live + (stuck_for if dead else 0.0)
    return live + (max(dead) / MIB if dead else 0.0)


def available_gib(folder: str = "") -> float:
    folder = folder or spark.folder()
    left = IDLE_AVAILABLE_GIB - held_gib(folder)
    lost = _running_out(folder)
    return max(LEAST_GIB, left if lost is None else min(left, RUNNING_OUT_FROM_GIB - lost))


def run_out(folder: str, gib: float | None) -> None:
    """How much the memory-exhausted fault has taken since memory began to run out; None: it has not."""
    target = os.path.join(folder, "run", "running_out")
    if gib is None:
        if os.path.exists(target):
            os.unlink(target)
        return
    with open(target + ".new", "w", encoding="ascii") as file:
        file.write(str(gib))
    os.replace(target + ".new", target)


def _running_out(folder: str) -> float | None:
    try:
        with open(os.path.join(folder, "run", "running_out"), encoding="ascii") as file:
            return float(file.read())
    except FileNotFoundError:
        return None


def _entries(folder: str) -> list[tuple[int, str, int, bool]]:
    found = []
    for name in os.listdir(os.path.join(folder, "gpu")):
        if not name.isdigit():
            continue
        try:
            with open(os.path.join(folder, "gpu", name), encoding="utf-8") as file:
                entry = json.load(file)
        except (OSError, ValueError):
            continue
        pid = int(name)
        found.append((pid, str(entry["name"]), int(entry["mib"]), _start_time(pid) == entry["start"]))
    return found


def _start_time(pid: int) -> str:
    """Tells a process from a later one with the same id; empty when it is gone or only a zombie."""
    stat = read_proc(pid, "stat")
    fields = stat[stat.rfind(b")") + 2 :].split()
    return "" if len(fields) < 20 or fields[0] in {b"Z", b"X"} else fields[19].decode()


def meminfo(folder: str = "") -> str:
    """/proc/meminfo, as far as anyone reads it."""
    available = available_gib(folder)
    kib = 1024 * 1024
    free = max(0.4, available - 14.0)
    rows = (
        ("MemTotal", TOTAL_GIB), ("MemFree", free), ("MemAvailable", available), ("Buffers", 0.3),
        ("Cached", max(0.2, available - free)), ("SwapCached", 0.0), ("SwapTotal", 16.0), ("SwapFree", 16.0),
    )  # fmt: skip
    return "".join(f"{name + ':':<16}{round(gib * kib):>8} kB\n" for name, gib in rows)


def free(argv: list[str]) -> str:
    """The table of `free`; -k (default), -m, -g, -b."""
    unit = {"-b": 1024**3, "-m": 1024, "-g": 1, "--mebi": 1024, "--gibi": 1}
    factor = next((unit[word] for word in argv if word in unit), 1024**2)
    available = available_gib()
    unused = max(0.4, available - 14.0)
    cells = [TOTAL_GIB, TOTAL_GIB - available, unused, 0.1, available - unused, available]
    head = "               total        used        free      shared  buff/cache   available\n"
    row = "Mem:    " + "".join(f"{int(cell * factor):>12}" for cell in cells) + "\n"
    return head + row + "Swap:   " + "".join(f"{int(cell * factor):>12}" for cell in (16, 0, 16)) + "\n"
