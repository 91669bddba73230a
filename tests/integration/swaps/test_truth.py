"""What serves against what should: changes from outside, crashes, a model that stands still, a Spark that is away."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from cluster import actions as sparks_actions
from cluster.models import Event, Slot
from cluster.ssh.command import Command
from cluster.ssh.pool import pool
from swaps import relaunching, serving
from swaps.adopting import adopt
from swaps.models import ModelDefinition, Serving, Swap, Trigger
from swaps.requester import Requester
from swaps.site import site_of
from tests.pages import signed_in, text_of
from tests.simulated_sparks import SimulatedSparks, until

SwapTo = Callable[..., Swap]
ANA = Requester("user:ana", Trigger.API)


def look(slot: Slot) -> Serving:
    """As the task worker does every few seconds."""
    Serving.objects.filter(slot=slot).update(next_probe_at=None)
    for claimed in serving.claim([slot.pk]):
        serving.look(claimed)
    return Serving.objects.get(slot=slot)


def told(*prefixes: str) -> list[str]:
    """Kinds of what was told, oldest first."""
    kinds = Event.objects.order_by("id").values_list("kind", flat=True)
    return [kind for kind in kinds if kind.startswith(prefixes)]


def on_head(slot: Slot, *words: str) -> None:
    result = site_of(slot).on(slot.head.name, Command.of(*words), timeout=30)
    assert result.ok, result.text


def run_foreign(slot: Slot, model: str) -> None:
    words = ("docker", "run", "-d", "--name", "chat", "--network", "host", "--label", "com.docker.compose.project=lab")
    on_head(slot, *words, "vllm/vllm-openai:latest", model, "--port", "8888", "--host", "0.0.0.0")


def test_another_model_is_told_once_with_who_and_can_be_adopted(swap_to: SwapTo, slot: Slot) -> None:
    assert swap_to("small").status == "ready"
    assert look(slot).drift == {}
    on_head(slot, "docker", "rm", "-f", "vllm_node")
    stopped = look(slot)
    assert (stopped.state, stopped.drift["kind"]) == ("idle", "stopped")

    run_foreign(slot, "org/foreign")
    changed = until(lambda: (seen := look(slot)).state == "serving" and seen, 20)
    look(slot)

    drift = changed.drift
    assert (drift["kind"], drift["believed"]["model"], drift["served_ids"]) == ("other-model", "small", ["org/foreign"])
    assert (drift["who"]["container"], drift["who"]["started_by"]) == ("chat", "Docker Compose, project lab")
    assert told("model.") == ["model.drifted", "model.drifted"]  # gone, and then another one
    page = text_of(signed_in().get("/"))
    assert "Changed outside Spark Control at" in page and "Swap back…" in page and "project lab" in page

    adopt(slot, ANA)
    assert look(slot).drift == {} and told("model.")[-1] == "model.adopted"
    assert "Changed outside" not in text_of(signed_in(username="bo").get("/"))


def test_the_same_model_from_another_container_is_a_drift(swap_to: SwapTo, slot: Slot) -> None:
    assert swap_to("small").status == "ready"
    on_head(slot, "docker", "rm", "-f", "vllm_node")
    run_foreign(slot, "org/small")
    site = site_of(slot)
    until(lambda: site.on("spark-1", Command.of("curl", "-sf", f"{slot.base_url}/health")).ok, 20)

    sparks_actions.probe(slot.head)
    assert look(slot).drift["kind"] == "replaced"


def test_a_crash_is_told_with_its_cause_and_a_way_back(swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks) -> None:
    assert swap_to("small").status == "ready"
    sparks.fault("spark-1", "crash-after-ready", value="0.1")
    crashed = until(lambda: (seen := look(slot)).drift and seen, 20)

    assert crashed.drift["kind"] == "crashed" and told("model.") == ["model.crashed"]
    assert crashed.drift["diagnosis"]["sentence"] and crashed.drift["diagnosis"]["remedy"]
    page = text_of(signed_in().get("/"))
    assert "Crashed at" in page and "Start it again…" in page and "Leave it so" in page

    sparks.no_faults()
    assert swap_to("small").status == "ready" and look(slot).drift == {}


def test_a_spark_that_is_away_is_unknown_and_its_restart_is_the_cause(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks
) -> None:
    assert swap_to("small").status == "ready"
    sparks_actions.probe(slot.head)
    sparks.fault("spark-1", "reboot", value="2")
    away = until(lambda: (seen := look(slot)).state != "serving" and seen, 20)
    assert (away.state, away.drift) == ("unknown", {}) and "spark-1" in away.problem

    back = until(lambda: (seen := look(slot)).state == "idle" and seen, 30)
    assert (back.drift["kind"], told("model.")) == ("restarted", ["model.drifted"])
    sparks_actions.probe(slot.head)
    event = Event.objects.get(kind="spark.rebooted")
    assert event.data["boot_id"] != event.data["boot_id_before"] and event.data["last_seen_at"]


def test_a_wedged_model_is_told_and_launched_again_as_often_as_allowed(
    swap_to: SwapTo, slot: Slot, sparks: SimulatedSparks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert swap_to("small").status == "ready"
    sparks.fault("spark-1", "wedged")
    assert look(slot).wedged_since is None
    row = Serving.objects.get(slot=slot)
    still = row.watched["still"]
    row.watched = {"still": {**still, "since": still["since"] - 400, "looks": 60}}
    row.save(update_fields=["watched"])

    assert look(slot).wedged_since and told("model.") == ["model.wedged"]
    assert "no token for" in text_of(signed_in().get("/"))

    relaunching.relaunch_wedged()
    assert Swap.objects.count() == 1  # off by default
    Slot.objects.update(relaunches_per_hour=1)
    monkeypatch.setattr("swaps.tasks.enqueue", lambda _: None)
    relaunching.relaunch_wedged()
    relaunch = Swap.objects.first()
    assert relaunch and (relaunch.actor, relaunch.model_key) == ("system:relaunch", "small")

    Swap.objects.filter(pk=relaunch.pk).update(status="failed", accepted_at=timezone.now() - timedelta(minutes=30))
    slot.refresh_from_db()
    assert "once in the last hour" in relaunching.obstacle(slot, Serving.objects.get(slot=slot))
    sparks.no_faults()
    assert until(lambda: look(slot).wedged_since is None, 20) and told("model.")[-1] == "model.unwedged"


def test_the_first_sight_is_no_drift_and_what_follows_is(slot: Slot, models: dict[str, ModelDefinition]) -> None:
    run_foreign(slot, "org/small")
    until(lambda: look(slot).state == "serving", 20)
    row = Serving.objects.get(slot=slot)
    assert row.drift == {} and row.believed["model_key"] == "small" and told("model.") == []
    on_head(slot, "docker", "stop", "chat")
    pool.close()
    assert look(slot).drift["kind"] == "stopped"


def test_others_on_the_gpu_are_named_before_a_swap_and_refused_by_policy(swap_to: SwapTo, slot: Slot) -> None:
    words = ("docker", "run", "-d", "--name", "chat", "--network", "host", "vllm/vllm-openai:latest", "org/chat-7B")
    on_head(slot, *words, "--port", "9000", "--gpu-memory-utilization", "0.2")
    site = site_of(slot)
    until(lambda: "VLLM::" in site.on("spark-1", Command.of("nvidia-smi", "--query-compute-apps=name")).stdout, 20)
    Slot.objects.update(foreign_gpu_users="refuse")
    slot.refresh_from_db()

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "gpu-shared")
    assert "vLLM (container chat, vllm/vllm-openai:latest)" in swap.diagnosis and "GiB" in swap.diagnosis
    assert "docker stop chat" in swap.remedy
