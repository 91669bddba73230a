"""Containers somebody else started: never touched without consent, and brought back when the swap comes to nothing."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from cluster import events
from cluster.models import Event, Slot
from cluster.ssh.command import Command
from swaps import actions, replacing, runner
from swaps.failures import Draining
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.requester import Requester
from swaps.site import site_of
from tests.integration.swaps.test_whole_swap import served
from tests.simulated_sparks import SimulatedSparks, until

SwapTo = Callable[..., Swap]
ANA = Requester("user:ana", Trigger.API)
CANARY = "hf_CanaryThatNobodyMaySee42"
CHANGES = {"stop", "kill", "rm", "rename", "update", "restart"}
# As people write it: everything docker keeps of it has to come back.
RICH = (
    *("--gpus", "all", "--network", "host", "--ipc", "shareable", "--shm-size", "16g", "--ulimit", "memlock=-1"),
    *("-e", f"HF_TOKEN={CANARY}", "-e", "PLAIN=two words", "--label", "team=a b", "--memory", "100g"),
    *("-v", "/tmp/spark-models:/models:ro", "--log-opt", "max-size=10m", "--init"),
)


def start(slot: Slot, name: str, *options: str, port: int = 8888, image: str = "vllm/vllm-openai:latest") -> None:
    words = ("docker", "run", "-d", "--name", name, *options, image, "org/mine", "--port", str(port))
    result = site_of(slot).on("spark-1", Command.of(*words))
    assert result.ok, result.text
    until(lambda: answers(slot), 30, "the foreign vLLM answers")


def answers(slot: Slot) -> bool:
    try:
        return served(slot) == ["org/mine"]
    except Exception:
        return False


def inspected(slot: Slot, name: str) -> dict[str, Any]:
    found = site_of(slot).on("spark-1", Command.of("docker", "container", "inspect", name))
    return json.loads(found.stdout)[0] if found.ok else {}


def described(slot: Slot, name: str) -> dict[str, Any]:
    """What must be the same after it was made again."""
    document = inspected(slot, name)
    config = {key: value for key, value in document["Config"].items() if key not in ("Hostname", "Entrypoint", "Cmd")}
    config["Env"] = sorted(config["Env"])
    return {
        "Config": config,
        "argv": [document["Path"], *document["Args"]],
        "HostConfig": document["HostConfig"],
        "Mounts": document["Mounts"],
        "Name": document["Name"],
    }


def changes(sparks: SimulatedSparks) -> list[str]:
    return [entry["argv"][0] for entry in sparks.journal("spark-1", "docker") if entry["argv"][0] in CHANGES]


@pytest.mark.parametrize("name", ["vllm_node", "vllm-gemma4"])
def test_without_consent_nothing_is_touched(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, name: str) -> None:
    start(slot, name, "--network", "host", "--restart", "always")
    assert actions.examine(slot, "small").needs_consent and actions.examine_stop(slot).needs_consent
    assert actions.examine(slot, "small", stop_foreign=True).ok

    swap = swap_to("small", rollback=True)
    stop = actions.request_stop(slot, ANA)
    runner.drive(stop.pk)
    stop.refresh_from_db()

    for refused in (swap, stop):
        assert (refused.status, refused.diagnosis_code) == ("failed", "container-not-ours")
        assert name in refused.diagnosis and "stop_foreign" in refused.remedy
        assert refused.replaced == ""
    assert answers(slot)
    assert changes(sparks) == []


def test_with_consent_a_failed_swap_gives_it_back_as_it_was(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    start(slot, "vllm_node", *RICH, "--restart", "unless-stopped")
    before = inspected(slot, "vllm_node")
    sparks.fault("spark-1", "unknown-flag", value="--max-model-len")
    ModelDefinition.objects.filter(key="small").update(args=["-tp", "1", "--max-model-len", "9"])

    swap = swap_to("small", rollback=True, stop_foreign=True)

    assert (swap.status, swap.rolled_back_to) == ("failed", "vllm_node"), swap.diagnosis
    after = inspected(slot, "vllm_node")
    assert (after["Id"], after["HostConfig"]) == (before["Id"], before["HostConfig"])
    assert answers(slot)
    assert "update" in changes(sparks) and "rm" not in changes(sparks)[:3]


def test_one_started_with_rm_is_made_again_and_its_secrets_go_no_other_way(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    start(slot, "vllm-gemma4", *RICH, "--rm")
    before = described(slot, "vllm-gemma4")
    sparks.fault("spark-1", "unknown-flag", value="--max-model-len")
    ModelDefinition.objects.filter(key="small").update(args=["-tp", "1", "--max-model-len", "9"])
    heard = len(sparks.journal("spark-1"))

    swap = swap_to("small", rollback=True, stop_foreign=True)

    assert (swap.status, swap.rolled_back_to) == ("failed", "vllm-gemma4"), swap.remedy
    assert described(slot, "vllm-gemma4") == before
    assert answers(slot)
    assert CANARY in json.dumps(replacing.kept_of(swap)[0].document)  # kept, but for nobody's eyes
    told = [swap.replaced, swap.plan, swap.checks, swap.evidence, *swap.messages.values_list("data", flat=True)]
    told += [*Event.objects.values_list("sentence", "data")]
    commands = [e for e in sparks.journal("spark-1")[heard:] if e["what"] in ("docker", "ssh-exec", "launcher")]
    assert CANARY not in json.dumps([told, commands])
    assert not list(Path("/dev/shm").glob("spark-control.*"))


def test_after_a_swap_that_succeeds_it_waits_aside_and_does_not_come_back_by_itself(
    swap_to: SwapTo, slot: Slot
) -> None:
    start(slot, "vllm_node", "--network", "host", "--restart", "always")

    swap = swap_to("small", stop_foreign=True)

    assert swap.status == "ready", swap.diagnosis
    assert served(slot) == ["org/small"]
    aside = inspected(slot, f"vllm_node-before-swap-{swap.pk}")
    assert (aside["State"]["Running"], aside["HostConfig"]["RestartPolicy"]["Name"]) == (False, "no")
    assert Event.objects.filter(kind="container.set_aside", slot=slot).count() == 1


def test_what_a_driver_set_aside_and_could_not_tell_is_told_by_the_next(
    slot: Slot, models: dict[str, ModelDefinition], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(slot, "vllm_node", "--network", "host")
    swap = actions.request_swap(slot, "small", ANA, stop_foreign=True)
    record = events.record

    def fall(kind: str, *words: Any, **more: Any) -> Event:
        if kind == "container.set_aside":
            raise Draining
        return record(kind, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(events, "record", fall)
        runner.drive(swap.pk)
    assert not Event.objects.filter(kind="container.set_aside").exists()

    runner.drive(swap.pk)

    swap.refresh_from_db()
    told = Event.objects.get(kind="container.set_aside")
    assert (swap.status, told.data["renamed_to"]) == ("ready", f"vllm_node-before-swap-{swap.pk}"), swap.diagnosis


def test_a_cancelled_swap_gives_it_back_without_being_asked(
    slot: Slot, models: dict[str, ModelDefinition], sparks: SimulatedSparks
) -> None:
    start(slot, "vllm-gemma4", "--network", "host", "--restart", "always")
    sparks.load_seconds(20)
    swap = actions.request_swap(slot, "small", ANA, stop_foreign=True)

    def drive() -> None:
        runner.drive(swap.pk)
        connections.close_all()

    driver = threading.Thread(target=drive)
    driver.start()
    until(lambda: Swap.objects.get(pk=swap.pk).status == "loading", 30)
    actions.cancel_swap(Swap.objects.get(pk=swap.pk), ANA)
    sparks.load_seconds(0.4)
    driver.join(60)

    swap.refresh_from_db()
    assert (swap.status, swap.rolled_back_to) == ("cancelled", "vllm-gemma4")
    assert inspected(slot, "vllm-gemma4")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert answers(slot)


def test_the_community_launchers_own_container_needs_no_consent(swap_to: SwapTo, slot: Slot) -> None:
    by_hand = Command.of("bash", "-c", "cd ~/spark-vllm-docker && ./launch-cluster.sh -d --solo start")
    assert site_of(slot).on("spark-1", by_hand, timeout=60).ok

    swap = swap_to("small")

    assert swap.status == "ready", swap.diagnosis
    assert "container-of-launcher" in {check["code"] for check in swap.checks}


def test_one_on_a_worker_that_the_model_does_not_need_is_seen_before_anything_stops(
    swap_to: SwapTo, slot: Slot
) -> None:
    assert swap_to("small").status == "ready"
    theirs = Command.of("docker", "run", "-d", "--name", "vllm_node", "vllm-node", "sleep", "1000")
    assert site_of(slot).on("spark-2", theirs).ok

    swap = swap_to("other")

    assert (swap.status, swap.diagnosis_code) == ("failed", "container-not-ours"), swap.diagnosis
    assert "spark-2" in swap.diagnosis
    assert served(slot) == ["org/small"]
