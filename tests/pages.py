"""What tests of pages need: a signed-in browser, and rows in the states a page can show."""

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from cluster.models import Slot, Spark
from services.webhooks import actions as webhook_actions
from services.webhooks.rows import WebhookEndpoint
from swaps import machine
from swaps.models import ModelDefinition, Serving, Swap
from swaps.schedules.arithmetic import next_fires
from swaps.schedules.rows import Schedule
from swaps.states import IN_ORDER, Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SparkFactory, SwapFactory, UserFactory


def browser() -> Client:
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise looks at it when the application is made
    return Client()


def signed_in(**fields: Any) -> Client:
    """A browser with a session; without fields its person is a superuser named ana."""
    fields = {"username": "ana", "is_staff": True, "is_superuser": True} | fields
    client = browser()
    user: User = UserFactory(**fields)
    client.force_login(user)
    return client


def two_sparks() -> Slot:
    """The slot main on two Sparks that answer."""
    up: dict[str, Any] = {"ssh_state": "up", "probed_at": timezone.now(), "host_key": HOST_KEY}
    reading = {"mem_total_bytes": 128 * 2**30, "mem_available_bytes": 112 * 2**30, "gpu_busy_percent": 93.0}
    first: Spark = SparkFactory(name="spark-1", reading=reading, **up)
    second: Spark = SparkFactory(name="spark-2", reading=reading, **up)
    slot: Slot = SlotFactory(name="main", head=first)
    slot.seats.create(spark=second, rank=1)
    return Slot.objects.with_sparks().get(pk=slot.pk)


def catalog(*keys: str) -> list[ModelDefinition]:
    return [ModelDefinitionFactory(key=key, label=f"The {key}") for key in keys]


def serve(slot: Slot, key: str = "qwen", **fields: Any) -> Serving:
    told: dict[str, Any] = {"state": "serving", "model_key": key, "model_label": f"The {key}", "served_ids": [key]}
    told |= {"since": timezone.now(), "definition": {"nodes": 1}} | fields
    return Serving.objects.update_or_create(slot=slot, defaults=told)[0]


def a_swap(slot: Slot, to: Status, key: str = "qwen", **fields: Any) -> Swap:
    """A swap that walked to `to`, as the machine would have moved it; a failure comes while it loads."""
    swap: Swap = SwapFactory(slot=slot, model_key=key, model_label=f"The {key}")
    machine.accept(swap)
    road = list(IN_ORDER) if to is Status.READY else [*IN_ORDER[:5], to]
    for before, after in pairwise(road):
        if before is to:
            break
        machine.advance(swap, after, expect=before, **(fields if after is to else {}))
    return swap


def a_schedule(slot: Slot | None, **fields: Any) -> Schedule:
    """A nightly swap of ours, unless `fields` say otherwise; an external one was refreshed just now."""
    now = timezone.now()
    told: dict[str, Any] = {"kind": "swap", "title": "Night model", "model": "qwen", "cron": "30 2 * * *"}
    told |= {"slot": slot, "registered_by": "user:ana", "options": {}} | fields
    if told["kind"] == "external":
        told = {"refreshed_at": now, "stale_at": now + timedelta(days=2)} | told
    schedule = Schedule(**told)
    if not schedule.is_external:
        schedule.next_fire_at = next(iter(next_fires(schedule.rule(), now, 1)), None)
    schedule.save()
    return schedule


def a_webhook(**fields: Any) -> WebhookEndpoint:
    told: dict[str, Any] = {"name": "openclaw", "url": "http://192.168.7.9:8080/hooks", "event_types": [], "slots": []}
    told |= {"shape": "standard", "template": None, "options": {}, "headers": {}, "enabled": True} | fields
    return webhook_actions.add(webhook_actions.Settings(**told), secret=None, by="user:ana")[0]


def ago(**span: float) -> Any:
    return timezone.now() - timedelta(**span)


def text_of(response: Any) -> str:
    """What a person reads: no tags, one space between words."""
    without = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", without)


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc4G6w0p3q0Q2m6b1hVtVq0Wb1m3bN6Cj8p3y0b8b5x"
