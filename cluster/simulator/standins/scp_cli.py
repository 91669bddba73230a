"""`scp` between Sparks: all homes are folders on this machine, so it is a copy."""

from __future__ import annotations

import os
import sys

from cluster.simulator.standins import spark

WITH_VALUE = "cDFiJloPSX"


def main(_name: str, argv: list[str]) -> int:
    words, recursive = _words(argv)
    if len(words) < 2:
        sys.stderr.write("usage: scp [-346ABCOpqRrsTv] source ... target\n")
        return 1
    paths = [_local(word) for word in words]
    for word, path in zip(words, paths, strict=True):
        if path is None:
            host = word.partition(":")[0].rpartition("@")[2]
            sys.stderr.write(f"ssh: Could not resolve hostname {host}: Name or service not known\r\n")
            sys.stderr.write("scp: Connection closed\r\n")
            return 255
    *sources, target = [path for path in paths if path is not None]
    for source in sources:
        if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
            continue
        if os.spawnv(os.P_WAIT, "/bin/cp", ["cp", *(["-r"] if recursive else []), "--", source, target]):
            return 1
    return 0


def _words(argv: list[str]) -> tuple[list[str], bool]:
    words, rest, recursive = [], list(argv), False
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if not word.startswith("-"):
            words.append(word)
            continue
        recursive = recursive or "r" in word[1:]
        if word[-1] in WITH_VALUE and len(word) == 2:
            rest.pop(0)
    return words, recursive


def _local(word: str) -> str | None:
    """The path on this machine; None when the host is not known or refuses."""
    head, colon, path = word.partition(":")
    if not colon or "/" in head:
        return word
    host = head.rpartition("@")[2]
    facts = spark.facts()
    for index, (fabric, address) in enumerate(sorted(facts["peers"].items())):
        name = f"spark-{index + 1}"
        if host in {fabric, address, name, name + ".local"}:
            folder = os.path.join(facts["root"], name)
            if os.path.exists(os.path.join(folder, "faults", "sshd-refuse")):
                return None
            home = os.path.join(folder, "home")
            return os.path.join(home, path.removeprefix("~/")) if path else home
    return None
