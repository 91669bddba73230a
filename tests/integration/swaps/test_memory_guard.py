"""A load that eats a Spark's memory: with the guard it is stopped in time, without it the Spark freezes."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.models import Slot
from cluster.ssh.command import Command
from swaps import actions, runner
from swaps.actions import Requester
from swaps.drive import Drive
from swaps.launcher import guard_commands
from swaps.memory_rules import GIB
from swaps.memory_told import told_of
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.site import site_of
from swaps.states import Status
from tests.simulated_sparks import SimulatedSparks, until

SwapTo = Callable[..., Swap]
ANA = Requester("user:ana", Trigger.API)


@pytest.fixture
def thirsty(sparks: SimulatedSparks) -> Callable[..., None]:
    """From the next load on that Spark's memory runs out, slowly enough for a busy machine."""

    def run_out(spark: str, gib_per_second: str = "2") -> None:
        sparks.load_seconds(8)
        sparks.fault(spark, "memory-exhausted", value=gib_per_second)

    return run_out


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work)
        yield
        done.result(timeout=60)


def answers(slot: Slot, node: str) -> bool:
    return site_of(slot).on(node, Command.of("true"), timeout=10).ok


def guards(slot: Slot) -> list[str]:
    site = site_of(slot)
    found = [site.on(node, Command.of("pgrep", "-f", "spark-control-guard")).stdout for node in site.names]
    return " ".join(found).split()


def guard_says(home: Path) -> str:
    note = home / ".spark-control" / "main" / "guard"
    return note.read_text() if note.exists() else ""


def test_without_a_floor_the_spark_freezes(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, thirsty: Callable[..., None]
) -> None:
    thirsty("spark-1", "20")
    Slot.objects.update(memory_floor_gib=0)
    silent = []

    def see_it_freeze() -> None:
        until(lambda: sparks.journal("spark-1", "out-of-memory"), 60)
        with socket.create_connection((sparks.sparks[0]["host"], sparks.sparks[0]["port"]), 5) as caller:
            caller.settimeout(1.5)
            try:
                caller.recv(1)
            except TimeoutError:
                silent.append("spark-1")
        sparks.no_faults()

    with beside(see_it_freeze):
        swap = swap_to("small")

    assert silent == ["spark-1"]
    assert swap.diagnosis_code != "memory-floor"


def test_a_worker_that_runs_short_stops_the_load_of_both(
    swap_to: SwapTo, slot: Slot, thirsty: Callable[..., None]
) -> None:
    thirsty("spark-2")

    swap = swap_to("big")

    assert (swap.status, swap.diagnosis_code) == ("failed", "memory-floor"), swap.diagnosis
    assert swap.diagnosis.startswith("spark-2 had only")
    assert answers(slot, "spark-1") and answers(slot, "spark-2") and guards(slot) == []


def test_a_load_is_stopped_before_the_spark_freezes_and_the_model_before_serves_again(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, thirsty: Callable[..., None], home: Path
) -> None:
    assert swap_to("other").status == "ready"
    thirsty("spark-1")

    def drink() -> None:
        until(lambda: "state=fired" in guard_says(home), 60)
        sparks.no_faults()
        sparks.load_seconds(0.4)

    with beside(drink):
        swap = swap_to("small", rollback=True)

    assert (swap.status, swap.diagnosis_code) == ("failed", "memory-floor"), swap.diagnosis
    assert "spark-1 had only" in swap.diagnosis and "less than the floor of 6.0 GiB" in swap.diagnosis
    assert "--gpu-memory-utilization" in swap.remedy
    assert swap.rolled_back_to == "other"
    assert "state=over" in guard_says(home) and guards(slot) == []
    assert sparks.journal("spark-1", "out-of-memory") == []


def test_the_next_driver_finds_the_guard_and_a_model_that_serves_has_none(
    slot: Slot, models: dict[str, ModelDefinition], home: Path
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    seen: list[list[str]] = []

    def take_over(drive: Drive) -> None:
        seen.append(guards(slot))
        drive.guarded = ""  # as a driver that has just begun
        load(drive)

    load = runner.STEPS[Status.LOADING]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.STEPS, Status.LOADING, take_over)
        runner.drive(swap.pk)

    swap.refresh_from_db()
    assert swap.status == "ready", swap.diagnosis
    assert len(seen[0]) == 1 and guards(slot) == []
    assert "state=over" in guard_says(home)
    texts = [m.data["text"] for m in swap.messages.filter(kind="log")]
    assert any(text.startswith("Memory left during this load, at its lowest: ") for text in texts)
    assert set(told_of(swap)) == {"spark-1"}


def test_a_guard_gives_way_to_that_of_the_next_launch_and_ends_no_stranger(slot: Slot, home: Path) -> None:
    """Its floor is above all memory, so it would end the container at once if it were the swap's."""
    site = site_of(slot)
    site.on("spark-1", Command.of("docker", "run", "-d", "--name", "vllm_node", "vllm-node", "sleep", "infinity"))

    def start(key: str, swap_id: int) -> str:
        command = guard_commands.start_guard("main", 0, key, swap_id, "vllm_node", floor_bytes=500 * GIB, seconds=60)
        return site.on("spark-1", command).stdout

    said = [start("7.there", 7), start("7.there", 7), start("8.there", 8)]
    one = guards(slot)
    site.on("spark-1", guard_commands.end_guard("main", "7.there"))
    still = guards(slot)
    site.on("spark-1", guard_commands.end_guard("main", "8.there"))

    assert said == ["started", "kept", "started"]
    assert len(one) == 1 and still == one and guards(slot) == []
    assert site.on("spark-1", Command.of("docker", "ps", "-q")).stdout
