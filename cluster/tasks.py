"""Celery's door to the machines: a message names Sparks, and losing it costs a probe of each."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from cluster import actions
from cluster.models import Spark

CLAIMED_FOR = timedelta(seconds=60)  # longer than a probe may take; a task worker that dies delays one probe by this


@shared_task
def probe_sparks(spark_ids: list[int]) -> None:
    """Begin to look at those whose probe is due and that no other task worker took."""
    actions.probe_side_by_side(claim(spark_ids))


def claim(spark_ids: list[int]) -> list[Spark]:
    """Ours for a minute. None of them: the ring came twice or late, and somebody else is looking already."""
    now = timezone.now()
    until = now + CLAIMED_FOR  # to the microsecond, so it also says which ones we won
    Spark.objects.due(now).filter(pk__in=spark_ids).update(next_probe_at=until)
    return list(Spark.objects.filter(pk__in=spark_ids, next_probe_at=until))
