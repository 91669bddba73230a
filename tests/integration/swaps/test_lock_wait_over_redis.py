"""The live feed and the wait for the lock hear over Redis, and do without it."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from cluster import live, nudge
from cluster.live import Row
from cluster.models import Slot
from cluster.nudge import over_redis
from cluster.outages import Outage
from swaps import lock_waiting, locks
from swaps.models import Trigger
from swaps.requester import Requester
from tests.factories import SlotFactory
from tests.redis_server import RedisServer, redis_server

SELDOM_SECONDS = 60.0  # so that only a doorbell can be what woke somebody
PATIENCE_SECONDS = 20.0
ANA, BOB = Requester("user:ana", Trigger.API), Requester("key:bob", Trigger.API)


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    with redis_server() as server:
        monkeypatch.setattr(settings, "REDIS_URL", server.url)
        monkeypatch.setattr(over_redis, "outage", Outage(over_redis.REST_SECONDS))
        yield server
    over_redis._sender.cache_clear()


@pytest.fixture
def bells_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_EVERY_SECONDS", SELDOM_SECONDS)
    monkeypatch.setattr(lock_waiting, "LONGEST_NAP_SECONDS", SELDOM_SECONDS)


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    slot: Slot = SlotFactory(name="main")
    return slot


def acquire_beside(slot: Slot, granted: list[locks.Grant]) -> threading.Thread:
    """Bob waits for the lock."""

    def run() -> None:
        granted.append(
            locks.acquire(slot, holder="bob", purpose="", ttl_seconds=60, by=BOB, wait_seconds=PATIENCE_SECONDS)
        )
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_release_wakes_who_waits(redis: RedisServer, bells_only: None, slot: Slot) -> None:
    first = locks.acquire(slot, holder="ana", purpose="", ttl_seconds=60, by=ANA)
    granted: list[locks.Grant] = []
    waiting = acquire_beside(slot, granted)
    while "sub=1" not in redis.ask("CLIENT LIST").decode():
        assert waiting.is_alive()
        time.sleep(0.02)
    locks.release(slot, first.token)
    waiting.join(PATIENCE_SECONDS / 2)
    assert [grant.lock.holder for grant in granted] == ["bob"]


def test_who_waits_gets_the_lock_without_redis_too(redis: RedisServer, slot: Slot) -> None:
    first = locks.acquire(slot, holder="ana", purpose="", ttl_seconds=60, by=ANA)
    granted: list[locks.Grant] = []
    redis.stop()
    waiting = acquire_beside(slot, granted)
    time.sleep(0.3)
    locks.release(slot, first.token)
    waiting.join(PATIENCE_SECONDS)
    assert [grant.lock.holder for grant in granted] == ["bob"]


class Rows:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self) -> None:
        self.rows.append(Row(len(self.rows) + 1, "log", {}))

    def read(self, after: int, limit: int) -> list[Row]:
        return self.rows[after : after + limit]


async def test_the_live_feed_hears_over_redis(redis: RedisServer, bells_only: None) -> None:
    rows = Rows()
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(1.0) is None
        rows.add()
        nudge.send("t")
        assert await watcher.next(PATIENCE_SECONDS) is not None


async def test_what_rang_before_it_was_subscribed_is_not_missed(redis: RedisServer, bells_only: None) -> None:
    rows = Rows()
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.001) is None
        rows.add()
        assert await watcher.next(PATIENCE_SECONDS) is not None


async def test_without_redis_the_live_feed_looks_by_itself(redis: RedisServer) -> None:
    redis.stop()
    rows = Rows()
    async with live.hub().watch("t", rows.read, after=0) as watcher:
        assert await watcher.next(0.1) is None
        rows.add()
        nudge.send("t")
        assert await watcher.next(5.0) is not None
