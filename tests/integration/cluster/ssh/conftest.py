from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.integration.sshd import Sshd, running_sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def spark(sshd: Sshd) -> Iterator[ParamikoTransport]:
    transport = ParamikoTransport(sshd.address())
    yield transport
    transport.close()
