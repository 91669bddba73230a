"""The command lines of `docker run` and `docker exec`, as far as people use them."""

from __future__ import annotations

from dataclasses import dataclass, field

RUN_SWITCHES = {
    "d", "detach", "rm", "i", "interactive", "t", "tty", "privileged", "init", "read-only", "P", "publish-all",
    "no-healthcheck", "oom-kill-disable", "q", "quiet", "sig-proxy", "disable-content-trust", "use-api-socket",
}  # fmt: skip
EXEC_SWITCHES = {"d", "detach", "i", "interactive", "t", "tty", "privileged"}
LONG = {"d": "detach", "i": "interactive", "t": "tty", "e": "env", "v": "volume", "w": "workdir", "l": "label",
        "p": "publish", "u": "user", "h": "hostname", "m": "memory", "net": "network"}  # fmt: skip


class UsageError(Exception):
    """The command line cannot be understood; the text is Docker's own."""


@dataclass
class Options:
    """Options by their long name, then the words after them."""

    switches: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def last(self, name: str, default: str = "") -> str:
        return self.values.get(name, [default])[-1]

    def every(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def has(self, name: str) -> bool:
        return name in self.switches


def parse(argv: list[str], switches: set[str], interspersed: bool = False) -> Options:
    """Split options from words.

    An option that is not a known switch takes a value, which is right for nearly all of Docker's hundred.
    interspersed: options may follow the words (`docker stop NAME -t 3`); for run and exec they may not."""
    found = Options()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            found.words += rest
            break
        if not word.startswith("-") or word == "-":
            found.words.append(word)
            if not interspersed:
                found.words += rest
                break
        elif word.startswith("--"):
            _long_option(found, word[2:], rest, switches)
        else:
            _short_options(found, word[1:], rest, switches)
    return found


def _long_option(found: Options, text: str, rest: list[str], switches: set[str]) -> None:
    name, equals, value = text.partition("=")
    name = LONG.get(name, name)
    if name in switches:
        if not equals or value.lower() in {"true", "1"}:
            found.switches.add(name)
        return
    if not equals:
        value = _value(rest, "--" + name)
    found.values.setdefault(name, []).append(value)


def _short_options(found: Options, letters: str, rest: list[str], switches: set[str]) -> None:
    """A cluster such as -itd, or a letter with its value glued on: -eA=1."""
    while letters:
        letter, letters = letters[0], letters[1:]
        name = LONG.get(letter, letter)
        if letter in switches:
            found.switches.add(name)
            continue
        value = letters.removeprefix("=") if letters else _value(rest, "-" + letter)
        found.values.setdefault(name, []).append(value)
        return


def _value(rest: list[str], option: str) -> str:
    if not rest:
        raise UsageError(f"flag needs an argument: {option}")
    return rest.pop(0)


def environment(options: Options, client: dict[str, str]) -> dict[str, str]:
    """-e NAME=value, -e NAME (value from the client's environment) and --env-file."""
    found: dict[str, str] = {}
    for path in options.every("env-file"):
        found.update(_env_file(path, client))
    for entry in options.every("env"):
        _set(found, entry, client)
    return found


def labels(options: Options) -> dict[str, str]:
    """--label NAME=value and --label-file."""
    entries = [line for path in options.every("label-file") for line in _lines(path)] + options.every("label")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _env_file(path: str, client: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _lines(path):
        _set(found, line, client)
    return found


def _lines(path: str) -> list[str]:
    """Those that are neither blank nor a comment."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise UsageError(f"open {path}: no such file or directory") from error
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _set(found: dict[str, str], entry: str, client: dict[str, str]) -> None:
    name, equals, value = entry.partition("=")
    if equals:
        found[name] = value
    elif name in client:
        found[name] = client[name]
