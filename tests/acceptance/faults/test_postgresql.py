"""PostgreSQL restarts, or a row of it is held by somebody else."""

import time

import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.product import Product

pytestmark = pytest.mark.timeout(400)

HOLD_SECONDS = 5.0
QUICK_SECONDS = 15.0  # lock_timeout is 2 s; the rest is for a busy machine


def test_it_survives_a_crash_of_the_database(product: Product, recovered: Recovered) -> None:
    """Swaps in three phases at once, and readers all the time."""
    product.server.hold(product.slots["s1"], "launching")
    swaps = [product.swap("s1", "quick"), product.swap("s2", "slow"), product.swap("s3", "quick")]
    product.held_at("s1")
    product.reached(swaps[1], "loading")
    workers = product.worker.pid

    product.server.restart()
    began = time.monotonic()
    product.server.let_go()
    late = product.swap("s4", "quick")
    ends = [product.ended(swap)["status"] for swap in (*swaps, late)]

    recovered("a crash of PostgreSQL", time.monotonic() - began)
    assert ends == ["ready"] * 4
    assert product.worker.is_running and product.worker.pid == workers


def test_it_waits_for_a_database_that_is_away(product: Product, recovered: Recovered) -> None:
    swap = product.swap("s5", "slow")
    product.reached(swap, "loading")
    product.server.stop()
    asked = time.monotonic()
    answer = product.once("GET", "/api/swap")
    answered = time.monotonic() - asked
    product.server.start()
    began = time.monotonic()
    end = product.ended(swap)["status"]

    recovered("PostgreSQL was away", time.monotonic() - began)
    assert (answer.status_code, answer.headers["Retry-After"] != "") == (503, True), answer.text
    assert answered < QUICK_SECONDS + 10  # the wait for a connection
    assert end == "ready"


def test_it_answers_503_when_a_row_is_held_and_leaves_nothing_half_done(product: Product, recovered: Recovered) -> None:
    product.serve("other", "s6")
    lock = product.rows("SELECT id FROM swaps_swaplock WHERE slot_id = %s", product.slots["s6"])[0]["id"]
    before = len(product.rows("SELECT 1 FROM swaps_swap"))
    with product.server.locked("swaps_swaplock", lock):
        asked = time.monotonic()
        answer = product.once("POST", "/api/swap", {"slot": "s6", "model": "quick"})
        answered = time.monotonic() - asked
        rows = len(product.rows("SELECT 1 FROM swaps_swap"))

    began = time.monotonic()
    swap = product.ended(product.swap("s6", "quick"))
    recovered("a row that was held", time.monotonic() - began)

    assert (answer.status_code, bool(answer.headers.get("Retry-After"))) == (503, True), answer.text
    assert answered < QUICK_SECONDS
    assert rows == before
    assert swap["status"] == "ready"


def test_it_goes_on_when_the_row_of_a_running_swap_was_held(product: Product, recovered: Recovered) -> None:
    """Longer than the driver's statements wait, shorter than its lease."""
    swap = product.swap("s7", "quick")
    with product.server.locked("swaps_swap", swap):
        time.sleep(HOLD_SECONDS)

    began = time.monotonic()
    end = product.ended(swap)
    recovered("a swap's row that was held", time.monotonic() - began)
    assert end["status"] == "ready"
    assert len(product.launches("s7", swap)) == 1
