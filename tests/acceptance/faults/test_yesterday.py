"""The database of yesterday comes back, while the Sparks are of today. The last test: it forgets what others did."""

import time
from pathlib import Path

import pytest

from tests.acceptance.faults.conftest import Recovered
from tests.acceptance.faults.product import Product
from tests.lock_race.webs import manage

pytestmark = pytest.mark.timeout(400)


def test_it_takes_no_swap_before_its_fences_are_above_those_of_the_sparks(
    product: Product, recovered: Recovered, tmp_path: Path
) -> None:
    product.serve("other", "s1")
    backup = tmp_path / "yesterday"
    manage(product.environment, "backup", str(backup))
    today = product.ended(product.swap("s1", "quick"))
    product.worker.stop()
    product.web.kill()
    manage(product.environment, "restore", "--discard-current", str(backup))

    product.web.start()
    product.wait_for_web()
    first = product.once("POST", "/api/swap", {"slot": "s1", "model": "quick"})
    product.worker.start()
    began = time.monotonic()
    swap = product.swap("s1", "quick")
    recovered("a restore of yesterday's database", time.monotonic() - began)
    row = product.ended(swap)

    assert first.status_code == 503, first.text
    assert row["status"] == "ready", row["diagnosis"]
    assert row["fence"] > today["fence"]
