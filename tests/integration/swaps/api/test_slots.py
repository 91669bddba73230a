"""PUT /api/slots/{slot}: how a slot launches, and what guards it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from swaps.models import Swap
from tests.factories import ModelDefinitionFactory, SlotFactory, SparkFactory
from tests.integration.conftest import Api

GUARDED = {
    "launcher": "docker_run",
    "image": "vllm/vllm-openai:latest",
    "memory_floor_gib": 8,
    "drop_caches": True,
    "foreign_gpu_users": "refuse",
    "relaunches_per_hour": 2,
}


def test_every_setting_is_put_and_read_back_and_has_a_default(api: Api) -> None:
    SparkFactory(name="spark-1")
    client = api("config", "read")

    made = client.put("/api/slots/main", json={"head": "spark-1", **GUARDED})
    assert made.status_code == 201, made.text
    assert {name: client.get("/api/slots/main").json()[name] for name in GUARDED} == GUARDED

    plain = client.put("/api/slots/main", json={"head": "spark-1"}).json()
    assert (plain["launcher"], plain["memory_floor_gib"], plain["drop_caches"]) == ("launch_cluster", 6, False)
    assert (plain["foreign_gpu_users"], plain["relaunches_per_hour"]) == ("warn", 0)


def test_docker_run_takes_one_spark(api: Api) -> None:
    head = SparkFactory(name="spark-1")
    SparkFactory(name="spark-2")
    client = api("config", "swap")
    answer = client.put("/api/slots/main", json={"head": "spark-1", "workers": ["spark-2"], "launcher": "docker_run"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "workers")

    SlotFactory(name="main", head=head, launcher="docker_run")
    ModelDefinitionFactory(key="moded", mods=["mods/fix"])
    refused = client.post("/api/swap", json={"model": "moded"})
    assert (refused.status_code, refused.json()["checks"][0]["code"]) == (422, "docker-run-no-mods")


def test_consent_is_asked_for_by_name_and_kept_with_the_swap(api: Api) -> None:
    SlotFactory(name="main", head=SparkFactory(name="spark-1"))
    ModelDefinitionFactory(key="small")
    client = api("swap", "read")

    accepted = client.post("/api/swap", json={"model": "small", "stop_foreign": True})
    assert accepted.status_code == 202
    assert accepted.json()["stop_foreign"] is True
    assert Swap.objects.get().stop_foreign
    assert client.post("/api/swap", json={"model": "small", "stop_foreign": "yes"}).status_code in (400, 422)


RAW = {"name": "vllm_node", "image": "vllm/vllm-openai:latest", "running": True, "command": "vllm serve org/m"}


@pytest.mark.parametrize(
    ("changes", "age", "status"),
    [
        ({}, 3, 422),
        ({}, 300, 202),  # too long ago to refuse by
        ({"command": "sleep infinity"}, 3, 202),  # the community launcher's
        ({"labels": {"sparkcontrol.swap": "7"}}, 3, 202),
        ({"running": False}, 3, 202),
        ({"name": "vllm_node_old"}, 3, 202),
    ],
)
def test_a_container_of_somebody_elses_seen_just_now_is_refused_at_once(
    api: Api, changes: dict[str, object], age: int, status: int
) -> None:
    seen = timezone.now() - timedelta(seconds=age)
    head = SparkFactory(name="spark-1", probed_at=seen, reading={"containers": [RAW | changes]})
    SlotFactory(name="main", head=head)
    ModelDefinitionFactory(key="small")

    answer = api("swap").post("/api/swap", json={"model": "small"})

    assert answer.status_code == status
    if status == 422:
        assert (answer.json()["code"], "stop_foreign" in answer.json()["detail"]) == ("container-not-ours", True)
        assert api("swap").post("/api/slots/main/stop", json={}).status_code == 422
        assert not Swap.objects.exists()
        assert api("swap").post("/api/swap", json={"model": "small", "stop_foreign": True}).status_code == 202
