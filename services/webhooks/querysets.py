"""Questions about webhooks, asked in the house's words."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from services.webhooks.rows import Delivery, WebhookEndpoint  # noqa: F401


class EndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def enabled(self) -> "EndpointQuerySet":
        return self.filter(enabled=True)

    def unclaimed(self) -> "EndpointQuerySet":
        """Nobody delivers to it now, or whoever did is gone."""
        return self.filter(Q(claimed_until=None) | Q(claimed_until__lte=Now()))

    def claimed(self) -> "EndpointQuerySet":
        return self.filter(claimed_until__gt=Now())

    def ready(self, now: datetime) -> "EndpointQuerySet":
        """Its pause is over, and nobody delivers to it."""
        return self.enabled().unclaimed().exclude(next_attempt_at__gt=now)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def pending(self) -> "DeliveryQuerySet":
        return self.filter(status="pending")

    def in_order(self) -> "DeliveryQuerySet":
        """As the events happened."""
        return self.order_by("message_id")
