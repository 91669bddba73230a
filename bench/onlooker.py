"""Many viewers of one swap in one process, for `bench.viewers`: server-sent events or WebSockets, by the bytes.

Standard library alone, and nothing is read before all is over: a viewer only notes when which bytes came, so that 1,000
of them measure the product and not themselves.
"""

import asyncio
import base64
import bisect
import json
import os
import re
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

GREETED = b"\r\n\r\n"
SSE_EVENT = re.compile(rb"id: (\d+)\nevent: (\w+)\ndata: [^\n]*\n\n")
AGAIN_SECONDS = 0.3
END = {"sse": b"event: end\n", "websocket": b'"type": "end"'}
SLOW_BUFFER_BYTES = 4096
SLOW_PAUSE_SECONDS = 3.0
DROP_EVERY_SECONDS = 2.0
CONNECTS_AT_ONCE = 20
GREETED_SECONDS = 120.0
PONG = bytes([0x8A, 0x80]) + bytes(4)
PONG_EVERY_SECONDS = 8.0


@dataclass
class Job:
    """What is watched, and by whom."""

    host: str
    port: int
    kind: str  # sse, websocket
    swap: int
    viewers: int
    key: str
    cookie: str
    origin: str
    limit_seconds: float


@dataclass
class Heard:
    """One row as it arrived."""

    at: float
    seq: int
    kind: bytes


@dataclass
class Line(asyncio.Protocol):
    """One connection: bytes with their times of arrival. Done when it is closed or the end of the swap came."""

    end: bytes
    done: asyncio.Event = field(default_factory=asyncio.Event)
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    transport: asyncio.Transport | None = None
    tail: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pieces.append((time.time(), data))
        self.greeted.set()
        if self.end in self.tail + data:
            self.done.set()
        self.tail = data[-len(self.end) :]

    def connection_lost(self, _error: Exception | None) -> None:
        self.greeted.set()
        self.done.set()


class Viewer:
    """Watches until the end of the swap, over as many connections as it takes; `lines` are what came on each."""

    def __init__(self, job: Job, habit: str = "steady") -> None:
        self.job = job
        self.habit = habit
        self.lines: list[Line] = []
        self.heard: list[Heard] = []

    async def watch(self) -> None:
        while True:
            line = await self._open()
            await self._stay(line)
            assert line.transport is not None
            line.transport.abort()
            self.heard += read(self.job.kind, line)
            if self.heard and self.heard[-1].kind == b"end":
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _stay(self, line: Line) -> None:
        """To the end of the connection, as this viewer's habit is."""
        if self.habit == "dropping":
            await asyncio.sleep(DROP_EVERY_SECONDS)
        elif self.habit == "slow":
            await self._dawdle(line)
        else:
            await line.done.wait()

    async def _dawdle(self, line: Line) -> None:
        assert line.transport is not None
        while not line.done.is_set():
            line.transport.pause_reading()
            await asyncio.sleep(SLOW_PAUSE_SECONDS)
            line.transport.resume_reading()
            await asyncio.sleep(0.2)

    async def _open(self) -> Line:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setblocking(False)
        if self.habit == "slow":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(found, (self.job.host, self.job.port))
        _, line = await loop.create_connection(lambda: Line(END[self.job.kind]), sock=found)
        self.lines.append(line)
        assert line.transport is not None
        after = self.heard[-1].seq if self.heard else 0
        line.transport.write(sse_request(self.job, after) if self.job.kind == "sse" else websocket_request(self.job))
        async with asyncio.timeout(GREETED_SECONDS):
            await line.greeted.wait()
        if self.job.kind == "websocket":
            line.transport.write(frame({"watch": "swap", "id": self.job.swap, "after": after}))
        return line


def sse_request(job: Job, after: int) -> bytes:
    words = [
        f"GET /api/swap/{job.swap}/stream HTTP/1.1",
        f"Host: {job.host}:{job.port}",
        "Accept: text/event-stream",
        f"Authorization: Bearer {job.key}",
    ]
    return "\r\n".join([*words, *([f"Last-Event-ID: {after}"] if after else []), "", ""]).encode()


def websocket_request(job: Job) -> bytes:
    words = [
        "GET /ws/live HTTP/1.1",
        f"Host: {job.host}:{job.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Origin: {job.origin}",
        f"Cookie: {job.cookie}",
    ]
    return "\r\n".join([*words, "", ""]).encode()


def frame(message: dict[str, Any]) -> bytes:
    """A masked text frame; the mask of zeros is one, too."""
    text = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


def read(kind: str, line: Line) -> list[Heard]:
    """The whole rows of a connection; a row arrived when its last byte did."""
    text = b"".join(piece for _, piece in line.pieces)
    if GREETED not in text:
        return []
    begin = text.index(GREETED) + len(GREETED)
    ends: list[tuple[int, float]] = []
    size = 0
    for at, piece in line.pieces:
        size += len(piece)
        ends.append((size, at))
    return sse_rows(text, begin, ends) if kind == "sse" else websocket_rows(text, begin, ends)


def sse_rows(text: bytes, begin: int, ends: list[tuple[int, float]]) -> list[Heard]:
    body, added = unchunked(text, begin)
    place, found = iter(ends), []
    end, at = next(place)
    for match in SSE_EVENT.finditer(body):
        came_with = match.end() + added[bisect.bisect_left(added, (match.end(), 0))][1]
        while end < came_with:
            end, at = next(place)
        found.append(Heard(at, int(match[1]), match[2]))
    return found


def unchunked(text: bytes, begin: int) -> tuple[bytes, list[tuple[int, int]]]:
    """The body of a chunked answer; for each chunk where it ends in the body and how much further in the answer."""
    body, added = bytearray(), []
    while (break_at := text.find(b"\r\n", begin)) > 0 and (size := int(text[begin:break_at], 16)):
        begin = break_at + 2
        body += text[begin : begin + size]  # less, when the connection was dropped
        added.append((len(body), min(begin + size, len(text)) - len(body)))
        begin += size + 2
    return bytes(body), added


def websocket_rows(text: bytes, begin: int, ends: list[tuple[int, float]]) -> list[Heard]:
    place, found = iter(ends), []
    end, at = next(place)
    while begin + 2 <= len(text):
        size, head = text[begin + 1], 2
        if size == 126:
            size, head = int.from_bytes(text[begin + 2 : begin + 4]), 4
        body, begin = text[begin + head : begin + head + size], begin + head + size
        if begin > len(text):
            break
        while end < begin:
            end, at = next(place)
        if text[begin - size - head] == 0x81:
            message = json.loads(body)
            found.append(Heard(at, message.get("seq", 0), message["type"].encode()))
    return found


async def stay_alive(viewers: list[Viewer]) -> None:
    """A WebSocket that never says a word is taken for dead."""
    while True:
        await asyncio.sleep(PONG_EVERY_SECONDS)
        for line in (viewer.lines[-1] for viewer in viewers if viewer.lines):
            if line.transport is not None and line.greeted.is_set() and not line.transport.is_closing():
                line.transport.write(PONG)


async def crowd(job: Job) -> tuple[list[Viewer], float]:
    """All viewers, and when the last of the steady ones was connected."""
    viewers = [Viewer(job) for _ in range(job.viewers)]
    odd = [Viewer(job, "dropping"), Viewer(job, "slow"), Viewer(job, "late")]
    turnstile = asyncio.Semaphore(CONNECTS_AT_ONCE)
    pulse = asyncio.create_task(stay_alive([*viewers, *odd])) if job.kind == "websocket" else None

    async def enter(viewer: Viewer) -> asyncio.Task[None]:
        async with turnstile:
            task = asyncio.create_task(viewer.watch())
            while not task.done() and not (viewer.lines and viewer.lines[0].greeted.is_set()):
                await asyncio.sleep(0.01)
            return task

    tasks = [asyncio.create_task(viewer.watch()) for viewer in odd[:2]]
    tasks += await asyncio.gather(*(enter(viewer) for viewer in viewers))
    connected_at = time.time()
    print(json.dumps({"connected_at": connected_at}), flush=True)
    await asyncio.sleep(job.limit_seconds / 3)
    tasks.append(asyncio.create_task(odd[2].watch()))
    async with asyncio.timeout(job.limit_seconds * 3 + 120):
        await asyncio.gather(*tasks)
    if pulse is not None:
        pulse.cancel()
    return [*viewers, *odd], connected_at


def main() -> None:
    """the job as JSON; prints when all are connected and, at the end, a JSON line for each viewer"""
    job = Job(**json.loads(sys.argv[1]))
    viewers, _ = asyncio.run(crowd(job))
    for viewer in viewers:
        rows = [[row.seq, row.kind.decode(), row.at] for row in viewer.heard]
        print(json.dumps({"habit": viewer.habit, "connections": len(viewer.lines), "rows": rows}))


if __name__ == "__main__":
    main()
