"""A driver that falls: the next one goes on from what is true on the Sparks, and nothing is launched twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.models import Slot
from cluster.ssh.base import CommandResult
from cluster.ssh.command import Command
from swaps import actions, claims, launching, runner
from swaps.actions import Requester
from swaps.drive import Drive
from swaps.failures import Draining
from swaps.launcher import node_commands, node_scripts
from swaps.loading import Loading
from swaps.models import ModelDefinition, Serving, ServingState, Swap, Trigger
from swaps.site import site_of
from swaps.states import Status
from tests.simulated_sparks import SimulatedSparks, until

ANA = Requester("user:ana", Trigger.API)
ROAD = [Status.PREFLIGHT, Status.STOPPING, Status.LAUNCHING, Status.LOADING]


@contextmanager
def falling(at: Status, *, after_the_work: bool) -> Iterator[None]:
    """The driver is told to go away when it enters `at`, before or after it did that step's remote work."""
    step = runner.STEPS[at]

    def fall(drive: Drive) -> None:
        if after_the_work:
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(drive, "advance", lambda *_, **__: _raise())
                step(drive)
        _raise()

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.STEPS, at, fall)
        yield


def _raise() -> None:
    raise Draining


@pytest.mark.parametrize("after_the_work", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("status", ROAD)
def test_the_next_driver_goes_on(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks, status: Status, after_the_work: bool
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    with falling(status, after_the_work=after_the_work):
        runner.drive(swap.pk)
    fallen = Swap.objects.get(pk=swap.pk)

    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert fallen.is_active and fallen.owner == ""
    assert (swap.status, swap.attempts) == ("ready", 1), swap.diagnosis  # who lets go has not died on it
    assert swap.fence > fallen.fence
    assert len(sparks.journal("spark-1", "vllm")) == 1
    texts = [m.data["text"] for m in swap.messages.filter(kind="log")]
    assert sum("Application startup complete" in text for text in texts) == 1


def test_the_next_driver_verifies_what_the_last_one_saw_come_up(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loading, "_verify", lambda _: _raise())
        runner.drive(swap.pk)
    assert Swap.objects.get(pk=swap.pk).state is Status.VERIFYING

    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert swap.state is Status.READY
    assert len(sparks.journal("spark-1", "vllm")) == 1


def test_a_cancellation_does_not_end_the_rollback_that_it_asked_for(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks, swap_to: Callable[..., Swap]
) -> None:
    assert swap_to("other").state is Status.READY
    swap = actions.request_swap(slot, "small", ANA, rollback=True)
    load = runner.STEPS[Status.LOADING]
    with falling(Status.ROLLING_BACK, after_the_work=False), pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.STEPS, Status.LOADING, lambda drive: [actions.cancel_swap(swap, ANA), load(drive)])
        runner.drive(swap.pk)
    assert Swap.objects.get(pk=swap.pk).state is Status.ROLLING_BACK

    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert (swap.status, swap.rolled_back_to) == ("cancelled", "other"), swap.remedy


def hold_lock(slot: Slot, home: Path, fence: int, command: Command) -> Future[CommandResult]:
    """What an earlier driver sent goes on on the head, under that driver's fence."""
    site = site_of(slot)
    begun = Command.shell(f"touch ~/begun; {command.script}", *command.argv)
    running = ThreadPoolExecutor(1).submit(site.on, site.head, node_commands.fence_guard(slot.name, fence, begun))
    until((home / "begun").exists)
    return running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Spark waits a second for the slot's lock instead of 20."""
    monkeypatch.setattr(node_scripts, "_FENCE_HEAD", node_scripts._FENCE_HEAD.replace("-w 20", "-w 1"))


def test_a_launcher_that_takes_long_is_waited_for_by_the_next_driver(
    slot: Slot, models: dict[str, ModelDefinition], home: Path, impatient: None
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    with falling(Status.LAUNCHING, after_the_work=False):
        runner.drive(swap.pk)
    fallen = Swap.objects.get(pk=swap.pk)
    running = hold_lock(slot, home, fallen.fence, Command.shell("sleep 4"))

    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert running.result().ok and swap.status == "ready", swap.diagnosis
    assert any("still runs" in message.data["detail"] for message in swap.messages.filter(kind="progress"))


def test_a_launcher_that_nobody_waits_for_any_more_is_ended_before_the_swap_is_over(
    slot: Slot, models: dict[str, ModelDefinition], home: Path, impatient: None
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    with falling(Status.LAUNCHING, after_the_work=False):
        runner.drive(swap.pk)
    fallen = Swap.objects.get(pk=swap.pk)
    (home / "slow.sh").write_text("#!/bin/sh\nsleep 60\n")
    (home / "slow.sh").chmod(0o755)
    slow = Command.shell(node_scripts.LAUNCH, slot.name, str(swap.pk), "exec", "90", str(home / "slow.sh"))
    running = hold_lock(slot, home, fallen.fence, slow)
    actions.cancel_swap(swap, ANA)

    runner.drive(swap.pk)

    swap.refresh_from_db()
    site = site_of(slot)
    assert running.done() and swap.status == "cancelled", swap.diagnosis
    assert int(site.on(site.head, node_commands.read_fence(slot.name)).text) == swap.fence > fallen.fence
    assert Serving.objects.get(slot=slot).state == ServingState.IDLE


def test_a_swap_cancelled_while_nobody_drives_it_never_touches_a_spark(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    actions.cancel_swap(swap, ANA)

    runner.drive(swap.pk)

    swap.refresh_from_db()
    assert swap.state is Status.CANCELLED
    assert sparks.journal("spark-1", "ssh-exec") == []


def test_an_unexpected_error_ends_errored_with_the_place_and_a_clean_host(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    def bug(drive: Drive) -> None:
        raise KeyError("a bug of ours")

    swap = actions.request_swap(slot, "small", ANA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.STEPS, Status.LOADING, bug)
        runner.drive(swap.pk)

    swap.refresh_from_db()
    assert (swap.status, swap.diagnosis_code) == ("errored", "spark-control-error")
    assert "a bug of ours" in swap.evidence and "/work/" not in swap.evidence
    assert not Swap.objects.active().exists()


def test_a_swap_on_which_five_drivers_died_is_given_up_after_a_higher_fence(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    swap = actions.request_swap(slot, "small", ANA)
    with falling(Status.LAUNCHING, after_the_work=True):
        runner.drive(swap.pk)
    Swap.objects.update(attempts=claims.MAX_DRIVERS)
    last = Swap.objects.get(pk=swap.pk).fence

    runner.drive(swap.pk)

    swap.refresh_from_db()
    site = site_of(slot)
    assert (swap.status, swap.diagnosis_code) == ("failed", "too-many-drivers")
    assert not launching.container_of(site, site.head).exists
    assert int(site.on(site.head, node_commands.read_fence(slot.name)).text) == swap.fence > last
