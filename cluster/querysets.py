"""Questions about machines, asked in the house's words."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from cluster.models import Event, Slot, Spark  # noqa: F401


class SparkQuerySet(models.QuerySet["Spark"]):
    def enabled(self) -> "SparkQuerySet":
        return self.filter(enabled=True)

    def due(self, now: datetime) -> "SparkQuerySet":
        """Sparks whose next probe is due."""
        return self.enabled().filter(Q(next_probe_at=None) | Q(next_probe_at__lte=now))


class SlotQuerySet(models.QuerySet["Slot"]):
    def with_sparks(self) -> "SlotQuerySet":
        return self.select_related("head").prefetch_related("seats__spark")

    def named(self, name: str | None) -> "Slot | None":
        """The slot of that name; no name means the default one."""
        slots = self.with_sparks()
        return slots.filter(name=name).first() if name else slots.order_by("-is_default", "name").first()


class EventQuerySet(models.QuerySet["Event"]):
    def after(self, event_id: int) -> "EventQuerySet":
        return self.filter(id__gt=event_id).order_by("id")

    def not_fanned_out(self) -> "EventQuerySet":
        """What the webhook outbox has not seen yet. Asked by this mark, never by id: ids may commit late."""
        return self.filter(fanned_out_at=None).order_by("id")
