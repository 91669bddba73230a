"""What a task worker does itself while the queue is away: the rows say what there is to do."""

import logging
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from cluster.messages import Rows, Task

log = logging.getLogger(__name__)


class Hands:
    """Threads of this worker for tasks of its queues. Safe beside other workers: a claim in the row decides."""

    def __init__(self, app: Any, queues: Collection[str], threads: int) -> None:
        self._app = app
        self._queues = queues
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="by-hand")
        self._busy: set[str] = set()
        self._guard = threading.Lock()

    def take(self, task: Task, rows: Rows) -> None:
        """Do it now, unless it is of another worker's queue or in hand already."""
        queue = self._app.amqp.router.route({}, task.name)["queue"].name
        with self._guard:
            if queue not in self._queues or f"{task.name} {rows}" in self._busy:
                return
            self._busy.add(f"{task.name} {rows}")
        self._threads.submit(self._do, task, rows)

    def close(self) -> None:
        """Start nothing more. What runs sees the drain by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, task: Task, rows: Rows) -> None:
        try:
            task.run(rows)
        except Exception:
            log.exception("%s of %s failed; it is looked at again.", task.name, rows)
        finally:
            connections.close_all()
            with self._guard:
                self._busy.discard(f"{task.name} {rows}")
