"""Arguments of launch-cluster.sh that a definition may carry: an allow-list, each flag with the shape of its value.

The launcher hands `-v`, `-t`, `--eth-if` and their like on unquoted, so a value must be a plain word.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from swaps.catalog.argument_rules import is_image_reference, is_port
from swaps.catalog.docker_options import is_volume


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


_WHOLE_NUMBER = _matching(r"[1-9][0-9]{0,5}")
_INTERFACE = _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}(?:,[A-Za-z0-9][A-Za-z0-9._-]{0,30})*")

# flag -> what its value must be; None = takes no value
ALLOWED: dict[str, Callable[[str], bool] | None] = {
    "-t": is_image_reference,
    "-v": is_volume,
    "-j": _matching(r"[1-9][0-9]{0,2}"),
    "--eth-if": _INTERFACE,
    "--ib-if": _INTERFACE,
    "--nccl-debug": _matching(r"VERSION|WARN|INFO|TRACE"),
    "--master-port": is_port,
    "--head-port": is_port,
    "--earlyoom": None,
    "--earlyoom-args": _matching(r"-[A-Za-z0-9-]*(?: [A-Za-z0-9,.-]+)*"),
    "--no-cache-dirs": None,
    "--non-privileged": None,
    "--mem-limit-gb": _WHOLE_NUMBER,
    "--mem-swap-limit-gb": _WHOLE_NUMBER,
    "--pids-limit": _WHOLE_NUMBER,
    "--shm-size-gb": _WHOLE_NUMBER,
    "--ray": None,
    "--no-ray": None,
    "--keep-entrypoint": None,
}
LIMITS = frozenset({"--mem-limit-gb", "--mem-swap-limit-gb", "--pids-limit", "--shm-size-gb"})
OWNED = {
    "-n": "set nodes; the addresses come from the slot",
    "--nodes": "set nodes; the addresses come from the slot",
    "--name": "the slot's container name is passed for you",
    "-d": "every launch is detached",
    "--solo": "set nodes to 1",
    "-e": "write it into env",
    "--env": "write it into env",
    "--apply-mod": "write it into mods",
    "--volume": "write -v and the mapping as two items",
    "--launch-script": "write the command's words into args",
    "--check-config": "it prints every setting, secrets too",
    "--config": "the launcher's own .env is used",
    "--setup": "it asks questions; run it once by hand on the Spark",
    "--discover": "it asks questions; run it once by hand on the Spark",
    "-p": "the host network needs no published port",
    "--publish": "the host network needs no published port",
    "--apply-vllm-pr": "build an image with the patch and name it in image",
    "start": "Spark Control chooses the action",
    "stop": "Spark Control chooses the action",
    "status": "Spark Control chooses the action",
    "exec": "Spark Control chooses the action",
}


def flags_in(words: Iterable[str]) -> tuple[str, ...]:
    """The flags among valid launcher arguments, without their values."""
    return tuple(flag for flag, _ in pairs(tuple(words)))


def image_in(words: tuple[str, ...]) -> str:
    """The value of `-t`, else blank."""
    return next((value for flag, value in pairs(words) if flag == "-t"), "")


def pairs(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each flag with its value; the value is blank for flags that take none and when it is missing."""
    position = 0
    while position < len(words):
        flag = words[position]
        takes_value = ALLOWED.get(flag) is not None
        yield flag, "".join(words[position + 1 : position + 2]) if takes_value else ""
        position += 2 if takes_value else 1


def launcher_argument_problems(words: tuple[str, ...], *, one_node: bool) -> Iterator[str]:
    """What is wrong with words that are already known to be clean text."""
    flags = flags_in(words)
    for flag, value in pairs(words):
        yield from _flag_problems(flag, value)
    for flag in sorted({flag for flag in flags if flags.count(flag) > 1} - {"-v"}):
        yield f"{flag[:60]} is given twice. Keep one."
    yield from _combination_problems(frozenset(flags), one_node)


def _flag_problems(flag: str, value: str) -> Iterator[str]:
    if flag in OWNED:
        yield f"{flag} is not taken here: {OWNED[flag]}. Remove it."
    elif flag not in ALLOWED:
        yield f"{flag[:60]!r} is not on the list of launcher flags. Allowed: {', '.join(sorted(ALLOWED))}."
    elif (rule := ALLOWED[flag]) is not None and not rule(value):
        yield f"{flag} {value[:60]!r} is not a fitting value. Write the flag and its value as two items."


def _combination_problems(flags: frozenset[str], one_node: bool) -> Iterator[str]:
    if {"--ray", "--no-ray"} <= flags:
        yield "--ray and --no-ray exclude each other. Keep one."
    if one_node and flags & {"--ray", "--no-ray"}:
        yield "--ray and --no-ray need more than one Spark; the launcher refuses them for one. Remove the flag."
    if flags & LIMITS and "--non-privileged" not in flags:
        yield f"{', '.join(sorted(flags & LIMITS))} only count with --non-privileged. Add it or remove the limit."
    if {"--keep-entrypoint"} <= flags and flags & {"--earlyoom", "--earlyoom-args"}:
        yield "--keep-entrypoint and --earlyoom exclude each other. Keep one."
