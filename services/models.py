"""Who may call, the keys of programs; and whom we call, the webhook endpoints."""

from django.db import models

from services.querysets import ApiKeyQuerySet
from services.webhooks.rows import Attempt, Delivery, DeliveryState, OutgoingMessage, WebhookEndpoint

__all__ = ["ApiKey", "Attempt", "Delivery", "DeliveryState", "OutgoingMessage", "WebhookEndpoint"]


class ApiKey(models.Model):
    """A program's key. The text itself is shown once and stored nowhere."""

    name = models.CharField(max_length=60, help_text="Which program uses it, such as openclaw.")
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)  # SHA-256 of the text
    scopes = models.JSONField(default=list)
    created_by = models.CharField(max_length=80, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} (spk_{self.prefix}_...)"

    @property
    def actor(self) -> str:
        """How the journal names this caller."""
        return f"key:{self.name}"
