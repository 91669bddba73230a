"""docker ps, logs, inspect, images, top."""

# Every command takes the same four arguments.
# ruff: noqa: ARG001

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from cluster.simulator import procfs
from cluster.simulator.docker import tables
from cluster.simulator.docker.container import Container
from cluster.simulator.docker.daemon import Daemon, DockerError, image_entrypoint, plain_name
from cluster.simulator.docker.logs import Line, moment
from cluster.simulator.docker.options import Options, parse
from cluster.simulator.docker.templates import render
from cluster.simulator.door import Reply, Request
from cluster.simulator.standins.inner_paths import shown
from cluster.simulator.standins.ps_format import DEFAULT_COLUMNS, ps_text

PS_SWITCHES = {"a", "all", "q", "quiet", "no-trunc", "l", "latest", "s", "size"}


def one(data: dict[str, Any], template: str) -> str:
    """A single document by --format."""
    return json.dumps(data) + "\n" if template in {"json", "{{json .}}"} else render(template, data) + "\n"


def _format(options: Options) -> str:
    return options.last("format") or options.last("f")


async def ps(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, PS_SWITCHES)
    everything = options.has("a") or options.has("all")
    filters = [entry.partition("=")[::2] for entry in options.every("filter") + options.every("f")]
    everything = everything or any(key == "status" for key, _ in filters)
    chosen = [c for c in daemon.containers.values() if (everything or c.running) and _matches(c, filters)]
    chosen.sort(key=lambda c: -c.created)
    rows = [tables.container_row(c, options.has("no-trunc")) for c in chosen]
    if options.has("q") or options.has("quiet"):
        await reply.out("".join(row["ID"] + "\n" for row in rows))
    else:
        await reply.out(tables.rows_text(rows, options.last("format"), tables.PS_COLUMNS))
    return 0


def _matches(container: Container, filters: list[tuple[str, str]]) -> bool:
    """Different keys must all match; values of the same key are alternatives, except labels."""
    names = {value for key, value in filters if key == "name"}
    name = "/" + container.recipe.name
    if names and not any(_name_matches(name, wanted) for wanted in names):
        return False
    statuses = {value for key, value in filters if key == "status"}
    if statuses and container.status not in statuses:
        return False
    ids = {value for key, value in filters if key == "id"}
    if ids and not any(container.id.startswith(wanted) for wanted in ids):
        return False
    images = {plain_name(value) for key, value in filters if key == "ancestor"}
    if images and plain_name(container.recipe.image) not in images:
        return False
    return all(_has_label(container, value) for key, value in filters if key == "label")


def _name_matches(name: str, wanted: str) -> bool:
    """Docker's name filter is a regular expression; people use ^/NAME$, ^NAME$ or a part of the name."""
    core = wanted.removeprefix("^").removesuffix("$")
    if wanted.startswith("^") and wanted.endswith("$"):
        return name == "/" + core.removeprefix("/")
    if wanted.startswith("^"):
        return name.startswith("/" + core.removeprefix("/"))
    return name.endswith(core) if wanted.endswith("$") else core in name


def _has_label(container: Container, wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    labels = container.recipe.labels
    return key in labels and (not equals or labels[key] == value)


async def logs(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, {"f", "follow", "t", "timestamps", "details"}, interspersed=True)
    container = daemon.find(options.words[0] if options.words else "")
    log = container.log
    if log is None:
        return 0
    stamped = options.has("timestamps") or options.has("tty")
    try:
        position = log.start(options.last("tail") or options.last("n"), moment(options.last("since"), time.time_ns()))
        until = moment(options.last("until"), time.time_ns())
    except ValueError as error:
        raise DockerError(f'invalid value for "since": {error}') from error
    if options.has("f") or options.has("follow"):
        follower = asyncio.ensure_future(_follow(container, position, stamped, reply))
        await asyncio.wait({follower, reply.gone}, return_when=asyncio.FIRST_COMPLETED)
        follower.cancel()
        return 0
    for line in log.lines[position:]:
        if not until or line.at <= until:
            await _send(line, stamped, reply)
    return 0


async def _follow(container: Container, position: int, stamped: bool, reply: Reply) -> None:
    assert container.log is not None
    async for line in container.log.follow(position):
        await _send(line, stamped, reply)


async def _send(line: Line, stamped: bool, reply: Reply) -> None:
    await (reply.out if line.stream == "stdout" else reply.err)(line.text(stamped))


async def inspect(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, {"s", "size"}, interspersed=True)
    documents: list[dict[str, Any]] = []
    missing = []
    for name in options.words:
        try:
            documents.append(tables.inspect_document(daemon.find(name)))
        except DockerError:
            image = daemon.image(name) if options.last("type") != "container" else None
            if image is None:
                missing.append(name)
            else:
                documents.append(tables.image_document(image, image_entrypoint(image["name"])))
    return await _documents(documents, missing, "No such object", options, reply)


async def image_inspect(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, set(), interspersed=True)
    found = {name: daemon.image(name) for name in options.words}
    documents = [tables.image_document(i, image_entrypoint(i["name"])) for i in found.values() if i]
    missing = [name for name, image in found.items() if image is None]
    return await _documents(documents, missing, "No such image", options, reply)


async def _documents(
    documents: list[dict[str, Any]], missing: list[str], words: str, options: Options, reply: Reply
) -> int:
    template = _format(options)
    if documents or not template:
        await reply.out("[]\n" if not documents else tables.documents_text(documents, template))
    elif missing:
        await reply.out("\n")
    for name in missing:
        text = (
            f"Error: {words}: {name}" if words == "No such object" else f"Error response from daemon: {words}: {name}"
        )
        await reply.err(text + "\n")
    return 1 if missing else 0


async def images(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, {"a", "all", "q", "quiet", "no-trunc", "digests"}, interspersed=True)
    references = [v for k, _, v in (f.partition("=") for f in options.every("filter")) if k == "reference"]
    wanted = {plain_name(word) for word in options.words + references}
    names = {word for word in options.words if ":" not in word}
    rows = [
        tables.image_row(image, options.has("no-trunc"))
        for image in daemon.images()
        if not wanted or plain_name(image["name"]) in wanted or image["name"].partition(":")[0] in names
    ]
    if options.has("q") or options.has("quiet"):
        await reply.out("".join(row["ID"] + "\n" for row in rows))
    else:
        await reply.out(tables.rows_text(rows, options.last("format"), tables.IMAGE_COLUMNS))
    return 0


async def top(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    if not argv:
        raise DockerError('docker: "docker top" requires at least 1 argument.')
    container = daemon.find(argv[0])
    if not container.running:
        raise DockerError(f"Error response from daemon: container {container.id} is not running")
    alive = [pid for pid in container.pids() if procfs.read_proc(pid, "cmdline")]
    await reply.out(shown(container.paths.base, ps_text(alive, argv[1:], DEFAULT_COLUMNS)))
    return 0
