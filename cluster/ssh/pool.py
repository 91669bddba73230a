"""One transport per Spark and process. After a fork the child finds an empty pool."""

import os
import threading
from collections.abc import Callable

from cluster.ssh.base import Address, Transport
from cluster.ssh.paramiko_transport import ParamikoTransport


class Pool:
    """Hands out the transport of a Spark; lives as long as its process."""

    def __init__(self, open: Callable[[Address], Transport] = ParamikoTransport) -> None:
        self._open = open
        self._lock = threading.Lock()
        self._doors: dict[str, tuple[Address, Transport]] = {}
        os.register_at_fork(after_in_child=self._start_over)

    def get(self, address: Address) -> Transport:
        """The transport of `address.name`. A changed address, key or host key replaces it; nothing connects yet."""
        with self._lock:
            known = self._doors.get(address.name)
            if known is not None and known[0] == address:
                return known[1]
            transport = self._open(address)
            self._doors[address.name] = (address, transport)
        if known is not None:
            known[1].close()
        return transport

    def forget(self, name: str) -> None:
        """Close the connection to a Spark that was removed, disabled or quarantined."""
        with self._lock:
            known = self._doors.pop(name, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Close every connection. The pool can still be used."""
        with self._lock:
            doors, self._doors = self._doors, {}
        for _, transport in doors.values():
            transport.close()

    def _start_over(self) -> None:
        self._lock = threading.Lock()
        self._doors = {}


pool = Pool()
