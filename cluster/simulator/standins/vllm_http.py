"""The OpenAI-like server of the vLLM stand-in, on a socket that is bound already."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from cluster.simulator.standins.vllm_answers import Answers
from cluster.simulator.standins.vllm_failures import StartError
from cluster.simulator.standins.vllm_launch import EngineDied, Launch, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cluster.simulator.standins.vllm_flags import Flags

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed",
           503: "Service Unavailable"}  # fmt: skip
BODY_LIMIT = 32 * 1024 * 1024
WATCH_EVERY = 0.2


def serve(launch: Launch, flags: Flags) -> int:
    """Serve until SIGTERM (0). EngineDied or StartError when the engine or a worker goes."""
    return asyncio.run(_serve(launch, flags))


async def _serve(launch: Launch, flags: Flags) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not over.done():
            over.set_exception(Stopped())

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    answers = Answers(flags, launch)
    if launch.faults.number("crash-after-ready", 2.0) == 0:
        launch.end()  # no request is answered
    server = await asyncio.start_server(Connection(answers).run, sock=launch.socket, backlog=2048)
    launch.announce()
    say = launch._say
    say(launch.words.listening(flags.text("host", "0.0.0.0"), launch.port))
    say(launch.words.uvicorn("Started server process [1]") + launch.words.uvicorn("Waiting for application startup."))
    say(launch.words.uvicorn("Application startup complete."))
    watcher = loop.create_task(_watch(launch, answers, over))
    try:
        await over
    finally:
        watcher.cancel()
        server.close()
    return 0


async def _watch(launch: Launch, answers: Answers, over: asyncio.Future[None]) -> None:
    """The engine's end, the crash-after-ready fault, and the line vLLM prints every 10 s when busy."""
    ready, printed = asyncio.get_running_loop().time(), 0.0
    while not over.done():
        await asyncio.sleep(WATCH_EVERY)
        now = asyncio.get_running_loop().time()
        crash = launch.faults.number("crash-after-ready", 2.0)
        if crash is not None and now - ready >= crash:
            launch.end()
        try:
            launch.check_alive()
        except (EngineDied, StartError, Stopped) as error:
            over.set_exception(error)
        if now - printed >= 10 and answers.busy_line():
            printed = now
            launch._say(launch.words.api("loggers.py:259", answers.busy_line()))
            answers.forget_rates()


class Connection:
    """HTTP/1.1 with keep-alive, as little as clients need."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            while await self._exchange(reader, writer):
                continue
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays open."""
        line = (await reader.readline()).decode("latin-1").split()
        if len(line) < 3:
            return False
        headers: dict[str, str] = {}
        while (header := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length") or 0)
        body = await reader.readexactly(length) if 0 < length <= BODY_LIMIT else b""
        status, kind, content = await self._answers.answer(line[0], line[1].partition("?")[0], headers, body)
        keep = headers.get("connection", "").lower() != "close" and line[2] != "HTTP/1.0"
        if isinstance(content, bytes):
            _write(writer, status, kind, content, keep)
        else:
            _head(writer, status, kind, "Transfer-Encoding: chunked", keep)
            async for piece in content:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return keep


def _head(writer: asyncio.StreamWriter, status: int, kind: str, extra: str, keep: bool) -> None:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}", "server: uvicorn", extra]
    if kind:
        lines.append(f"content-type: {kind}")
    if not keep:
        lines.append("connection: close")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


def _write(writer: asyncio.StreamWriter, status: int, kind: str, content: bytes, keep: bool) -> None:
    _head(writer, status, kind, f"content-length: {len(content)}", keep)
    writer.write(content)
