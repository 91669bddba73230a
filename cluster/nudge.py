"""Doorbells between processes: "topic has new rows". They may be lost, doubled or late; the rows are the truth.

Embedded mode: one Unix datagram socket per web process, in NUDGE_DIR.
"""

import contextlib
import os
import socket
from pathlib import Path

from django.conf import settings

MAX_TOPIC_BYTES = 200


def send(topic: str) -> None:
    """Ring every listening web process; a listener that is gone or busy is skipped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
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


def listen() -> socket.socket:
    """A non-blocking socket that receives topics for this process. Close it with `unlisten`."""
    folder = Path(settings.NUDGE_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{os.getpid()}.sock"
    path.unlink(missing_ok=True)
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.setblocking(False)
    ear.bind(str(path))
    return ear


def heard(ear: socket.socket) -> set[str]:
    """The topics that rang since the last look."""
    topics: set[str] = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            topics.add(ear.recv(MAX_TOPIC_BYTES).decode(errors="replace"))
    return topics


def unlisten(ear: socket.socket) -> None:
    with contextlib.suppress(OSError):
        Path(ear.getsockname()).unlink(missing_ok=True)
    ear.close()
