"""Every fault, with the words the real thing has for it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import paramiko
import pytest

from cluster.simulator.faults import KNOWN
from tests.integration.cluster.simulator.spark_client import REPOSITORY, Simulator, wait_until

BOX = "docker run -d --rm --name box --network host --gpus all vllm-node sleep infinity"
SERVE = "docker exec -d box bash -c 'vllm serve org/model-7B --port 8888 >> /proc/1/fd/1 2>&1'"


def serve(sparks: Simulator) -> None:
    sparks.run(1, BOX)
    sparks.run(1, SERVE)


@pytest.mark.parametrize(
    ("fault", "value", "words", "code"),
    [
        ("oom", "", "CUDA out of memory. Tried to allocate", 1),
        ("unknown-flag", "--port", "vllm: error: unrecognized arguments: --port", 2),
        ("unknown-flag", "", "vllm: error: unrecognized arguments: --port", 2),
        ("gated-repo", "", "You are trying to access a gated repo.", 1),
        ("port-clash", "", "[Errno 98] Address already in use", 1),
        ("disk-full", "", "[Errno 28] No space left on device", 1),
    ],
)
def test_a_load_that_fails(sparks: Simulator, fault: str, value: str, words: str, code: int) -> None:
    sparks.run(1, BOX)
    sparks.fault(1, fault, value=value)
    sparks.run(1, SERVE)
    wait_until(lambda: sparks.journal(1, "vllm-exit"))
    assert sparks.journal(1, "vllm-exit")[0]["code"] == code
    assert words in sparks.logs(1, "box")
    assert sparks.run(1, "docker top box -eo args").out.splitlines()[1:] == ["sleep infinity"]


def test_out_of_memory_shows_the_cause_before_the_consequence(sparks: Simulator) -> None:
    sparks.fault(1, "oom")
    serve(sparks)
    wait_until(lambda: sparks.journal(1, "vllm-exit"))
    log = sparks.logs(1, "box")
    assert 0 < log.find("torch.OutOfMemoryError") < log.find("Engine core initialization failed. See root cause above.")


def test_crash_after_ready(sparks: Simulator) -> None:
    sparks.fault(1, "crash-after-ready", value="0.5")
    serve(sparks)
    sparks.wait_ready()
    wait_until(lambda: sparks.journal(1, "vllm-exit"))
    assert "EngineCore died unexpectedly" in sparks.logs(1, "box") and "EngineDeadError" in sparks.logs(1, "box")
    assert sparks.http(1, "/health") == (0, "")


def test_never_ready(sparks: Simulator) -> None:
    sparks.fault(1, "never-ready")
    serve(sparks)
    wait_until(lambda: "% Completed" in sparks.logs(1, "box"))
    time.sleep(1.5)
    assert sparks.http(1, "/health") == (0, "") and "Loading weights took" not in sparks.logs(1, "box")
    sparks.fault(1, "never-ready", on=False)
    sparks.wait_ready()


def test_slow_load(sparks: Simulator) -> None:
    sparks.fault(1, "slow-load", value="4")
    serve(sparks)
    sparks.wait_ready()
    assert sparks.journal(1, "vllm-ready")[0]["seconds"] > 3


def test_image_missing(sparks: Simulator) -> None:
    sparks.fault(1, "image-missing")
    assert "Unable to find image 'vllm-node:latest' locally" in sparks.run(1, BOX).err
    assert sparks.run(1, "docker images -q").out == ""
    sparks.fault(1, "image-missing", value="vllm-node-b12x")
    assert sparks.run(1, BOX).code == 0


def test_a_worker_without_weights_takes_the_head_along(sparks: Simulator) -> None:
    sparks.fault(2, "worker-missing-weights")
    sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888 -tp 2")
    wait_until(lambda: sparks.journal(1, "vllm-exit"))
    assert "LocalEntryNotFoundError" in sparks.logs(2) and "outgoing traffic has been disabled" in sparks.logs(2)
    assert "died unexpectedly" in sparks.logs(1)


def test_a_worker_that_dies_while_serving_takes_the_head_along(sparks: Simulator) -> None:
    sparks.launch(1, "-d exec vllm serve org/model-7B --port 8888 -tp 2")
    sparks.wait_ready()
    sparks.run(2, "docker rm -f vllm_node")
    wait_until(lambda: sparks.journal(1, "vllm-exit"))
    assert "died unexpectedly" in sparks.logs(1)


def test_memory_not_returned(sparks: Simulator) -> None:
    def available() -> float:
        return int(sparks.run(1, "grep MemAvailable /proc/meminfo").out.split()[1]) / 1024**2

    idle = available()
    serve(sparks)
    sparks.wait_ready()
    sparks.fault(1, "memory-not-returned", value="33")
    sparks.run(1, "docker rm -f box")
    assert available() == pytest.approx(idle - 33, abs=0.5)
    assert sparks.run(1, "nvidia-smi --query-compute-apps=pid --format=csv,noheader").out == ""
    sparks.fault(1, "memory-not-returned", on=False)
    assert available() == pytest.approx(idle, abs=0.5)


def test_docker_down(sparks: Simulator) -> None:
    sparks.fault(1, "docker-down")
    result = sparks.run(1, "docker ps")
    assert result.code == 1 and "Cannot connect to the Docker daemon at unix:///var/run/docker.sock" in result.err


def test_launch_hangs(sparks: Simulator) -> None:
    sparks.fault(1, "launch-hangs")
    assert sparks.run(1, f"timeout 1 {BOX}").code == 124
    assert sparks.run(1, "docker ps -aq").out == ""


def test_disk_full_is_seen_by_df(sparks: Simulator) -> None:
    sparks.fault(1, "disk-full")
    assert sparks.run(1, "df --output=avail -B1 . | tail -n 1").out.strip() == "0"


def test_sshd_drop_cuts_the_next_matching_command_and_it_goes_on(sparks: Simulator) -> None:
    sparks.fault(1, "sshd-drop", value="cut-me")
    assert sparks.run(1, "echo untouched").out == "untouched\n"
    with sparks.connection(1) as client:
        _, out, _ = client.exec_command(": cut-me; sleep 1; touch finished-anyway")
        assert out.channel.recv_exit_status() == -1
    wait_until((sparks.folder(1) / "home" / "finished-anyway").exists)
    assert sparks.run(1, ": cut-me; echo once only").out == "once only\n"


def test_sshd_refuse(sparks: Simulator) -> None:
    sparks.fault(1, "sshd-refuse")
    with pytest.raises(paramiko.ssh_exception.NoValidConnectionsError):
        sparks.run(1, "true", fresh=True)
    result = sparks.run(2, "ssh -o ConnectTimeout=5 192.168.177.11 true")
    assert result.code == 255 and "Connection refused" in result.err
    sparks.fault(1, "sshd-refuse", on=False)
    assert sparks.run(1, "echo back").out == "back\n"


def test_host_key_changed(sparks: Simulator) -> None:
    sparks.fault(1, "host-key-changed")
    with pytest.raises(paramiko.BadHostKeyException):
        sparks.run(1, "true", fresh=True)
    sparks.fault(1, "host-key-changed", on=False)
    assert sparks.run(1, "true", fresh=True).code == 0


def test_frozen_host(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    with sparks.connection(1) as client:
        _, out, _ = client.exec_command("sleep 0.5; echo thawed")
        sparks.fault(1, "frozen-host")
        spark = sparks.spark(1)
        with socket.create_connection((spark["host"], spark["port"]), timeout=2) as connection:
            connection.settimeout(0.7)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        with pytest.raises(TimeoutError):
            out.channel.settimeout(0.3)
            out.read(1)
        with socket.create_connection((spark["host"], 8888), timeout=2) as connection:
            connection.settimeout(0.7)
            connection.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)
        result = sparks.run(2, "time ssh -o ConnectTimeout=1 192.168.177.11 true")
        assert result.code == 255 and "timed out" in result.err
        sparks.fault(1, "frozen-host", on=False)
        out.channel.settimeout(5)
        assert out.read() == b"thawed\n"
    assert sparks.http(1, "/health")[0] == 200


def test_the_command_line_lists_and_refuses(sparks: Simulator) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "cluster.simulator", *words]
        return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    sparks.fault(2, "slow-load", value="9")
    listing = call("faults", str(sparks.root)).stdout
    assert "spark-2\tslow-load\t9\n" in listing and all(name in listing for name in KNOWN)
    assert call("fault", str(sparks.root), "spark-1", "no-such-fault", "on").returncode == 1
    assert call("fault", str(sparks.root), "spark-9", "oom", "on").returncode == 1


def boot_id(sparks: Simulator) -> str:
    return sparks.run(1, "cat /proc/sys/kernel/random/boot_id", fresh=True).out


def answers_again(sparks: Simulator) -> str:
    try:
        return boot_id(sparks)
    except (OSError, paramiko.SSHException):
        return ""


def test_a_reboot_ends_everything_but_what_docker_brings_back(sparks: Simulator) -> None:
    before = boot_id(sparks)
    serve(sparks)
    sparks.run(1, "docker run -d --name kept --restart unless-stopped vllm-node sleep infinity")
    sparks.wait_ready()

    sparks.fault(1, "reboot", value="0.5")
    assert answers_again(sparks) == "" and sparks.http(1, "/health") == (0, "")

    assert wait_until(lambda: answers_again(sparks)) != before
    assert sparks.run(1, "docker ps -a --format '{{.Names}}'").out.split() == ["kept"]
    assert sparks.run(1, "nvidia-smi --query-compute-apps=pid --format=csv,noheader").out == ""


def test_a_wedged_model_is_healthy_and_makes_no_token(sparks: Simulator) -> None:
    serve(sparks)
    sparks.wait_ready()
    sparks.fault(1, "wedged")
    ask = {"model": "org/model-7B", "prompt": "Say OK.", "max_tokens": 1}
    with pytest.raises(TimeoutError):
        sparks.http(1, "/v1/completions", ask)
    assert sparks.http(1, "/health")[0] == 200
    metrics = sparks.http(1, "/metrics")[1]
    assert 'num_requests_running{engine="0",model_name="org/model-7B"} 1.0' in metrics
    assert 'generation_tokens_total{engine="0",model_name="org/model-7B"} 0.0' in metrics
    sparks.fault(1, "wedged", on=False)
    wait_until(lambda: sparks.http(1, "/v1/completions", ask)[0] == 200)
