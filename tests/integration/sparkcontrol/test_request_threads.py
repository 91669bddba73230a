"""Requests borrow threads: slow ones do not hold up others, and connections are used again."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from sparkcontrol.request_threads import KEPT, RequestThreads

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "headers": [],
    "query_string": b"",
    "http_version": "1.1",
}


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], str]], RequestThreads]:
    """The handler with a view in the place of everything behind it."""

    def make(view: Callable[[], str]) -> RequestThreads:
        def respond(_self: RequestThreads, _request: HttpRequest) -> HttpResponse:
            return HttpResponse(view())

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


async def test_one_after_the_other_they_use_the_same_thread(
    application: Callable[[Callable[[], str]], RequestThreads], db: None
) -> None:
    app = application(lambda: str(threading.get_ident()))

    assert len({await ask(app) for _ in range(5)}) == 1


async def test_at_the_same_time_each_has_its_own(
    application: Callable[[Callable[[], str]], RequestThreads], db: None
) -> None:
    def slow() -> str:
        time.sleep(0.3)
        return str(threading.get_ident())

    app = application(slow)
    started = time.monotonic()
    threads = await asyncio.gather(*(ask(app) for _ in range(KEPT + 4)))

    assert len(set(threads)) == KEPT + 4
    assert time.monotonic() - started < 0.3 * (KEPT + 4)
    assert len({await ask(app)} & set(threads)) == 1
