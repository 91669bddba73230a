"""Where the parts of a launch over several Sparks find each other: one file per member, holding its process id."""

# Stand-ins import this and pathlib would cost them 10 ms of start-up each.

from __future__ import annotations

import os

from cluster.simulator.procfs import read_proc
from cluster.simulator.standins import spark


def _folder(place: str) -> str:
    return os.path.join(str(spark.facts()["root"]), "rendezvous", place.replace("/", "_"))


def join(place: str, member: str) -> None:
    """Be at `place` as `member` for as long as this process lives."""
    folder = _folder(place)
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, member)
    with open(target + ".new", "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {spark.folder()}")
    os.replace(target + ".new", target)


def leave(place: str, member: str) -> None:
    try:
        os.unlink(os.path.join(_folder(place), member))
    except FileNotFoundError:
        return


def find(place: str, member: str) -> tuple[int, str]:
    """The member's process id and its Spark's folder; (0, "") when it is not there."""
    try:
        with open(os.path.join(_folder(place), member), encoding="utf-8") as file:
            pid, _, folder = file.read().partition(" ")
    except OSError:
        return 0, ""
    # A zombie has no command line.
    return (int(pid), folder) if read_proc(int(pid), "cmdline") else (0, "")


def alive(place: str, member: str) -> bool:
    return find(place, member)[0] != 0


def members(place: str) -> list[str]:
    """Everybody who is there now."""
    try:
        names = sorted(name for name in os.listdir(_folder(place)) if not name.endswith(".new"))
    except OSError:
        return []
    return [name for name in names if alive(place, name)]
