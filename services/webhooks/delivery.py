"""Delivering what waits for one endpoint, oldest first, until it is done, refused or somebody else's.

A claim on the endpoint keeps it to one deliverer at a time. A delivery counts as delivered only after the 2xx was
written down; a deliverer that dies before that leaves it waiting, so a receiver may hear a message twice, with the same
id, but never not at all. The network is never touched inside a transaction.
"""

import json
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce, Now

from cluster import events, turns
from cluster.encryption import EncryptionError
from services.webhooks import bodies, guard, retrying, signing
from services.webhooks.querysets import EndpointQuerySet
from services.webhooks.rows import Attempt, Delivery, DeliveryState, WebhookEndpoint
from services.webhooks.sending import Outcome, Sender

CLAIM = timedelta(seconds=20)  # renewed every 2 s; so long an endpoint waits when its deliverer died
AT_ONCE = 10  # endpoints, over all processes
WAITS_FOR_SWITCHED_OFF = timedelta(days=7)
SLICE_SECONDS = 20.0  # then others get their turn

Clock = Callable[[], datetime]
log = logging.getLogger(__name__)


def due(now: datetime) -> EndpointQuerySet:
    """Endpoints for which something waits and which may be tried now."""
    waiting = Delivery.objects.pending().filter(endpoint=OuterRef("pk"))
    return WebhookEndpoint.objects.ready(now).filter(Exists(waiting)).order_by("last_attempt_at", "pk")


def run(endpoint_id: int, clock: Clock, ended: threading.Event, claimer: str) -> bool:
    """Deliver for up to 20 s. True when there is more to do at once. `claimer` must call `renew` meanwhile."""
    claim = _claim(endpoint_id, claimer)
    if claim is None:
        return False
    sender = Sender(guard.parse_allowances(settings.WEBHOOK_NETWORKS))
    try:
        _drain(endpoint_id, claim, sender, clock, ended)
    finally:
        sender.close()
        WebhookEndpoint.objects.filter(pk=endpoint_id, claim=claim).update(claim="", claimed_until=None)
    return due(clock()).filter(pk=endpoint_id).exists()


def renew(claimer: str) -> None:
    """However long its attempts take, nobody else begins them while it lives."""
    held = WebhookEndpoint.objects.claimed().filter(claim__startswith=claimer)
    held.update(claimed_until=Now() + CLAIM)


def _claim(endpoint_id: int, claimer: str) -> str | None:
    claim = claimer + secrets.token_hex(8)
    with transaction.atomic():
        turns.take("webhook-claims")  # or two processes could both see room for one more
        if WebhookEndpoint.objects.claimed().count() >= AT_ONCE:
            return None
        free = WebhookEndpoint.objects.enabled().unclaimed().filter(pk=endpoint_id)
        won = free.update(claim=claim, claimed_until=Now() + CLAIM)
    return claim if won else None  # None: somebody else delivers to it


def _drain(endpoint_id: int, claim: str, sender: Sender, clock: Clock, ended: threading.Event) -> None:
    ends_at = time.monotonic() + SLICE_SECONDS
    go_on = True
    while go_on and not ended.is_set() and time.monotonic() < ends_at:
        # Read afresh each time: its address may have been corrected, or our claim have run out.
        endpoint = WebhookEndpoint.objects.enabled().filter(pk=endpoint_id, claim=claim).first()
        delivery = _next(endpoint) if endpoint else None
        if endpoint is None or delivery is None:
            return
        _lend_connection()
        outcome = _attempt_safely(endpoint, delivery, sender, clock())
        go_on = settle(endpoint, delivery, outcome, clock())


def _lend_connection() -> None:
    """Back into the pool while we wait for a receiver: ten slow ones would leave this process without any."""
    if connection.vendor == "postgresql":
        connection.close()


def _next(endpoint: WebhookEndpoint) -> Delivery | None:
    return Delivery.objects.pending().filter(endpoint=endpoint).select_related("message").in_order().first()


def _attempt_safely(endpoint: WebhookEndpoint, delivery: Delivery, sender: Sender, now: datetime) -> Outcome:
    try:
        return attempt(endpoint, delivery, sender, now)
    except Exception:
        # It must count as a failure, or the same message would be tried again without a pause for ever.
        log.exception("delivery %s could not be attempted", delivery.pk)
        return Outcome(None, 0, "Spark Control made an error, which is in the worker's log; please report it.")


def attempt(endpoint: WebhookEndpoint, delivery: Delivery, sender: Sender, now: datetime) -> Outcome:
    """Send it once. What can go wrong is in the Outcome."""
    try:
        own = json.loads(endpoint.open("headers")) if endpoint.headers else {}
        keys = live_secrets(endpoint, now)
    except EncryptionError as error:
        return Outcome(None, 0, str(error))
    message = delivery.message.as_message()
    body, content_type = bodies.body(message, endpoint.shape, endpoint.template, endpoint.options)
    signed = signing.headers(message.id, now, body, keys)
    headers = {"Content-Type": content_type, **own, **signed}
    return sender.post(endpoint.url, headers, body, [*keys, *own.values()])


def live_secrets(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """The newest first; for a day after a rotation the one before it signs, too. Raises EncryptionError."""
    keys = [endpoint.open("secret")]
    if endpoint.previous_secret and endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        keys.append(endpoint.open("previous_secret"))
    return keys


def settle(endpoint: WebhookEndpoint, delivery: Delivery, outcome: Outcome, now: datetime) -> bool:
    """Write down how it went. True when the next delivery may follow at once."""
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery,
            at=now,
            milliseconds=outcome.milliseconds,
            status_code=outcome.status_code,
            error=outcome.error,
            response=outcome.response,
        )
        if outcome.delivered:
            return _delivered(endpoint, delivery, now)
        return _failed(endpoint, delivery, outcome, now)


def _delivered(endpoint: WebhookEndpoint, delivery: Delivery, now: datetime) -> bool:
    # Also when our claim is lost by now: that it was delivered is true whoever writes it.
    Delivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryState.DELIVERED, attempts=F("attempts") + 1, ended_at=now
    )
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        failures=0, failing_since=None, next_attempt_at=None, last_attempt_at=now, last_success_at=now
    )
    return True


def _failed(endpoint: WebhookEndpoint, delivery: Delivery, outcome: Outcome, now: datetime) -> bool:
    mine = WebhookEndpoint.objects.filter(pk=endpoint.pk, claim=endpoint.claim)
    failing_since = endpoint.failing_since or now
    asked = retrying.retry_after_seconds(outcome.retry_after, now) if outcome.retry_after else None
    wait = retrying.wait_seconds(
        endpoint.failures + 1,
        now - failing_since,
        random=random.random(),  # noqa: S311 - spreads load, guards nothing
        retry_after=asked,
    )
    given_up = _count(delivery, outcome, now)
    mine.update(
        failures=F("failures") + 1,
        failing_since=Coalesce(F("failing_since"), now),
        next_attempt_at=None if given_up == "refused" else now + timedelta(seconds=wait),
        last_attempt_at=now,
    )
    if outcome.status_code == retrying.GONE:
        disable(endpoint, "It answered 410: gone for good.")
    elif now - failing_since >= retrying.DISABLE_AFTER:
        disable(endpoint, "It took no message for 120 hours.")
    return given_up == "refused"


def _count(delivery: Delivery, outcome: Outcome, now: datetime) -> str:
    """Note the failure on the delivery; why it is given up, blank when it is not."""
    refused = outcome.status_code in retrying.REFUSED
    refusals = delivery.refusals + 1 if refused else delivery.refusals
    given_up = ""
    if refusals >= retrying.REFUSALS_UNTIL_NEXT:
        given_up = "refused"
    elif now - delivery.due_since >= retrying.GIVE_UP_AFTER:
        given_up = "old"
    end = {"status": DeliveryState.FAILED, "ended_at": now} if given_up else {}
    Delivery.objects.filter(pk=delivery.pk).update(attempts=F("attempts") + 1, refusals=refusals, **end)
    return given_up


def disable(endpoint: WebhookEndpoint, reason: str) -> None:
    """Switch it off and tell the others. What waits for it stays for a week, in case it comes back."""
    switched = WebhookEndpoint.objects.enabled().filter(pk=endpoint.pk)
    if switched.update(enabled=False, disabled_reason=reason, version=F("version") + 1):
        events.record(
            "endpoint.disabled",
            f"The webhook {endpoint.name} was switched off. {reason}",
            data={"endpoint": endpoint.pk, "name": endpoint.name, "reason": reason},
        )


def give_up_stale(now: datetime) -> None:
    """What waits for a switched-off endpoint is given up after 7 days. The log goes later (sparkcontrol.retention)."""
    stale = Delivery.objects.pending().filter(endpoint__enabled=False, due_since__lt=now - WAITS_FOR_SWITCHED_OFF)
    stale.update(status=DeliveryState.FAILED, ended_at=now)
