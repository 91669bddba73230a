"""Questions about API keys, asked in the house's words."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from services.models import ApiKey  # noqa: F401

USE_NOTED_EVERY = timedelta(minutes=1)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime) -> "ApiKeyQuerySet":
        """Neither revoked nor expired."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def note_use(self, key_id: int, now: datetime) -> bool:
        """Write when the key was last used, at most once a minute; False when it was noted already."""
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_NOTED_EVERY)
        return bool(self.filter(stale, pk=key_id).update(last_used_at=now))
