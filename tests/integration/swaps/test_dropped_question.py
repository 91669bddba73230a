"""A link that drops under a question of the preflight is no reason to refuse a swap."""

from collections.abc import Callable

import pytest

from swaps.models import Swap
from tests.simulated_sparks import SimulatedSparks


@pytest.mark.parametrize("command", ["", "--help"])
def test_it_asks_again(swap_to: Callable[..., Swap], sparks: SimulatedSparks, command: str) -> None:
    sparks.fault("spark-1", "sshd-drop", value=command)

    swap = swap_to("small")

    assert swap.status == "ready", swap.diagnosis
