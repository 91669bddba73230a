"""Who drives a swap: one process, proven by a fence that only grows and a lease that runs out."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from swaps.models import Swap, SwapLock

LEASE = timedelta(seconds=15)
HEARTBEAT_SECONDS = 1.0
MAX_DRIVERS = 5  # a swap on which so many died is taken for the reason


def claim(swap_id: int, owner: str) -> Swap | None:
    """Become the swap's driver, or None when it has one or has ended. A doubled task message dies here."""
    with transaction.atomic():
        won = (
            Swap.objects.claimable(Now())
            .filter(pk=swap_id)
            .update(
                owner=owner,
                lease_until=Now() + LEASE,
                attempts=F("attempts") + 1,
                started_at=Coalesce(F("started_at"), Now()),
            )
        )
        if won != 1:
            return None  # another driver was first
        swap = Swap.objects.select_related("slot__head").get(pk=swap_id)
        swap.fence = _raised_fence(swap)
        swap.save(update_fields=["fence"])
    return swap


def outdate(swap: Swap) -> int:
    """A higher fence for the same driver; returns it. What was sent under the old one must never run any more, such
    as a launch that got lost on the way to a Spark. Raises LookupError when somebody else drives the swap."""
    with transaction.atomic():
        mine = Swap.objects.active().filter(pk=swap.pk, fence=swap.fence)
        if mine.update(lease_until=Now() + LEASE) != 1:
            raise LookupError(f"swap {swap.pk} has another driver")
        fence = _raised_fence(swap)
        mine.update(fence=fence)
    return fence


def _raised_fence(swap: Swap) -> int:
    lock, _ = SwapLock.objects.get_or_create(slot=swap.slot)
    SwapLock.objects.filter(pk=lock.pk).update(fence=F("fence") + 1)
    lock.refresh_from_db(fields=["fence"])
    return lock.fence


@dataclass(frozen=True, slots=True)
class Beat:
    """What the driver's heartbeat found."""

    mine: bool  # False: somebody else drives it now, or it has ended
    cancel_asked: bool


def beat(swap_id: int, fence: int) -> Beat:
    """Renew the lease of the driver that holds `fence`."""
    mine = Swap.objects.active().filter(pk=swap_id, fence=fence)
    if mine.update(lease_until=Now() + LEASE) != 1:
        return Beat(mine=False, cancel_asked=False)
    return Beat(mine=True, cancel_asked=mine.filter(cancel_requested_at__isnull=False).exists())


def let_go(swap: Swap) -> None:
    """Stop driving without ending the swap, so that the next driver need not wait for the lease.

    Who lets go has not died on it, so it does not count as an attempt.
    """
    mine = Swap.objects.filter(pk=swap.pk, fence=swap.fence)
    mine.update(lease_until=None, owner="", enqueued_at=None, attempts=F("attempts") - 1)
