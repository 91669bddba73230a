"""Doorbells over both transports: what rings is heard, and an absent Redis costs a sender almost nothing."""

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from cluster import nudge
from cluster.nudge import over_redis
from cluster.outages import Outage
from tests.redis_server import RedisServer, redis_server

PATIENCE_SECONDS = 15.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """Doorbells ring over this Redis, which runs at the beginning of every test."""
    if not server.answers():
        server.start()
    monkeypatch.setattr(settings, "REDIS_URL", server.url)
    monkeypatch.setattr(over_redis, "outage", Outage(over_redis.REST_SECONDS))
    yield server
    over_redis._sender.cache_clear()


@pytest.fixture(params=["sockets", "redis"])
def transport(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "NUDGE_DIR", tmp_path_factory.mktemp("n"))
    if request.param == "redis":
        request.getfixturevalue("redis")


def wait_for(ear: nudge.Ear, topic: str, ring: Callable[[], None] = lambda: None) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        ring()
        if topic in ear.wait(0.3):
            return
    raise AssertionError(f"{topic} was not heard within {PATIENCE_SECONDS} s")


@pytest.mark.usefixtures("transport")
def test_a_thread_hears_what_rings() -> None:
    ear = nudge.listen()
    ear.wait(0.1)
    nudge.send("swap:12")
    wait_for(ear, "swap:12")
    ear.close()


@pytest.mark.usefixtures("transport")
def test_every_listener_hears_it() -> None:
    ears = [nudge.listen() for _ in range(3)]
    for ear in ears:
        ear.wait(0.1)
    nudge.send("events")
    for ear in ears:
        wait_for(ear, "events")
        ear.close()


@pytest.mark.usefixtures("transport")
async def test_an_event_loop_hears_what_rings() -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = nudge.overhear(heard.put_nowait)
    async with asyncio.timeout(PATIENCE_SECONDS):
        if settings.REDIS_URL:
            assert await heard.get() == nudge.EVERYTHING  # what rang before it had subscribed
        nudge.send("swap:7")
        assert await heard.get() == "swap:7"
    listening.close()


@pytest.mark.usefixtures("transport")
def test_silence_is_no_error() -> None:
    ear = nudge.listen()
    ear.wait(0.1)
    assert ear.wait(0.05) == set()
    ear.close()


def test_a_redis_that_is_down_costs_a_sender_a_moment_and_no_error(redis: RedisServer) -> None:
    nudge.send("events")
    redis.stop()
    began = time.monotonic()
    for _ in range(200):
        nudge.send("events")
    assert time.monotonic() - began < 2
    assert "does not answer" in nudge.problem()


def test_a_redis_that_hangs_costs_a_sender_a_moment_and_no_error(redis: RedisServer) -> None:
    nudge.send("events")
    redis.freeze()
    try:
        began = time.monotonic()
        for _ in range(200):
            nudge.send("events")
        assert time.monotonic() - began < 3
    finally:
        redis.thaw()


def test_a_sender_rings_again_soon_after_redis_is_back(redis: RedisServer) -> None:
    redis.stop()
    nudge.send("events")
    redis.start()
    ear = nudge.listen()
    wait_for(ear, "events", ring=lambda: nudge.send("events"))
    ear.close()


def test_a_restart_between_two_doorbells_loses_none(redis: RedisServer) -> None:
    """The sender's connection is stale then; it makes another at once."""
    nudge.send("events")
    redis.stop()
    redis.start()
    ear = nudge.listen()
    ear.wait(1.0)
    nudge.send("events")
    wait_for(ear, "events")
    ear.close()


def test_a_thread_listens_again_after_a_restart(redis: RedisServer) -> None:
    ear = nudge.listen()
    ear.wait(1.0)
    redis.stop()
    assert ear.wait(0.2) == set()
    redis.start()
    wait_for(ear, nudge.EVERYTHING)
    wait_for(ear, "events", ring=lambda: nudge.send("events"))
    ear.close()


async def test_an_event_loop_listens_again_after_a_restart(redis: RedisServer) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = nudge.overhear(heard.put_nowait)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await heard.get() == nudge.EVERYTHING
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(redis.start)
        assert await heard.get() == nudge.EVERYTHING
        nudge.send("swap:7")
        assert await heard.get() == "swap:7"
    listening.close()


def test_a_listener_waits_no_longer_than_asked_while_redis_is_away(redis: RedisServer) -> None:
    redis.stop()
    ear = nudge.listen()
    began = time.monotonic()
    assert ear.wait(0.3) == set()
    assert 0.2 < time.monotonic() - began < 2
    ear.close()


def test_two_databases_of_one_redis_do_not_hear_each_other(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = nudge.listen()
    ear.wait(1.0)
    monkeypatch.setattr(settings, "REDIS_URL", redis.url[:-1] + "3")
    nudge.send("events")
    assert ear.wait(0.3) == set()
    ear.close()


def test_many_threads_may_ring_at_once(redis: RedisServer) -> None:
    ear = nudge.listen()
    ear.wait(1.0)
    threads = [threading.Thread(target=nudge.send, args=[f"swap:{n}"]) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard: set[str] = set()
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while len(heard) < 30 and time.monotonic() < ends_at:
        heard |= ear.wait(0.3)
    assert len(heard) == 30
    ear.close()


def test_a_process_without_free_file_descriptors_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(settings, "REDIS_URL", "")
    monkeypatch.setattr(socket, "socket", full)

    nudge.send("swap:1")
