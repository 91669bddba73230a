"""Threads, and with them database connections, that outlive a request.

Django gives every request of an ASGI server a new thread, which costs the thread and a database connection each time:
more than half of what /api/status takes (measured). Here a request borrows a thread and hands it back.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

KEPT = 8  # more than this at once are made as needed and let go afterwards


class LastingThreads:
    """Around Django's ASGI application, which makes no thread of its own where it finds one."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._free: list[ThreadSensitiveContext] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        context = self._free.pop() if self._free else ThreadSensitiveContext()
        token = SyncToAsync.thread_sensitive_context.set(context)
        try:
            await self._application(scope, receive, send)
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)
            self._hand_back(context)

    def _hand_back(self, context: ThreadSensitiveContext) -> None:
        if len(self._free) < KEPT:
            self._free.append(context)
            return
        thread = SyncToAsync.context_to_thread_executor.pop(context, None)
        if thread is not None:
            thread.shutdown(wait=False)
