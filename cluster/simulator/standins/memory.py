"""The Spark's one memory pool: models register what they hold, everything that reports memory reads it here."""

# Stand-ins import this and pathlib would cost them 10 ms of start-up each.

from __future__ import annotations

import json
import os

from cluster.simulator.procfs import read_proc
from cluster.simulator.standins import spark

TOTAL_GIB = 119.7
IDLE_AVAILABLE_GIB = 112.0
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


def holders() -> list[tuple[int, str, int]]:
    """(pid, name, MiB) of every live holder."""
    return [(pid, name, mib) for pid, name, mib, alive in _entries() if alive]


def held_gib() -> float:
    """What is taken from the pool, by live holders and by the memory-not-returned fault."""
    live = sum(mib for _, _, mib, alive in _entries() if alive) / MIB
    stuck_for = spark.faults().number("memory-not-returned", -1.0)
    if stuck_for is None:
        return live
    dead = [mib for _, _, mib, alive in _entries() if not alive]
    if stuck_for >= 0:
        return live + (stuck_for if dead else 0.0)
    return live + (max(dead) / MIB if dead else 0.0)


def available_gib() -> float:
    return max(0.6, IDLE_AVAILABLE_GIB - held_gib())


def _entries() -> list[tuple[int, str, int, bool]]:
    found = []
    for name in os.listdir(spark.path("gpu")):
        if not name.isdigit():
            continue
        try:
            with open(spark.path("gpu", name), encoding="utf-8") as file:
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


def meminfo() -> str:
    """/proc/meminfo, as far as anyone reads it."""
    available = available_gib()
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
