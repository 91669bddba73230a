"""Where Daphne comes in."""

import os

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sparkcontrol.settings")
django.setup(set_prefix=False)

from sparkcontrol.request_threads import RequestThreads  # noqa: E402 - what these import needs the line above
from sparkcontrol.routing import websockets  # noqa: E402

application = ProtocolTypeRouter({"http": RequestThreads(), "websocket": websockets})
