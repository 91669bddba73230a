"""Questions about swaps, asked in the house's words."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from cluster.clock import database_now
from swaps.states import ACTIVE, TERMINAL, Status

if TYPE_CHECKING:
    from swaps.models import Swap, SwapLock  # noqa: F401


class SwapQuerySet(models.QuerySet["Swap"]):
    def active(self) -> "SwapQuerySet":
        return self.filter(status__in=ACTIVE)

    def claimable(self, now: datetime | Now) -> "SwapQuerySet":
        """Nobody drives it: not claimed yet, or its driver's lease ran out."""
        return self.active().filter(Q(lease_until=None) | Q(lease_until__lt=now))

    def loaded_like(self, model_key: str, nodes: int) -> "SwapQuerySet":
        """Past swaps to the same model on as many Sparks that reached ready, newest first."""
        alike = self.filter(model_key=model_key, nodes=nodes, status=Status.READY)
        return alike.filter(operation="swap").order_by("-id")

    def ask_to_cancel(self, swap_id: int, actor: str) -> None:
        """Asking twice is the same as once; its driver decides the end."""
        asked = self.active().filter(pk=swap_id, cancel_requested_at=None)
        asked.update(cancel_requested_at=Now(), cancelled_by=actor)

    def for_pages(self) -> "SwapQuerySet":
        return self.select_related("slot__head").prefetch_related("transitions")


class SwapLockQuerySet(models.QuerySet["SwapLock"]):
    """Each row is in exactly one of held, lapsed and free. Use these in the UPDATE that decides, not before it."""

    def with_server_time(self) -> "SwapLockQuerySet":
        return self.annotate(server_now=database_now())  # type: ignore[no-redef]  # declared for the readers

    def held(self) -> "SwapLockQuerySet":
        """A swap that runs under it keeps a hold alive past its time."""
        return self.exclude(holder="").filter(Q(expires_at__gt=database_now()) | Q(active_swap__isnull=False))

    def held_with(self, token_hash: str) -> "SwapLockQuerySet":
        return self.held().filter(token_hash=token_hash)

    def lapsed(self) -> "SwapLockQuerySet":
        """Its time ran out, and nobody has written that down yet."""
        return self.exclude(holder="").filter(expires_at__lte=database_now(), active_swap=None)

    def pinned_by_ended(self) -> "SwapLockQuerySet":
        """An ended swap stays ended, so that it is in another table does no harm here."""
        return self.filter(active_swap__status__in=TERMINAL)

    def free_for(self, actor: str) -> "SwapLockQuerySet":
        """Nobody holds it, no swap pins it, and no delay after a force keeps `actor` off."""
        return self.filter(unlocked_for(actor))


def unlocked_for(actor: str) -> Q:
    no_delay = Q(delay_until=None) | Q(delay_until__lte=database_now()) | Q(delay_for=actor)
    return Q(holder="", active_swap=None) & no_delay
