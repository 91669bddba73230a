"""Where Daphne comes in."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sparkcontrol.settings")
http = get_asgi_application()

from sparkcontrol.lasting_threads import LastingThreads  # noqa: E402
from sparkcontrol.routing import websockets  # noqa: E402 - models can be imported only after the line above

application = ProtocolTypeRouter({"http": LastingThreads(http), "websocket": websockets})
