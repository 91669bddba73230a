"""Whether the caller of a request is still there. A view in its thread cannot see it; the ASGI server tells us."""

import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_KEY = "spark_control.hung_up"


def listening(scope: MutableMapping[str, Any], receive: Receive) -> Receive:
    """`receive`, and what it says about the caller noted in `scope`, where `has_hung_up` finds it."""
    hung_up = scope[_KEY] = threading.Event()

    async def receiving() -> MutableMapping[str, Any]:
        message = await receive()
        if message["type"] == "http.disconnect":
            hung_up.set()
        return message

    return receiving


def has_hung_up(request: HttpRequest | Request) -> bool:
    """True once the connection of `request` is gone. Always False where no ASGI server listens."""
    noted = getattr(request, "scope", {}).get(_KEY)
    return noted is not None and noted.is_set()
