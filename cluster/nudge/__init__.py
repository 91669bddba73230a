"""Doorbells between processes: "topic has new rows". They may be lost, doubled or late; the rows are the truth.

Two transports with the same words: Unix datagrams on one machine, Redis PUBLISH where REDIS_URL is set.
"""

from types import ModuleType

from django.conf import settings

from cluster.nudge import over_redis, over_sockets
from cluster.nudge.ears import EVERYTHING, MAX_TOPIC_BYTES, Ear, Hear, Listening

__all__ = ["EVERYTHING", "MAX_TOPIC_BYTES", "Ear", "Hear", "Listening", "listen", "overhear", "problem", "send"]


def send(topic: str) -> None:
    """Ring whoever listens. Never an error; a transport that is away costs at most a moment."""
    _transport().send(topic)


def listen() -> Ear:
    """For a thread that waits for doorbells. Close it."""
    ear: Ear = _transport().listen()
    return ear


def overhear(hear: Hear) -> Listening:
    """For the running event loop: `hear` is called with each topic that rings, or with EVERYTHING when some may have
    been missed. Close what is returned."""
    listening: Listening = _transport().overhear(hear)
    return listening


def problem() -> str:
    """Why doorbells do not ring between processes at present; blank when they do."""
    text: str = _transport().problem()
    return text


def _transport() -> ModuleType:
    return over_redis if settings.REDIS_URL else over_sockets
