"""The safety net under every doorbell: every few seconds, look at the rows and ring for what nobody drives."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from cluster.messages import ByHand, post
from cluster.models import Slot, Spark
from cluster.outages import DATABASE_AWAY
from cluster.tasks import probe_sparks
from swaps import locks, relaunching, reopening, tasks
from swaps.models import Swap
from swaps.schedules import firing

log = logging.getLogger(__name__)
RING_AGAIN = timedelta(seconds=15)  # a queue that forgot everything costs a swap this long


def tick(by_hand: ByHand | None = None) -> None:
    """One look. Safe in many processes at once: each ring is first won by a conditional UPDATE.

    `by_hand` takes the work while the queue is away; without it the work waits. What fails, at a row that somebody else
    holds or by a mistake of ours, is tried again at the next tick; the rest does not wait for it.
    """
    _by_itself("swaps", lambda: ring_for_swaps(by_hand))
    _by_itself("locks", locks.expire_lapsed)
    _by_itself("schedules", lambda: firing.fire_due(timezone.now()))
    _by_itself("probes", lambda: ring_for_probes(by_hand))
    _by_itself("wedged models", relaunching.relaunch_wedged)
    _by_itself("closed slots", lambda: ring_for_closed_slots(by_hand))


def _by_itself(what: str, look: Callable[[], object]) -> None:
    try:
        look()
    except DATABASE_AWAY as error:
        log.warning("The look at %s waits for the database: %s", what, error)
    except Exception:
        log.exception("The look at %s failed; the next one comes with the next tick.", what)


def ring_for_swaps(by_hand: ByHand | None = None) -> None:
    """Swaps without a living driver: never picked up, let go, or their driver's lease ran out."""
    unrung = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - RING_AGAIN) | Q(lease_until__lt=Now())
    for swap_id in Swap.objects.claimable(Now()).filter(unrung).values_list("pk", flat=True):
        _by_itself(f"swap {swap_id}", partial(_ring_for, swap_id, unrung, by_hand))


def _ring_for(swap_id: int, unrung: Q, by_hand: ByHand | None) -> None:
    won = Swap.objects.claimable(Now()).filter(unrung, pk=swap_id)
    if won.update(enqueued_at=Now(), lease_until=None):
        tasks.enqueue(swap_id, by_hand)


def ring_for_probes(by_hand: ByHand | None = None) -> None:
    now = timezone.now()
    if sparks := list(Spark.objects.due(now).values_list("pk", flat=True)):
        post(probe_sparks, sparks, by_hand)
    due = Q(serving=None) | Q(serving__next_probe_at=None) | Q(serving__next_probe_at__lte=now)
    if slots := list(Slot.objects.filter(due).values_list("pk", flat=True)):
        post(tasks.probe_slots, slots, by_hand)


def ring_for_closed_slots(by_hand: ByHand | None = None) -> None:
    for slot_id in reopening.due():
        post(tasks.reopen_slot, slot_id, by_hand)
