"""A slot as the place where commands go: its nodes, who is head, and how to reach each."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from cluster.actions import transport_to
from cluster.models import DEFAULT_LAUNCHER_DIR, Slot, Spark
from cluster.ssh.base import CommandResult, Outcome, Transport, TransportError
from cluster.ssh.command import Command
from swaps.catalog.definition import Definition
from swaps.launcher import node_commands
from swaps.launcher.capabilities import Capabilities, read_capabilities
from swaps.launcher.launch import CannotLaunch, Node, Placement

T = TypeVar("T")
DROPPED_SECONDS = 5.0  # what took longer is a Spark that is silent, and asking again would only take as long again


@dataclass(frozen=True, slots=True)
class Site:
    """Head first, then the workers. Transports are opened when first used and are safe across threads."""

    slot: Slot
    sparks: tuple[Spark, ...]
    transports: dict[str, Transport]
    _known: dict[str, Capabilities] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return self.sparks[0].name

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spark.name for spark in self.sparks)

    @property
    def launcher_dir(self) -> str:
        return self.slot.launcher_dir or DEFAULT_LAUNCHER_DIR

    def capabilities(self) -> Capabilities:
        """What the head's launcher can do, from its usage text; asked once."""
        if "launcher" not in self._known:
            answer = self.ask(self.head, node_commands.launcher_help(self.launcher_dir), timeout=20.0)
            self._known["launcher"] = read_capabilities(answer.text)
        return self._known["launcher"]

    def entrypoint(self, image: str) -> tuple[str, ...]:
        """What the image begins with on the head; () when with nothing. Raises CannotLaunch."""
        answer = self.on(self.head, node_commands.image_entrypoint(image), timeout=20.0)
        try:
            return tuple(json.loads(answer.stdout) or ())
        except ValueError:
            why = answer.reason or answer.text or "docker said nothing"
            remedy = f"Pull or build {image} there, or name another image in the model or the slot."
            raise CannotLaunch("image-unknown", f"{self.head} cannot tell about {image}: {why}", remedy) from None

    def names_for(self, definition: Definition) -> tuple[str, ...]:
        """The nodes a launch of `definition` uses."""
        return self.names[: definition.nodes]

    def placement_for(self, definition: Definition) -> Placement:
        nodes = [Node(name=s.name, address=s.fabric_ip or s.host) for s in self.sparks]
        return Placement(
            slot=self.slot.name,
            head=nodes[0],
            workers=tuple(nodes[1 : definition.nodes]),
            port=self.slot.vllm_port,
            container=self.slot.container_name,
            launcher_dir=self.launcher_dir,
            image=self.slot.image,
        )

    def on(self, node: str, command: Command, *, timeout: float = 30.0, stdin: str | None = None) -> CommandResult:
        """Run on one node. A Spark that cannot be reached is an unknown outcome, with the sentence."""
        try:
            return self.transports[node].run(command, timeout=timeout, stdin=stdin)
        except TransportError as error:
            return CommandResult(Outcome.UNKNOWN, None, (), 0.0, str(error))

    def ask(self, node: str, command: Command, *, timeout: float) -> CommandResult:
        """`on`, for a question that changes nothing: put once more when the link dropped under it."""
        began = time.monotonic()
        answer = self.on(node, command, timeout=timeout)
        if answer.exit_status is None and time.monotonic() - began < DROPPED_SECONDS:
            return self.on(node, command, timeout=timeout)
        return answer

    def on_each(self, nodes: tuple[str, ...], work: Callable[[str], T]) -> dict[str, T]:
        """Do `work` for all the nodes at once; `work` must not touch the database."""
        if len(nodes) == 1:
            return {nodes[0]: work(nodes[0])}
        with ThreadPoolExecutor(len(nodes) or 1, thread_name_prefix="node") as pool:
            return dict(zip(nodes, pool.map(work, nodes), strict=True))


def site_of(slot: Slot) -> Site:
    sparks = tuple(slot.sparks())
    return Site(slot, sparks, {spark.name: transport_to(spark) for spark in sparks})
