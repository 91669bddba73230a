"""What a gateway and a monitor ask."""

import json
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from cluster import lookouts
from cluster.models import Lookout
from cluster.nudge import over_redis
from services.api import health
from tests.redis_server import redis_server


@pytest.fixture
def worker(db: None) -> None:
    """One has looked around just now."""
    lookouts.looked(["swaps"])


def readyz() -> HttpResponse:
    return health.readyz(RequestFactory().get("/readyz"))


def reasons() -> dict[str, str]:
    answer = readyz()
    assert answer.status_code == 503
    assert answer["Retry-After"]
    return {reason["part"]: reason["detail"] for reason in json.loads(answer.content)["reasons"]}


def test_a_process_says_that_it_lives(web: str) -> None:
    assert httpx.get(f"{web}/healthz").json() == {"status": "ok"}


def test_living_needs_no_database() -> None:
    """This test has none: any query would fail it."""
    assert health.healthz(RequestFactory().get("/healthz")).status_code == 200


def test_it_is_ready_when_everything_is_there(worker: None) -> None:
    assert json.loads(readyz().content) == {"status": "ok", "reasons": []}


def test_it_is_not_ready_before_a_worker_looked_around(db: None) -> None:
    assert "has looked around yet" in reasons()["worker"]


def test_it_is_not_ready_when_the_last_worker_fell_silent(worker: None) -> None:
    Lookout.objects.update(looked_at=timezone.now() - timedelta(seconds=50))
    assert "for 50 s" in reasons()["worker"]


def test_it_is_not_ready_before_its_migrations(worker: None) -> None:
    MigrationRecorder(connection).record_unapplied("services", "0001_initial")
    assert "1 migrations are missing" in reasons()["database"]


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with redis_server() as server:
        monkeypatch.setattr(settings, "REDIS_URL", server.url)
        yield server.url
    over_redis._sender.cache_clear()


def test_a_gateway_hears_it_over_http(web: str, worker: None) -> None:
    assert httpx.get(f"{web}/readyz").json()["status"] == "ok"


def test_it_is_ready_with_a_redis_that_answers(worker: None, redis_url: str) -> None:
    assert readyz().status_code == 200


def test_it_is_not_ready_while_redis_is_away(worker: None, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    assert "Redis does not answer" in reasons()["redis"]


def test_a_worker_is_one_row_however_often_it_looks(db: None) -> None:
    lookouts.looked(["swaps"])
    lookouts.looked(["swaps", "probes"])
    assert [(row.name, row.queues) for row in Lookout.objects.all()] == [(lookouts.own_name(), "swaps,probes")]


def test_workers_of_yesterday_are_forgotten_when_one_starts(db: None) -> None:
    Lookout.objects.create(name="old:1", queues="swaps", looked_at=timezone.now() - timedelta(days=2))
    lookouts.looked(["swaps"])
    assert list(Lookout.objects.values_list("name", flat=True)) == [lookouts.own_name()]
