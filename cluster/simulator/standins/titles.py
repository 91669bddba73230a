"""A process's own command line, as ps shows it."""

from __future__ import annotations

import ctypes
import os

from cluster.simulator.procfs import read_proc

PR_SET_NAME = 15
ARG_START, ARG_END = 45, 46  # in /proc/self/stat, counted after the command name


def set_title(words: list[str], name: str) -> None:
    """Show `words` as this process's argv and `name` (cut at 15 bytes) as its short name."""
    stat = read_proc(os.getpid(), "stat")
    fields = stat[stat.rfind(b")") + 2 :].split()
    start, end = int(fields[ARG_START]), int(fields[ARG_END])
    room = end - start
    title = b"\0".join(word.encode(errors="surrogateescape") for word in words)[: room - 1]
    ctypes.memmove(start, title + b"\0" * (room - len(title)), room)
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)
