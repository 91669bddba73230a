"""Fault switches from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cluster.simulator.faults import KNOWN, Faults
from cluster.simulator.standins import door


def switch(root: Path, spark: str, fault: str, on: bool, value: str) -> int:
    """Switch one fault; when the simulator runs, it has taken effect on return."""
    folder = root / spark / "faults"
    if not folder.is_dir():
        print(f"No Spark {spark} under {root}.", file=sys.stderr)
        return 1
    if fault not in KNOWN:
        print(f"No fault {fault}. Known: {', '.join(KNOWN)}.", file=sys.stderr)
        return 1
    faults = Faults(str(folder))
    if on:
        faults.switch_on(fault, value)
    else:
        faults.switch_off(fault)
    _sync(root / spark)
    return 0


def show(root: Path) -> int:
    """Print every Spark's faults that are on, then all that are known."""
    for folder in sorted(root.glob("*/faults")):
        for name, value in Faults(str(folder)).all().items():
            print(f"{folder.parent.name}\t{name}\t{value}".rstrip())
    for name, meaning in KNOWN.items():
        print(f"{name:24}{meaning}")
    return 0


def _sync(folder: Path) -> None:
    # A relative path: a Unix socket's path may have no more than 107 bytes.
    os.chdir(folder)
    os.environ["SPARKSIM_DIR"] = "."
    try:
        door.ask("sync", [])
    except OSError:
        return
