"""/api/models over HTTP."""

import pytest

from cluster.models import Event
from swaps.models import ModelDefinition
from tests.factories import ModelDefinitionFactory
from tests.integration.conftest import Api

GPT = {
    "key": "gpt-oss-120b",
    "label": "GPT-OSS 120B",
    "repo": "openai/gpt-oss-120b",
    "args": ["--max-model-len", "131072"],
    "env": {"VLLM_USE_V1": "1"},
    "nodes": 1,
    "notes": "Fits one Spark.",
}


def test_a_model_is_added_changed_and_removed_by_its_version(api: Api) -> None:
    client = api("config")
    made = client.post("/api/models", json=GPT)
    assert made.status_code == 201, made.text
    assert (made.headers["Location"], made.headers["ETag"]) == ("/api/models/gpt-oss-120b", '"1"')
    assert {name: made.json()[name] for name in GPT} == GPT

    change = {name: value for name, value in GPT.items() if name != "key"} | {"label": "Other"}
    address = made.headers["Location"]
    assert client.put(address, json=change).json()["code"] == "precondition-required"
    assert client.put(address, json=change, headers={"If-Match": '"7"'}).status_code == 412
    changed = client.put(address, json=change, headers={"If-Match": '"1"'})
    assert (changed.json()["label"], changed.headers["ETag"]) == ("Other", '"2"')

    assert client.delete(address).status_code == 428
    assert client.delete(address, headers={"If-Match": '"1"'}).status_code == 412
    assert client.delete(address, headers={"If-Match": '"2"'}).status_code == 204
    assert client.get(address).json()["code"] == "unknown-model"
    assert Event.objects.filter(actor="key:program-0").count() == 3


def test_a_label_may_be_left_out(api: Api) -> None:
    body = {"key": "a", "repo": "org/a"}
    assert api("config").post("/api/models", json=body).json()["label"] == "a"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"repo": "no"}, "repo"),
        ({"local_path": "/models/x"}, "repo"),
        ({"args": "--max-model-len 8"}, "args"),
        ({"args": ["a\nb"]}, "args"),
        ({"args": [7]}, "args.0"),
        ({"env": {"A": 1}}, "env.A"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": "1"}, "nodes"),
        ({"key": "a b"}, "key"),
        ({"key": "import"}, "key"),
        ({"docker_args": ["$(id)"]}, "docker_args"),
        ({"arguments": []}, "arguments"),
    ],
)
def test_a_wrong_value_is_refused_by_field(api: Api, change: dict[str, object], field: str) -> None:
    answer = api("config").post("/api/models", json={**GPT, **change})

    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
    assert not ModelDefinition.objects.exists()


def test_a_key_is_taken_once(api: Api) -> None:
    ModelDefinitionFactory(key="gpt-oss-120b")

    assert api("config").post("/api/models", json=GPT).json()["code"] == "key-taken"


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml", "application/json"])
def test_what_is_exported_is_imported_without_loss(api: Api, kind: str) -> None:
    client = api("config")
    client.post("/api/models", json=GPT)
    text = client.get("/api/models/export").text
    ModelDefinition.objects.all().delete()

    if kind == "application/json":
        report = client.post("/api/models/import", json={"yaml": text})
    else:
        report = client.post("/api/models/import", content=text, headers={"Content-Type": kind})

    assert report.json() == {"added": ["gpt-oss-120b"], "changed": [], "unchanged": [], "skipped": [], "remarks": []}
    assert {name: client.get("/api/models/gpt-oss-120b").json()[name] for name in GPT} == GPT


def test_a_catalog_that_is_no_yaml_is_400_and_one_that_is_too_large_413(api: Api) -> None:
    client = api("config")
    yaml = {"Content-Type": "application/yaml"}

    assert client.post("/api/models/import", content="a: [", headers=yaml).status_code == 400
    assert client.post("/api/models/import", content="#" * 300_000, headers=yaml).status_code == 413
