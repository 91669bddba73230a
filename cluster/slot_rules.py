"""What a slot may look like, beyond what its columns say: these values become words of remote commands."""

import re
from collections.abc import Sequence

from cluster.models import Launcher, Slot, Spark

CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
FOLDER = re.compile(r"(?:/|~/)?[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*/?")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,254}")


def slot_problems(slot: Slot, workers: Sequence[Spark]) -> list[dict[str, str]]:
    """Everything wrong, as {field, message}; the plain column checks are made elsewhere."""
    problems: list[dict[str, str]] = []
    if slot.container and not CONTAINER.fullmatch(slot.container):
        problems.append(_problem("container", "Use letters, digits, dots, dashes and underscores, at most 63."))
    if slot.launcher_dir and not _is_folder(slot.launcher_dir):
        problems.append(_problem("launcher_dir", "Write a path such as ~/spark-vllm-docker, without spaces or '..'."))
    if slot.image and not IMAGE.fullmatch(slot.image):
        problems.append(_problem("image", "Write an image such as vllm-node:latest."))
    names = [worker.name for worker in workers]
    if slot.head.name in names:
        problems.append(_problem("workers", f"{slot.head.name} is the head; a Spark takes one place."))
    if slot.launcher == Launcher.DOCKER_RUN and names:
        message = "docker_run starts vLLM on the head alone: take the workers out, or choose launch_cluster."
        problems.append(_problem("workers", message))
    problems += [_problem("workers", f"{name} is named twice.") for name in sorted(set(names)) if names.count(name) > 1]
    return problems


def _is_folder(path: str) -> bool:
    return bool(FOLDER.fullmatch(path)) and ".." not in path.split("/")


def _problem(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": message}
