"""Daphne as `make run` starts it, but in a thread. Twisted runs once per process, so there is one for all tests."""

import time

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.utils.module_loading import import_string
from twisted.internet import reactor


class WebServer:
    def __init__(self) -> None:
        settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise looks at it when the application is made
        self.server = Server(
            application=import_string("sparkcontrol.asgi.application"),
            endpoints=build_endpoint_description_strings(host="127.0.0.1", port=0),
            signal_handlers=False,
            verbosity=0,
        )

    def run(self) -> None:
        self.server.run()

    def wait_until_listening(self, seconds: float = 15.0) -> None:
        ends_at = time.monotonic() + seconds
        while not self.server.listening_addresses:
            assert time.monotonic() < ends_at, "Daphne did not start to listen"
            time.sleep(0.02)

    @property
    def url(self) -> str:
        host, port = self.server.listening_addresses[0]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        reactor.callFromThread(reactor.stop)  # type: ignore[misc]
