"""Slots that take no swaps for now, because the database is older than what the Sparks have seen."""

from django.db import models

from cluster.models import Slot


class ClosedSlot(models.Model):
    """Made for each slot by a restore, gone once every Spark of the slot has told its fence and ours is above it."""

    slot = models.OneToOneField(Slot, on_delete=models.CASCADE, related_name="closed")
    since = models.DateTimeField()
    problem = models.TextField(blank=True)  # why the last try failed: a sentence with a remedy
    next_try_at = models.DateTimeField(null=True)  # null = at once

    def __str__(self) -> str:
        return f"{self.slot}, closed since {self.since:%Y-%m-%d %H:%M}"
