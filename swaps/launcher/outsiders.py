"""Whose a container is, and whether it stands in a slot's way. Pure; the rule and its reasons are in docs/launchers.md.

The slot's own are containers with our label, and under the slot's container name those of the community launcher, whose
idle first process nobody starts by hand. Everything else is somebody's, and is stopped only when they say so.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from swaps.catalog.argument_rules import is_port
from swaps.catalog.vllm_options import option_values

DEFAULT_PORT = 8000  # vLLM's, when nothing is said
# launch-cluster.sh starts `sleep infinity`, earlyoom with --earlyoom, and in January 2026 a script of the image's.
_LAUNCHER_COMMAND = re.compile(r"(?:^|[\s/])(?:sleep infinity$|earlyoom(?:\s|$)|run-cluster-node\.sh(?:\s|$))")

# One JSON object. Arguments can hold keys: they are looked at and not kept. The environment is not asked for.
BOX_FORMAT = (
    '{"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Config.Image}},"running":{{json .State.Running}},'
    '"path":{{json .Path}},"args":{{json .Args}},"labels":{{json .Config.Labels}},'
    '"network":{{json .HostConfig.NetworkMode}},"ports":{{json .HostConfig.PortBindings}},'
    '"restart":{{json .HostConfig.RestartPolicy.Name}},"auto_remove":{{json .HostConfig.AutoRemove}}}'
)


@dataclass(frozen=True, slots=True)
class Box:
    """One container of a Spark. `ports` are those of the host it takes, as far as docker can tell."""

    id: str
    name: str
    image: str
    running: bool
    ours: bool  # Spark Control started it
    by_launcher: bool  # looks like the community launcher's
    ports: frozenset[int]
    restart: str  # policy: no, always, unless-stopped, on-failure
    auto_remove: bool


@dataclass(frozen=True, slots=True)
class Outsider:
    """A container of somebody else's in a slot's way: it has the slot's container name, or takes its port."""

    box: Box
    takes_name: bool

    @property
    def comes_back(self) -> bool:
        """After a kill or a reboot, by itself."""
        return self.box.restart in ("always", "unless-stopped")


def in_the_way(boxes: Iterable[Box], container: str, port: int | None) -> tuple[Outsider, ...]:
    """Those of somebody else's. `port` None: on this node of the slot nothing listens."""
    found = []
    for box in boxes:
        if box.ours:
            continue
        if box.name == container and not box.by_launcher:
            found.append(Outsider(box, takes_name=True))
        elif box.name != container and box.running and port in box.ports:
            found.append(Outsider(box, takes_name=False))
    return tuple(found)


def read_boxes(lines: Iterable[str]) -> tuple[Box, ...]:
    """From lines of BOX_FORMAT; what is no such line is skipped."""
    return tuple(box for line in lines if (box := _box(line)) is not None)


def is_launchers(command: str) -> bool:
    """Is this what the community launcher starts a container with?"""
    return _LAUNCHER_COMMAND.search(command) is not None


def _box(line: str) -> Box | None:
    try:
        data = json.loads(line)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return None
    command = " ".join([str(data.get("path", "")), *map(str, data.get("args") or ())]).strip()
    return Box(
        id=str(data.get("id", "")),
        name=data["name"].lstrip("/"),
        image=str(data.get("image", "")),
        running=bool(data.get("running")),
        ours="sparkcontrol.swap" in (data.get("labels") or {}),
        by_launcher=is_launchers(command),
        ports=_published(data.get("ports")) | _listened(data, command),
        restart=str(data.get("restart") or "no"),
        auto_remove=bool(data.get("auto_remove")),
    )


def _published(bindings: object) -> frozenset[int]:
    if not isinstance(bindings, dict):
        return frozenset()
    hosts = (str(one.get("HostPort", "")) for several in bindings.values() for one in several or ())
    return frozenset(int(port) for port in hosts if is_port(port))


def _listened(data: dict[str, object], command: str) -> frozenset[int]:
    """On the host's network docker knows no ports, but vLLM's are in its arguments."""
    args = data.get("args")
    if data.get("network") != "host" or "vllm" not in command or not isinstance(args, list):
        return frozenset()
    words = tuple(str(word) for word in args)
    given = option_values(words, "--port")
    if len(words) == 2 and words[0].startswith("-"):  # a shell's one line, such as bash -c "vllm serve ..."
        given = option_values(tuple(words[1].split()), "--port")
    return frozenset(int(port) for port in (given or (str(DEFAULT_PORT),))[:1] if is_port(port))
