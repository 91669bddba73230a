"""The host probe over a real sshd, on whatever machine runs the tests, with stand-ins for what it lacks."""

import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.probes import probe_host
from cluster.ssh.base import Unreachable
from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.integration.sshd import free_port, running_sshd


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


@pytest.fixture
def spark(tmp_path: Path, programs: Path) -> Iterator[ParamikoTransport]:
    path = f"SetEnv PATH={programs}:/usr/local/bin:/usr/bin:/bin"
    with running_sshd(tmp_path / "sshd", extra=path) as server:
        transport = ParamikoTransport(server.address())
        yield transport
        transport.close()


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_host_without_gpu_and_docker_still_gives_a_reading(spark: ParamikoTransport, programs: Path) -> None:
    _program(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    _program(programs, "nvidia-smi", "exit 127")
    reading = probe_host(spark)
    assert reading.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (reading.hostname, reading.machine) == (platform.node(), platform.machine())
    assert reading.mem_total_bytes and reading.mem_available_bytes and reading.disk_free_bytes
    assert reading.disk_total_bytes and reading.cache_disk_total_bytes and reading.load_1m is not None
    assert reading.reachable_ms and reading.reachable_ms < 5000
    assert reading.docker_ok is False and "systemctl start docker" in reading.docker_problem
    assert reading.gpu_name is None and "not installed" in reading.gpu_problem


def test_gpu_and_containers_are_found(spark: ParamikoTransport, programs: Path) -> None:
    row = {"ID": "ab" * 32, "Names": "vllm_node", "Image": "vllm-node", "Command": "sleep infinity", "State": "running"}
    _program(programs, "docker", f"echo '{json.dumps(row)}'")
    _program(
        programs,
        "nvidia-smi",
        "case \"$1\" in *compute-apps*) echo '1, VLLM::EngineCore, 98304';;"
        " *) echo 'NVIDIA GB10, 580.95.05, 7, 61, 16.12, [N/A]';; esac",
    )
    reading = probe_host(spark)
    assert (reading.gpu_name, reading.gpu_busy_percent, reading.gpu_clock_mhz) == ("NVIDIA GB10", 7, None)
    assert reading.gpu_processes[0].pid == 1 and reading.gpu_memory_mib == 98304
    assert [(one.name, one.kind, one.running) for one in reading.containers] == [("vllm_node", "launcher", True)]
    assert reading.docker_ok and not reading.docker_problem


def test_programs_that_hang_cost_their_own_part_only(spark: ParamikoTransport, programs: Path) -> None:
    _program(programs, "docker", "trap '' TERM; sleep 60 & wait; sleep 60")
    _program(programs, "nvidia-smi", "exec sleep 60")
    started = time.monotonic()
    reading = probe_host(spark)
    assert time.monotonic() - started < 15
    assert reading.mem_total_bytes
    assert "did not answer" in reading.docker_problem and "driver may be stuck" in reading.gpu_problem


def test_a_chatty_login_is_ignored(spark: ParamikoTransport, programs: Path) -> None:
    _program(programs, "docker", "echo 'WARNING: No swap limit support' >&2; echo '{}'")
    reading = probe_host(spark)
    assert reading.docker_ok and reading.containers == ()


def test_a_spark_that_is_off_is_an_error_with_a_sentence(spark: ParamikoTransport) -> None:
    gone = ParamikoTransport(
        spark.address.__class__("spark-9", "127.0.0.1", free_port(), "x", "", spark.address.private_key)
    )
    with pytest.raises(Unreachable, match="spark-9"):
        probe_host(gone)
