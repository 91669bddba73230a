"""What answers on a WebSocket."""

from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import CookieMiddleware
from django.urls import path

from cluster.consumers import EVENTS, LiveConsumer
from swaps.api.messages import SWAP

# A page of another site may open a WebSocket to us with our cookies; only the Origin tells, so it is checked first.
websockets = AllowedHostsOriginValidator(
    CookieMiddleware(URLRouter([path("ws/live", LiveConsumer.as_asgi(sources={"events": EVENTS, "swap": SWAP}))]))
)
