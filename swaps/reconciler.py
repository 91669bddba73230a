"""The safety net under every doorbell: every few seconds, look at the rows and ring for what nobody drives."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from cluster.models import Slot, Spark
from cluster.tasks import probe_spark
from swaps import locks, reopening, tasks
from swaps.models import Swap
from swaps.schedules import firing

RING_AGAIN = timedelta(seconds=30)


def tick() -> None:
    """One look. Safe in many processes at once: each ring is first won by a conditional UPDATE."""
    ring_for_swaps()
    locks.expire_lapsed()
    firing.fire_due(timezone.now())
    ring_for_probes()
    ring_for_closed_slots()


def ring_for_swaps() -> None:
    """Swaps without a living driver: never picked up, let go, or their driver's lease ran out."""
    unrung = Q(enqueued_at=None) | Q(enqueued_at__lt=Now() - RING_AGAIN) | Q(lease_until__lt=Now())
    for swap_id in Swap.objects.claimable(Now()).filter(unrung).values_list("pk", flat=True):
        won = Swap.objects.claimable(Now()).filter(unrung, pk=swap_id)
        if won.update(enqueued_at=Now(), lease_until=None):
            tasks.enqueue(swap_id)


def ring_for_probes() -> None:
    now = timezone.now()
    for spark_id in Spark.objects.due(now).values_list("pk", flat=True):
        probe_spark.delay(spark_id)
    due = Q(serving=None) | Q(serving__next_probe_at=None) | Q(serving__next_probe_at__lte=now)
    for slot_id in Slot.objects.filter(due).values_list("pk", flat=True):
        tasks.probe_slot.delay(slot_id)


def ring_for_closed_slots() -> None:
    for slot_id in reopening.due():
        tasks.reopen_slot.delay(slot_id)
