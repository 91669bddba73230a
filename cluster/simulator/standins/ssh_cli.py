"""`ssh` from one Spark to another."""

from __future__ import annotations

import sys

from cluster.simulator.standins import spark
from cluster.simulator.standins.door import ask

WITH_VALUE = "BbcDEeFIiJLlmOoPpRSWw"


def main(_name: str, argv: list[str]) -> int:
    target, command, options = split(argv)
    if not target:
        sys.stderr.write("usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] destination [command [argument ...]]\n")
        return 255
    limit = next((v for k, _, v in (o.partition("=") for o in options) if k.lower() == "connecttimeout"), "0")
    host = target.rpartition("@")[2]
    if host in {"localhost", "127.0.0.1"}:
        host = str(spark.facts()["name"])
    # ssh joins the words with spaces and the far shell parses the result once more.
    return ask("ssh", [host, limit, " ".join(command)])


def split(argv: list[str]) -> tuple[str, list[str], list[str]]:
    """(target, command words, -o options); options may also stand after the target."""
    rest, target, options = list(argv), "", []
    while rest:
        word = rest[0]
        if not word.startswith("-") or word == "-":
            if target:
                break
            target = rest.pop(0)
            continue
        rest.pop(0)
        if word == "--":
            if not target and rest:
                target = rest.pop(0)
            break
        letter, glued = word[1], word[2:]
        if letter in WITH_VALUE:
            value = glued or (rest.pop(0) if rest else "")
            if letter == "o":
                options.append(value.replace(" ", "="))
    return target, rest, options
