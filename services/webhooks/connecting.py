"""Connections that go where the guard allowed, and end when their time is over.

The name is resolved once; the addresses that came back are checked, and the connection is made to one of those. A
second look at the name, by which an attacker could show us another address, never happens.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from ssl import SSLContext
from typing import Any

import httpcore

from services.webhooks import guard
from services.webhooks.guard import Allowance

CONNECT_SECONDS = 5.0  # for one address


class Deadline:
    """When the attempt must be over, on the monotonic clock. Time limits per read would let a slow sender drip on."""

    def __init__(self, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds

    def cap(self, timeout: float | None) -> float:
        """Seconds an operation may take. Raises httpcore.ReadTimeout when there are none left."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this attempt is over")
        return left if timeout is None else min(timeout, left)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens TCP connections for one attempt at a time; set `deadline` before each."""

    def __init__(self, allowed: Sequence[Allowance]) -> None:
        self.allowed = allowed
        self.deadline = Deadline(0)
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises guard.NotAllowed, socket.gaierror and what httpcore raises."""
        addresses = resolve(host, port, self.allowed)
        problem: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                seconds = self.deadline.cap(min(timeout or CONNECT_SECONDS, CONNECT_SECONDS))
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
                return DeadlineStream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem or httpcore.ConnectError(f"{host} has no address")


def resolve(host: str, port: int, allowed: Sequence[Allowance]) -> list[str]:
    """The allowed addresses of `host`, as the resolver orders them. Raises guard.NotAllowed, socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(guard.canonical(str(entry[4][0])) for entry in found))
    refusal: guard.NotAllowed | None = None
    passed: list[str] = []
    for address in addresses:
        try:
            guard.check_address(address, port, allowed)
            passed.append(str(address))
        except guard.NotAllowed as error:
            refusal = error
    if not passed and refusal:
        raise refusal
    return passed


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation ends with the attempt it serves."""

    def __init__(self, stream: httpcore.NetworkStream, backend: GuardedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.deadline.cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._backend.deadline.cap(timeout))
        return DeadlineStream(secured, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
