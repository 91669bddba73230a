"""Each way a swap fails: its own sentence and remedy, a clean host, and the old model back when asked for."""

from collections.abc import Callable

import httpx
import pytest

from cluster.models import Slot
from cluster.ssh.command import Command
from swaps import actions, runner
from swaps.actions import Requester
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.site import site_of
from tests.simulated_sparks import SimulatedSparks

SwapTo = Callable[..., Swap]

# fault on the head, its value, the expected diagnosis, a fragment of the sentence
AFTER_STOP = [
    ("unknown-flag", "", "unknown-argument", "flag"),
    ("oom", "", "out-of-memory", "memory"),
    ("gated-repo", "", "gated-repo", ""),
    ("port-clash", "", "port-in-use", "port"),
    ("crash-after-ready", "0", "crashed-after-start", ""),
]


def containers(slot: Slot) -> str:
    site = site_of(slot)
    return "".join(site.on(node, Command.of("docker", "ps", "-aq")).stdout for node in site.names)


def served(slot: Slot) -> list[str]:
    return [m["id"] for m in httpx.get(f"{slot.base_url}/v1/models", timeout=5).json()["data"]]


@pytest.mark.parametrize(("fault", "value", "code", "words"), AFTER_STOP)
def test_a_failed_load_leaves_the_host_clean(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, fault: str, value: str, code: str, words: str
) -> None:
    sparks.fault("spark-1", fault, value=value)

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", code), swap.diagnosis
    assert words in swap.diagnosis.lower() and swap.remedy
    assert containers(slot) == ""


@pytest.mark.parametrize(("fault", "value", "code", "words"), AFTER_STOP)
def test_with_rollback_the_previous_model_serves_again(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, fault: str, value: str, code: str, words: str
) -> None:
    assert swap_to("other").status == "ready"
    # the fault is for one model: the one that served before must load again
    sparks.fault("spark-1", fault, value=f"{value} org/small".strip())

    swap = swap_to("small", rollback=True)

    assert (swap.status, swap.diagnosis_code, swap.rolled_back_to) == ("failed", code, "other"), swap.diagnosis
    assert served(slot) == ["org/other"]


def test_a_model_that_never_answers_fails_at_its_deadline(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks) -> None:
    sparks.fault("spark-1", "never-ready")

    swap = swap_to("small", deadline_seconds=10)

    assert (swap.status, swap.diagnosis_code) == ("failed", "deadline")
    assert "10 seconds" in swap.diagnosis
    assert containers(slot) == ""


def test_a_missing_image_leaves_the_old_model_running(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks) -> None:
    assert swap_to("other").status == "ready"
    sparks.fault("spark-1", "image-missing")

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "image-missing")
    assert [t.to_status for t in swap.transitions.all()] == ["queued", "preflight", "failed"]
    assert served(slot) == ["org/other"]


def test_a_launcher_that_says_0_without_a_container_is_not_believed(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    """The image vanishes between the preflight and the launch; launch-cluster.sh still exits 0."""
    sparks.fault("spark-1", "image-missing", value="run")

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "image-missing"), swap.diagnosis
    assert containers(slot) == ""


def test_a_spark_that_does_not_answer_leaves_the_old_model_running(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    assert swap_to("other").status == "ready"
    sparks.fault("spark-2", "sshd-refuse")

    swap = swap_to("big")

    assert (swap.status, swap.diagnosis_code) == ("failed", "spark-unreachable")
    assert "spark-2" in swap.diagnosis
    assert served(slot) == ["org/other"]


def test_a_missing_local_path_is_found_before_anything_stops(
    swap_to: SwapTo, slot: Slot, models: dict[str, ModelDefinition]
) -> None:
    models["small"].repo, models["small"].local_path = "", "/srv/models/not-there"
    models["small"].save()

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "weights-missing")
    assert [t.to_status for t in swap.transitions.all()] == ["queued", "preflight", "failed"]


def test_a_cancelled_swap_is_tidied_up(slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks) -> None:
    sparks.load_seconds(30)
    by = Requester("user:ana", Trigger.API)
    swap = actions.request_swap(slot, "small", by)
    with pytest.MonkeyPatch.context() as patch:
        load = runner.STEPS[swap.state.LOADING]
        patch.setitem(runner.STEPS, swap.state.LOADING, lambda drive: [actions.cancel_swap(swap, by), load(drive)])
        runner.drive(swap.pk)

    swap.refresh_from_db()
    assert (swap.status, swap.cancelled_by) == ("cancelled", "user:ana")
    assert containers(slot) == ""
