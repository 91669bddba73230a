"""Webhook endpoints, and what is on its way to them."""

from datetime import UTC
from typing import Any

from django.db import models
from django.db.models import Q

from cluster import encryption
from cluster.models import Event
from services.webhooks import bodies
from services.webhooks.querysets import DeliveryQuerySet, EndpointQuerySet

SHAPE_CHOICES = [*((name, shape.label) for name, shape in bodies.SHAPES.items()), (bodies.CUSTOM, "a shape of its own")]


class WebhookEndpoint(models.Model):
    """One receiver. Its row also carries the retry state, because deliveries to it go one after the other."""

    name = models.CharField(max_length=60, unique=True)
    url = models.CharField("address", max_length=2000)
    event_types = models.JSONField(default=list, blank=True)  # patterns such as lock.*; empty = all
    slots = models.JSONField(default=list, blank=True)  # names; empty = all
    shape = models.CharField(max_length=20, choices=SHAPE_CHOICES, default=bodies.STANDARD)
    template = models.JSONField(null=True, blank=True)
    options = models.JSONField(default=dict, blank=True)
    headers = models.TextField(blank=True, editable=False)  # encrypted JSON, name -> value
    secret = models.TextField(editable=False)  # encrypted
    previous_secret = models.TextField(blank=True, editable=False)  # encrypted
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.TextField(blank=True, editable=False)  # a sentence; blank when a person did it

    failures = models.PositiveIntegerField(default=0, editable=False)  # in a row
    failing_since = models.DateTimeField(null=True, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)  # null = at once
    last_attempt_at = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    claim = models.CharField(max_length=40, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)

    version = models.PositiveIntegerField(default=1, editable=False)  # the ETag
    created_by = models.CharField(max_length=80, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def secret_context(self, what: str) -> str:
        return f"webhook:{self.pk}:{what}"

    def open(self, what: str) -> str:
        """The plain text of `headers`, `secret` or `previous_secret`. Raises EncryptionError."""
        return encryption.decrypt(getattr(self, what), context=self.secret_context(what))

    def seal(self, what: str, text: str) -> None:
        """Keep it encrypted, bound to this row. Raises EncryptionError."""
        setattr(self, what, encryption.encrypt(text, context=self.secret_context(what)))


class OutgoingMessage(models.Model):
    """An event as the outside hears it: made once, the same for every endpoint and every try."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="outgoing")
    message_id = models.CharField(max_length=40, unique=True)  # the receiver's idempotency key
    type = models.CharField(max_length=40)
    at = models.DateTimeField(db_index=True)
    slot = models.CharField(max_length=40, blank=True)
    sentence = models.TextField()
    data = models.JSONField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.message_id} {self.type}"

    def as_message(self) -> bodies.Message:
        at = self.at.astimezone(UTC).isoformat()
        return bodies.Message(self.message_id, self.type, at, self.sentence, self.data)


class DeliveryState(models.TextChoices):
    PENDING = "pending", "waiting"
    DELIVERED = "delivered", "delivered"
    FAILED = "failed", "given up"


class Delivery(models.Model):
    """One message to one endpoint."""

    message = models.ForeignKey(OutgoingMessage, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    status = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    due_since = models.DateTimeField()  # made, or asked for again
    attempts = models.PositiveIntegerField(default=0)
    refusals = models.PositiveSmallIntegerField(default=0)  # answers that concern this one message
    ended_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["message", "endpoint"], name="message_once_per_endpoint")]
        indexes = [
            # The dispatcher asks for the oldest pending ones of an endpoint; the delivered are many times more.
            models.Index(fields=["endpoint", "message"], condition=Q(status="pending"), name="delivery_pending"),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),  # the delivery log
        ]

    def __str__(self) -> str:
        return f"{self.message} to {self.endpoint}: {self.status}"


class Attempt(models.Model):
    """One try of a delivery. Never changed."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)  # null = no answer
    error = models.TextField(blank=True)  # a sentence; blank after a 2xx
    response = models.TextField(blank=True)  # redacted, at most 4 KiB

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.status_code or self.error}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "milliseconds": self.milliseconds,
            "status_code": self.status_code,
            "error": self.error,
            "response": self.response,
        }
