"""docker run, create, exec, start, stop, restart, kill, rm, rename, update, wait."""

# Every command takes the same four arguments.
# ruff: noqa: ARG001

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace

from cluster.simulator.docker.container import Container
from cluster.simulator.docker.daemon import Daemon, DockerError
from cluster.simulator.docker.options import EXEC_SWITCHES, RUN_SWITCHES, environment, parse
from cluster.simulator.door import Reply, Request
from cluster.simulator.processes import exit_code

STOP_SECONDS = 10.0


async def run(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    while daemon.faults.value("launch-hangs") is not None and not reply.gone.done():
        await asyncio.sleep(0.2)
    if reply.gone.done():
        return 1
    if daemon.faults.value("disk-full") is not None:
        raise DockerError(
            "docker: Error response from daemon: mkdir /var/lib/docker/overlay2: no space left on device\n\n"
            "Run 'docker run --help' for more information",
            125,
        )
    options = parse(argv, RUN_SWITCHES)
    container = daemon.create(daemon.recipe(options, request.env))
    daemon.start(container)
    if options.has("detach"):
        await reply.out(container.id + "\n")
        return 0
    await _attach(container, reply)
    return container.code


async def create(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    container = daemon.create(daemon.recipe(parse(argv, RUN_SWITCHES), request.env))
    await reply.out(container.id + "\n")
    return 0


async def rename(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    words = parse(argv, set()).words
    if len(words) != 2:
        raise DockerError('docker: "docker rename" requires exactly 2 arguments.')
    container = daemon.find(words[0])
    daemon.refuse_taken(words[1])
    container.recipe = replace(container.recipe, name=words[1])
    return 0


async def update(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    """The restart policy; limits are taken and change nothing."""
    options = parse(argv, set(), interspersed=True)

    async def change(container: Container) -> None:
        policy = options.last("restart")
        if policy and container.recipe.auto_remove:
            raise DockerError(
                "Error response from daemon: Restart policy cannot be updated because AutoRemove is enabled for the "
                "container"
            )
        container.recipe = replace(container.recipe, restart=policy or container.recipe.restart)

    return await _each(daemon, options.words, reply, change)


async def _attach(container: Container, reply: Reply) -> None:
    assert container.log is not None
    async for line in container.log.follow(0):
        await (reply.out if line.stream == "stdout" else reply.err)(line.data)


async def execute(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, EXEC_SWITCHES)
    if len(options.words) < 2:
        raise DockerError('docker: "docker exec" requires at least 2 arguments.')
    container = daemon.find(options.words[0])
    env = environment(options, request.env)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        if options.has("detach"):
            stdio = (null, null, null)
        else:
            stdio = (request.stdio[0] if options.has("interactive") else null, request.stdio[1], request.stdio[2])
        child = daemon.spawn(container, options.words[1:], env, options.last("workdir"), stdio)
    finally:
        os.close(null)
    if options.has("detach"):
        return 0
    return exit_code(await child.exited)


async def start(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    for name in parse(argv, {"a", "attach", "i", "interactive"}).words:
        container = daemon.find(name)
        if not container.running:
            container.stop_asked = False
            daemon.start(container)
        await reply.out(name + "\n")
    return 0


async def stop(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, set(), interspersed=True)
    seconds = float(options.last("tty") or options.last("time") or options.last("timeout") or STOP_SECONDS)
    signum = _signal(options.last("signal") or options.last("s") or "TERM")
    return await _each(daemon, options.words, reply, lambda container: container.stop(seconds, signum))


async def restart(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, set(), interspersed=True)
    seconds = float(options.last("tty") or options.last("time") or STOP_SECONDS)

    async def again(container: Container) -> None:
        await container.stop(seconds)
        container.stop_asked = False
        daemon.start(container)

    return await _each(daemon, options.words, reply, again)


async def kill(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, set(), interspersed=True)
    signum = _signal(options.last("signal") or options.last("s") or "KILL")

    async def send(container: Container) -> None:
        if not container.running:
            raise DockerError(f"Error response from daemon: cannot kill container: {container.recipe.name}: "
                              f"container {container.id} is not running")  # fmt: skip
        container.stop_asked = True
        container.signal(signum)
        if signum == signal.SIGKILL:
            await container.ended.wait()

    return await _each(daemon, options.words, reply, send)


async def remove(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    options = parse(argv, {"f", "force", "v", "volumes"}, interspersed=True)
    forced = options.has("f") or options.has("force")

    async def drop(container: Container) -> None:
        if container.running and not forced:
            raise DockerError(f"Error response from daemon: cannot remove container \"/{container.recipe.name}\": "
                              "container is running: stop the container before removing or force remove")  # fmt: skip
        container.stop_asked = True
        if container.running:
            container.signal(signal.SIGKILL)
            await container.ended.wait()
        daemon.remove(container)

    return await _each(daemon, options.words, reply, drop)


async def wait(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    for name in parse(argv, set()).words:
        container = daemon.find(name)
        await container.ended.wait()
        await reply.out(f"{container.code}\n")
    return 0


async def _each(daemon: Daemon, names: list[str], reply: Reply, act: Callable[[Container], Awaitable[None]]) -> int:
    """Docker goes on after a name that fails, and ends with 1."""
    failed = 0
    for name in names:
        try:
            await act(daemon.find(name))
            await reply.out(name + "\n")
        except DockerError as error:
            await reply.err(f"{error}\n")
            failed = 1
    return failed


def _signal(name: str) -> int:
    if name.isdigit():
        return int(name)
    return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
