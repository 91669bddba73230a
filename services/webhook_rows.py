"""Webhooks and deliveries as people read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from cluster.badges import Badge
from cluster.encryption import EncryptionError
from services.webhooks import actions
from services.webhooks.rows import Delivery, DeliveryState, WebhookEndpoint

_STATES = {
    DeliveryState.PENDING: Badge("clock", "Waiting", "info"),
    DeliveryState.DELIVERED: Badge("check", "Delivered", "good"),
    DeliveryState.FAILED: Badge("cross", "Given up", "bad"),
}


@dataclass(frozen=True, slots=True)
class Row:
    endpoint: WebhookEndpoint
    badge: Badge
    waiting: int
    wants: str


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery; `retry_at` when it waits for the next try of its endpoint."""

    delivery: Delivery
    badge: Badge
    retry_at: datetime | None


def rows() -> list[Row]:
    """All of them, with two queries."""
    pending = Delivery.objects.pending().order_by().values("endpoint").annotate(many=Count("pk"))
    waiting = dict(pending.values_list("endpoint", "many"))
    return [_row(endpoint, waiting.get(endpoint.pk, 0)) for endpoint in WebhookEndpoint.objects.all()]


def row_of(endpoint: WebhookEndpoint) -> Row:
    return _row(endpoint, endpoint.deliveries.pending().count())


def _row(endpoint: WebhookEndpoint, waiting: int) -> Row:
    types = ", ".join(endpoint.event_types) or "all events"
    where = f" of {', '.join(endpoint.slots)}" if endpoint.slots else ""
    return Row(endpoint, badge_of(endpoint), waiting, types + where)


def badge_of(endpoint: WebhookEndpoint) -> Badge:
    if not endpoint.enabled:
        off = bool(endpoint.disabled_reason)
        return Badge("alert", "Switched off", "bad") if off else Badge("pause", "Off", "mute")
    if endpoint.failures:
        return Badge("alert", "Failing", "warn")
    return Badge("check", "Working", "good") if endpoint.last_success_at else Badge("question", "Not tried yet", "mute")


def of_deliveries(found: Iterable[Delivery]) -> list[Sent]:
    return [of_delivery(delivery) for delivery in found]


def of_delivery(delivery: Delivery) -> Sent:
    """The endpoint must be loaded."""
    waits = delivery.status == DeliveryState.PENDING
    return Sent(delivery, _STATES[DeliveryState(delivery.status)], delivery.endpoint.next_attempt_at if waits else None)


def header_names(endpoint: WebhookEndpoint) -> list[str]:
    """Blank when they cannot be read: the attempts say why, and the page must still be there."""
    try:
        return list(actions.header_values(endpoint))
    except EncryptionError:
        return []
