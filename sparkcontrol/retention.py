"""What is forgotten when: old log lines, events, readings, deliveries, holds of the lock, sessions.

Looked at every hour by whichever worker is first, a second's work at a time and in small transactions, so that a
backlog of years holds no writer up, on SQLite either.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.functions import RowNumber

from cluster import chores
from cluster.models import Event, Reading
from services.models import Delivery, DeliveryState
from swaps.models import LockHold, Swap, SwapMessage

CHORE = "retention"
EVERY = timedelta(hours=1)
SLICE_SECONDS = 1.0
ROWS_AT_ONCE = 500
PAUSE_SECONDS = 0.005  # in which a waiting writer gets its turn
NEWEST_SWAPS = 20  # of each slot: their log is kept whatever its age

Old = Callable[[datetime], QuerySet[Any]]


def tick(now: datetime) -> None:
    """A slice of what is due. Cheap when nothing is, so call it as often as you like."""
    if not chores.claim(CHORE, now):
        return
    done = _slice(now, time.monotonic() + SLICE_SECONDS)
    chores.come_again(CHORE, now + EVERY if done else now)


def _slice(now: datetime, ends_at: float) -> bool:
    """True when nothing old is left."""
    for name, old in RULES.items():
        days = settings.KEEP_DAYS[name]
        while days is not None and _forget(old(now - timedelta(days=days))):
            if time.monotonic() > ends_at:
                return False
            time.sleep(PAUSE_SECONDS)
    return True


def _forget(rows: QuerySet[Any]) -> int:
    """The oldest of them, with what hangs on them, in one short transaction; how many."""
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE])
    if ids:
        with transaction.atomic():
            rows.model._base_manager.filter(pk__in=ids).delete()
    return len(ids)


def old_log_lines(before: datetime) -> QuerySet[SwapMessage]:
    """Of swaps that ended before then; the story of a swap without its log stays for ever."""
    ranked = Swap.objects.annotate(
        place=Window(RowNumber(), partition_by=F("slot"), order_by=F("pk").desc()),
    )
    kept = list(ranked.filter(place__lte=NEWEST_SWAPS).values_list("pk", flat=True))
    lines = SwapMessage.objects.filter(swap=OuterRef("pk"), kind=SwapMessage.Kind.LOG)
    ended = Swap.objects.filter(ended_at__lt=before).exclude(pk__in=kept)
    told = ended.filter(Exists(lines)).order_by("pk").values_list("pk", flat=True)[:1]
    return SwapMessage.objects.filter(swap__in=list(told), kind=SwapMessage.Kind.LOG)


def old_events(before: datetime) -> QuerySet[Event]:
    """Never one that a webhook still has to hear of, and never the newest: from its id on the stream goes on."""
    newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    old = Event.objects.filter(at__lt=before, fanned_out_at__isnull=False, pk__lt=newest)
    waiting = Delivery.objects.pending().filter(message__event=OuterRef("pk"))
    return old.exclude(Exists(waiting))


def old_deliveries(before: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.exclude(status=DeliveryState.PENDING).filter(message__at__lt=before)


def old_readings(before: datetime) -> QuerySet[Reading]:
    return Reading.objects.filter(at__lt=before)


def old_lock_holds(before: datetime) -> QuerySet[LockHold]:
    return LockHold.objects.filter(ended_at__lt=before)


def old_sessions(before: datetime) -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=before)


RULES: dict[str, Old] = {
    "log": old_log_lines,
    "events": old_events,
    "deliveries": old_deliveries,
    "readings": old_readings,
    "lock_holds": old_lock_holds,
    "sessions": old_sessions,
}
