"""The part of a worker that looks around by itself: every 2 s it lets the reconciler repair and enqueue.

Safe in any number of workers: the reconciler decides by conditional UPDATE.
"""

import logging
import threading
from typing import Any

from celery import bootsteps
from django.db import close_old_connections

from swaps import reconciler, runner

PERIOD_SECONDS = 2.0
JOIN_SECONDS = 5.0

log = logging.getLogger(__name__)


class Ticker(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts with the worker; before the worker waits for its threads, tells them to let go of their swaps."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, _parent: Any) -> None:
        runner.drain.clear()
        self.thread = threading.Thread(target=self.run, name="ticker", daemon=True)
        self.thread.start()

    def close(self, _parent: Any) -> None:
        """First of the shutdown: a driving thread sees this within 0.5 s and gives up its lease."""
        runner.drain.set()
        self.ended.set()

    def stop(self, parent: Any) -> None:
        self.close(parent)
        if self.thread is not None:
            self.thread.join(JOIN_SECONDS)

    terminate = stop

    def run(self) -> None:
        while True:
            tick_once()
            if self.ended.wait(PERIOD_SECONDS):
                return


def tick_once() -> None:
    """One look around. A failed one is told and forgotten: the next comes in 2 s."""
    close_old_connections()
    try:
        reconciler.tick()
    except Exception:
        log.exception("The reconciler's look around failed; the next one comes in %s s.", PERIOD_SECONDS)
    finally:
        close_old_connections()
