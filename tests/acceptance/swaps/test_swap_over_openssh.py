"""A whole swap with a real OpenSSH sshd in front of the simulated Sparks."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from cluster.actions import public_key
from cluster.models import Slot, Spark
from cluster.ssh.command import Command
from cluster.ssh.pool import pool
from swaps.models import Swap
from swaps.site import site_of
from tests.integration.sshd import Sshd, running_sshd

SwapTo = Callable[..., Swap]


@pytest.fixture
def behind_openssh(slot: Slot, tmp_path: Path) -> Iterator[dict[str, Sshd]]:
    """Each Spark is reached through its own sshd, which hands every command to the Spark's own environment."""
    site = site_of(slot)
    environments = {node: site.on(node, Command.of("env")).stdout for node in site.names}
    pool.close()
    with ExitStack() as stack:
        servers = {}
        for spark in site.sparks:
            folder = tmp_path / f"sshd-{spark.name}"
            extra = f"ListenAddress {spark.host}\nForceCommand {shell_of(folder, environments[spark.name])}"
            server = stack.enter_context(running_sshd(folder, extra=extra))
            (folder / "authorized_keys").write_text(public_key() + "\n")
            reach_through(spark, server)
            servers[spark.name] = server
        yield servers
        pool.close()


def shell_of(folder: Path, environment: str) -> Path:
    """What sshd runs instead of the command: the command, as a login on the simulated Spark."""
    folder.mkdir(parents=True)
    settings = [line.partition("=") for line in environment.splitlines() if "=" in line]
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, _, value in settings)
    script = folder / "shell"
    script.write_text(f'#!/bin/bash\n{exports}cd "$HOME"\nexec /bin/bash -c "$SSH_ORIGINAL_COMMAND"\n')
    script.chmod(0o700)
    return script


def reach_through(spark: Spark, server: Sshd) -> None:
    address = server.address()
    spark.ssh_port, spark.ssh_user, spark.host_key = address.port, address.user, address.host_key
    spark.save()


def test_a_swap_to_two_sparks_and_back(swap_to: SwapTo, slot: Slot, behind_openssh: dict[str, Sshd]) -> None:
    slot.head.refresh_from_db()

    big = swap_to("big")
    small = swap_to("small")

    assert (big.status, small.status) == ("ready", "ready"), (big.diagnosis, small.diagnosis)
    served = httpx.get(f"{slot.base_url}/v1/models", timeout=5).json()["data"]
    assert [model["id"] for model in served] == ["org/small"]
    for server in behind_openssh.values():
        assert "Accepted publickey" in server.log


def test_a_host_key_that_changed_stops_the_swap_before_anything_is_sent(
    swap_to: SwapTo, slot: Slot, behind_openssh: dict[str, Sshd]
) -> None:
    assert swap_to("other").status == "ready"
    server = behind_openssh["spark-1"]
    server.stop()
    server.new_host_key("ed25519")
    server.start()

    swap = swap_to("small")

    assert (swap.status, swap.diagnosis_code) == ("failed", "spark-unreachable")
    assert "host key" in swap.diagnosis.lower()
    assert httpx.get(f"{slot.base_url}/health", timeout=5).status_code == 200
