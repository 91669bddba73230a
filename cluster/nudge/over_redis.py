"""Doorbells between machines: one Redis channel. Who was not listening when it rang looks by itself a second later."""

import asyncio
import contextlib
import logging
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from cluster.nudge.ears import EVERYTHING, MAX_TOPIC_BYTES, Hear
from cluster.outages import Outage

ANSWER_SECONDS = 0.5  # what a Redis that hangs costs a sender, at most once in REST_SECONDS
CONNECT_SECONDS = 5.0  # a listener has time
REST_SECONDS = 2.0
RETRY_SECONDS = 1.0
QUIET_SECONDS = 10.0  # without a doorbell for so long, a listener asks whether its connection still lives
KEEPS_ALIVE: dict[str, Any] = {"socket_keepalive": True, "health_check_interval": 0}

log = logging.getLogger(__name__)
outage = Outage(REST_SECONDS)


def send(topic: str) -> None:
    """One PUBLISH; a stale connection is made anew once."""
    if outage.lasts:
        return
    try:
        _sender(settings.REDIS_URL).publish(_channel(), topic.encode()[:MAX_TOPIC_BYTES])
    except (redis.RedisError, OSError) as error:
        if outage.failed():
            log.warning("Redis does not answer (%s); pages and programs that watch look by themselves.", error)
    else:
        if outage.ended():
            log.warning("Redis answers again.")


def problem() -> str:
    try:
        _sender(settings.REDIS_URL).ping()
    except (redis.RedisError, OSError) as error:
        return f"Redis does not answer: {error}"
    return ""


class RedisEar:
    """For a thread. It connects anew by itself; what rang meanwhile is not heard, and EVERYTHING is instead."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS, **KEEPS_ALIVE
        )
        self._bell: Any = None
        self._heard_at = 0.0

    def wait(self, seconds: float) -> set[str]:
        ends_at = time.monotonic() + seconds
        try:
            return self._wait(ends_at)
        except (redis.RedisError, OSError):
            self._hang_up()
            time.sleep(max(0.0, min(RETRY_SECONDS, ends_at - time.monotonic())))
            return set()

    def _wait(self, ends_at: float) -> set[str]:
        if self._bell is None:
            self._bell = self._client.pubsub()  # type: ignore[no-untyped-call]
            self._bell.subscribe(_channel())
            self._heard_at = time.monotonic()
            return {EVERYTHING}
        topics = self._next(ends_at - time.monotonic())
        while more := self._next(0.0):
            topics |= more
        if time.monotonic() - self._heard_at > 2 * QUIET_SECONDS:
            raise redis.ConnectionError("silent")
        return topics

    def _next(self, seconds: float) -> set[str]:
        if time.monotonic() - self._heard_at > QUIET_SECONDS:
            self._bell.ping()
        message = self._bell.get_message(timeout=max(0.0, seconds))
        if message is not None:
            self._heard_at = time.monotonic()
        return {_topic(message)} if message and message["type"] == "message" else set()

    def _hang_up(self) -> None:
        with contextlib.suppress(redis.RedisError, OSError):
            self.close()
        self._bell = None

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
        self._client.close()


class Overhearing:
    """For an event loop: one task that stays subscribed."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._task = asyncio.get_running_loop().create_task(self._listen())

    def close(self) -> None:
        self._task.cancel()

    async def _listen(self) -> None:
        while True:
            try:
                await self._stay_subscribed()
            except (redis.RedisError, OSError, TimeoutError) as error:
                log.info("The live feed does not hear Redis (%s); it looks once a second.", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _stay_subscribed(self) -> None:
        # No time limit for reading: silence is normal, and the pings below tell it from a dead connection.
        client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=AsyncRetry(NoBackoff(), 0),
            **KEEPS_ALIVE,
        )
        async with client, client.pubsub() as bell:
            async with asyncio.timeout(CONNECT_SECONDS):
                await bell.subscribe(_channel())
            self._hear(EVERYTHING)
            silent = False
            while True:
                message = await bell.get_message(timeout=QUIET_SECONDS)
                if message is None and silent:
                    raise redis.ConnectionError("silent")
                silent = message is None
                if silent:
                    await bell.ping()
                elif message["type"] == "message":
                    self._hear(_topic(message))


def listen() -> RedisEar:
    return RedisEar()


def overhear(hear: Hear) -> Overhearing:
    return Overhearing(hear)


@cache
def _sender(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),
        **KEEPS_ALIVE,
    )


def _channel() -> str:
    """Channels are common to all databases of a Redis, so the database's number is part of the name."""
    parts = urlsplit(settings.REDIS_URL)
    database = parse_qs(parts.query).get("db", [parts.path.strip("/") if parts.scheme != "unix" else ""])[0]
    return f"sparkcontrol:{database or 0}:nudge"


def _topic(message: Any) -> str:
    return bytes(message["data"]).decode(errors="replace")
