"""A Spark that restarts or falls silent in the middle of a swap."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cluster.models import Slot
from swaps.models import Serving, Swap
from tests.simulated_sparks import SimulatedSparks, until

SwapTo = Callable[..., Swap]


def launches(sparks: SimulatedSparks) -> int:
    return len(sparks.journal("spark-1", "vllm"))


def test_a_swap_is_launched_again_after_a_restart(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks) -> None:
    sparks.load_seconds(60)

    def reboot_while_it_loads() -> None:
        until(lambda: launches(sparks) == 1, 60)
        sparks.load_seconds(0.4)
        sparks.fault("spark-1", "reboot", value="0.5")

    with ThreadPoolExecutor(1) as threads:
        rebooted = threads.submit(reboot_while_it_loads)
        swap = swap_to("small", deadline_seconds=120)
        rebooted.result(5)

    assert swap.status == "ready", swap.diagnosis
    assert launches(sparks) == 2
    fences = [entry["argv"] for entry in sparks.journal("spark-1", "docker") if entry["argv"][:1] == ["run"]]
    assert len({str(argv) for argv in fences}) == 2  # each under a fence of its own
    believed = Serving.objects.get(slot=slot).believed
    assert believed["boot_ids"]["spark-1"] == (sparks.root / "spark-1" / "run" / "boot_id").read_text().strip()


def test_a_second_restart_or_too_little_time_ends_the_swap(swap_to: SwapTo, sparks: SimulatedSparks) -> None:
    sparks.load_seconds(60)

    def reboot_while_it_loads() -> None:
        until(lambda: launches(sparks) == 1, 60)
        sparks.fault("spark-2", "reboot", value="0.3")

    with ThreadPoolExecutor(1) as threads:
        rebooted = threads.submit(reboot_while_it_loads)
        swap = swap_to("big", deadline_seconds=18)
        rebooted.result(5)

    assert (swap.status, swap.diagnosis_code) == ("failed", "spark-rebooted"), swap.diagnosis
    assert "spark-2" in swap.diagnosis and swap.remedy


def test_a_spark_that_stays_away_is_named_when_the_deadline_comes(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    sparks.load_seconds(60)

    def unplug_while_it_loads() -> None:
        until(lambda: launches(sparks) == 1, 60)
        sparks.fault("spark-1", "reboot", value="600")

    with ThreadPoolExecutor(1) as threads:
        unplugged = threads.submit(unplug_while_it_loads)
        swap = swap_to("small", deadline_seconds=12)
        unplugged.result(5)

    assert (swap.status, swap.diagnosis_code) == ("failed", "spark-unreachable"), swap.diagnosis
    assert "spark-1 has not answered since" in swap.diagnosis
    serving = Serving.objects.get(slot=slot)
    assert (serving.state, serving.believed) == ("unknown", {}) and "spark-1" in serving.problem
