"""Fixtures: a slot on two simulated Sparks, driven by the real machine in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.actions import public_key
from cluster.models import Slot
from cluster.ssh.pool import pool
from swaps import actions, runner
from swaps.actions import Requester
from swaps.models import ModelDefinition, Swap, Trigger
from tests.factories import ModelDefinitionFactory, SlotFactory, SparkFactory
from tests.simulated_sparks import SimulatedSparks, own_first_address, simulated_sparks


@pytest.fixture
def sparks(transactional_db: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedSparks]:
    root = tmp_path_factory.mktemp("sim")
    with simulated_sparks(root, public_key(), first_address=own_first_address()) as sim:
        yield sim
        pool.close()


@pytest.fixture
def slot(sparks: SimulatedSparks) -> Slot:
    rows = [
        SparkFactory(
            name=spark["name"],
            host=spark["host"],
            ssh_port=spark["port"],
            ssh_user=spark["user"],
            fabric_ip=spark["fabric_ip"],
            host_key=spark["host_key"],
        )
        for spark in sparks.sparks
    ]
    slot: Slot = SlotFactory(name="main", head=rows[0])
    slot.seats.create(spark=rows[1], rank=1)
    return slot


@pytest.fixture
def models() -> dict[str, ModelDefinition]:
    """Two for one Spark, one for two."""
    return {
        "small": ModelDefinitionFactory(key="small", label="Small", repo="org/small", args=["-tp", "1"]),
        "other": ModelDefinitionFactory(key="other", label="Other", repo="org/other", args=["-tp", "1"]),
        "big": ModelDefinitionFactory(key="big", label="Big", repo="org/big", nodes=2, args=["-tp", "2"]),
    }


@pytest.fixture
def swap_to(slot: Slot, models: dict[str, ModelDefinition]) -> Callable[..., Swap]:
    """Ask for a swap and drive it to its end, as a task worker would."""

    def ask_and_drive(key: str, **options: object) -> Swap:
        swap = actions.request_swap(slot, key, Requester("user:ana", Trigger.API), **options)  # type: ignore[arg-type]
        runner.drive(swap.pk)
        swap.refresh_from_db()
        return swap

    return ask_and_drive


@pytest.fixture
def home(sparks: SimulatedSparks) -> Path:
    """The head's home folder."""
    return Path(sparks.sparks[0]["home"])
