"""One running product for all faults; after each of them, the invariants."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.faults import invariants
from tests.acceptance.faults.fence_watch import FenceWatch
from tests.acceptance.faults.product import Product, running_product

# The promise is 30 s. A machine on which four others wait for the same core is not held to it to the second.
RECOVERY_SECONDS = 30.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
RECOVERY = "recovery"  # the property of a test report
_notes: dict[str, list[str]] = {}

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

    def note(what: str, seconds: float) -> None:
        name = request.node.name
        request.node.user_properties.append((RECOVERY, line_of(name, f"after {what}", seconds)))
        noted(name, f"after {what}", seconds)

    return note


def noted(test: str, what: str, seconds: float) -> None:
    line = line_of(test, what, seconds)
    _notes.setdefault(test, []).append(line)
    print(line)
    assert seconds <= RECOVERY_SECONDS, line


def notes_of(test: str) -> list[str]:
    return _notes.get(test, [])


def line_of(test: str, what: str, seconds: float) -> str:
    return f"{seconds:5.1f} s  {test}: {what}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Read from the reports, which also come from other processes."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = {line for report in reports for name, line in getattr(report, "user_properties", ()) if name == RECOVERY}
    if lines:
        terminalreporter.section("recovery")
    for line in sorted(lines, reverse=True):
        terminalreporter.write_line(line)
