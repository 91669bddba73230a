"""Which tests share a process: those that share an expensive product, and otherwise those of one file."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHARED = ("dashboard", "clients", "faults")  # folders with one product for all their files
# A second product for half of the faults costs less than waiting for one that shows them all.
FAULTS_OF_SERVERS = ("test_postgresql", "test_redis", "test_two_drivers", "test_yesterday")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group(group_of(item.path)))


def group_of(path: Path) -> str:
    folder = path.parent.name
    if folder == "faults" and path.stem in FAULTS_OF_SERVERS:
        return "faults of servers"
    return folder if folder in SHARED else path.stem
