"""A queue that is a folder: one message, one file. For kombu, under the name folder://.

kombu's own filesystem transport writes a message where others may already read it, and a worker that finds half a
message ends. Here a message appears whole, by rename, and is taken by rename, so that one worker gets it.
Exchanges live in memory: every process declares the same queues, and nothing here needs broadcasts.
"""

import itertools
import json
import os
import time
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual

NAME = "folder"
_count = itertools.count()


class Channel(virtual.Channel):
    @property
    def folder(self) -> Path:
        return Path(self.connection.client.transport_options["folder"])

    def waiting(self, queue: str) -> list[Path]:
        """Oldest first: the names begin with the time."""
        return sorted(self.folder.glob(f"[0-9]*.{queue}"))

    def _put(self, queue: str, message: Any, **_: Any) -> None:
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_count)}.{queue}"
        fresh = self.folder / f".{name}"
        fresh.write_text(json.dumps(message))
        fresh.rename(self.folder / name)

    def _get(self, queue: str, *_: Any, **__: Any) -> Any:
        for path in self.waiting(queue):
            taken = path.with_name(f".taken-{path.name}")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was first
            text = taken.read_text()
            taken.unlink()
            return json.loads(text)
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self.waiting(queue))

    def _purge(self, queue: str) -> int:
        waiting = self.waiting(queue)
        for path in waiting:
            path.unlink(missing_ok=True)
        return len(waiting)


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = driver_name = NAME
    declared = virtual.BrokerState()  # type: ignore[no-untyped-call]  # of this process

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)  # type: ignore[no-untyped-call]
        self.state = self.declared

    def driver_version(self) -> str:
        return "1"


def register() -> None:
    TRANSPORT_ALIASES[NAME] = f"{__name__}:Transport"
