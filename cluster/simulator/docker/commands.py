"""The docker command line, answered."""

# Every command takes the same four arguments.
# ruff: noqa: ARG001

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from cluster.simulator import journal
from cluster.simulator.docker import exec_commands, file_commands, show_commands
from cluster.simulator.docker.daemon import Daemon, DockerError
from cluster.simulator.docker.options import UsageError, parse
from cluster.simulator.docker.templates import TemplateError
from cluster.simulator.door import Reply, Request
from cluster.simulator.standins.docker_cli import NO_DAEMON

Command = Callable[[Daemon, list[str], Request, Reply], Awaitable[int]]


async def docker(daemon: Daemon, folder: str, request: Request, reply: Reply) -> int:
    """One docker call; the exit code."""
    journal.note(folder, "docker", argv=request.argv)
    argv = _without_global_options(request.argv)
    if daemon.faults.value("docker-down") is not None:
        await reply.err(NO_DAEMON + "\n")
        return 1
    if argv[:1] in (["container"], ["image"]) and len(argv) > 1:
        argv = _long_form(argv)
    name = argv[0] if argv else ""
    command = COMMANDS.get(name)
    if command is None:
        await reply.err(f"docker: '{name}' is not a docker command.\nSee 'docker --help'\n")
        return 1
    try:
        return await command(daemon, argv[1:], request, reply)
    except DockerError as error:
        await reply.err(f"{error}\n")
        return error.code
    except UsageError as error:
        await reply.err(
            f"{error}\n\nUsage:  docker {name} [OPTIONS]\n\nRun 'docker {name} --help' for more information\n"
        )
        return 125
    except TemplateError as error:
        await reply.err(f"template parsing error: {error}\n")
        return 64


def _without_global_options(argv: list[str]) -> list[str]:
    rest = list(argv)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"} and rest:
            rest.pop(0)
    return rest


def _long_form(argv: list[str]) -> list[str]:
    """`docker container ls` and `docker image inspect` as their short forms."""
    kind, verb, *rest = argv
    if kind == "image":
        return [{"ls": "images", "list": "images", "inspect": "image-inspect", "pull": "pull"}.get(verb, verb), *rest]
    return [{"ls": "ps", "list": "ps", "inspect": "container-inspect"}.get(verb, verb), *rest]


async def version(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    data: dict[str, Any] = {
        "Client": {"Version": "28.3.3", "ApiVersion": "1.51", "Os": "linux", "Arch": "arm64"},
        "Server": {"Version": "28.3.3", "ApiVersion": "1.51", "Os": "linux", "Arch": "arm64"},
    }
    template = parse(argv, set()).last("format") or parse(argv, set()).last("f")
    text = "Client: Docker Engine - Community\n Version:           28.3.3\n\nServer: Docker Engine - Community\n"
    text += " Engine:\n  Version:          28.3.3\n"
    await reply.out(show_commands.one(data, template) if template else text)
    return 0


async def info(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    running = sum(c.running for c in daemon.containers.values())
    data: dict[str, Any] = {
        "ServerVersion": "28.3.3", "Architecture": "aarch64", "NCPU": 20, "OperatingSystem": "Ubuntu 24.04.3 LTS",
        "Containers": len(daemon.containers), "ContainersRunning": running, "Images": len(daemon.images()),
        "Runtimes": {"nvidia": {}, "runc": {}}, "DefaultRuntime": "runc", "Driver": "overlay2", "CgroupVersion": "2",
        "DockerRootDir": "/var/lib/docker",
    }  # fmt: skip
    template = parse(argv, set()).last("format") or parse(argv, set()).last("f")
    text = "".join(f" {key}: {value}\n" for key, value in data.items())
    await reply.out(show_commands.one(data, template) if template else "Server:\n" + text)
    return 0


async def pull(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    words = parse(argv, {"q", "quiet", "a", "all-tags"}).words
    for name in words:
        if daemon.image(name) is None:
            raise DockerError(
                f"Error response from daemon: pull access denied for {name}, repository does not exist "
                "or may require 'docker login': denied: requested access to the resource is denied"
            )
        await reply.out(f"Status: Image is up to date for {name}\n{name}\n")
    return 0


async def quiet_success(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    await asyncio.sleep(0)
    return os.EX_OK


COMMANDS: dict[str, Command] = {
    "run": exec_commands.run,
    "create": exec_commands.create,
    "rename": exec_commands.rename,
    "update": exec_commands.update,
    "exec": exec_commands.execute,
    "start": exec_commands.start,
    "stop": exec_commands.stop,
    "restart": exec_commands.restart,
    "kill": exec_commands.kill,
    "rm": exec_commands.remove,
    "wait": exec_commands.wait,
    "logs": show_commands.logs,
    "ps": show_commands.ps,
    "inspect": show_commands.inspect,
    "container-inspect": show_commands.inspect,
    "image-inspect": show_commands.image_inspect,
    "images": show_commands.images,
    "top": show_commands.top,
    "cp": file_commands.copy,
    "version": version,
    "info": info,
    "pull": pull,
    "login": quiet_success,
}
