"""The verbs of webhooks: every door calls these alone."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from cluster import events, nudge, people
from cluster.models import Slot
from cluster.refusals import Conflict, Invalid, Lost
from services.webhooks import bodies, guard, outbox, signing
from services.webhooks.rows import Delivery, DeliveryState, OutgoingMessage, WebhookEndpoint
from services.webhooks.types import TYPES, unknown_patterns

OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
MAX_HEADERS = 20
MAX_HEADER_VALUE = 2000
MAX_REPLAY = 10_000
NAME_LENGTH = 60
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")
OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
OURS = frozenset(
    {"webhook-id", "webhook-timestamp", "webhook-signature", "x-spark-signature", "content-length", "content-type",
     "host", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "user-agent"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person sets. `headers`: None as a value keeps what is stored under that name; None at all keeps them."""

    name: str
    url: str
    event_types: list[str]
    slots: list[str]
    shape: str
    template: Any
    options: dict[str, Any]
    headers: dict[str, str | None] | None
    enabled: bool


def add(wanted: Settings, *, secret: str | None, by: str) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret, which is never shown again. Raises Invalid, Conflict when the name is taken."""
    errors = {**_check(wanted, {}), **_check_secret(secret)}
    if errors:
        raise _invalid(errors)
    text = secret or signing.new_secret()
    try:
        with transaction.atomic():
            endpoint = WebhookEndpoint.objects.create(**_columns(wanted), secret="", created_by=by)
            endpoint.seal("headers", json.dumps(_headers(wanted, {})))
            endpoint.seal("secret", text)
            endpoint.save(update_fields=["headers", "secret"])
            _record("added", endpoint, by)
    except IntegrityError:
        raise _taken(wanted.name) from None
    return endpoint, text


def change(endpoint: WebhookEndpoint, wanted: Settings, *, expected_version: int, by: str) -> WebhookEndpoint:
    """Replace its settings. Raises Invalid, Conflict when the name is taken, Lost when somebody was faster."""
    stored = header_values(endpoint)
    errors = _check(wanted, stored)
    if errors:
        raise _invalid(errors)
    endpoint.seal("headers", json.dumps(_headers(wanted, stored)))
    fresh_start = {"failures": 0, "failing_since": None, "next_attempt_at": None, "disabled_reason": ""}
    try:
        with transaction.atomic():
            mine = WebhookEndpoint.objects.filter(pk=endpoint.pk, version=expected_version)
            columns = {**_columns(wanted), **fresh_start, "headers": endpoint.headers, "version": expected_version + 1}
            if mine.update(**columns) != 1:
                raise Lost("changed-meanwhile", "Somebody changed this webhook since you read it; read it again.")
            endpoint.refresh_from_db()
            _record("changed", endpoint, by)
    except IntegrityError:
        raise _taken(wanted.name) from None
    return endpoint


def remove(endpoint: WebhookEndpoint, *, expected_version: int, by: str) -> None:
    """Forget it with its deliveries. Raises Lost."""
    with transaction.atomic():
        if not WebhookEndpoint.objects.filter(pk=endpoint.pk, version=expected_version).exists():
            raise Lost("changed-meanwhile", "Somebody changed this webhook since you read it; read it again.")
        _record("removed", endpoint, by)
        endpoint.delete()


def rotate(endpoint: WebhookEndpoint, *, secret: str | None = None, by: str) -> tuple[WebhookEndpoint, str]:
    """A new secret; the old one signs along for 24 hours. Raises Invalid."""
    errors = _check_secret(secret)
    if errors:
        raise _invalid(errors)
    text = secret or signing.new_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        endpoint.seal("previous_secret", endpoint.open("secret"))
        endpoint.seal("secret", text)
        endpoint.previous_secret_until = timezone.now() + OLD_SECRET_SIGNS_FOR
        endpoint.version += 1
        endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until", "version"])
        _record("rotated", endpoint, by)
    return endpoint, text


def ping(endpoint: WebhookEndpoint, *, by: str) -> Delivery:
    """Put a test on its way. Raises Conflict while the endpoint is switched off."""
    _refuse_when_off(endpoint)
    with transaction.atomic():
        data = {"endpoint": endpoint.pk, "name": endpoint.name, "reason": "Somebody asked for a test."}
        event = events.record("ping", f"{people.named(by)} tests the webhook {endpoint.name}.", actor=by, data=data)
        outbox.fan_out_one(event, timezone.now())
        _try_now(endpoint)
        return Delivery.objects.get(endpoint=endpoint, message__event=event)


def redeliver(delivery: Delivery, *, by: str) -> Delivery:
    """Send a message again, under its id, with a new timestamp. Raises Conflict while the endpoint is switched off."""
    _refuse_when_off(delivery.endpoint)
    with transaction.atomic():
        _wait_again(Delivery.objects.filter(pk=delivery.pk), timezone.now())
        _try_now(delivery.endpoint)
        what = f"{people.named(by)} sends {delivery.message.type} to {delivery.endpoint.name} again."
        data = {"endpoint": delivery.endpoint_id, "message": delivery.message.message_id}
        events.record("webhook.redelivered", what, actor=by, data=data)
    delivery.refresh_from_db()
    return delivery


def replay(endpoint: WebhookEndpoint, *, since: datetime, everything: bool, by: str) -> int:
    """Send what failed since then again, or everything this endpoint wants, new to it or not; how many there are.

    At most 10,000, the newest. Raises Conflict while the endpoint is switched off.
    """
    _refuse_when_off(endpoint)
    now = timezone.now()
    with transaction.atomic():
        if everything:
            _add_missing(endpoint, since, now)
        chosen = Delivery.objects.filter(endpoint=endpoint, message__at__gte=since).exclude(message__type="ping")
        if not everything:
            chosen = chosen.filter(status=DeliveryState.FAILED)
        newest = list(chosen.order_by("-message_id").values_list("pk", flat=True)[:MAX_REPLAY])
        count = sum(_wait_again(Delivery.objects.filter(pk__in=part), now) for part in _parts(newest))
        _try_now(endpoint)
        what = f"{people.named(by)} sends {count} messages since {since:%Y-%m-%d %H:%M} UTC to {endpoint.name} again."
        events.record("webhook.replayed", what, actor=by, data={"endpoint": endpoint.pk, "count": count})
    return count


def header_values(endpoint: WebhookEndpoint) -> dict[str, str]:
    """The custom headers in the clear. Raises EncryptionError."""
    values: dict[str, str] = json.loads(endpoint.open("headers")) if endpoint.headers else {}
    return values


def _add_missing(endpoint: WebhookEndpoint, since: datetime, now: datetime) -> None:
    known = Delivery.objects.filter(endpoint=endpoint).values("message_id")
    missing = OutgoingMessage.objects.filter(at__gte=since).exclude(pk__in=known).order_by("-pk")[:MAX_REPLAY]
    outbox.add_deliveries(list(missing), [endpoint], now)


def _wait_again(chosen: Any, now: datetime) -> int:
    count: int = chosen.update(status=DeliveryState.PENDING, due_since=now, ended_at=None, refusals=0)
    return count


def _parts(ids: list[int], size: int = 500) -> list[list[int]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _try_now(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(next_attempt_at=None)
    transaction.on_commit(lambda: nudge.send("webhooks"))


def _refuse_when_off(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise Conflict(
            "webhook-off", f"{endpoint.name} is switched off. {endpoint.disabled_reason} Switch it on first."
        )


def _columns(wanted: Settings) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "url": wanted.url,
        "event_types": wanted.event_types,
        "slots": wanted.slots,
        "shape": wanted.shape,
        "template": wanted.template,
        "options": wanted.options,
        "enabled": wanted.enabled,
    }


def _headers(wanted: Settings, stored: Mapping[str, str]) -> dict[str, str]:
    if wanted.headers is None:
        return dict(stored)
    return {name: stored[name] if value is None else value for name, value in wanted.headers.items()}


def _check(wanted: Settings, stored: Mapping[str, str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not wanted.name.strip() or len(wanted.name) > NAME_LENGTH or not wanted.name.isprintable():
        errors["name"] = f"Write a name of at most {NAME_LENGTH} printable characters."
    try:
        guard.check_url(wanted.url, guard.parse_allowances(settings.WEBHOOK_NETWORKS))
    except guard.NotAllowed as refusal:
        errors["url"] = str(refusal)
    if unknown := unknown_patterns(wanted.event_types):
        errors["event_types"] = f"There is no type {', '.join(unknown)}. Types: {', '.join(TYPES)}, or lock.*."
    known = set(Slot.objects.values_list("name", flat=True)) if wanted.slots else set()
    if strange := [name for name in wanted.slots if name not in known]:
        errors["slots"] = f"There is no slot {', '.join(strange)}."
    errors |= _check_options(wanted.options) or bodies.check(wanted.shape, wanted.template, wanted.options)
    return errors | _check_headers(wanted.headers or {}, stored)


def _check_options(options: Mapping[str, Any]) -> dict[str, str]:
    for name, value in options.items():
        if not OPTION_NAME.fullmatch(name):
            return {"options": f"{name[:40]!r} is no name for an option; use lower-case letters, digits and _."}
        if not isinstance(value, str | int | float | bool) or len(str(value)) > 1000:
            return {"options": f"{name} must be a text of at most 1000 characters, a number, true or false."}
    return {}


def _check_headers(headers: Mapping[str, str | None], stored: Mapping[str, str]) -> dict[str, str]:
    problem = ""
    if len(headers) > MAX_HEADERS or len({name.lower() for name in headers}) < len(headers):
        problem = f"Send at most {MAX_HEADERS} headers, each once."
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or name.lower() in OURS:
            problem = f"{name[:40]!r} cannot be a header of your own."
        elif value is None and name not in stored:
            problem = f"There is no stored value for {name}; send one."
        elif value is not None and (len(value) > MAX_HEADER_VALUE or not value.isascii() or not value.isprintable()):
            problem = f"The value of {name} must be at most {MAX_HEADER_VALUE} printable ASCII characters."
    return {"headers": problem} if problem else {}


def _check_secret(secret: str | None) -> dict[str, str]:
    try:
        if secret is not None:
            signing.check_secret(secret)
    except signing.BadSecret as error:
        return {"secret": str(error)}
    return {}


def _invalid(errors: Mapping[str, str]) -> Invalid:
    listed = [{"field": field, "message": message} for field, message in errors.items()]
    return Invalid("invalid-request", " ".join(f"{e['field']}: {e['message']}" for e in listed), errors=listed)


def _taken(name: str) -> Conflict:
    message = f"There is a webhook named {name} already; choose another name."
    return Conflict("name-taken", message, errors=[{"field": "name", "message": message}])


def _record(verb: str, endpoint: WebhookEndpoint, by: str) -> None:
    words = {"rotated": "made a new secret for"}.get(verb, verb)
    data = {"endpoint": endpoint.pk, "name": endpoint.name}
    events.record(f"webhook.{verb}", f"{people.named(by)} {words} the webhook {endpoint.name}.", actor=by, data=data)
