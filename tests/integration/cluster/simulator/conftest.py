from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cluster.simulator.spark_client import Simulator
from tests.needs import require_program


def addresses() -> str:
    """A loopback range of this test process's own."""
    pid = os.getpid()
    return f"127.{64 + pid % 128}.{pid // 128 % 256}.11"


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_program("ssh-keygen", "apt-get install openssh-client")
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def running_simulator(ssh_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    root = tmp_path_factory.mktemp("sim") / "root"
    simulator = Simulator(root, addresses(), 2222, ssh_key, SPARKSIM_LOAD_SECONDS="1", SPARKSIM_LAUNCHER_PAUSE="0.1")
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture
def sparks(running_simulator: Simulator) -> Iterator[Simulator]:
    """Two Sparks with nothing running on them."""
    yield running_simulator
    running_simulator.clear()
