"""One running product for all faults; after each of them, the invariants."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.faults import invariants
from tests.acceptance.faults.fence_watch import FenceWatch
from tests.acceptance.faults.product import Product, running_product

# The promise is 30 s. A machine on which four others wait for the same core is not held to it to the second.
RECOVERY_SECONDS = 30.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
_recoveries: list[tuple[str, str, float]] = []

Recovered = Callable[[str, float], None]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Product, FenceWatch]]:
    with running_product(tmp_path_factory.mktemp("faults")) as product, FenceWatch(product.sparks.root) as fences:
        yield product, fences


@pytest.fixture
def product(running: tuple[Product, FenceWatch]) -> Iterator[Product]:
    """All parts run, no fault is on; afterwards again, and every invariant holds."""
    product, fences = running
    yield product
    product.server.let_go()
    product.sparks.no_faults()
    product.start_all()
    invariants.check(product, fences.seen)


@pytest.fixture
def recovered(request: pytest.FixtureRequest) -> Recovered:
    """Call it with what came back and the seconds until all was well; told at the end of the run."""

    return lambda what, seconds: noted(request.node.name, f"after {what}", seconds)


def noted(test: str, what: str, seconds: float) -> None:
    _recoveries.append((test, what, seconds))
    print(f"{test}: well again {seconds:.1f} s {what}")
    assert seconds <= RECOVERY_SECONDS, f"{what}: {seconds:.1f} s"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _recoveries:
        terminalreporter.section("recovery")
    for test, what, seconds in _recoveries:
        terminalreporter.write_line(f"{seconds:5.1f} s  {test}: {what}")
