"""A real OpenSSH sshd in front of a simulated Spark: Spark Control reaches it there; it can be killed and frozen."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.ssh.base import Address
from cluster.ssh.command import Command
from cluster.ssh.paramiko_transport import ParamikoTransport
from tests.acceptance.faults.product import Product
from tests.acceptance.swaps.test_swap_over_openssh import shell_of
from tests.integration.sshd import Sshd, running_sshd


class FrontDoor:
    """The sshd of one slot's head."""

    def __init__(self, product: Product, slot: str, server: Sshd) -> None:
        self.product = product
        self.slot = slot
        self.server = server

    def freeze(self) -> None:
        """Connections stay, nobody answers, new ones get no banner: a half-open link."""
        assert self.server.process is not None
        self.server.signal_sessions(signal.SIGSTOP)
        os.kill(self.server.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.server.process is not None
        os.kill(self.server.process.pid, signal.SIGCONT)
        self.server.signal_sessions(signal.SIGCONT)


@contextmanager
def front_door(product: Product, slot: str) -> Iterator[FrontDoor]:
    """Until the end of the block the slot's head is reached through it."""
    spark = next(spark for spark in product.sparks.sparks if spark["name"] == product.nodes(slot)[0])
    folder = product.folder / f"sshd-{slot}"
    shell = shell_of(folder, environment_of(product, spark))
    with running_sshd(folder, extra=f"ListenAddress {spark['host']}\nForceCommand {shell}") as server:
        let_in_here(folder, product)
        door = FrontDoor(product, slot, server)
        address = server.address()
        reach(product, spark, address.port, address.user, address.host_key)
        yield door
        reach(product, spark, spark["port"], spark["user"], spark["host_key"])


def let_in_here(folder: Path, product: Product) -> None:
    (folder / "authorized_keys").write_text((product.data / "install-key.pub").read_text())


def environment_of(product: Product, spark: dict[str, object]) -> str:
    """What a login on the simulated Spark finds."""
    address = Address(
        "look", str(spark["host"]), int(str(spark["port"])), str(spark["user"]), str(spark["host_key"]), product.own_key
    )
    transport = ParamikoTransport(address)
    try:
        return transport.run(Command.of("env")).stdout
    finally:
        transport.close()


def reach(product: Product, spark: dict[str, object], port: int, user: str, host_key: str) -> None:
    """Tell Spark Control another way to the Spark, and which key to expect there."""
    path = f"/api/sparks/{spark['name']}"
    body = {"host": spark["host"], "fabric_ip": spark["fabric_ip"], "ssh_port": port, "ssh_user": user}
    product.call("PUT", path, body)
    product.call("POST", f"{path}/host-key", {"line": host_key})
