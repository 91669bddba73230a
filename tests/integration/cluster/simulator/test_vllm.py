"""The vLLM stand-in: its log, its server, its memory, its end."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.integration.cluster.simulator.spark_client import Simulator, wait_until

BOX = "docker run -d --rm --name box --network host --gpus all"


def serve(sparks: Simulator, arguments: str = "", number: int = 1, env: str = "") -> None:
    sparks.run(number, f"{BOX} {env} vllm/vllm-openai:latest org/model-7B --port 8888 {arguments}")


def test_it_logs_the_phases_in_order(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    wait_until(lambda: "startup complete" in sparks.logs(1, "box"))
    log = sparks.logs(1, "box")
    phases = [
        "non-default args: {", "Resolved architecture:", "Using max model len 131072",
        "Initializing a V1 LLM engine (v",
        "Starting to load model org/model-7B...", "Loading safetensors checkpoint shards:   0% Completed | 0/",
        "Loading safetensors checkpoint shards: 100% Completed", "Loading weights took", "Model loading took",
        "Dynamo bytecode transform time", "torch.compile took", "Available KV cache memory", "GPU KV cache size",
        "Maximum concurrency for 131,072 tokens per request", "Capturing CUDA graphs", "Graph capturing finished in",
        "init engine (profile, create kv cache, warmup model) took", "Starting vLLM server on http://0.0.0.0:8888",
        "Application startup complete.",
    ]  # fmt: skip
    places = [log.find(phase) for phase in phases]
    assert -1 not in places and places == sorted(places)
    assert "\r(EngineCore" in log  # the graph bar uses carriage returns
    assert "Uvicorn running on" not in log


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.11", "vLLM API server version 0.11.2"), ("0.15", "(EngineCore_DP0 pid="),
        ("0.33", "Checkpoint size:"),
    ],
)  # fmt: skip
def test_older_and_newer_versions_word_it_differently(sparks: Simulator, version: str, words: str) -> None:
    serve(sparks, env=f"-e SPARKSIM_VLLM_VERSION={version}")
    sparks.wait_ready()
    assert words in sparks.logs(1, "box")


def test_until_it_is_ready_connections_are_refused(sparks: Simulator) -> None:
    (sparks.folder(1) / "load_seconds").write_text("3")
    serve(sparks)
    wait_until(lambda: "Starting to load model" in sparks.logs(1, "box"))
    assert sparks.http(1, "/health") == (0, "")
    (sparks.folder(1) / "load_seconds").unlink()


def test_both_sparks_may_use_the_same_port(sparks: Simulator) -> None:
    for number in (1, 2):
        serve(sparks, f"--host 0.0.0.0 --served-model-name on-{number}", number)
    for number in (1, 2):
        sparks.wait_ready(number)
        assert f'"id": "on-{number}"' in sparks.http(number, "/v1/models")[1]


def test_the_served_names_are_the_ids(sparks: Simulator) -> None:
    serve(sparks, "--served-model-name main alias --max-model-len 32k")
    sparks.wait_ready()
    data = json.loads(sparks.http(1, "/v1/models")[1])["data"]
    assert [entry["id"] for entry in data] == ["main", "alias"]
    assert {entry["root"] for entry in data} == {"org/model-7B"} and data[0]["max_model_len"] == 32000
    chat = {"model": "alias", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    status, text = sparks.http(1, "/v1/chat/completions", chat)
    answer = json.loads(text)
    assert status == 200 and answer["usage"]["completion_tokens"] == 1
    assert answer["choices"][0]["finish_reason"] == "length"
    status, text = sparks.http(1, "/v1/chat/completions", {**chat, "model": "org/model-7B"})
    assert status == 404 and json.loads(text)["error"]["type"] == "NotFoundError"


def test_it_streams(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "stream_options": {"include_usage": True}}
    status, text = sparks.http(1, "/v1/chat/completions", {"model": "org/model-7B", **body})
    events = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert status == 200 and events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "simulated" in "".join(c["choices"][0]["delta"]["content"] for c in chunks[:-1])
    assert chunks[-1]["usage"]["completion_tokens"] == len(chunks) - 1
    status, text = sparks.http(1, "/v1/completions", {"model": "org/model-7B", "prompt": "hi", "max_tokens": 3})
    assert json.loads(text)["choices"][0]["text"].startswith("This")


@pytest.mark.parametrize(
    ("flags", "caches", "tells"),
    [("", True, False), ("--enable-prompt-tokens-details", True, True), ("--no-enable-prefix-caching", False, False)],
)
def test_a_repeated_prefix_comes_from_the_cache(sparks: Simulator, flags: str, caches: bool, tells: bool) -> None:
    serve(sparks, flags)
    sparks.wait_ready()
    body = {"model": "org/model-7B", "messages": [{"role": "system", "content": "Be brief. " * 100}], "max_tokens": 1}
    first, again = (json.loads(sparks.http(1, "/v1/chat/completions", body)[1])["usage"] for _ in range(2))

    hits = re.search(r"vllm:prefix_cache_hits_total\{[^}]*\} (\S+)", sparks.http(1, "/metrics")[1])
    cached = int(float(hits[1])) if hits else -1
    assert first["prompt_tokens_details"] is None
    assert (cached > 0) is caches and cached % 16 == 0 and cached < again["prompt_tokens"]
    assert again["prompt_tokens_details"] == ({"cached_tokens": cached} if tells else None)


def test_health_metrics_version_and_the_api_key(sparks: Simulator) -> None:
    serve(sparks, "--api-key sk-1")
    sparks.wait_ready()
    assert sparks.http(1, "/v1/models") == (401, '{"error": "Unauthorized"}')
    assert sparks.http(1, "/v1/models", key="sk-1")[0] == 200
    assert sparks.http(1, "/version") == (200, '{"version": "0.19.1"}')
    assert sparks.http(1, "/tokenize")[0] == 404
    text = sparks.http(1, "/metrics")[1]
    assert 'vllm:num_requests_running{engine="0",model_name="org/model-7B"} 0.0' in text
    assert "vllm:time_to_first_token_seconds_bucket" in text


def test_a_port_that_is_taken_ends_the_start_in_seconds(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    result = sparks.run(1, "docker run --rm vllm/vllm-openai:latest org/other --port 8888")
    assert result.code == 1 and "[Errno 98] Address already in use" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("org/m --foo --bar=1", "vllm: error: unrecognized arguments: --foo --bar=1"),
        ("org/m --gpu-memory-utilization most", "argument --gpu-memory-utilization: invalid float value: 'most'"),
        ("org/m --port", "argument --port: expected one argument"),
    ],
)
def test_argparse_complains_with_exit_2(sparks: Simulator, arguments: str, words: str) -> None:
    result = sparks.run(1, f"docker run --rm vllm/vllm-openai:latest {arguments}")
    assert result.code == 2 and words in result.err


def test_the_flags_people_use_are_known(sparks: Simulator) -> None:
    flags = (
        "--trust-remote-code --kv-cache-dtype fp8 --load-format instanttensor --mamba_ssm_cache_dtype float32 "
        "--attention-config.backend flashinfer -cc.cudagraph_mode=NONE --default-chat-template-kwargs.thinking=true "
        "--mxfp4-layers moe,qkv -O3 --no-enable-prefix-caching --enforce-eager --kv-cache-memory-bytes 1G"
    )
    serve(sparks, flags)
    sparks.wait_ready()
    assert "Capturing CUDA graphs" not in sparks.logs(1, "box")


def test_two_ranks_on_one_node_are_too_many(sparks: Simulator) -> None:
    result = sparks.run(1, "docker run --rm vllm/vllm-openai:latest org/m -tp 2")
    assert result.code == 1 and "World size (2) is larger than the number of available GPUs" in result.out


def test_memory_is_taken_while_it_lives(sparks: Simulator) -> None:
    def available() -> float:
        return int(sparks.run(1, "cat /proc/meminfo | grep MemAvailable").out.split()[1]) / 1024**2

    idle = available()
    serve(sparks, "--gpu-memory-utilization 0.5")
    sparks.wait_ready()
    assert idle == pytest.approx(115, abs=1) and available() == pytest.approx(idle - 0.5 * 119.7, abs=1)
    apps = sparks.run(1, "nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader,nounits")
    assert apps.out.split(", ")[1:] == ["VLLM::EngineCore", f"{round(0.5 * 119.7 * 1024)}\n"]
    assert sparks.run(1, "docker exec box nvidia-smi --query-compute-apps=pid --format=csv,noheader").out == ""
    second = sparks.run(1, "docker run --rm vllm/vllm-openai:latest org/m --port 8889 --gpu-memory-utilization 0.6")
    assert "Free memory on device" in second.out and "is less than desired GPU memory utilization (0.6" in second.out
    sparks.run(1, "docker kill box")
    assert available() == pytest.approx(idle, abs=0.1)


def test_sigterm_ends_it_gracefully_within_a_second(sparks: Simulator) -> None:
    sparks.run(1, f"{BOX} vllm-node sleep infinity")
    sparks.run(1, "docker exec -d box bash -c 'vllm serve org/m-7B --port 8888 >> /proc/1/fd/1 2>&1'")
    sparks.wait_ready()
    assert sparks.run(1, "docker exec box pkill -TERM -f 'vllm serv[e]'").code == 0
    wait_until(lambda: sparks.journal(1, "vllm-exit"), 3)
    assert sparks.journal(1, "vllm-exit")[0]["code"] == 0
    assert "Application shutdown complete." in sparks.logs(1, "box")
    assert sparks.run(1, "docker top box -eo args").out.splitlines()[1:] == ["sleep infinity"]


def test_as_pid_1_it_ends_with_docker_stop(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    began = time.monotonic()
    sparks.run(1, "docker stop box")
    assert time.monotonic() - began < 5


def test_the_end_of_the_engine_is_the_end_of_the_server(sparks: Simulator) -> None:
    sparks.run(1, f"{BOX} vllm-node sleep infinity")
    sparks.run(1, "docker exec -d box bash -c 'vllm serve org/m-7B --port 8888 >> /proc/1/fd/1 2>&1'")
    sparks.wait_ready()
    sparks.run(1, "docker exec box pkill -9 -f VLLM::Engin[e]")
    wait_until(lambda: "EngineDeadError" in sparks.logs(1, "box"))
    assert wait_until(lambda: sparks.http(1, "/health") == (0, ""))


def test_it_is_light(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    rss = sum(int(line) for line in sparks.run(1, "docker top box -eo rss").out.splitlines()[1:])
    assert rss < 45_000  # API server and engine together, in KiB


def test_a_gpu_process_names_its_container(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    pid = sparks.run(1, "nvidia-smi --query-compute-apps=pid --format=csv,noheader").out.strip()
    container = sparks.run(1, "docker inspect -f '{{.Id}}' box").out.strip()
    assert container in sparks.run(1, f'p={pid}; while read -r g; do echo "$g"; done < "/proc/$p/cgroup"').out
