"""A command that arrives after others have gone on is refused by the Spark itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cluster.models import Slot
from cluster.ssh.base import Outcome
from swaps import actions, claims, launching, machine, planning, runner
from swaps.launcher import node_commands
from swaps.launcher.launch import LaunchPlan, build_launch
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.requester import Requester
from swaps.site import Site, site_of
from swaps.states import Status
from tests.simulated_sparks import SimulatedSparks

ANA = Requester("user:ana", Trigger.API)


def plan_of(swap: Swap, site: Site) -> LaunchPlan:
    definition = ModelDefinition.objects.get(key=swap.model_key).as_definition()
    placement = site.placement_for(definition)
    return build_launch(definition, placement, site.capabilities(), fence=swap.fence, swap_id=swap.pk)


def claimed(swap: Swap, driver: str) -> Swap:
    Swap.objects.filter(pk=swap.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    mine = claims.claim(swap.pk, driver)
    assert mine is not None
    return mine


def test_a_launch_of_a_superseded_swap_exits_75_and_starts_nothing(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    site = site_of(slot)
    first = claimed(actions.request_swap(slot, "small", ANA), "driver-1")
    late = plan_of(first, site)  # on its way, while its driver is cut off
    machine.advance(first, Status.CANCELLED, expect=Status.QUEUED)

    newer = actions.request_swap(slot, "other", ANA)
    runner.drive(newer.pk)
    newer.refresh_from_db()
    assert newer.status == "ready" and newer.fence > first.fence

    [step] = late.steps
    launches = len(sparks.journal("spark-1", "launcher-done"))
    result = site.on(site.head, step, timeout=60)

    assert (result.outcome, result.exit_status) == (Outcome.FAILED, node_commands.STALE_FENCE) == (Outcome.FAILED, 75)
    assert f"stale fence {first.fence}" in result.stderr
    assert launching.container_of(site, site.head).swap_id == newer.pk
    assert site.on(site.head, node_commands.read_fence(slot.name)).stdout.strip() == str(newer.fence)
    assert len(sparks.journal("spark-1", "launcher-done")) == launches


def test_a_launch_of_a_driver_that_was_taken_over_exits_75(slot: Slot, models: dict[str, ModelDefinition]) -> None:
    site = site_of(slot)
    swap = actions.request_swap(slot, "small", ANA)
    late = plan_of(claimed(swap, "driver-1"), site)
    second = claimed(swap, "driver-2")
    launching.raise_fence(site, second.fence)

    assert site.on(site.head, late.steps[0], timeout=60).exit_status == 75
    assert launching.container_of(site, site.head).swap_id is None


def test_a_launch_that_got_lost_does_not_run_after_its_swap_was_told_to_have_failed(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same driver, the same swap: only that it took a higher fence before it tidied up keeps the Spark clean."""
    sparks.fault("spark-1", "oom")
    swap = actions.request_swap(slot, "small", ANA)
    plans: list[LaunchPlan] = []

    def kept(*args: object, **named: object) -> LaunchPlan:
        plans.append(build_launch(*args, **named))  # type: ignore[arg-type]
        return plans[-1]

    monkeypatch.setattr(planning, "build_launch", kept)
    runner.drive(swap.pk)
    swap.refresh_from_db()
    assert swap.status == "failed"

    site = site_of(slot)
    assert site.on(site.head, plans[0].steps[0], timeout=60).exit_status == 75
    assert not launching.container_of(site, site.head).running
