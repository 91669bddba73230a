import pytest

from cluster.container_kinds import kind_of


@pytest.mark.parametrize(
    ("name", "image", "command", "kind"),
    [
        ("vllm_node", "vllm-node", "sleep infinity", "launcher"),
        ("vllm_node", "vllm-node-tf5:latest", "earlyoom -M 524288", "launcher"),
        ("vllm-gemma4", "vllm/vllm-openai:gemma4-cu130", "vllm serve google/gemma", "vllm"),
        ("vllm-server", "nvcr.io/nvidia/vllm:25.11-py3", "vllm serve x", "vllm"),
        ("serving", "scitrera/dgx-spark-vllm:0.15", "vllm serve x", "vllm"),
        ("eager_wing", "ghcr.io/someone/vllm-nightly", "", "vllm"),
        ("node-12345", "nvcr.io/nvidia/vllm:25.11-py3", "/bin/bash -c 'ray start'", "ray"),
        ("sparkrun_ab12_0_head", "vllm-node", "sleep infinity", "sparkrun"),
        ("llama", "nvcr.io/nim/meta/llama-3.1-8b-instruct-dgx-spark:latest", "", "nim"),
        ("ollama", "ollama/ollama:latest", "/bin/ollama serve", "ollama"),
        ("open-webui", "ghcr.io/open-webui/open-webui:ollama", "bash start.sh", "other"),
        ("s", "lmsysorg/sglang:spark", "python3 -m sglang.launch_server", "sglang"),
        ("t", "nvcr.io/nvidia/tritonserver:25.10-py3", "", "triton"),
        ("t", "nvcr.io/nvidia/tensorrt-llm/release:1.2", "", "tensorrt"),
        ("comfyui", "local/comfy", "", "comfyui"),
        ("qdrant", "qdrant/qdrant", "", "other"),
        ("node-exporter", "prom/node-exporter", "", "other"),
    ],
)
def test_a_container_is_recognised(name: str, image: str, command: str, kind: str) -> None:
    assert kind_of(name, image, command, {}) == kind


def test_sparkrun_is_recognised_by_its_labels() -> None:
    assert kind_of("x", "any", "", {"sparkrun.cluster_id": "1"}) == "sparkrun"
