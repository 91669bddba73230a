"""Redis goes, forgets, hangs. It only rings doorbells, so nothing that was accepted depends on it."""

import time
from collections.abc import Iterator

import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.product import Product
from tests.redis_server import RedisServer

AWAY_SECONDS = 15.0
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def redis(product: Product) -> Iterator[RedisServer]:
    if product.redis is None:
        pytest.skip("FAULTS_BROKER=folder: there is no Redis in this run")
    yield product.redis
    if not product.redis.answers():
        product.redis.start()


def test_it_finds_a_swap_whose_message_is_lost(product: Product, redis: RedisServer, recovered: Recovered) -> None:
    product.worker.kill()  # so that the message waits in Redis
    swaps = [product.swap("s1", "quick"), product.swap("s2", "quick")]
    redis.flush()

    product.worker.start()
    began = time.monotonic()
    ends = [product.ended(swap)["status"] for swap in swaps]

    recovered("FLUSHALL", time.monotonic() - began)
    assert ends == ["ready", "ready"]


def test_it_goes_on_over_a_restart_of_redis(product: Product, redis: RedisServer, recovered: Recovered) -> None:
    lock = product.call("POST", "/api/swap/lock", {"slot": "s4", "holder": "night", "ttl_seconds": 600})
    product.held.append(lock["token"])
    running, under_lock = product.swap("s3", "slow"), product.swap("s4", "quick", lock_token=lock["token"])
    product.reached(running, "loading")
    redis.stop()
    redis.start()

    began = time.monotonic()
    late = product.swap("s5", "quick")
    ends = [product.ended(swap)["status"] for swap in (running, under_lock, late)]

    recovered("a restart of Redis", time.monotonic() - began)
    assert ends == ["ready"] * 3
    assert product.call("GET", "/api/swap/lock?slot=s4")["fence"] == lock["fence"]
    assert product.once("DELETE", "/api/swap/lock", {"slot": "s4", "token": lock["token"]}).status_code == 204


def test_it_swaps_while_redis_is_away(product: Product, redis: RedisServer, recovered: Recovered) -> None:
    """Ten minutes at a scale of 1:40: away before the swap is asked for, and until after its end."""
    redis.stop()
    began = time.monotonic()
    swap = product.swap("s6", "quick")
    row = product.ended(swap)
    took = time.monotonic() - began
    time.sleep(max(0.0, AWAY_SECONDS - took))
    redis.start()

    back = time.monotonic()
    after = product.ended(product.swap("s7", "quick"))

    recovered("Redis was away", time.monotonic() - back)
    print(f"the swap without Redis took {took:.1f} s")
    assert (row["status"], after["status"]) == ("ready", "ready")
