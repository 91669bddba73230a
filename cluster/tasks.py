"""Celery's door to the machines: a message names a Spark, and losing it costs one probe."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from cluster import actions
from cluster.models import Reading, Spark

CLAIMED_FOR = timedelta(seconds=60)  # longer than a probe may take; a task worker that dies delays one probe by this
KEEP_READINGS = timedelta(hours=24)


@shared_task
def probe_spark(spark_id: int) -> None:
    """Look at one Spark, if its probe is due and no other task worker took it."""
    now = timezone.now()
    # Losing here means the ring came twice or late, and somebody else is looking already.
    if Spark.objects.due(now).filter(pk=spark_id).update(next_probe_at=now + CLAIMED_FOR):
        spark = Spark.objects.filter(pk=spark_id).first()
        if spark is not None:
            actions.probe(spark)
        prune(spark_id)


def prune(spark_id: int) -> None:
    """Readings are for the charts of one hour; a day of them is kept."""
    Reading.objects.filter(spark_id=spark_id, at__lt=timezone.now() - KEEP_READINGS).delete()
