"""Small services for the stand-ins that are shell scripts."""

from __future__ import annotations

import os
import sys

from cluster.simulator import journal
from cluster.simulator.standins import spark

FILE_SYSTEM = "/dev/nvme0n1p2"


def main(_name: str, argv: list[str]) -> int:
    verb, *words = argv
    return {"journal": _journal, "df": _df, "curl": _curl}[verb](words)


def _journal(words: list[str]) -> int:
    """journal WHAT ARGV... or journal launcher-done SECONDS."""
    what, *rest = words
    if what == "launcher-done":
        journal.note(spark.folder(), what, seconds=float(rest[0]))
    else:
        journal.note(spark.folder(), what, argv=rest)
    return 0


def _curl(words: list[str]) -> int:
    """The real curl; every address of a Spark leads to its loopback address here."""
    facts = spark.facts()
    routes = []
    for name in ("127.0.0.1", "localhost", "0.0.0.0"):
        routes += ["--connect-to", f"{name}::{facts['address']}:"]
    for fabric, address in facts["peers"].items():
        routes += ["--connect-to", f"{fabric}::{address}:"]
    os.execv("/usr/bin/curl", ["curl", *routes, *words])


def _df(words: list[str]) -> int:
    """df of one file system of SIZE KiB with USED KiB taken; -B1, -BG, -k, -h, -P, --output=."""
    size, used, options = int(words[0]), int(words[1]), words[2:]
    path = next((word for word in reversed(options) if not word.startswith("-")), "/")
    if not os.path.exists(path):
        sys.stderr.write(f"df: {path}: No such file or directory\n")
        return 1
    unit, letter = _unit(options)
    cells = {
        "source": FILE_SYSTEM, "fstype": "ext4", "target": "/", "file": path,
        "size": _amount(size, unit, letter), "used": _amount(used, unit, letter),
        "avail": _amount(size - used, unit, letter), "pcent": f"{round(100 * used / size)}%",
        "ipcent": "3%", "itotal": "244000000", "iused": "7300000", "iavail": "236700000",
    }  # fmt: skip
    columns = _columns(options)
    titles = {"source": "Filesystem", "size": f"{_title(unit)}", "used": "Used", "avail": "Available",
              "pcent": "Use%", "target": "Mounted on", "fstype": "Type"}  # fmt: skip
    print("  ".join(titles.get(name, name.capitalize()) for name in columns))
    print("  ".join(cells[name] for name in columns))
    return 0


def _columns(options: list[str]) -> list[str]:
    for option in options:
        if option.startswith("--output="):
            return option[9:].split(",")
    return ["source", "size", "used", "avail", "pcent", "target"]


def _unit(options: list[str]) -> tuple[int, str]:
    """Bytes per block and the letter to print after the number."""
    for option in options:
        text = option.removeprefix("--block-size=").removeprefix("-B").removeprefix("-PB")
        if option in {"-h", "--human-readable"}:
            return 1024**3, "G"
        if text != option:
            power = "KMGT".find(text[-1:].upper())
            return (1024 ** (power + 1), text[-1] if power >= 0 else "") if not text.isdigit() else (int(text), "")
    return 1024, ""


def _title(unit: int) -> str:
    return "1K-blocks" if unit == 1024 else f"{unit}-blocks" if unit < 1024**2 else "Size"


def _amount(kib: int, unit: int, letter: str) -> str:
    return f"{kib * 1024 // unit}{letter}"
