"""The WebSocket of the dashboard: what happens, and the lines of a swap somebody looks at."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from cluster import event_feed, live
from cluster.api.permissions import scopes_of_person
from cluster.api.strict_json import BadJSON, parse

MAX_WATCHES = 20
RECHECK_SECONDS = 20.0
NOT_SIGNED_IN = 4401
NOT_ALLOWED = 4403


@dataclass(frozen=True)
class Source:
    """Something that can be watched: a topic and a reader for each id, and where a newcomer begins."""

    topic: Callable[[int], str]
    reader: Callable[[int], live.Reader]
    begin: Callable[[int], int]  # position of a newcomer who names none; runs in a thread
    text: live.Form  # the message as JSON


def small(row: live.Row) -> str:
    """The browser fetches what the event concerns, so nothing here needs a permission of its own."""
    return json.dumps({"type": "event", **{name: row.data[name] for name in ("id", "kind", "slot", "spark")}})


EVENTS = Source(
    topic=lambda _id: event_feed.TOPIC,
    reader=lambda _id: event_feed.read,
    begin=lambda _id: event_feed.newest(),
    text=small,
)


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Takes {"watch": name, "id"?, "after"?} and {"unwatch": name, "id"?}. Made with the sources it knows.

    Who listens is checked when it connects, with every message it sends, and again every 20 s.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        super().__init__()
        self.sources = sources

    async def connect(self) -> None:
        self.watches: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.guard: asyncio.Task[None] | None = None
        await self.accept()  # only an accepted socket can carry a close code to the page
        if await self.still_allowed():
            self.guard = asyncio.create_task(self.recheck())

    async def disconnect(self, *_: Any) -> None:
        tasks = [*self.watches.values(), *([self.guard] if self.guard else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, **_: Any) -> None:
        if not await self.still_allowed():
            return
        try:
            content = parse(text_data or "")
        except BadJSON as error:
            await self.complain("malformed-json", str(error))
            return
        await self.obey(content)

    async def obey(self, content: Any) -> None:
        words = content if isinstance(content, dict) else {}
        name, number = words.get("watch") or words.get("unwatch"), words.get("id", 0)
        after = words.get("after")
        if not isinstance(name, str) or name not in self.sources or not _is_count(number) or not _is_count(after or 0):
            await self.complain("invalid-request", f"Send watch or unwatch with one of {', '.join(self.sources)}.")
        elif "unwatch" in words:
            self.stop(name, number)
        elif len(self.watches) >= MAX_WATCHES and (name, number) not in self.watches:
            await self.complain("too-many-watches", f"One connection may watch {MAX_WATCHES} things.")
        else:
            self.stop(name, number)
            self.watches[name, number] = asyncio.create_task(self.tell(name, number, after))

    def stop(self, name: str, number: int) -> None:
        if task := self.watches.pop((name, number), None):
            task.cancel()

    async def tell(self, name: str, number: int, after: int | None) -> None:
        source = self.sources[name]
        if after is None:
            after = await database_sync_to_async(source.begin)(number)
        async with live.hub().watch(source.topic(number), source.reader(number), after=after) as watcher:
            while True:
                rows = await watcher.rows(3600)
                for row in rows:
                    await self.send(text_data=row.text(source.text))
                if rows and rows[-1].last:
                    self.watches.pop((name, number), None)
                    return

    async def recheck(self) -> None:
        await asyncio.sleep(RECHECK_SECONDS)
        while await self.still_allowed():
            await asyncio.sleep(RECHECK_SECONDS)

    async def still_allowed(self) -> bool:
        """True when the session still stands and its person may look; else the socket is closed."""
        scopes = await database_sync_to_async(_scopes_now)(self.scope["cookies"].get(settings.SESSION_COOKIE_NAME))
        if "read" in scopes:
            return True
        with contextlib.suppress(RuntimeError):  # it may be closed already
            await self.close(NOT_ALLOWED if scopes else NOT_SIGNED_IN)
        return False

    async def complain(self, code: str, detail: str) -> None:
        await self.send_json({"type": "error", "code": code, "detail": detail})


def _scopes_now(session_key: str | None) -> frozenset[str]:
    """Read afresh: signing out, a new password or a locked account must end the feed too."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return scopes_of_person(user) if user.is_authenticated else frozenset()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
