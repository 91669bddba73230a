"""Whose a container is, and whether it stands in a slot's way."""

import json
from typing import Any

import pytest

from swaps.launcher.outsiders import in_the_way, read_boxes

RAW: dict[str, Any] = {
    "id": "ab" * 32,
    "name": "/vllm-gemma4",
    "image": "vllm/vllm-openai:latest",
    "running": True,
    "path": "vllm",
    "args": ["serve", "org/m", "--port", "8888"],
    "labels": {},
    "network": "host",
    "ports": {},
    "restart": "always",
    "auto_remove": False,
}


def found(**changes: Any) -> list[tuple[str, bool]]:
    boxes = read_boxes(["noise", json.dumps(RAW | changes), "[]"])
    return [(each.box.name, each.takes_name) for each in in_the_way(boxes, "vllm_node", 8888)]


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, "port"),
        ({"args": ["serve", "org/m", "--port=8888"]}, "port"),
        ({"args": ["serve", "org/m"]}, ""),  # vLLM's own port, 8000
        ({"path": "bash", "args": ["-c", "vllm serve org/m --port 8888"]}, "port"),
        ({"network": "bridge"}, ""),
        ({"network": "bridge", "ports": {"8000/tcp": [{"HostIp": "", "HostPort": "8888"}]}}, "port"),
        ({"running": False}, ""),
        ({"labels": {"sparkcontrol.swap": "3"}}, ""),  # another slot of ours
        ({"name": "/vllm_node"}, "name"),
        ({"name": "/vllm_node", "running": False}, "name"),
        ({"name": "/vllm_node", "labels": {"sparkcontrol.swap": "3"}}, ""),
        ({"name": "/vllm_node", "path": "sleep", "args": ["infinity"]}, ""),
        ({"name": "/vllm_node", "path": "earlyoom", "args": ["-M", "524288,102400"]}, ""),
        ({"name": "/vllm_node", "path": "/opt/entrypoint.sh", "args": ["sleep", "infinity"]}, ""),
        ({"name": "/vllm_node", "path": "bash", "args": ["./run-cluster-node.sh", "--role", "head"]}, ""),
        ({"name": "/vllm_node", "path": "sleep", "args": ["60"]}, "name"),
        (
            {"name": "/db", "path": "postgres", "args": ["--port", "8888"]},
            "",
        ),  # docker cannot tell; the port check does
    ],
)
def test_what_stands_in_the_way_of_a_slot(changes: dict[str, Any], way: str) -> None:
    expected = [(str((RAW | changes)["name"]).lstrip("/"), way == "name")] if way else []
    assert found(**changes) == expected


def test_on_a_worker_only_the_name_counts() -> None:
    boxes = read_boxes([json.dumps(RAW)])
    assert in_the_way(boxes, "vllm_node", None) == ()
