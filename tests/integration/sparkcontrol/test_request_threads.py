"""Requests borrow threads: slow ones do not hold up others, and connections are used again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from sparkcontrol.request_threads import KEPT, RequestThreads

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "headers": [],
    "query_string": b"",
    "http_version": "1.1",
}

View = Callable[[], str | HttpResponseBase]
Application = Callable[[View], RequestThreads]


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    """The handler with a view in the place of everything behind it."""

    def make(view: View) -> RequestThreads:
        def respond(_self: RequestThreads, _request: HttpRequest) -> HttpResponseBase:
            answer = view()
            return HttpResponse(answer) if isinstance(answer, str) else answer

        settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise looks at it
        monkeypatch.setattr(RequestThreads, "_get_response", respond)
        return RequestThreads()

    return make


async def ask(application: RequestThreads) -> str:
    body = b""
    waiting = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await waiting.wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal body
        body += message.get("body", b"")

    await application({**SCOPE, "headers": [(b"host", b"localhost")]}, receive, send)
    return body.decode()


async def test_one_after_the_other_they_use_the_same_thread(application: Application, db: None) -> None:
    app = application(lambda: str(threading.get_ident()))

    assert len({await ask(app) for _ in range(5)}) == 1


async def test_at_the_same_time_each_has_its_own(application: Application, db: None) -> None:
    def slow() -> str:
        time.sleep(0.3)
        return str(threading.get_ident())

    app = application(slow)
    started = time.monotonic()
    threads = await asyncio.gather(*(ask(app) for _ in range(KEPT + 4)))

    assert len(set(threads)) == KEPT + 4
    assert time.monotonic() - started < 0.3 * (KEPT + 4)
    assert len({await ask(app)} & set(threads)) == 1


async def test_who_watches_a_stream_holds_no_thread(application: Application, db: None) -> None:
    over = asyncio.Event()
    threads: set[int] = set()

    async def words() -> AsyncIterator[bytes]:
        yield b"begun "
        await over.wait()
        yield b"ended"

    def stream() -> StreamingHttpResponse:
        threads.add(threading.get_ident())
        return StreamingHttpResponse(words())

    app = application(stream)
    before = len(SyncToAsync.context_to_thread_executor)
    viewers = [asyncio.create_task(ask(app)) for _ in range(3)]
    for _ in range(20):
        viewers.append(asyncio.create_task(ask(app)))
        await asyncio.sleep(0.05)

    assert len(SyncToAsync.context_to_thread_executor) - before <= KEPT
    assert len(threads) <= KEPT
    over.set()
    assert set(await asyncio.gather(*viewers)) == {"begun ended"}
