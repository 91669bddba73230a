"""Doorbells on one machine: one Unix datagram socket per listener, in NUDGE_DIR."""

import asyncio
import contextlib
import itertools
import os
import select
import socket
from pathlib import Path

from django.conf import settings

from cluster.nudge.ears import MAX_TOPIC_BYTES, Hear

_count = itertools.count()


def send(topic: str) -> None:
    """A listener that is gone or busy is skipped; in a process without free file descriptors nothing rings."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        for path in Path(settings.NUDGE_DIR).glob("*.sock"):
            _ring(bell, path, topic.encode()[:MAX_TOPIC_BYTES])


def _ring(bell: socket.socket, path: Path, message: bytes) -> None:
    try:
        bell.sendto(message, str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)  # its process died without tidying up
    except OSError:
        pass  # full buffer: the listener looks by itself every second


class SocketEar:
    def __init__(self) -> None:
        folder = Path(settings.NUDGE_DIR)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{os.getpid()}-{next(_count)}.sock"
        self._path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(self._path))

    def wait(self, seconds: float) -> set[str]:
        select.select([self.socket], [], [], max(0.0, seconds))
        return self.heard()

    def heard(self) -> set[str]:
        """What rang since the last look."""
        topics: set[str] = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                topics.add(self.socket.recv(MAX_TOPIC_BYTES).decode(errors="replace"))
        return topics

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        self.socket.close()


class Overhearing:
    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._ear = SocketEar()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._ear.socket.fileno(), self._tell)

    def _tell(self) -> None:
        for topic in self._ear.heard():
            self._hear(topic)

    def close(self) -> None:
        self._loop.remove_reader(self._ear.socket.fileno())
        self._ear.close()


def listen() -> SocketEar:
    return SocketEar()


def overhear(hear: Hear) -> Overhearing:
    return Overhearing(hear)


def problem() -> str:
    return ""  # sockets of our own machine do not go away
