"""Messages come twice, drivers stand still and wake up again: one of them drives."""

import time
from collections.abc import Iterator

import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.parts import Part
from tests.acceptance.faults.product import Product

pytestmark = pytest.mark.timeout(400)

RINGS = 12


@pytest.fixture
def second(product: Product) -> Iterator[Part]:
    """Another worker, which ends as an upgrade would end it."""
    worker = product.add_worker("second")
    yield worker
    worker.stop()
    del product.parts["second"]


def test_it_drives_a_swap_once_however_often_it_is_rung_for(product: Product, second: Part) -> None:
    product.server.hold(product.slots["s1"], "loading")
    swap = product.swap("s1", "quick")
    for _ in range(RINGS):
        product.ring(swap)
    product.held_at("s1")
    for _ in range(RINGS):
        product.ring(swap)
    product.server.let_go()

    row = product.ended(swap)

    assert (row["status"], row["attempts"]) == ("ready", 1)
    assert len(product.launches("s1", swap)) == 1


def test_it_ignores_a_driver_that_wakes_up_late(product: Product, second: Part, recovered: Recovered) -> None:
    product.server.hold(product.slots["s2"], "launching")
    swap = product.swap("s2", "quick")
    product.held_at("s2")
    sleeper = next(part for part in (product.worker, second) if f":{part.pid}:" in product.row(swap)["owner"])
    sleeper.freeze()  # with the row of the swap in an open transaction
    product.server.let_go()

    began = time.monotonic()
    row = product.ended(swap)
    recovered("a driver that stood still", time.monotonic() - began)
    sleeper.thaw()
    time.sleep(2)  # to do what it must not do

    assert row["status"] == "ready"
    assert product.row(swap) == row
    assert len(product.launches("s2", swap)) == 1
