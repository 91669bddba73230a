"""Commands about containers that others started: data only, each safe to repeat."""

import base64
import re
from typing import Any

from cluster.ssh.command import Command
from swaps.catalog.argument_rules import is_container_name
from swaps.launcher import docker_scripts as scripts
from swaps.launcher.node_commands import fence_guard
from swaps.launcher.recreate import Recreation, recreation, restart_policy

ABSENT = 44  # of put_back: the container is gone for good
GRACE_SECONDS = 10  # what docker itself gives

_ID = re.compile(r"[0-9a-f]{12,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def boxes() -> Command:
    """Every container of the Spark, for outsiders.read_boxes. Exit 1 when docker does not answer."""
    return Command.shell(scripts.BOXES)


def inspect(container_id: str) -> Command:
    """All docker knows of it, secrets too: for encryption, not for a log."""
    return Command.of("docker", "container", "inspect", _checked(container_id))


def set_aside(slot: str, fence: int, container_id: str, *, rename_to: str = "") -> Command:
    """Turn its restart policy off, stop it gently, and give it another name; it stays where it is. Up to 25 s."""
    if rename_to and not is_container_name(rename_to):
        raise ValueError("unsafe name of a container")
    words = (_checked(container_id), str(GRACE_SECONDS), rename_to)
    return fence_guard(slot, fence, Command.shell(scripts.SET_ASIDE, *words))


def put_back(slot: str, fence: int, document: dict[str, Any], *, start: bool) -> Command:
    """As set_aside found it: its name, its restart policy, and running. Exit ABSENT when it was removed meanwhile."""
    name = document["Name"].lstrip("/")
    if not _NAME.fullmatch(name):
        raise ValueError("unsafe name of a container")
    policy = restart_policy(document["HostConfig"])
    words = (_checked(document["Id"]), name, policy, "start" if start else "leave")
    return fence_guard(slot, fence, Command.shell(scripts.PUT_BACK, *words))


def recreate(slot: str, fence: int, document: dict[str, Any], *, start: bool) -> tuple[Command, str]:
    """Make it again from its inspect. The second value is for stdin: no word of it may be an argument."""
    command = Command.shell(scripts.RECREATE, "start" if start else "leave")
    return fence_guard(slot, fence, command), _records(recreation(document))


def _records(made: Recreation) -> str:
    groups = {
        "N": (made.name,),
        "i": (made.image,),
        "I": (made.image_id,),
        "w": made.words,
        "c": made.command,
        "e": made.env,
        "l": made.labels,
        "n": made.networks,
    }
    text = "".join(f"{letter}{value}\0" for letter, values in groups.items() for value in values)
    return base64.b64encode(text.encode(errors="surrogateescape")).decode() + "\n"


def _checked(container_id: str) -> str:
    if not _ID.fullmatch(container_id):
        raise ValueError("unsafe id of a container")
    return container_id
