"""One thread hop per request, into a thread that lasts.

Django's own ASGI handler changes threads twice for every middleware and gives every request a new thread, which costs
it a new database connection, too: together more than half of what /api/status takes (measured). Here all middleware
and the view run in one hop, in a thread that is borrowed and handed back. Streams still run on the event loop.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

from cluster.api import hanging_up

KEPT = 8  # more than this at once are made as needed and let go afterwards


class RequestThreads(ASGIHandler):
    """Django as an ASGI application; all views here are synchronous."""

    def __init__(self) -> None:
        super().__init__()
        self._free: list[ThreadSensitiveContext] = []
        self._lent: set[ThreadSensitiveContext] = set()
        self._closing = ThreadSensitiveContext()  # one thread in which all streams are closed

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002 - it is synchronous whatever is asked
        super().load_middleware(is_async=False)
        chain: Callable[[HttpRequest], HttpResponseBase] = self._middleware_chain  # type: ignore[has-type]
        self._middleware_chain = sync_to_async(chain, thread_sensitive=True)

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        context = self._lend()
        token = SyncToAsync.thread_sensitive_context.set(context)
        try:
            receive = hanging_up.listening(scope, receive)
            await super().__call__(scope, receive, send)  # makes no context where it finds one
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)
            self._hand_back(context)

    async def send_response(self, response: HttpResponseBase, send: Callable[[Any], Awaitable[None]]) -> None:
        """A viewer may stay for hours and is served by the event loop alone: the request's thread goes back before."""
        if getattr(response, "is_async", False):
            self._hand_back(SyncToAsync.thread_sensitive_context.get())
            SyncToAsync.thread_sensitive_context.set(self._closing)
        await super().send_response(response, send)

    def _lend(self) -> ThreadSensitiveContext:
        context = self._free.pop() if self._free else ThreadSensitiveContext()
        self._lent.add(context)
        return context

    def _hand_back(self, context: ThreadSensitiveContext) -> None:
        if context not in self._lent:
            return
        self._lent.discard(context)
        if len(self._free) < KEPT:
            self._free.append(context)
            return
        thread = SyncToAsync.context_to_thread_executor.pop(context, None)
        if thread is not None:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)
