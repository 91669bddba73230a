"""The door through which stand-ins ask the simulator: one Unix socket per Spark.

A request brings the asker's own stdin, stdout and stderr along, so a process that is started for it writes
straight to where the asker's output goes."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Request:
    """What a stand-in asks for."""

    kind: str
    cwd: str
    argv: list[str]
    env: dict[str, str]
    stdio: tuple[int, int, int]


@dataclass
class Reply:
    """The way back to the stand-in."""

    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    gone: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def out(self, data: str | bytes) -> None:
        await self._frame(b"o", data)

    async def err(self, data: str | bytes) -> None:
        await self._frame(b"e", data)

    async def exit(self, code: int) -> None:
        await self._frame(b"x", str(code))

    async def _frame(self, kind: bytes, data: str | bytes) -> None:
        payload = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        self.writer.write(kind + struct.pack("!I", len(payload)) + payload)
        await self.writer.drain()

    async def watch(self) -> None:
        """Resolve `gone` when the asker hangs up (it was killed)."""
        with suppress(ConnectionError):
            await self.reader.read(1)
        if not self.gone.done():
            self.gone.set_result(None)


Handler = Callable[[Request, Reply], Awaitable[int]]


class Door:
    """Listens on one path and hands every request to the handler; its result is the exit code."""

    def __init__(self, path: str, handler: Handler) -> None:
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        Path(path).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(path)
        self._socket.listen(128)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            connection, _ = self._socket.accept()
            task = self._loop.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        request = await self._receive(connection)
        if request is None:
            connection.close()
            return
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        reply = Reply(writer, reader)
        watcher = self._loop.create_task(reply.watch())
        try:
            code = await self._handler(request, reply)
            await reply.exit(code)
        except ConnectionError:
            pass
        finally:
            watcher.cancel()
            for fd in request.stdio:
                os.close(fd)
            writer.close()

    async def _receive(self, connection: socket.socket) -> Request | None:
        await self._readable(connection)
        head, fds, _, _ = socket.recv_fds(connection, 4, 3)
        if len(head) < 4 or len(fds) != 3:
            for fd in fds:
                os.close(fd)
            return None
        (length,) = struct.unpack("!I", head)
        body = b""
        while len(body) < length:
            piece = await self._loop.sock_recv(connection, length - len(body))
            if not piece:
                return None
            body += piece
        return self._decode(body, (fds[0], fds[1], fds[2]))

    @staticmethod
    def _decode(body: bytes, stdio: tuple[int, int, int]) -> Request:
        kind, cwd, count, *rest = body.decode(errors="surrogateescape").split("\0")
        argv, env = rest[: int(count)], rest[int(count) :]
        return Request(kind, cwd, argv, dict(entry.split("=", 1) for entry in env if "=" in entry), stdio)

    async def _readable(self, connection: socket.socket) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(connection.fileno(), ready.set_result, None)
        try:
            await ready
        finally:
            self._loop.remove_reader(connection.fileno())
