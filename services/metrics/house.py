"""Spark Control itself in figures: workers, the webhook outbox, what it is."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min, Q

from cluster import lookouts
from cluster.models import Event, Lookout
from services.metrics.text import Family
from services.webhooks.rows import WebhookEndpoint


def families(now: datetime) -> list[Family]:
    build = Family("sparkcontrol_build_info", "gauge", "1, with the version in the label.")
    build.add(1, version=settings.SPECTACULAR_SETTINGS["VERSION"])
    return [build, *_workers(now), *_outbox(now), *_endpoints(now)]


def _workers(now: datetime) -> list[Family]:
    age = Family("sparkcontrol_last_look_age_seconds", "gauge", "Since any worker looked around; it does every 2 s.")
    number = Family("sparkcontrol_workers", "gauge", "Workers that looked around in the last 20 seconds.")
    last = lookouts.last_looked_at()
    age.add(_seconds(now, last) if last else None)
    number.add(Lookout.objects.filter(looked_at__gt=now - lookouts.SILENT_AFTER).count())
    return [age, number]


def _outbox(now: datetime) -> list[Family]:
    lag = Family("sparkcontrol_outbox_lag_seconds", "gauge", "Age of the oldest event no webhook has heard of.")
    waiting = Family("sparkcontrol_outbox_events", "gauge", "Events that wait to be turned into webhooks.")
    found = Event.objects.not_fanned_out().aggregate(oldest=Min("at"), number=Count("pk"))
    lag.add(_seconds(now, found["oldest"]) if found["oldest"] else 0)
    waiting.add(found["number"])
    return [lag, waiting]


def _endpoints(now: datetime) -> list[Family]:
    enabled = Family("sparkcontrol_webhook_enabled", "gauge", "1 when the webhook is switched on.")
    failures = Family("sparkcontrol_webhook_failures", "gauge", "Failed attempts in a row.")
    waiting = Family("sparkcontrol_webhook_deliveries_waiting", "gauge", "Deliveries that wait.")
    oldest = Family("sparkcontrol_webhook_oldest_delivery_age_seconds", "gauge", "Age of the one that waits longest.")
    pending = Q(deliveries__status="pending")
    rows = WebhookEndpoint.objects.order_by("name").annotate(
        number=Count("deliveries", filter=pending), since=Min("deliveries__due_since", filter=pending)
    )
    for name, on, failed, number, since in rows.values_list("name", "enabled", "failures", "number", "since"):
        enabled.add(float(on), webhook=name)
        failures.add(failed, webhook=name)
        waiting.add(number, webhook=name)
        oldest.add(_seconds(now, since) if since else 0, webhook=name)
    return [enabled, failures, waiting, oldest]


def _seconds(now: datetime, since: datetime) -> float:
    return max(0.0, round((now - since).total_seconds(), 3))
