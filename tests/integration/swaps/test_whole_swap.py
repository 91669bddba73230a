"""A whole swap on simulated Sparks: over real SSH, to a vLLM that answers."""

from collections.abc import Callable

import httpx

from cluster.models import Slot
from cluster.ssh.command import Command
from swaps import actions, runner
from swaps.actions import Requester
from swaps.models import Serving, Swap, Trigger
from swaps.site import site_of
from swaps.states import IN_ORDER, Status
from tests.simulated_sparks import SimulatedSparks

SwapTo = Callable[..., Swap]


def served(slot: Slot) -> list[str]:
    answer = httpx.get(f"{slot.base_url}/v1/models", timeout=5).json()
    return [model["id"] for model in answer["data"]]


def running_containers(slot: Slot) -> list[str]:
    site = site_of(slot)
    return [name for node in site.names for name in site.on(node, Command.of("docker", "ps", "-aq")).stdout.split()]


def test_it_swaps_from_one_model_to_another(swap_to: SwapTo, slot: Slot) -> None:
    first = swap_to("small")
    second = swap_to("other")

    assert (first.status, second.status) == ("ready", "ready"), (first.diagnosis, second.diagnosis)
    assert served(slot) == ["org/other"]
    assert [t.to_status for t in second.transitions.all()] == [str(status) for status in IN_ORDER]
    assert second.from_model == "small"
    assert Serving.objects.get(slot=slot).model_key == "other"


def test_its_log_is_stored_and_its_percent_only_grows(swap_to: SwapTo) -> None:
    swap = swap_to("small")

    texts = [m.data["text"] for m in swap.messages.filter(kind="log")]
    percents = [m.data["percent"] for m in swap.messages.filter(kind="progress")]
    assert any("Application startup complete" in text for text in texts)
    assert percents == sorted(percents) and percents[-1] >= 90
    assert list(swap.messages.values_list("seq", flat=True)) == list(range(1, swap.messages.count() + 1))


def test_it_swaps_to_a_model_on_two_sparks_and_back(swap_to: SwapTo, slot: Slot) -> None:
    big = swap_to("big")
    nodes = {m.data["node"] for m in big.messages.filter(kind="log")}
    small = swap_to("small")

    assert (big.status, small.status) == ("ready", "ready"), (big.diagnosis, small.diagnosis)
    assert nodes == {"spark-1", "spark-2"}
    assert served(slot) == ["org/small"]


def test_a_two_node_stop_takes_less_than_five_seconds(swap_to: SwapTo, slot: Slot) -> None:
    swap_to("big")

    swap = actions.request_stop(slot, Requester("user:ana", Trigger.API))
    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert swap.state is Status.READY
    stopping, ready = (swap.transitions.get(to_status=status).at for status in ("stopping", "ready"))
    assert (ready - stopping).total_seconds() < 5
    assert running_containers(slot) == []


def test_a_doubled_message_changes_nothing(swap_to: SwapTo, sparks: SimulatedSparks) -> None:
    swap = swap_to("small")
    runner.drive(swap.pk)

    assert len(sparks.journal("spark-1", "vllm")) == 1
