"""The launcher keeps the contract, traps included (each trap has a test of its own)."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.integration.cluster.simulator.spark_client import Simulator, wait_until

SOLO = "-d --solo exec vllm serve org/model-7B --port 8888"


def containers(sparks: Simulator, number: int) -> str:
    return sparks.run(number, "docker ps -a --format '{{.Names}}'").out


@pytest.fixture
def vintage(sparks: Simulator):  # type: ignore[no-untyped-def]
    """Switch the launcher's age on Spark 1; August again afterwards."""
    path = Path(sparks.spark(1)["launcher_dir"], "vintage")
    yield path.write_text
    path.write_text("2026-08\n")


def test_a_solo_launch_serves(sparks: Simulator) -> None:
    result = sparks.launch(1, SOLO)
    lines = result.out.splitlines()
    assert result.code == 0
    assert "Solo mode enabled. Skipping node detection." in lines
    assert lines[-1] == "Command dispatched in background (Daemon mode). Container: vllm_node"
    sparks.wait_ready()
    assert "Application startup complete." in sparks.logs(1)


def test_arguments_arrive_exactly(sparks: Simulator) -> None:
    arguments = ["--speculative-config", '{"method": "mtp", "n": 3}', "--served-model-name", "a b", "$(id);'\"", "*"]
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in arguments)
    sparks.launch(1, f"{SOLO} {quoted}")
    entry = wait_until(lambda: sparks.journal(1, "vllm"))[0]
    assert entry["argv"] == ["vllm", "serve", "org/model-7B", "--port", "8888", *arguments]


def test_environment_arrives(sparks: Simulator) -> None:
    sparks.launch(1, "-e VLLM_USE_FLASHINFER_MOE_FP4=1 -e HF_HUB_OFFLINE=1 " + SOLO)
    env = wait_until(lambda: sparks.journal(1, "vllm"))[0]["env"]
    assert env["VLLM_USE_FLASHINFER_MOE_FP4"] == "1" and env["HF_HUB_OFFLINE"] == "1"
    assert env["VLLM_HOST_IP"] == "192.168.177.11"


def test_trap_a_failed_docker_run_still_ends_with_0(sparks: Simulator) -> None:
    result = sparks.launch(1, "-t no-such-image " + SOLO)
    assert result.code == 0
    assert "Unable to find image 'no-such-image:latest' locally" in result.err
    assert result.out.splitlines()[-1] == "Command dispatched in background (Daemon mode). Container: vllm_node"
    assert containers(sparks, 1) == ""


def test_trap_a_failed_vllm_leaves_the_container_idling(sparks: Simulator) -> None:
    result = sparks.launch(1, SOLO + " --no-such-flag")
    assert result.code == 0
    wait_until(lambda: "vllm: error: unrecognized arguments: --no-such-flag" in sparks.logs(1))
    assert containers(sparks, 1) == "vllm_node\n"
    assert sparks.run(1, "docker top vllm_node -eo args").out.splitlines()[1:] == ["sleep infinity"]


def test_trap_a_second_launch_goes_into_the_running_container(sparks: Simulator) -> None:
    sparks.launch(1, SOLO)
    sparks.wait_ready()
    result = sparks.launch(1, "-d --solo exec vllm serve org/other-3B --port 8888")
    assert "Warning: Container 'vllm_node' is already running on head node" in result.out
    assert "Cluster containers are already running. Skipping launch." in result.out
    assert result.code == 0
    wait_until(lambda: "[Errno 98] Address already in use" in sparks.logs(1))
    assert "org/model-7B" in sparks.http(1, "/v1/models")[1]


def test_trap_a_leftover_on_the_worker_makes_the_launch_half_dead(sparks: Simulator) -> None:
    sparks.run(2, "docker run -d --rm --name vllm_node vllm-node sleep infinity")
    result = sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888 -tp 2")
    assert "is already running on worker node (192.168.177.12)" in result.out
    assert containers(sparks, 1) == ""
    assert result.code == 1  # without Ray the failed dispatch on the head is told


def test_trap_stop_takes_ten_seconds_and_ends_with_0(sparks: Simulator) -> None:
    sparks.launch(1, SOLO)
    began = time.monotonic()
    result = sparks.launch(1, "--solo stop")
    assert result.code == 0 and time.monotonic() - began >= 10
    assert result.out.splitlines()[-2:] == ["Stopping head node (192.168.177.11)...", "Cluster stopped."]
    assert containers(sparks, 1) == ""
    assert "No such container" in sparks.run(1, "docker logs vllm_node").err
    assert sparks.journal(1, "vllm-exit") == []  # SIGKILL: it had no time to say anything


def test_trap_stop_with_nothing_running_or_no_worker_ends_with_0(sparks: Simulator) -> None:
    sparks.fault(2, "sshd-refuse")
    result = sparks.launch(1, "stop")
    assert result.code == 0 and "Stopping worker node (192.168.177.12)..." in result.out


def test_trap_help_ends_with_1_and_names_the_flags(sparks: Simulator) -> None:
    result = sparks.launch(1, "--help")
    assert result.code == 1 and "--solo" in result.out and "--earlyoom" in result.out


def test_trap_no_action_and_unknown_words_end_with_1(sparks: Simulator) -> None:
    assert "Error: No action specified." in sparks.launch(1, "--solo").out
    result = sparks.launch(1, "--solo frobnicate")
    assert result.code == 1 and "Error: Unknown argument or action: frobnicate" in result.out


def test_trap_extra_docker_args_are_split_at_spaces(sparks: Simulator) -> None:
    sparks.run(1, "mkdir -p models/m")
    home = sparks.spark(1)["home"]
    extra = f"VLLM_SPARK_EXTRA_DOCKER_ARGS='-v {home}/models/m:{home}/models/m --label a=b'"
    sparks.launch(1, f"-d --solo exec vllm serve {home}/models/m --port 8888", extra)
    sparks.wait_ready()
    assert f'"root": "{home}/models/m"' in sparks.http(1, "/v1/models")[1]
    assert sparks.run(1, "docker inspect -f '{{index .Config.Labels \"a\"}}' vllm_node").out == "b\n"
    assert sparks.journal(1, "vllm")[0]["argv"][2] == f"{home}/models/m"


def test_a_local_path_that_is_not_mounted_is_invalid(sparks: Simulator) -> None:
    home = sparks.spark(1)["home"]
    sparks.run(1, "mkdir -p models/m")
    sparks.launch(1, f"-d --solo exec vllm serve {home}/models/m --port 8888")
    wait_until(lambda: "Invalid repository ID or local directory specified" in sparks.logs(1))


def test_check_config_prints_the_docker_arguments_with_secrets(sparks: Simulator) -> None:
    result = sparks.launch(1, "--solo -e HF_TOKEN=hf_secret --check-config start")
    assert result.code == 0 and "-e HF_TOKEN=hf_secret" in result.out


def test_a_foreground_exec_gives_the_commands_code_and_cleans_up(sparks: Simulator) -> None:
    result = sparks.launch(1, "--solo exec bash -c 'exit 5'")
    assert result.code == 5 and "Stopping cluster..." in result.out
    assert containers(sparks, 1) == ""


def test_status_tells_of_both_nodes(sparks: Simulator) -> None:
    sparks.run(2, "docker run -d --rm --name vllm_node vllm-node sleep infinity")
    out = sparks.launch(1, "status").out
    assert "[HEAD] 192.168.177.11: Container 'vllm_node' is NOT running." in out
    assert "[WORKER] 192.168.177.12: Container 'vllm_node' is RUNNING." in out


def test_two_nodes_without_ray(sparks: Simulator) -> None:
    result = sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888 -tp 2 --distributed-executor-backend ray")
    assert result.code == 0
    assert "Docker image consistency check passed." in result.out
    sparks.wait_ready()
    head, worker = sparks.journal(1, "vllm")[0]["argv"], sparks.journal(2, "vllm")[0]["argv"]
    extra = ["--nnodes", "2", "--node-rank", "0", "--master-addr", "192.168.177.11", "--master-port", "29501"]
    assert head == ["vllm", "serve", "org/model-7B", "--port", "8888", "-tp", "2", *extra]
    assert worker[-1] == "--headless" and worker[worker.index("--node-rank") + 1] == "1"
    assert "Launching vLLM (v0.19.1) headless multiproc executor" in sparks.logs(2)
    assert "VLLM::Worker_TP1" in sparks.run(2, "docker top vllm_node -eo args").out


def test_two_nodes_with_ray(sparks: Simulator) -> None:
    result = sparks.launch(1, "-d --ray exec vllm serve org/model-7B --port 8888 -tp 2")
    assert "Adding --distributed-executor-backend ray for Ray mode." in result.err
    sparks.wait_ready()
    assert "ray::RayWorkerWrapper" in sparks.run(2, "nvidia-smi --query-compute-apps=name --format=csv,noheader").out


def test_one_of_two_nodes_is_enough_for_tp_1(sparks: Simulator) -> None:
    result = sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888 --tensor-parallel-size=1")
    assert "Note: Command requires 1 node(s)" in result.out and containers(sparks, 2) == ""
    refused = sparks.launch(1, "-d exec vllm serve org/model-7B -tp 4")
    assert refused.code == 1 and "Error: Command requires" in refused.out


def test_trap_without_a_parallelism_flag_both_nodes_are_used(sparks: Simulator) -> None:
    sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888")
    assert containers(sparks, 2) == "vllm_node\n"


def test_stop_takes_the_nodes_one_after_another(sparks: Simulator) -> None:
    for number in (1, 2):
        sparks.run(number, "docker run -d --rm --name vllm_node vllm-node sleep infinity")
    began = time.monotonic()
    assert sparks.launch(1, "stop").code == 0
    assert time.monotonic() - began >= 20
    assert containers(sparks, 1) + containers(sparks, 2) == ""


def test_an_image_that_differs_on_the_worker_is_refused(sparks: Simulator) -> None:
    sparks.fault(2, "image-missing", value="vllm-node")
    result = sparks.launch(1, "-d exec vllm serve org/m-7B -tp 2")
    assert result.code == 1 and "Error: Could not inspect image 'vllm-node' on worker node" in result.out


def test_a_mod_and_a_launch_script_reach_both_nodes(sparks: Simulator) -> None:
    sparks.run(1, "mkdir -p m/fix; printf '#!/bin/bash\\ntouch /workspace/modded\\n' > m/fix/run.sh")
    sparks.run(1, "printf '#!/bin/bash\\nvllm serve org/m-7B --port 8888 -tp 2\\n' > serve.sh")
    assert sparks.launch(1, "-d --apply-mod ../m/fix --launch-script ../serve.sh").code == 0
    sparks.wait_ready()
    assert [sparks.run(n, "docker exec vllm_node ls /workspace/modded").code for n in (1, 2)] == [0, 0]


def test_the_launcher_tells_the_journal_how_long_it_took(sparks: Simulator) -> None:
    sparks.launch(1, SOLO)
    assert sparks.journal(1, "launcher")[0]["argv"][1:4] == ["-d", "--solo", "exec"]
    assert sparks.journal(1, "launcher-done")[0]["seconds"] > 0


def test_in_april_newer_flags_are_unknown(sparks: Simulator, vintage) -> None:  # type: ignore[no-untyped-def]
    vintage("2026-04")
    text = sparks.launch(1, "--help").out
    assert "--solo" in text and "--earlyoom" not in text and "--ray" not in text.replace("--no-ray", "")
    assert sparks.launch(1, "--ray -d exec true").code == 1
    sparks.launch(1, SOLO)
    sparks.wait_ready()


def test_in_january_there_is_only_ray_and_exec_tears_down(sparks: Simulator, vintage) -> None:  # type: ignore[no-untyped-def]
    vintage("2026-01")
    assert "--solo" not in sparks.launch(1, "--help").out
    nodes = "-n 192.168.177.11,192.168.177.12"
    assert sparks.launch(1, f"{nodes} -d start").out.splitlines()[-1] == "Cluster started in background (Daemon mode)."
    assert "Ray runtime started." in sparks.logs(2)
    out = sparks.launch(1, f"{nodes} exec vllm serve org/m --port 8888 --speculative-config '{{\"a\": 1}}'").out
    assert "Skipping cleanup." in out  # words are joined unquoted, so the JSON argument breaks and vLLM ends
    assert sparks.journal(1, "vllm")[0]["argv"][-2:] != ["--speculative-config", '{"a": 1}']
    sparks.launch(1, f"{nodes} stop")
    assert sparks.launch(1, f"{nodes} -d exec true").out.splitlines()[-1] == "Cluster stopped."


@pytest.mark.parametrize("nodes", ["--solo", "two"])
def test_a_real_launcher_runs_unchanged(sparks: Simulator, nodes: str) -> None:
    path = os.environ.get("SPARKSIM_REAL_LAUNCHER")
    if not path:
        pytest.skip("SPARKSIM_REAL_LAUNCHER names no launch-cluster.sh to try")
    folder = Path(sparks.spark(1)["home"], "real")
    shutil.copytree(Path(path).parent, folder, dirs_exist_ok=True)
    shutil.copy(Path(sparks.spark(1)["launcher_dir"], ".env"), folder)
    flags = "--solo" if nodes == "--solo" else "--no-ray"
    command = f"cd real && ./launch-cluster.sh -d {flags} exec vllm serve org/model-7B --port 8888"
    result = sparks.run(1, command + (" -tp 2" if nodes == "two" else ""))
    assert result.code == 0, result
    sparks.wait_ready()
