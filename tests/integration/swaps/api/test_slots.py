"""PUT /api/slots/{slot}: how a slot launches, and what guards it."""

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
