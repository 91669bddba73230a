"""Webhooks of a restored database: what waited when the backup was made is not sent now."""

from datetime import datetime

from services.webhooks.rows import Delivery, DeliveryState, WebhookEndpoint


def settle(now: datetime) -> int:
    """Give up what waits, since it was sent, or given up, in its time; how many there were."""
    stale = Delivery.objects.pending()
    WebhookEndpoint.objects.update(claim="", claimed_until=None, failures=0, failing_since=None, next_attempt_at=None)
    return stale.update(status=DeliveryState.FAILED, ended_at=now)
