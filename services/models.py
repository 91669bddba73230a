"""Who may call, the keys of programs; and whom we call, the webhook endpoints."""

from django.db import models

from services.querysets import ApiKeyQuerySet
from services.webhooks.rows import Attempt, Delivery, DeliveryState, OutgoingMessage, WebhookEndpoint

__all__ = ["ApiKey", "Attempt", "Delivery", "DeliveryState", "OutgoingMessage", "SignInTries", "WebhookEndpoint"]


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


class SignInTries(models.Model):
    """Passwords that were not right, or are being looked at, since `began_at` (services/sign_in.py)."""

    who = models.CharField(max_length=64, blank=True)  # keyed hash of the name; blank = whatever the name
    address = models.CharField(max_length=45, blank=True)
    count = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField(db_index=True)  # by the database's clock
    told = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["who", "address"], name="tries_once_per_name_and_address")]

    def __str__(self) -> str:
        return f"{self.count} tries from {self.address}"
