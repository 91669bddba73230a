"""Which tests share a process: those that share an expensive product, and otherwise those of one file."""

from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

SHARED = ("dashboard", "clients", "faults")  # folders with one product for all their files
# A second product for half of the faults costs less than waiting for one that shows them all.
FAULTS_OF_SERVERS = ("test_postgresql", "test_redis", "test_two_drivers", "test_yesterday")


class ByProduct(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.split("::", 1)[0])
        if path.parent.name == "faults" and path.stem in FAULTS_OF_SERVERS:
            return "faults of servers"
        return path.parent.name if path.parent.name in SHARED else str(path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByProduct:
    return ByProduct(config, log)
