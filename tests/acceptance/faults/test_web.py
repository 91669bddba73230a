"""The web process dies while somebody talks to it."""

import threading
import time

import httpx
import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.product import LIMIT_SECONDS, Product
from tests.simulated_sparks import until

pytestmark = pytest.mark.timeout(400)


def killed_while_asking(product: Product, slot: str, held: int, key: dict[str, str]) -> None:
    """POST /api/swap, whose web process dies at the point that is held."""

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            product.once("POST", "/api/swap", {"slot": slot, "model": "quick"}, key)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: product.server.is_held(held), LIMIT_SECONDS, "the call stands at its point")
    product.web.kill()
    asking.join()
    product.server.let_go()


@pytest.mark.parametrize(
    ("slot", "point"),
    [("s1", "before its commit"), ("s2", "after its commit, before the answer")],
    ids=["before", "after"],
)
def test_it_accepts_one_swap_when_the_web_dies_in_a_call(
    product: Product, recovered: Recovered, slot: str, point: str
) -> None:
    key = {"Idempotency-Key": f"night-job-{slot}"}
    held, status = (product.slots[slot], "queued") if "before its" in point else (0, "answer")
    product.server.hold(held, status)
    killed_while_asking(product, slot, held, key)

    product.web.start()
    began = time.monotonic()
    answers = [product.call("POST", "/api/swap", {"slot": slot, "model": "quick"}, key) for _ in range(2)]
    recovered(f"a web that died in POST /api/swap {point}", time.monotonic() - began)

    swaps = product.rows("SELECT id FROM swaps_swap WHERE slot_id = %s", product.slots[slot])
    assert {answer["id"] for answer in answers} == {max(row["id"] for row in swaps)}
    assert product.ended(answers[0]["id"])["status"] == "ready"


def heard(product: Product, swap: int, after: int, until_id: int | None = None) -> list[int]:
    """Ids of the stream from behind `after` on, to its end, to `until_id`, or until the web dies."""
    headers = {"Authorization": f"Bearer {product.key}", "Last-Event-ID": str(after), "Accept": "text/event-stream"}
    ids: list[int] = []
    try:
        with httpx.stream("GET", f"{product.url}/api/swap/{swap}/stream", headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    ids.append(int(line[3:]))
                if until_id and ids and ids[-1] >= until_id:
                    break
    except httpx.TransportError:
        pass
    return ids


def test_it_goes_on_with_a_stream_where_a_restarted_web_left_it(product: Product, recovered: Recovered) -> None:
    swap = product.swap("s3", "slow")
    product.reached(swap, "loading")
    killer = threading.Timer(1.5, product.web.kill)
    killer.start()
    first = heard(product, swap, 0)
    killer.join()

    product.web.start()
    began = time.monotonic()
    product.wait_for_web()
    polled = product.document(swap)
    rest = heard(product, swap, first[-1])
    recovered("a web that died under a stream", time.monotonic() - began)

    row = product.ended(swap)
    assert polled["status"] in ("loading", "verifying", "ready")
    assert first + rest == list(range(1, row["last_seq"] + 1))
    assert row["status"] == "ready"
