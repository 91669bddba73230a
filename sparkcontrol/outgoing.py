"""The part of a worker that sends webhooks. Safe in any number of workers: claims in the rows decide who sends."""

import threading
from typing import Any

from celery import bootsteps

from services.webhooks.dispatcher import Dispatcher

JOIN_SECONDS = 3.0


class Outgoing(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts and ends with the worker. What was on its way when it ends is sent again by the next worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.dispatcher: Dispatcher | None = None
        self.thread: threading.Thread | None = None

    def start(self, _parent: Any) -> None:
        self.dispatcher = Dispatcher()
        self.thread = threading.Thread(target=self.dispatcher.run, name="webhooks", daemon=True)
        self.thread.start()

    def close(self, _parent: Any) -> None:
        if self.dispatcher is not None:
            self.dispatcher.close()

    def stop(self, parent: Any) -> None:
        self.close(parent)
        if self.thread is not None:
            self.thread.join(JOIN_SECONDS)

    terminate = stop
