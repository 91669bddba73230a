"""cat, grep, awk and head of the few files under /proc, /sys and /etc that describe the machine."""

from __future__ import annotations

import glob
import os
import time

from cluster.simulator.standins import memory, spark

RELEASE = """DGX_NAME="DGX Spark"
DGX_PRETTY_NAME="NVIDIA DGX Spark"
DGX_SWBUILD_DATE="2026-07-14"
DGX_SWBUILD_VERSION="7.5.0"
DGX_PLATFORM="DGX Server for KVM"
"""
PRESSURE = "{kind} avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
ZONES = (48200, 49100, 51300, 47700, 50400, 46900, 47500)


def main(name: str, argv: list[str]) -> int:
    """Runs the real program `name`; does not return."""
    os.execv("/usr/bin/" + name, [name, *(_real(word) for word in argv)])


def _real(word: str) -> str:
    """A file on this machine with what the Spark would answer; any other word unchanged."""
    text = _content(word)
    if text is None:
        return word
    target = spark.path("run", word.strip("/").replace("/", "_"))
    with open(f"{target}.{os.getpid()}", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, target)
    return target


def _content(name: str) -> str | None:
    busy = bool(memory.holders())
    if name == "/proc/meminfo":
        return memory.meminfo()
    if name == "/proc/uptime":
        up = max(0.0, time.time() - os.path.getmtime(spark.path("run", "boot_id")))
        return f"{up:.2f} {up * 19:.2f}\n"
    if name == "/proc/loadavg":
        return "1.42 1.10 0.86 2/1204 4711\n" if busy else "0.08 0.05 0.01 1/1180 4711\n"
    if name == "/proc/pressure/memory":
        return PRESSURE.format(kind="some") + PRESSURE.format(kind="full")
    if name == "/etc/dgx-release":
        return RELEASE
    if name == "/proc/sys/kernel/random/boot_id":
        with open(spark.path("run", "boot_id"), encoding="ascii") as file:
            return file.read()
    return _temperature(name, busy)


def _temperature(name: str, busy: bool) -> str | None:
    """The shell leaves a pattern as it is where this machine has no such zone; then all zones answer."""
    if not name.startswith("/sys/class/thermal/thermal_zone") or not name.endswith("/temp"):
        return None
    values = [zone + (21000 if busy else 0) for zone in ZONES]
    number = name[len("/sys/class/thermal/thermal_zone") : -len("/temp")]
    if number.isdigit() and not glob.has_magic(name):
        return f"{values[int(number) % len(values)]}\n"
    return "".join(f"{value}\n" for value in values)
