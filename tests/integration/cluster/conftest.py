"""A Spark whose sshd runs here."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import actions
from cluster.models import Spark
from cluster.ssh.pool import pool
from tests.factories import SparkFactory
from tests.integration.sshd import Sshd, running_sshd


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as server:
        yield server
        pool.close()


@pytest.fixture
def spark(transactional_db: None, sshd: Sshd) -> Spark:
    """Reachable with Spark Control's own key; its host key is pinned."""
    with (sshd.folder / "authorized_keys").open("a") as file:
        file.write(actions.public_key() + "\n")
    row: Spark = SparkFactory(
        name="spark-1", host="127.0.0.1", ssh_port=sshd.port, ssh_user=getpass.getuser(), host_key=sshd.host_key
    )
    return row
