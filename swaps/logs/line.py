"""One log line taken apart: who printed it, how serious it claims to be, and what it says."""

import re
from dataclasses import dataclass

from swaps.logs.splitting import clean_line, split_timestamp

DEBUG, INFO, WARNING, ERROR = "DEBUG", "INFO", "WARNING", "ERROR"

# (EngineCore_DP0 pid=1356) (RayWorkerWrapper pid=383, ip=192.168.200.12): prefixes nest.
_PROCESS = re.compile(r"\s*\((?P<name>[A-Za-z][\w.:-]*)(?: rank=\d+)? pid=(?P<pid>\d+)(?:, ip=(?P<ip>[\w.:]+))?\)")
# A service name put in front by `docker compose logs`, or torchrun's rank.
_OUTER = re.compile(r"\s*(?:[\w.-]{1,64}\s+\| |\[rank\d+\]:\s?)")
_HEADERS = (
    # vLLM: ERROR 11-20 10:00:09 [core.py:718] message
    re.compile(
        r"\s*(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
        r"(?: \[[^\]]{1,120}\]| [\w./]+:\d+\])?"
    ),
    # uvicorn and the standard library's default: ERROR:    message
    re.compile(r"\s*(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?:\w[\w.]*:)?"),
    # Ray: 2026-04-01 11:21:35,779 INFO scripts.py:1159 -- message
    re.compile(
        r"\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} +(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)"
        r"(?: [\w.]+:\d+ --)?"
    ),
    # glog of torch: [W1012 10:00:09.123 socket.cpp:460] message
    re.compile(r"\s*\[(?P<level>[IWEF])\d{3,4} [^\]]{1,80}\]"),
    # NCCL: spark-1:140:140 [0] NCCL WARN message
    re.compile(r"\s*[\w.-]+:\d+:\d+ \[\d+\] (?:[\w/.]+:\d+ )?NCCL (?P<level>INFO|WARN)"),
)
_LEVELS = {"I": INFO, "W": WARNING, "WARN": WARNING, "E": ERROR, "F": ERROR, "CRITICAL": ERROR}
_PYTHON_WARNING = re.compile(r":\d+: \w*Warning: |^\w*Warning: |^Warning: ")


@dataclass(frozen=True)
class LogLine:
    """A line without its decorations; `level` is None for raw output such as a traceback."""

    body: str
    level: str | None
    process: str | None
    ip: str | None


def parse_line(text: str) -> LogLine:
    """Strip outer timestamp, escapes, process prefixes and log header, whichever are there."""
    rest = clean_line(split_timestamp(clean_line(text))[1])
    if outer := _OUTER.match(rest):
        rest = rest[outer.end() :]
    process, ip = None, None
    while match := _PROCESS.match(rest):
        process, ip = f"{match['name']} {match['pid']}", match["ip"] or ip
        rest = rest[match.end() :]
    level, body = _split_header(rest)
    return LogLine(body=body, level=level, process=process, ip=ip)


def _split_header(rest: str) -> tuple[str | None, str]:
    for header in _HEADERS:
        if match := header.match(rest):
            level = match["level"]
            return _LEVELS.get(level, level), rest[match.end() :].strip()
    body = rest.strip()
    return (WARNING if _PYTHON_WARNING.search(body) else None), body
