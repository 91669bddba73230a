"""Where Daphne comes in."""

import os

import django
from channels.routing import ProtocolTypeRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sparkcontrol.settings")
django.setup(set_prefix=False)

from sparkcontrol import starting  # noqa: E402 - what these import needs the line above
from sparkcontrol.request_threads import RequestThreads  # noqa: E402
from sparkcontrol.routing import websockets  # noqa: E402

starting.refuse_mistakes()

application = ProtocolTypeRouter({"http": RequestThreads(), "websocket": websockets})
