"""docker cp."""

# Every command takes the same four arguments.
# ruff: noqa: ARG001

from __future__ import annotations

import shutil
from pathlib import Path

from cluster.simulator.docker.container import WORKDIR, Container
from cluster.simulator.docker.daemon import Daemon, DockerError
from cluster.simulator.docker.options import parse
from cluster.simulator.door import Reply, Request


async def copy(daemon: Daemon, argv: list[str], request: Request, reply: Reply) -> int:
    words = parse(argv, {"a", "archive", "L", "follow-link", "q", "quiet"}, interspersed=True).words
    if len(words) != 2:
        raise DockerError('docker: "docker cp" requires exactly 2 arguments.')
    source, destination = words
    if ":" in destination and not destination.startswith(("/", ".")):
        name, _, inner = destination.partition(":")
        container = daemon.find(name)
        target = _inside(container, inner)
        put = _copy(_outside(request.cwd, source), target, source, f"{name}:{inner}", destination.endswith("/"))
        for path in [put, *put.rglob("*")] if put.is_dir() else [put]:
            container.paths.rewrite_script(path)
    else:
        name, _, inner = source.partition(":")
        outside = _outside(request.cwd, destination)
        _copy(_inside(daemon.find(name), inner), outside, inner, destination, destination.endswith("/"))
    return 0


def _inside(container: Container, path: str) -> Path:
    return Path(container.paths.host(path if path.startswith("/") else f"{WORKDIR}/{path}"))


def _outside(cwd: str, path: str) -> Path:
    return Path(cwd, path)


def _copy(source: Path, target: Path, shown_source: str, shown_target: str, must_be_folder: bool) -> Path:
    """Docker's rules: a folder as DIR/. gives its contents, else it lands inside an existing folder."""
    if not source.exists():
        raise DockerError(f"lstat {shown_source}: no such file or directory")
    contents_only = shown_source.endswith("/.")
    if target.is_dir() and not contents_only:
        target = target / source.name
    elif not target.parent.is_dir() or (must_be_folder and not contents_only):
        raise DockerError(f"Error response from daemon: Could not find the file {shown_target} in container")
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
    return target
