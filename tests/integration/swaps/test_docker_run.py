"""The launcher docker_run: vLLM as the main process of a container, on simulated Sparks."""

from collections.abc import Callable

import pytest

from cluster.models import Launcher, Slot
from cluster.ssh.command import Command
from swaps import actions, runner
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.requester import Requester
from swaps.site import site_of
from tests.factories import SlotFactory
from tests.integration.swaps.test_whole_swap import running_containers, served
from tests.simulated_sparks import SimulatedSparks

SwapTo = Callable[..., Swap]
OPENAI = "vllm/vllm-openai:latest"
NVIDIA = "nvcr.io/nvidia/vllm:26.03-py3"


@pytest.fixture
def slot(slot: Slot) -> Slot:
    slot.launcher, slot.image = Launcher.DOCKER_RUN, OPENAI
    slot.save()
    return slot


def docker(slot: Slot, *words: str) -> str:
    return site_of(slot).on("spark-1", Command.of("docker", *words)).stdout


def test_it_swaps_between_two_models_and_two_kinds_of_images(
    swap_to: SwapTo, slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    models["other"].image = NVIDIA
    models["other"].save()

    first = swap_to("small")
    second = swap_to("other")

    assert (first.status, second.status) == ("ready", "ready"), (first.diagnosis, second.diagnosis)
    assert served(slot) == ["org/other"]
    one, two = (entry["argv"] for entry in sparks.journal("spark-1", "vllm"))
    assert one[:3] == ["vllm", "serve", "org/small"] and two[:3] == ["vllm", "serve", "org/other"]
    assert not sparks.journal("spark-1", "launcher")
    assert "docker run -v ~/.cache/huggingface:/root/.cache/huggingface" in first.plan[0]
    policy = docker(
        slot, "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.AutoRemove}}", "vllm_node"
    )
    assert policy.strip() == "no false"


def test_a_vllm_that_ends_is_read_before_its_container_goes(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    sparks.fault("spark-1", "oom")

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "out-of-memory"), swap.diagnosis
    assert running_containers(slot) == []


def test_an_argument_vllm_refuses_at_once_is_told_in_its_words(
    swap_to: SwapTo, slot: Slot, models: dict[str, ModelDefinition]
) -> None:
    models["small"].args = ["--no-such-flag", "1"]
    models["small"].save()

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "unknown-argument"), swap.diagnosis
    assert "--no-such-flag" in swap.evidence


def test_the_preflight_needs_no_launcher_on_the_spark(slot: Slot, models: dict[str, ModelDefinition]) -> None:
    slot.launcher_dir = "~/nowhere"
    slot.save()

    seen = actions.examine(slot, "small")

    assert seen.ok, seen.checks
    assert seen.plan and "launch-cluster.sh" not in seen.plan[0]


def test_both_launchers_work_side_by_side(
    swap_to: SwapTo, slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    slot.launcher, slot.image = Launcher.LAUNCH_CLUSTER, ""
    slot.save()
    slot.seats.all().delete()
    spark_2 = type(slot.head).objects.get(name="spark-2")
    second = SlotFactory(
        name="second", head=spark_2, port=8000, launcher=Launcher.DOCKER_RUN, image=OPENAI, is_default=False
    )
    swap = actions.request_swap(second, "other", Requester("user:ana", Trigger.API))
    runner.drive(swap.pk)
    swap.refresh_from_db()

    first = swap_to("small")

    assert (first.status, swap.status) == ("ready", "ready"), (first.diagnosis, swap.diagnosis)
    assert (served(slot), served(second)) == (["org/small"], ["org/other"])
