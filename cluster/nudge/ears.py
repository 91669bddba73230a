"""What both transports of doorbells have in common."""

from collections.abc import Callable
from typing import Protocol

MAX_TOPIC_BYTES = 200
EVERYTHING = "*"  # heard in place of a topic when doorbells may have been missed: look everywhere

Hear = Callable[[str], None]


class Listening(Protocol):
    def close(self) -> None: ...


class Ear(Protocol):
    def wait(self, seconds: float) -> set[str]:
        """The topics that rang; empty when `seconds` passed in silence."""

    def close(self) -> None: ...
