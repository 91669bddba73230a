"""Questions about swaps, asked in the house's words."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from swaps.states import ACTIVE, Status

if TYPE_CHECKING:
    from swaps.models import Swap  # noqa: F401


class SwapQuerySet(models.QuerySet["Swap"]):
    def active(self) -> "SwapQuerySet":
        return self.filter(status__in=ACTIVE)

    def claimable(self, now: datetime | Now) -> "SwapQuerySet":
        """Nobody drives it: not claimed yet, or its driver's lease ran out."""
        return self.active().filter(Q(lease_until=None) | Q(lease_until__lt=now))

    def loaded_like(self, model_key: str, nodes: int) -> "SwapQuerySet":
        """Past swaps to the same model on as many Sparks that reached ready, newest first."""
        return self.filter(model_key=model_key, nodes=nodes, status=Status.READY).order_by("-id")

    def for_pages(self) -> "SwapQuerySet":
        return self.select_related("slot__head").prefetch_related("transitions")
