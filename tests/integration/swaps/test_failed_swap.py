"""Each way a swap fails: its own sentence and remedy, a clean host, and the old model back when asked for."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from cluster.models import Slot
from cluster.ssh.command import Command
from cluster.ssh.pool import pool
from swaps import actions, runner
from swaps.actions import Requester
from swaps.drive import Drive
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.site import site_of
from swaps.states import Status
from tests.simulated_sparks import SimulatedSparks, until

SwapTo = Callable[..., Swap]

# fault on the head, its value, the expected diagnosis, a fragment of the sentence
AFTER_STOP = [
    ("unknown-flag", "", "unknown-argument", "argument"),
    ("oom", "", "out-of-memory", "memory"),
    ("gated-repo", "", "gated-repo", ""),
    ("port-clash", "", "port-in-use", "port"),
    ("crash-after-ready", "0", "crashed-after-start", ""),
]


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def containers(slot: Slot) -> str:
    site = site_of(slot)
    return "".join(site.on(node, Command.of("docker", "ps", "-aq")).stdout for node in site.names)


def served(slot: Slot) -> list[str]:
    return [m["id"] for m in httpx.get(f"{slot.base_url}/v1/models", timeout=5).json()["data"]]


def ended_twice(sparks: SimulatedSparks) -> bool:
    """The old model's vLLM and the one with the fault are both over."""
    return len(sparks.journal("spark-1", "vllm-exit")) >= 2


@contextmanager
def until_then(condition: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Beside the block: as soon as `condition()`, `act()`."""

    def wait_and_act() -> None:
        until(condition, 60)
        act()

    with ThreadPoolExecutor(1) as threads:
        acted = threads.submit(wait_and_act)
        yield
        acted.result(timeout=5)


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
    sparks.fault("spark-1", fault, value=value)

    with until_then(lambda: ended_twice(sparks), sparks.no_faults):
        swap = swap_to("small", rollback=True)

    assert (swap.status, swap.diagnosis_code, swap.rolled_back_to) == ("failed", code, "other"), swap.diagnosis
    assert served(slot) == ["org/other"]


def test_a_model_that_never_answers_fails_at_its_deadline(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks) -> None:
    sparks.fault("spark-1", "never-ready")

    swap = swap_to("small", deadline_seconds=10)

    assert (swap.status, swap.diagnosis_code) == ("failed", "deadline")
    assert "10 seconds" in swap.diagnosis
    last = swap.messages.filter(kind="log").order_by("-seq")[0].data
    assert swap.evidence.endswith(f"{last['node']}: {last['text']}") and "Loading" in last["text"]
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

    def launch_without_image(drive: Drive) -> None:
        sparks.fault("spark-1", "image-missing")
        launch(drive)

    launch = runner.STEPS[Status.LAUNCHING]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.STEPS, Status.LAUNCHING, launch_without_image)
        swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "image-missing"), swap.diagnosis
    assert containers(slot) == ""


def test_a_spark_that_does_not_answer_leaves_the_old_model_running(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    assert swap_to("other").status == "ready"
    sparks.fault("spark-2", "sshd-refuse")
    until(lambda: not listens(sparks.sparks[1]["host"], 2222))
    pool.close()  # an open connection outlives the listener

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
        load = runner.STEPS[Status.LOADING]
        patch.setitem(runner.STEPS, Status.LOADING, lambda drive: [actions.cancel_swap(swap, by), load(drive)])
        runner.drive(swap.pk)

    swap.refresh_from_db()
    assert (swap.status, swap.cancelled_by) == ("cancelled", "user:ana")
    assert containers(slot) == ""
