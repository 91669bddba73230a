"""One look at a slot's head when what answers is not what it should be: who is there, since when, and what is left."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster import parsers
from cluster.readings import Container
from cluster.ssh.command import Command
from swaps.catalog.argument_rules import is_container_name
from swaps.launcher.node_reports import ContainerState, read_container_state, vllm_processes
from swaps.launcher.node_scripts import STATE_FORMAT

MARK = parsers.MARK

# $1 container. Sections as in a probe; a docker that does not answer leaves no `state`.
LOOK = f"""\
part() {{ printf '\\n{MARK}%s\\n' "$1"; shift; "$@"; printf '\\n{MARK}status %s\\n' "$?"; }}
state() {{
  timeout -k 1 10 docker container inspect --format '{STATE_FORMAT}' "$1" 2>/dev/null ||
    {{ timeout -k 1 10 docker ps -q >/dev/null && echo '{{"exists":false}}'; }}
}}
part boot_id cat /proc/sys/kernel/random/boot_id
part containers timeout -k 1 10 docker ps -a --no-trunc --format '{{{{json .}}}}'
part state state "$1"
part processes timeout -k 1 10 docker top "$1"
exit 0
"""


@dataclass(frozen=True, slots=True)
class Witness:
    """`node` is the head, `container` the slot's own by its name; `boot_ids` of every node that answered."""

    node: str
    container: ContainerState
    vllm_processes: int = 0
    containers: tuple[Container, ...] = ()
    boot_ids: Mapping[str, str] = field(default_factory=dict)


def look(container: str) -> Command:
    """For read_witness. Changes nothing."""
    if not is_container_name(container):
        raise ValueError("unsafe container name")
    return Command.shell(LOOK, container)


def boot_id() -> Command:
    return Command.of("cat", "/proc/sys/kernel/random/boot_id")


def read_witness(node: str, text: str) -> Witness:
    """Raises ValueError when Docker did not say what runs."""
    parts = {name: part.text for name, part in parsers.sections(text.splitlines()).items()}
    boot = parsers.plain(parts.get("boot_id"))
    return Witness(
        node=node,
        container=read_container_state(parts.get("state", "")),
        vllm_processes=vllm_processes(parts.get("processes", "")),
        containers=parsers.containers(parts.get("containers", "")),
        boot_ids={node: boot} if boot else {},
    )
