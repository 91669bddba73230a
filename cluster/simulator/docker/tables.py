"""How Docker shows containers and images: inspect documents, rows, tables."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from cluster.simulator.docker.container import Container
from cluster.simulator.docker.logs import rfc3339
from cluster.simulator.docker.templates import render

NEVER = "0001-01-01T00:00:00Z"


def inspect_document(container: Container) -> dict[str, Any]:
    """What `docker inspect` shows of a container."""
    recipe = container.recipe
    argv = recipe.argv
    return {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": argv[0] if argv else "",
        "Args": argv[1:],
        "State": _state(container),
        "Image": recipe.image_id,
        "Name": "/" + recipe.name,
        "RestartCount": container.restarts,
        "Platform": "linux",
        "HostConfig": _host_config(container),
        "Mounts": [
            {"Type": "bind", "Source": s, "Destination": d, "Mode": "", "RW": True, "Propagation": "rprivate"}
            for s, d in recipe.mounts
        ],
        "Config": {
            "Hostname": recipe.hostname or container.id[:12],
            "Env": [f"{name}={value}" for name, value in recipe.env.items()],
            "Cmd": recipe.command or None,
            "Image": recipe.image,
            "WorkingDir": recipe.workdir or "/workspace",
            "Entrypoint": recipe.entrypoint or None,
            "Labels": recipe.labels,
            **recipe.config,
        },
        "NetworkSettings": {"Ports": {}, "Networks": {recipe.network: {"IPAddress": ""}}},
    }


def _state(container: Container) -> dict[str, Any]:
    return {
        "Status": container.status,
        "Running": container.running,
        "Paused": False,
        "Restarting": container.status == "restarting",
        "OOMKilled": False,
        "Dead": False,
        "Pid": container.init.pid if container.init and container.running else 0,
        "ExitCode": container.code,
        "Error": "",
        "StartedAt": rfc3339(container.started) if container.started else NEVER,
        "FinishedAt": rfc3339(container.finished) if container.finished else NEVER,
    }


def _host_config(container: Container) -> dict[str, Any]:
    recipe = container.recipe
    policy, _, count = recipe.restart.partition(":")
    bindings: dict[str, list[dict[str, str]]] = {}
    for mapping in recipe.ports:
        host, _, inner = mapping.rpartition(":")
        bindings.setdefault(f"{inner or host}/tcp", []).append({"HostIp": "", "HostPort": host.rpartition(":")[2]})
    return {
        **recipe.host,
        "NetworkMode": recipe.network,
        "PortBindings": bindings,
        "RestartPolicy": {"Name": policy, "MaximumRetryCount": int(count or 0)},
        "AutoRemove": recipe.auto_remove,
        "Privileged": recipe.privileged,
        "IpcMode": recipe.ipc,
    }


def container_row(container: Container, no_trunc: bool) -> dict[str, Any]:
    """One row of `docker ps`, by the names its templates use."""
    recipe = container.recipe
    command = " ".join(shlex.quote(word) for word in recipe.argv)
    if not no_trunc and len(command) > 20:
        command = command[:19] + "…"
    age = span(time.time_ns() - container.created)
    return {
        "ID": container.id if no_trunc else container.id[:12],
        "Image": recipe.image,
        "Command": f'"{command}"',
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(container.created // 1_000_000_000)),
        "RunningFor": age + " ago",
        "Ports": ", ".join(f"0.0.0.0:{p.replace(':', '->', 1)}/tcp" for p in recipe.ports),
        "State": container.status,
        "Status": status_words(container),
        "Names": recipe.name,
        "Labels": ",".join(f"{k}={v}" for k, v in recipe.labels.items()),
        "Mounts": ",".join(source for source, _ in recipe.mounts),
        "Networks": recipe.network,
        "LocalVolumes": "0",
        "Size": "0B",
    }


def status_words(container: Container) -> str:
    """`Up 3 minutes`, `Exited (137) 5 seconds ago`, `Created`."""
    now = time.time_ns()
    if container.running:
        return "Up " + span(now - container.started)
    if container.status == "exited":
        return f"Exited ({container.code}) {span(now - container.finished)} ago"
    return container.status.capitalize()


def span(nanoseconds: int) -> str:
    """A duration in Docker's words."""
    seconds = nanoseconds // 1_000_000_000
    if seconds < 1:
        return "Less than a second"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or (unit == "minute" and seconds >= 60):
            count = seconds // length
            return f"About a {unit}" if count == 1 else f"{count} {unit}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


PS_COLUMNS = (
    ("CONTAINER ID", "ID"), ("IMAGE", "Image"), ("COMMAND", "Command"), ("CREATED", "RunningFor"),
    ("STATUS", "Status"), ("PORTS", "Ports"), ("NAMES", "Names"),
)  # fmt: skip
IMAGE_COLUMNS = (
    ("REPOSITORY", "Repository"), ("TAG", "Tag"), ("IMAGE ID", "ID"), ("CREATED", "CreatedSince"), ("SIZE", "Size"),
)  # fmt: skip


def rows_text(rows: list[dict[str, Any]], template: str, columns: tuple[tuple[str, str], ...]) -> str:
    """Rows by --format: nothing (a table), `json`, `table TEMPLATE` or a template."""
    if template == "json":
        template = "{{json .}}"
    if not template or template == "table":
        titles = [title for title, _ in columns]
        return table([titles, *([str(row[key]) for _, key in columns] for row in rows)])
    if template.startswith("table "):
        heads = {key: title for title, key in columns}
        all_rows = [{**{key: key.upper() for key in (rows[0] if rows else heads)}, **heads}, *rows]
        return table([render(template[6:].strip(), row).split("\t") for row in all_rows])
    return "".join(render(template, row) + "\n" for row in rows)


def table(rows: list[list[str]]) -> str:
    """Columns padded as Docker does: three spaces between."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return "".join("   ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip() + "\n" for row in rows)


def image_row(image: dict[str, str], no_trunc: bool) -> dict[str, Any]:
    """One row of `docker images`."""
    repository, _, tag = image["name"].partition(":")
    return {
        "Repository": repository,
        "Tag": tag or "latest",
        "ID": image["id"] if no_trunc else image["id"].removeprefix("sha256:")[:12],
        "CreatedSince": "2 weeks ago",
        "CreatedAt": "2026-09-01 08:00:00 +0000 UTC",
        "Size": "25.4GB",
        "Digest": "<none>",
    }


def image_document(image: dict[str, str], entrypoint: list[str]) -> dict[str, Any]:
    """What `docker image inspect` shows."""
    repository, _, tag = image["name"].partition(":")
    return {
        "Id": image["id"],
        "RepoTags": [f"{repository}:{tag or 'latest'}"],
        "RepoDigests": [],
        "Created": "2026-09-01T08:00:00Z",
        "Architecture": "arm64",
        "Os": "linux",
        "Size": 25_400_000_000,
        "Config": {"Entrypoint": entrypoint or None, "Cmd": None, "Labels": {}, "WorkingDir": "/workspace"},
    }


def documents_text(documents: list[dict[str, Any]], template: str) -> str:
    """inspect's output: a JSON list, or the template once per document."""
    if template in {"", "json"}:
        return json.dumps(documents, indent=4 if not template else None) + "\n"
    return "".join(render(template, document) + "\n" for document in documents)
