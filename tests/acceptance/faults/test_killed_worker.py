"""The worker dies by kill -9 wherever a swap can stand."""

import time

import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.product import SINGLES, Product

pytestmark = pytest.mark.timeout(400)

# Where each slot's swap stands when the worker dies: held before this move commits.
HELD_BEFORE = {
    "s1": "preflight",  # claimed, nothing done
    "s2": "launching",  # the old model is stopped
    "s3": "loading",  # the container is launched
    "s5": "verifying",  # vLLM said that it is up
    "s6": "ready",  # before the commit of the end
}
WAITS, ENDS = "s4", "s7"  # loads when the worker dies; ends a moment before


def test_it_ends_seven_swaps_whose_worker_died_at_seven_points(product: Product, recovered: Recovered) -> None:
    product.serve("other", *SINGLES)
    for slot, status in {**HELD_BEFORE, ENDS: "ready"}.items():
        product.server.hold(product.slots[slot], status)
    swaps = {slot: product.swap(slot, "slow" if slot == WAITS else "quick") for slot in SINGLES}
    for slot in (*HELD_BEFORE, ENDS):
        product.held_at(slot)
    product.reached(swaps[WAITS], "loading")
    product.server.let_go(product.slots[ENDS])
    product.reached(swaps[ENDS])

    product.worker.kill()
    product.server.let_go()
    product.worker.start()
    began = time.monotonic()
    ends = {slot: product.ended(swap) for slot, swap in swaps.items()}

    recovered("seven swaps after the worker is back", time.monotonic() - began)
    assert {slot: row["status"] for slot, row in ends.items()} == dict.fromkeys(SINGLES, "ready")
    assert {slot: len(product.launches(slot, swap)) for slot, swap in swaps.items()} == dict.fromkeys(SINGLES, 1)
