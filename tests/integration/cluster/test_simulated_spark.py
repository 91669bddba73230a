"""The same transport and probe against a simulated Spark, as a first-time user meets them."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from cluster.probes import probe_host
from cluster.ssh.base import Address
from cluster.ssh.command import Command
from cluster.ssh.hostkeys import fetch_host_key
from cluster.ssh.keys import new_private_key, public_key_line
from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.integration.sshd import free_port


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ParamikoTransport]:
    folder = tmp_path_factory.mktemp("sim")
    key, port = new_private_key(), free_port()
    (folder / "key.pub").write_text(public_key_line(key) + "\n")
    words = ["--sparks", "1", "--first-address", "127.0.0.31", "--ssh-port", str(port)]
    command = [sys.executable, "-m", "cluster.simulator", "serve", str(folder / "root"), *words]
    with subprocess.Popen(
        [*command, "--authorized-key", str(folder / "key.pub")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 30)[0], "the simulator did not get ready"
        ready = json.loads(process.stdout.readline())["sparks"][0]
        host_key = fetch_host_key(ready["host"], ready["port"])
        transport = ParamikoTransport(
            Address(ready["name"], ready["host"], ready["port"], ready["user"], host_key.line, key)
        )
        yield transport
        transport.close()
        process.terminate()
        process.wait(20)


def test_a_simulated_spark_is_probed_like_a_real_one(spark: ParamikoTransport) -> None:
    reading = probe_host(spark)
    assert (reading.gpu_name, reading.machine) == ("NVIDIA GB10", "aarch64")
    assert reading.docker_ok is True and not reading.docker_problem and not reading.gpu_problem
    assert reading.mem_total_bytes and 115 * 2**30 < reading.mem_total_bytes < 125 * 2**30
    assert reading.mem_available_bytes and reading.disk_free_bytes
    assert reading.gpu_temperature_c and reading.gpu_power_watts and reading.gpu_busy_percent is not None
    assert reading.boot_id and reading.uptime_seconds is not None


def test_an_idle_launcher_container_is_found(spark: ParamikoTransport) -> None:
    run = Command.of("docker", "run", "--rm", "-d", "--name", "vllm_node", "vllm-node", "sleep", "infinity")
    started = spark.run(run)
    assert started.ok, started.text
    found = probe_host(spark).containers
    assert [(one.name, one.kind, one.running) for one in found] == [("vllm_node", "launcher", True)]
    assert spark.run(Command.of("docker", "rm", "-f", "vllm_node")).ok


def test_a_probe_is_quick(spark: ParamikoTransport) -> None:
    probe_host(spark)
    started = time.monotonic()
    probe_host(spark)
    assert time.monotonic() - started < 5
