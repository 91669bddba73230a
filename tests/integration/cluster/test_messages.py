"""Putting messages while Redis is killed, hangs, forgets: never an error, never a long wait."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from cluster import messages
from cluster.outages import Outage
from sparkcontrol.broker import Application
from sparkcontrol.redis_url import broker_from
from tests.redis_server import RedisServer, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    if not server.answers():
        server.start()
    monkeypatch.setattr(messages, "outage", Outage(messages.REST_SECONDS))
    return server


@pytest.fixture
def task(redis: RedisServer) -> Any:
    """Of an application that is configured as the product is with REDIS_URL."""
    broker = broker_from(redis.url)
    app = Application("test", set_as_current=False)
    app.conf.update(
        broker_url=broker.url,
        broker_transport_options=broker.options,
        task_publish_retry_policy=settings.CELERY_TASK_PUBLISH_RETRY_POLICY,
        task_default_queue="default",
        task_ignore_result=True,
    )
    return app.task(look, name="look")


def look(row_id: int) -> None: ...


def queued(redis: RedisServer) -> int:
    return int(redis.ask("LLEN default")[1:])


def test_a_message_lands_in_its_queue(redis: RedisServer, task: Any) -> None:
    redis.flush()
    assert messages.post(task, 12)
    assert queued(redis) == 1


def test_without_redis_the_work_is_given_to_hands_at_once(redis: RedisServer, task: Any) -> None:
    redis.stop()
    taken: list[messages.Rows] = []
    began = time.monotonic()
    for row_id in range(50):
        assert not messages.post(task, row_id, lambda _, row: taken.append(row))
    assert taken == list(range(50))
    assert time.monotonic() - began < 5


def test_a_request_that_finds_redis_hanging_waits_a_moment_only(redis: RedisServer, task: Any) -> None:
    assert messages.post(task, 1)
    redis.freeze()
    try:
        began = time.monotonic()
        assert not messages.post(task, 2)
        first = time.monotonic() - began
        assert not messages.post(task, 3)
        assert first < 5
        assert time.monotonic() - began - first < 0.1  # nobody asks again so soon
    finally:
        redis.thaw()


def test_a_restart_between_two_messages_loses_none(redis: RedisServer, task: Any) -> None:
    assert messages.post(task, 1)
    redis.stop()
    redis.start()
    assert messages.post(task, 2)
    assert queued(redis) == 1


def test_flushall_between_two_messages_is_no_matter(redis: RedisServer, task: Any) -> None:
    assert messages.post(task, 1)
    redis.flush()
    assert messages.post(task, 2)
    assert queued(redis) == 1


def test_it_is_used_again_soon_after_it_is_back(redis: RedisServer, task: Any) -> None:
    redis.stop()
    assert not messages.post(task, 1)
    redis.start()
    ends_at = time.monotonic() + 15
    while not messages.post(task, 2):
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def test_a_redis_that_refuses_to_write_is_an_outage_too(redis: RedisServer, task: Any) -> None:
    redis.ask("CONFIG SET maxmemory 1")
    try:
        assert not messages.post(task, 1)
    finally:
        redis.ask("CONFIG SET maxmemory 0")
