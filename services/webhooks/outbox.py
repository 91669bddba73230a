"""From events to deliveries: each event once, in the order of the journal, whoever dies meanwhile.

Events are found by their mark (`fanned_out_at` is null), never by "ids above the last one": a transaction that took its
id early and committed late would be passed over for good. The mark, the message and its deliveries are one transaction.
"""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from cluster import turns
from cluster.models import Event
from services.webhooks import payloads
from services.webhooks.rows import Delivery, OutgoingMessage, WebhookEndpoint
from services.webhooks.types import wanted

BATCH = 100

log = logging.getLogger(__name__)


def fan_out(now: datetime) -> int:
    """Hand all new events on; how many there were."""
    total = 0
    while done := _batch(now):
        total += done
    return total


def _batch(now: datetime) -> int:
    if not Event.objects.not_fanned_out().exists():
        return 0  # the usual case takes no lock
    with transaction.atomic():
        turns.take("webhook-outbox")  # two at once would mix up the order
        events = list(Event.objects.not_fanned_out().select_related("slot__head")[:BATCH])
        _hand_on(events, now)
    return len(events)


def fan_out_one(event: Event, now: datetime) -> None:
    """Hand this event on now, in the transaction that recorded it."""
    _hand_on([event], now)


def _hand_on(events: Sequence[Event], now: datetime) -> None:
    made = OutgoingMessage.objects.bulk_create([m for m in map(_message, events) if m])
    add_deliveries(made, list(WebhookEndpoint.objects.enabled()), now)
    Event.objects.filter(pk__in=[event.pk for event in events]).update(fanned_out_at=now)


def add_deliveries(
    messages: Sequence[OutgoingMessage], endpoints: Sequence[WebhookEndpoint], now: datetime
) -> list[Delivery]:
    """A delivery for every endpoint that wants a message; one that is there already stays as it is."""
    rows = [
        Delivery(message=message, endpoint=endpoint, due_since=now)
        for message in messages
        for endpoint in endpoints
        if concerns(endpoint, message)
    ]
    return Delivery.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)


def concerns(endpoint: WebhookEndpoint, message: OutgoingMessage) -> bool:
    if message.type == "ping":
        return bool(message.data.get("endpoint") == endpoint.pk)
    in_slot = not endpoint.slots or not message.slot or message.slot in endpoint.slots
    return in_slot and wanted(message.type, endpoint.event_types)


def _message(event: Event) -> OutgoingMessage | None:
    found = _payload(event)
    if found is None:
        return None
    name, data = found
    return OutgoingMessage(
        event=event,
        message_id=new_message_id(),
        type=name,
        at=event.at,
        slot=payloads.slot_of(event),
        sentence=event.sentence,
        data=data,
    )


def _payload(event: Event) -> tuple[str, dict[str, Any]] | None:
    try:
        return payloads.payload(event)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # One event that cannot be told must not hold up all others; the journal still has it.
        log.exception("event %s (%s) could not be turned into a webhook", event.pk, event.kind)
        return None


def new_message_id() -> str:
    """Random, because ids from a counter would repeat after a database was restored from a backup."""
    return f"msg_{secrets.token_hex(16)}"
