"""Numbers from the outside: percentiles, memory from /proc, the simulated Spark's journal."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def percentile(values: Iterable[float], part: float) -> float:
    """Nearest rank, so that a figure is always one that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]


def tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [root]
    for pid in found:  # grows while we walk it
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def pss_megabytes(pid: int) -> float:
    """Proportional set size: shared pages are divided among those who share them. 0 when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) / 1024 if match else 0.0


def role(pid: int) -> str:
    """What a process of ours is."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "gone"
    for word, name in (("daphne", "web"), ("sparkcontrol.worker", "worker"), ("supervisor", "supervisor")):
        if word in command:
            return name
    return "simulator"


def processes(root: int) -> dict[str, int]:
    """The product's processes by what they are; of several alike, one."""
    return {role(pid): pid for pid in tree(root)}


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(rows: Mapping[str, tuple[str, str, str]], figures: Mapping[str, float]) -> None:
    """One table: figure, unit, aim, what it is."""
    for name, (unit, aim, what) in rows.items():
        print(f"{figures[name]:9.3f} {unit:2}  {aim:10}  {what}")


class Journal:
    """What one simulated Spark wrote down since this object was made."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self.seen = self.path.stat().st_size if self.path.exists() else 0

    def notes(self) -> list[dict[str, Any]]:
        with self.path.open() as file:
            file.seek(self.seen)
            return [json.loads(line) for line in file if line.endswith("\n")]

    def last(self, what: str) -> dict[str, Any]:
        """The newest note of this kind. LookupError when there is none."""
        return [note for note in self.notes() if note["what"] == what][-1]
