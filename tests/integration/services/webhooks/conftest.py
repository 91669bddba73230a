"""Receivers on loopback, which these tests allow, and a motor whose clock they move."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from services.webhooks import actions, delivery, outbox
from services.webhooks.actions import Settings
from services.webhooks.rows import WebhookEndpoint
from tests.integration.services.webhooks.receiver import Receiver, receiver


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = ["private", "127.0.0.0/8"]


class Motor:
    """Does what the dispatcher does, when the test says so and at the time the test says."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.never = threading.Event()

    def clock(self) -> datetime:
        return self.now

    def turn(self) -> None:
        """Hand on new events and deliver what is due at this moment."""
        outbox.fan_out(self.now)
        for endpoint_id in list(delivery.due(self.now).values_list("pk", flat=True)):
            while delivery.run(endpoint_id, self.clock, self.never, "motor"):
                pass

    def pass_time(self, total: timedelta, step: timedelta = timedelta(minutes=1)) -> None:
        ends_at = self.now + total
        while self.now < ends_at:
            self.now += step
            self.turn()


@pytest.fixture
def motor(transactional_db: None) -> Motor:
    return Motor()


@pytest.fixture
def new_receiver() -> Iterator[Callable[[], Receiver]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(receiver())


@pytest.fixture
def inbox(new_receiver: Callable[[], Receiver]) -> Receiver:
    return new_receiver()


def wanted(url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "name": "agent",
        "url": url,
        "event_types": [],
        "slots": [],
        "shape": "standard",
        "template": None,
        "options": {},
        "headers": {},
        "enabled": True,
    }
    return Settings(**{**values, **changes})


def endpoint_to(url: str, **changes: Any) -> tuple[WebhookEndpoint, str]:
    """An endpoint and its secret."""
    return actions.add(wanted(url, **changes), secret=None, by="user:ana")
