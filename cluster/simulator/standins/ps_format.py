"""What `ps` prints of a process, for ps itself and for docker top."""

# Stand-ins import this and pathlib would cost them 10 ms of start-up each.

from __future__ import annotations

import os
import time

from cluster.simulator.procfs import read_proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_COLUMNS = ("uid", "pid", "ppid", "c", "stime", "tty", "time", "cmd")
TITLES = {"args": "COMMAND", "command": "COMMAND", "comm": "COMMAND", "etimes": "ELAPSED", "etime": "ELAPSED",
          "uid": "UID", "pcpu": "%CPU", "pmem": "%MEM", "%cpu": "%CPU", "%mem": "%MEM", "tname": "TTY"}  # fmt: skip
LAST = ("cmd", "args", "command")


def command_line(pid: int) -> str:
    """argv joined by spaces, as ps and pgrep -f see it."""
    return read_proc(pid, "cmdline").rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


def comm(pid: int) -> str:
    """The kernel's short name."""
    return read_proc(pid, "comm").decode(errors="replace").rstrip("\n")


def _stat(pid: int) -> list[str]:
    stat = read_proc(pid, "stat").decode(errors="replace")
    return stat[stat.rfind(")") + 2 :].split() or ["Z"] + ["0"] * 40


def _started(pid: int) -> float:
    ticks = float(_stat(pid)[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - _uptime() + ticks


def _uptime() -> float:
    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"


def _elapsed(pid: int) -> str:
    text = _clock(time.time() - _started(pid))
    return text[3:] if text.startswith("00:") else text


def _rss(pid: int) -> str:
    pages = read_proc(pid, "statm").split()
    return str(int(pages[1]) * 4 if len(pages) > 1 else 0)


def _always(text: str) -> Callable[[int], str]:
    return lambda _pid: text


FIELDS: dict[str, Callable[[int], str]] = {
    "pid": str,
    "ppid": lambda pid: _stat(pid)[1],
    "pgid": lambda pid: _stat(pid)[2],
    "sid": lambda pid: _stat(pid)[3],
    "uid": _always("root"),
    "user": _always("root"),
    "euser": _always("root"),
    "c": _always("0"),
    "pcpu": _always("0.0"),
    "%cpu": _always("0.0"),
    "pmem": _always("0.0"),
    "%mem": _always("0.0"),
    "stime": lambda pid: time.strftime("%H:%M", time.localtime(_started(pid))),
    "lstart": lambda pid: time.ctime(_started(pid)),
    "tty": _always("?"),
    "tname": _always("?"),
    "time": _always("00:00:00"),
    "stat": lambda pid: _stat(pid)[0],
    "state": lambda pid: _stat(pid)[0],
    "s": lambda pid: _stat(pid)[0],
    "etime": _elapsed,
    "etimes": lambda pid: str(int(time.time() - _started(pid))),
    "rss": _rss,
    "vsz": _rss,
    "comm": comm,
    "cmd": command_line,
    "args": command_line,
    "command": command_line,
}


def ps_text(pids: list[int], argv: list[str], default: tuple[str, ...]) -> str:
    """A ps listing of exactly these processes, by the options in argv."""
    columns, titles = _columns(argv, default)
    header = "" if not any(titles) else _row(titles, columns)
    return header + "".join(_row([FIELDS[name](pid) for name in columns], columns) for pid in pids)


def _columns(argv: list[str], default: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Column names and titles from -o, -eo, o; NAME= gives a column without a title."""
    chosen: list[str] = []
    for index, word in enumerate(argv):
        if word.startswith("-") and word.endswith("o") and index + 1 < len(argv):
            chosen += argv[index + 1].replace(",", " ").split()
        elif word.startswith("-o") and len(word) > 2:
            chosen += word[2:].replace(",", " ").split()
    if not chosen:
        chosen = list(_preset(argv) or default)
    names = [word.partition("=")[0].partition(":")[0].lower() for word in chosen]
    known = [index for index, name in enumerate(names) if name in FIELDS]
    titles = ["" if "=" in chosen[i] else TITLES.get(names[i], names[i].upper()) for i in known]
    return [names[i] for i in known], titles


def _preset(argv: list[str]) -> tuple[str, ...]:
    text = " ".join(argv)
    if "u" in text.partition(" ")[0] and not text.startswith("-"):
        return ("user", "pid", "%cpu", "%mem", "vsz", "rss", "tty", "stat", "stime", "time", "command")
    return DEFAULT_COLUMNS if "f" in text else ()


def _row(cells: list[str], columns: list[str]) -> str:
    widths = [0 if name in LAST else max(len(name), 8) for name in columns]
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n"
