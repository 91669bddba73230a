"""ps, pgrep and pkill that see only this container's processes, or on the host only this Spark's."""

from __future__ import annotations

import os
import re
import signal
import sys

from cluster.simulator.procfs import marked, parent_of, read_proc, signal_all
from cluster.simulator.standins import spark
from cluster.simulator.standins.inner_paths import shown
from cluster.simulator.standins.ps_format import comm, command_line, ps_text


def main(name: str, argv: list[str]) -> int:
    return _ps(argv) if name == "ps" else _grep(name, argv)


def _shown(text: str) -> str:
    return shown(os.environ.get("SPARKSIM_BASE", ""), text)


def _visible() -> list[int]:
    if spark.in_container():
        pids = marked("SPARKSIM_CONTAINER=" + os.environ["SPARKSIM_CONTAINER"])
    else:
        pids = marked("SPARKSIM_DIR=" + spark.folder())
    return sorted(pid for pid in pids if pid != os.getpid() and read_proc(pid, "cmdline"))


def _ps(argv: list[str]) -> int:
    wanted = _option(argv, ("-p", "--pid", "-q", "p"))
    pids = _visible()
    if wanted:
        listed = {int(word) for word in wanted.replace(",", " ").split() if word.isdigit()}
        pids = [pid for pid in pids if pid in listed]
    sys.stdout.write(_shown(ps_text(pids, argv, ("pid", "tty", "time", "comm"))))
    return 0 if pids else 1


def _option(argv: list[str], names: tuple[str, ...]) -> str:
    for index, word in enumerate(argv[:-1]):
        if word in names:
            return argv[index + 1]
    return ""


def _grep(name: str, argv: list[str]) -> int:
    signum, argv = _take_signal(argv) if name == "pkill" else (0, argv)
    switches = "".join(word[1:] for word in argv if re.fullmatch(r"-[a-zA-Z]+", word))
    long = {word for word in argv if word.startswith("--")}
    words = _words(argv)
    if not words and "P" not in switches:
        sys.stderr.write(f"{name}: no matching criteria specified\n")
        return 2
    pattern = re.compile(words[-1] if words else "", re.IGNORECASE if "i" in switches else 0)
    full = "f" in switches or "--full" in long
    pids = [pid for pid in _visible() if _matches(pid, pattern, full, "x" in switches)]
    pids = [pid for pid in pids if "P" not in switches or str(parent_of(pid)) == _option(argv, ("-P",))]
    pids = pids[-1:] if "n" in switches else pids[:1] if "o" in switches else pids
    if name == "pkill":
        signal_all(pids, signum)
    elif "c" in switches:
        print(len(pids))
    else:
        _print(pids, switches)
    return 0 if pids else 1


def _words(argv: list[str]) -> list[str]:
    values = {"-P", "-u", "-U", "-s", "-g", "-t", "--signal", "-d"}
    return [w for i, w in enumerate(argv) if not w.startswith("-") and (i == 0 or argv[i - 1] not in values)]


def _take_signal(argv: list[str]) -> tuple[int, list[str]]:
    """-9, -KILL, -SIGKILL, --signal KILL, --signal=KILL, wherever it stands."""
    signum, rest = int(signal.SIGTERM), []
    pending = False
    for word in argv:
        name = word[9:] if word.startswith("--signal=") else word if pending else word[1:]
        number = _number(name) if pending or word.startswith("-") else 0
        pending = word == "--signal"
        if number:
            signum = number
        elif not pending:
            rest.append(word)
    return signum, rest


def _number(name: str) -> int:
    if name.isdigit():
        return int(name)
    found = getattr(signal, "SIG" + name.removeprefix("SIG"), None) if name.isupper() else None
    return int(found) if isinstance(found, signal.Signals) else 0


def _matches(pid: int, pattern: re.Pattern[str], full: bool, exact: bool) -> bool:
    text = _shown(command_line(pid)) if full else comm(pid)
    # A pattern asked for by its own shell would find that shell too; procps skips itself only, so do we.
    return bool(pattern.fullmatch(text) if exact else pattern.search(text))


def _print(pids: list[int], switches: str) -> None:
    for pid in pids:
        tail = " " + _shown(command_line(pid)) if "a" in switches else " " + comm(pid) if "l" in switches else ""
        print(f"{pid}{tail}")
