"""A container's output as `docker logs` keeps it: lines with a time and a stream."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

PIECE = 16384  # json-file stores a longer line in pieces of this size


@dataclass(frozen=True)
class Line:
    """One stored piece; `at` is epoch nanoseconds, `data` ends in a newline unless it is a piece."""

    at: int
    stream: str
    data: bytes

    def text(self, timestamps: bool) -> bytes:
        return rfc3339(self.at).encode() + b" " + self.data if timestamps else self.data


def rfc3339(at: int) -> str:
    """RFC3339Nano in UTC, as Docker prints it."""
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds:09d}Z"


class ContainerLog:
    """Reads the two pipes of a container and keeps what comes out of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stdout: str, stderr: str) -> None:
        self._loop = loop
        self.lines: list[Line] = []
        self.closed = False
        self._partial: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._news: set[asyncio.Future[None]] = set()
        self._pipes: dict[str, int] = {}
        for stream, path in (("stdout", stdout), ("stderr", stderr)):
            os.mkfifo(path, 0o600)
            # Read-write, so that the pipe never ends while the container lives.
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._pipes[stream] = fd
            loop.add_reader(fd, self._read, stream, fd)

    def writer(self, path: str) -> int:
        """A descriptor to give to a process as its stdout or stderr."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def close(self) -> None:
        """Take what is left in the pipes and end every follower."""
        for stream, fd in self._pipes.items():
            self._loop.remove_reader(fd)
            self._read(stream, fd)
            os.close(fd)
            if self._partial[stream]:
                self._store(stream, bytes(self._partial[stream]))
        self._pipes = {}
        self.closed = True
        self._wake()

    def _read(self, stream: str, fd: int) -> None:
        with suppress(BlockingIOError):
            while data := os.read(fd, 65536):
                self._feed(stream, data)
                if len(data) < 65536:
                    break
        self._wake()

    def _feed(self, stream: str, data: bytes) -> None:
        partial = self._partial[stream]
        partial += data
        *whole, rest = bytes(partial).split(b"\n")
        for line in whole:
            self._store(stream, line + b"\n")
        while len(rest) >= PIECE:
            self._store(stream, rest[:PIECE])
            rest = rest[PIECE:]
        partial[:] = rest

    def _store(self, stream: str, data: bytes) -> None:
        self.lines.append(Line(time.time_ns(), stream, data))

    def _wake(self) -> None:
        for future in self._news:
            if not future.done():
                future.set_result(None)
        self._news.clear()

    async def follow(self, position: int) -> AsyncIterator[Line]:
        """Lines from `position` on, until the container ends."""
        while True:
            while position < len(self.lines):
                yield self.lines[position]
                position += 1
            if self.closed:
                return
            news: asyncio.Future[None] = self._loop.create_future()
            self._news.add(news)
            await news

    def start(self, tail: str, since: int) -> int:
        """The position of the first line to show for --tail and --since (epoch ns)."""
        first = next((i for i, line in enumerate(self.lines) if line.at >= since), len(self.lines))
        if tail and tail != "all":
            first = max(first, len(self.lines) - max(0, int(tail)))
        return first


def moment(text: str, now: int) -> int:
    """--since or --until as epoch nanoseconds: a Unix time, RFC3339, or a span back from now. ValueError."""
    if not text:
        return 0
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds, _, fraction = text.partition(".")
        return int(seconds) * 1_000_000_000 + int((fraction + "0" * 9)[:9])
    spans = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if spans and "".join(number + unit for number, unit in spans) == text:
        unit_ns = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000}
        return now - sum(int(float(number) * unit_ns[unit]) for number, unit in spans)
    fraction_match = re.search(r"\.(\d+)", text)
    whole = re.sub(r"\.\d+", "", text)
    parsed = datetime.fromisoformat(whole)
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    nanoseconds = int((fraction_match.group(1) + "0" * 9)[:9]) if fraction_match else 0
    return int(parsed.timestamp()) * 1_000_000_000 + nanoseconds
