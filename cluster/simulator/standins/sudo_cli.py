"""`sudo`: asks for a password, unless the Spark's file `sudoers` allows exactly these words without one.

What is allowed is written down with its input, not run: this machine is not the Spark."""

from __future__ import annotations

import sys

from cluster.simulator import journal
from cluster.simulator.standins import spark

NO_PASSWORD = "NOPASSWD:"


def main(_name: str, argv: list[str]) -> int:
    words = argv[1:] if argv[:1] == ["-n"] else argv
    if not words or " ".join(words) not in _allowed():
        sys.stderr.write("sudo: a password is required\n")
        return 1
    journal.note(spark.folder(), "sudo", argv=words, stdin=sys.stdin.read())
    return 0


def _allowed() -> set[str]:
    """Commands of lines such as `spark ALL=(root) NOPASSWD: /usr/bin/tee FILE`, for the login user."""
    try:
        with open(spark.path("sudoers"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return set()
    user = str(spark.facts()["user"])
    rules = (line.partition(NO_PASSWORD) for line in lines if line.split()[:1] == [user])
    return {command.strip() for _, found, command in rules if found}
