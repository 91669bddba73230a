"""Webhooks in the API: what may be sent, and the shape of what comes back."""

from typing import Any

from rest_framework import serializers

from cluster.api.fields import Boolean, StrictSerializer, Text
from cluster.api.serializers import moment
from cluster.encryption import EncryptionError
from services.webhooks import actions, bodies
from services.webhooks.rows import Delivery, DeliveryState, WebhookEndpoint
from services.webhooks.types import TYPES, EventType

SHAPES = [*bodies.SHAPES, bodies.CUSTOM]


class WebhookBody(StrictSerializer):
    name = Text(max_length=actions.NAME_LENGTH)
    url = Text(max_length=2000, help_text="http or https. Where it may lead is a setting of Spark Control.")
    event_types = serializers.ListField(
        child=Text(max_length=60),
        max_length=50,
        default=list,
        help_text="Such as swap_complete or lock.*; empty = all.",
    )
    slots = serializers.ListField(
        child=Text(max_length=40), max_length=50, default=list, help_text="Names; empty = all."
    )
    shape = serializers.ChoiceField(choices=SHAPES, default=bodies.STANDARD, help_text="Of the body.")
    template = serializers.JSONField(
        default=None, allow_null=True, help_text="For the shape `custom`: docs/webhooks.md."
    )
    options = serializers.DictField(default=dict, help_text="Values the shape or the template asks for.")
    headers = serializers.DictField(
        child=Text(max_length=actions.MAX_HEADER_VALUE, allow_blank=True, allow_null=True),
        required=False,
        help_text="Of your own, such as Authorization. Stored encrypted, never shown again; null keeps a stored value.",
    )
    enabled = Boolean(default=True)


class SecretBody(StrictSerializer):
    secret = Text(
        max_length=256,
        allow_null=True,
        default=None,
        help_text="Of your own; made up when not given. Never shown again.",
    )


class NewWebhookBody(WebhookBody, SecretBody):
    pass


class ReplayBody(StrictSerializer):
    since = serializers.DateTimeField(help_text="Of the events.")
    what = serializers.ChoiceField(choices=["failed", "all"], default="failed")


class WebhookSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    slots = serializers.ListField(child=serializers.CharField())
    shape = serializers.ChoiceField(choices=SHAPES)
    template = serializers.JSONField(allow_null=True)
    options = serializers.DictField()
    headers = serializers.ListField(child=serializers.CharField(), help_text="Their names; values are never shown.")
    enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField(help_text="A sentence; blank unless Spark Control switched it off.")
    waiting = serializers.IntegerField(help_text="Deliveries that are not done.")
    failures = serializers.IntegerField(help_text="In a row.")
    failing_since = serializers.DateTimeField(allow_null=True)
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="Null: at once.")
    last_attempt_at = serializers.DateTimeField(allow_null=True)
    last_success_at = serializers.DateTimeField(allow_null=True)
    old_secret_until = serializers.DateTimeField(allow_null=True, help_text="Until then the secret before signs, too.")
    version = serializers.IntegerField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    link = serializers.CharField()


class MadeWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="What receivers verify with. Never shown again.")


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    milliseconds = serializers.IntegerField()
    status_code = serializers.IntegerField(allow_null=True, help_text="Null: no answer.")
    error = serializers.CharField(help_text="A sentence; blank after a 2xx.")


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    webhook = serializers.IntegerField()
    message_id = serializers.CharField(help_text="The header webhook-id; the same at every attempt.")
    type = serializers.ChoiceField(choices=list(TYPES))
    at = serializers.DateTimeField(help_text="Of the event.")
    sentence = serializers.CharField()
    status = serializers.ChoiceField(choices=DeliveryState.values)
    attempts = serializers.IntegerField()
    ended_at = serializers.DateTimeField(allow_null=True)
    link = serializers.CharField()


class OneDeliverySerializer(DeliverySerializer):
    body = serializers.CharField(help_text="As the endpoint gets it with its settings of now.")
    tries = AttemptSerializer(many=True)


class ReplaySerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Messages that are on their way again.")


class TypeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    meaning = serializers.CharField()
    severity = serializers.ChoiceField(choices=["info", "warning", "error"])
    data = serializers.DictField(  # type: ignore[assignment]  # the field is called so
        child=serializers.CharField(), help_text="Fields of `data`, each with its meaning."
    )


class TypesSerializer(serializers.Serializer[Any]):
    types = TypeSerializer(many=True)
    shapes = serializers.ListField(child=serializers.DictField(), help_text="Ready-made bodies and their options.")


def link_of(endpoint_id: int) -> str:
    return f"/api/webhooks/{endpoint_id}"


def webhook_document(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk,
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "slots": endpoint.slots,
        "shape": endpoint.shape,
        "template": endpoint.template,
        "options": endpoint.options,
        "headers": _header_names(endpoint),
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "waiting": endpoint.deliveries.pending().count(),
        "failures": endpoint.failures,
        "failing_since": moment(endpoint.failing_since),
        "next_attempt_at": moment(endpoint.next_attempt_at),
        "last_attempt_at": moment(endpoint.last_attempt_at),
        "last_success_at": moment(endpoint.last_success_at),
        "old_secret_until": moment(endpoint.previous_secret_until),
        "version": endpoint.version,
        "created_by": endpoint.created_by,
        "created_at": moment(endpoint.created_at),
        "link": link_of(endpoint.pk),
    }


def _header_names(endpoint: WebhookEndpoint) -> list[str]:
    try:
        return list(actions.header_values(endpoint))
    except EncryptionError:
        return []  # attempts say what is wrong; looking at the list must still work


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """The message must be loaded."""
    return {
        "id": delivery.pk,
        "webhook": delivery.endpoint_id,
        "message_id": delivery.message.message_id,
        "type": delivery.message.type,
        "at": moment(delivery.message.at),
        "sentence": delivery.message.sentence,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "ended_at": moment(delivery.ended_at),
        "link": f"{link_of(delivery.endpoint_id)}/deliveries/{delivery.pk}",
    }


def whole_delivery_document(delivery: Delivery) -> dict[str, Any]:
    """With its attempts. What receivers answered stays in the database: it may come from any machine of the network."""
    endpoint = delivery.endpoint
    body, _ = bodies.body(delivery.message.as_message(), endpoint.shape, endpoint.template, endpoint.options)
    tries = [
        {"at": moment(a.at), "milliseconds": a.milliseconds, "status_code": a.status_code, "error": a.error}
        for a in delivery.tries.all()
    ]
    return {**delivery_document(delivery), "body": body, "tries": tries}


def type_document(kind: EventType) -> dict[str, Any]:
    return {"name": kind.name, "meaning": kind.meaning, "severity": kind.severity, "data": dict(kind.fields)}


def shape_document(name: str, shape: bodies.Shape) -> dict[str, Any]:
    return {
        "name": name,
        "label": shape.label,
        "template": shape.template,
        "required": dict(shape.required),
        "optional": dict(shape.optional),
    }
