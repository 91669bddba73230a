"""Answers that take their time: server-sent events, and one JSON body when the wait is over."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from django.db import close_old_connections
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer

from cluster import live

HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 3000
MAX_WAIT_SECONDS = 30
MAX_POSITION = 2**31 - 1


class EventStream(BaseRenderer):
    """Lets clients ask for text/event-stream; the bytes are written by `events`."""

    media_type = "text/event-stream"
    format = "sse"
    charset = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        return json.dumps(data).encode()


class PlainText(BaseRenderer):
    media_type = "text/plain"
    format = "txt"

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        return str(data).encode()


def event_stream(topic: str, reader: live.Reader, after: int) -> StreamingHttpResponse:
    """The topic's rows from behind position `after` as server-sent events; closes after the last one."""
    close_old_connections()  # the view ends here; Django would only do it once the client has left
    response = StreamingHttpResponse(events(topic, reader, after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would hold the lines back
    return response


async def events(topic: str, reader: live.Reader, after: int) -> AsyncIterator[bytes]:
    yield f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
    async with live.hub().watch(topic, reader, after=after) as watcher:
        while True:
            rows = await watcher.rows(HEARTBEAT_SECONDS)
            yield "".join(row.text(_event) for row in rows).encode() or b": still here\n\n"
            if rows and rows[-1].last:
                return


def _event(row: live.Row) -> str:
    return f"id: {row.seq}\nevent: {row.kind}\ndata: {json.dumps(row.data)}\n\n"


def resume_after(request: HttpRequest) -> int:
    """The position a client has already: Last-Event-ID or ?after=, else 0. Raises ValidationError."""
    raw = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not re.fullmatch(r"[0-9]{1,10}", raw) or int(raw) > MAX_POSITION:
        raise ValidationError({"after": ["Write the sequence number of the last event you have."]})
    return int(raw)


def preferred_wait(request: HttpRequest) -> int:
    """Seconds of `Prefer: wait=N` (RFC 7240), at most 30; 0 without it."""
    match = re.search(r"(?:\A|[,;\s])wait\s*=\s*\"?(\d{1,6})", request.headers.get("Prefer", ""))
    return min(int(match[1]), MAX_WAIT_SECONDS) if match else 0


async def wait_for(topic: str, reader: live.Reader, after: int, seconds: float, kinds: frozenset[str]) -> None:
    """Until a row of one of `kinds`, or the last one, or `seconds` are over."""
    loop_time = asyncio.get_running_loop().time
    ends = loop_time() + seconds
    async with live.hub().watch(topic, reader, after=after) as watcher:
        while (left := ends - loop_time()) > 0:
            row = await watcher.next(left)
            if row is not None and (row.last or row.kind in kinds):
                return


def answer_later(
    work: Callable[[], Awaitable[Any]], *, status: int = 200, headers: dict[str, str]
) -> StreamingHttpResponse:
    """Status and headers now, the JSON body when `work` is done; no thread is held meanwhile."""

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(await work()).encode()

    return StreamingHttpResponse(body(), status=status, content_type="application/json", headers=headers)
