"""The part of a worker that looks around by itself: every 2 s it lets the reconciler repair and enqueue.

Safe in any number of workers: the reconciler decides by conditional UPDATE.
"""

import logging
import os
import threading
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from cluster import lookouts
from cluster.messages import ByHand
from sparkcontrol import folders, retention
from sparkcontrol.by_hand import Hands
from swaps import reconciler, runner

PERIOD_SECONDS = 2.0
JOIN_SECONDS = 5.0
END_SECONDS = 10.0  # leases are let go within a second; whatever a Spark still holds back then, others go on with

log = logging.getLogger(__name__)


class Ticker(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts with the worker; before the worker waits for its threads, tells them to let go of their swaps."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self.hands: Hands | None = None

    def start(self, parent: Any) -> None:
        runner.drain.clear()
        folders.private_folder(settings.DATA_DIR / "run")
        queues = sorted(parent.app.amqp.queues.consume_from)
        self.hands = Hands(parent.app, queues, parent.concurrency)
        self.thread = threading.Thread(target=self.run, args=[queues, self.hands.take], name="ticker", daemon=True)
        self.thread.start()

    def close(self, _parent: Any) -> None:
        """First of the shutdown: a driving thread sees this within 0.5 s and gives up its lease."""
        if not self.ended.is_set():
            end_at_last()
        runner.drain.set()
        self.ended.set()
        if self.hands is not None:
            self.hands.close()

    def stop(self, parent: Any) -> None:
        self.close(parent)
        if self.thread is not None:
            self.thread.join(JOIN_SECONDS)

    terminate = stop

    def run(self, queues: list[str], by_hand: ByHand) -> None:
        while True:
            tick_once(queues, by_hand)
            if self.ended.wait(PERIOD_SECONDS):
                return


def end_at_last() -> None:
    """A thread that waits for a silent Spark must not hold up an upgrade."""
    timer = threading.Timer(END_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()


def tick_once(queues: list[str], by_hand: ByHand | None = None) -> None:
    """One look around. A failed one is told and forgotten: the next comes in 2 s."""
    close_old_connections()
    try:
        reconciler.tick(by_hand)
        lookouts.looked(queues)
        folders.worker_mark(settings.DATA_DIR).touch()
        retention.tick(timezone.now())
    except Exception:
        log.exception("The reconciler's look around failed; the next one comes in %s s.", PERIOD_SECONDS)
    finally:
        close_old_connections()
