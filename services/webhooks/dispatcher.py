"""The motor of webhooks: on a doorbell, and every 2 s in any case, hand on new events and deliver what is due.

Any number of processes may run it; who delivers to an endpoint is decided by a claim in its row.
"""

import logging
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import close_old_connections, connections
from django.utils import timezone

from cluster import idempotency, nudge
from services.webhooks import delivery, outbox

LOOK_EVERY_SECONDS = 2.0
DOORBELLS = frozenset({"events", "webhooks", nudge.EVERYTHING})
FORGET_EVERY = timedelta(hours=1)

log = logging.getLogger(__name__)


class Dispatcher:
    """Use `tick` from one thread. `clock` is the time retries are counted by."""

    def __init__(self, clock: delivery.Clock = timezone.now) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(delivery.AT_ONCE, thread_name_prefix="webhook")
        self._claimer = secrets.token_hex(8)
        self._busy: set[int] = set()
        self._guard = threading.Lock()
        self._forget_at = clock()
        self.ended = threading.Event()

    def tick(self) -> None:
        """Hand on new events, and start a thread for each endpoint that is due."""
        now = self._clock()
        if self._busy:
            delivery.renew(self._claimer)
        outbox.fan_out(now)
        for endpoint_id in delivery.due(now).values_list("pk", flat=True):
            self._start(endpoint_id)
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            delivery.give_up_stale(now)
            idempotency.forget_old()

    def run(self) -> None:
        """Tick until `close`. A tick that failed is told and forgotten: the next one comes."""
        ear = nudge.listen()
        try:
            while not self.ended.is_set():
                self._tick_safely()
                self._wait(ear)
        finally:
            ear.close()
            self._threads.shutdown(wait=False, cancel_futures=True)
            connections.close_all()

    def _wait(self, ear: nudge.Ear) -> None:
        """Until one of our doorbells rings, or 2 s."""
        ends_at = time.monotonic() + LOOK_EVERY_SECONDS
        while (left := ends_at - time.monotonic()) > 0 and not self.ended.is_set():
            if ear.wait(left) & DOORBELLS:
                return

    def close(self) -> None:
        """Let the attempts that are on their way end, and start no new ones."""
        self.ended.set()
        nudge.send("webhooks")  # it may be waiting for a doorbell

    def _tick_safely(self) -> None:
        try:
            self.tick()
        except Exception:
            log.exception(
                "The webhook dispatcher's look around failed; the next one comes in %s s.", LOOK_EVERY_SECONDS
            )
        finally:
            close_old_connections()  # one that broke must not be kept

    def _start(self, endpoint_id: int) -> None:
        with self._guard:
            if endpoint_id in self._busy or self.ended.is_set():
                return
            self._busy.add(endpoint_id)
        self._threads.submit(self._deliver, endpoint_id)

    def _deliver(self, endpoint_id: int) -> None:
        more = True
        try:
            while more and not self.ended.is_set():
                more = delivery.run(endpoint_id, self._clock, self.ended, self._claimer)
        except Exception:
            log.exception("Delivering to webhook endpoint %s failed; it is tried again.", endpoint_id)
        finally:
            connections.close_all()
            with self._guard:
                self._busy.discard(endpoint_id)
