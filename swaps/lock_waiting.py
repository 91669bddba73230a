"""Waiting for the lock: asleep until its doorbell rings, its time runs out, or the wait is over."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

from asgiref.sync import SyncToAsync, async_to_sync
from django.db import connection

from cluster import live, nudge
from cluster.models import Event, Slot
from cluster.querysets import EventQuerySet

LONGEST_NAP_SECONDS = 5.0  # a doorbell may be lost
LATE_SECONDS = 1.0  # a loop that has not answered by then is busy, or has ended
SPREAD_SECONDS = 0.25  # so that a crowd woken by one bell does not ask at the same moment
TURNS = ("lock.released", "lock.expired", "lock.forced", "swap.ended", "warm.ended")  # after these it may be free


class Patience:
    """How long one caller still waits for the lock of `slot`. Holds no transaction and no connection meanwhile.

    `has_hung_up` tells that the caller does not wait any more. Its thread learns of that no other way.
    """

    def __init__(self, slot: Slot, seconds: float, has_hung_up: Callable[[], bool]) -> None:
        self._slot = slot
        self._has_hung_up = has_hung_up
        self._naps = 0
        self._ends_at = time.monotonic() + seconds
        self._seen = 0
        if seconds:
            self.look()

    def look(self) -> None:
        """Call it before an attempt: what happens after this wakes the next `nap`."""
        newest = _turns(self._slot.pk).order_by("-id").values_list("id", flat=True).first()
        self._seen = newest or 0

    def nap(self, free_in_seconds: float) -> bool:
        """Sleep until there may be a reason to try again; False when the wait is over."""
        left = self._ends_at - time.monotonic()
        if left <= 0 or self._has_hung_up():
            return False
        self._naps += 1
        if not connection.in_atomic_block:
            connection.close()
        until = min(left, free_in_seconds, LONGEST_NAP_SECONDS)
        if not _sleep(self._slot.pk, self._seen, until):
            return False
        time.sleep(min(random.uniform(0, SPREAD_SECONDS), max(0.0, self._ends_at - time.monotonic())))  # noqa: S311
        self.look()
        return not self._has_hung_up()

    @property
    def was_in_vain(self) -> bool:
        """The caller waited and hung up, so nobody hears what came of it."""
        return self._naps > 0 and self._has_hung_up()


def ring(slot_id: int) -> None:
    """Wake those who wait. Call it after the commit."""
    nudge.send(topic_of(slot_id))


def topic_of(slot_id: int) -> str:
    return f"lock:{slot_id}"


def _sleep(slot_id: int, seen: int, seconds: float) -> bool:
    """False when the web process ends: its loop stands still, and whoever waits in it would wait for ever."""
    loop = getattr(SyncToAsync.threadlocal, "main_event_loop", None)
    if loop is None:  # not a request
        async_to_sync(_next_turn)(slot_id, seen, seconds)
        return True
    if not loop.is_running():
        return False
    sleeping = asyncio.run_coroutine_threadsafe(_next_turn(slot_id, seen, seconds), loop)
    with contextlib.suppress(TimeoutError):
        sleeping.result(seconds + LATE_SECONDS)
    sleeping.cancel()
    return bool(loop.is_running())


async def _next_turn(slot_id: int, seen: int, seconds: float) -> None:
    async with live.hub().watch(topic_of(slot_id), _reader_of(slot_id), after=seen) as watcher:
        await watcher.next(seconds)


def _reader_of(slot_id: int) -> live.Reader:
    def read(after: int, limit: int) -> list[live.Row]:
        found = _turns(slot_id).filter(id__gt=after).order_by("id").values_list("id", "kind")
        return [live.Row(event_id, kind, {}) for event_id, kind in found[:limit]]

    return read


def _turns(slot_id: int) -> EventQuerySet:
    return Event.objects.filter(slot_id=slot_id, kind__in=TURNS)
