"""One container: real processes that carry its id in their environment."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.simulator import procfs
from cluster.simulator.docker.logs import ContainerLog
from cluster.simulator.docker.paths import ContainerPaths
from cluster.simulator.processes import Child, Processes, exit_code

MARK = "SPARKSIM_CONTAINER"
WORKDIR = "/workspace"
NODE_SCRIPT = "run-cluster-node.sh"


@dataclass(frozen=True)
class Recipe:
    """Everything `docker run` was told about a container."""

    name: str
    image: str
    image_id: str
    entrypoint: list[str]
    command: list[str]
    env: dict[str, str]
    labels: dict[str, str]
    mounts: list[tuple[str, str]]
    auto_remove: bool
    restart: str
    network: str
    privileged: bool
    ipc: str
    ports: list[str]
    workdir: str
    hostname: str
    host: dict[str, Any] = field(default_factory=dict)  # the rest of HostConfig, as inspect shows it
    config: dict[str, Any] = field(default_factory=dict)  # the rest of Config

    @property
    def argv(self) -> list[str]:
        return self.entrypoint + self.command


@dataclass
class Container:
    """A container's life; times are epoch nanoseconds, 0 when not yet."""

    recipe: Recipe
    folder: str
    id: str = field(default_factory=lambda: secrets.token_hex(32))
    created: int = field(default_factory=time.time_ns)
    started: int = 0
    finished: int = 0
    status: str = "created"
    code: int = 0
    restarts: int = 0
    stop_asked: bool = False
    init: Child | None = None
    log: ContainerLog | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def paths(self) -> ContainerPaths:
        return self._paths

    def __post_init__(self) -> None:
        self._paths = ContainerPaths(f"{self.folder}/containers/{self.id[:12]}")

    @property
    def running(self) -> bool:
        return self.status == "running"

    def pids(self) -> list[int]:
        """Every process of the container, the first one first."""
        found = sorted(procfs.marked(f"{MARK}={self.id}"))
        first = self.init.pid if self.init else 0
        return [pid for pid in found if pid == first] + [pid for pid in found if pid != first]

    def environment(self, base: dict[str, str], extra: dict[str, str]) -> dict[str, str]:
        """What a process of the container sees."""
        return {
            "HOSTNAME": self.recipe.hostname or self.id[:12],
            **base,
            "HOME": self.paths.rootfs + "/root",
            **self.recipe.env,
            **extra,
            MARK: self.id,
            "SPARKSIM_BASE": self.paths.base,
            "SPARKSIM_MOUNTS": "\n".join(f"{a}:{b}" for a, b in self.recipe.mounts),
            "BASH_ENV": f"{self.folder}/cbin/.bash_env",
        }

    def start(self, processes: Processes, base: dict[str, str]) -> None:
        """Start PID 1. FileNotFoundError or PermissionError as from exec."""
        loop = asyncio.get_running_loop()
        if self.log is None:
            self.paths.create(self.recipe.mounts)
            # The January images bring the script that starts a Ray node.
            shutil.copy(f"{self.folder}/cbin/{NODE_SCRIPT}", self.paths.host(WORKDIR))
        self.log = ContainerLog(loop, self.paths.stdout, self.paths.stderr) if self.log is None else self._reopen(loop)
        stdout, stderr = self.log.writer(self.paths.stdout), self.log.writer(self.paths.stderr)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            argv = [self.paths.rewrite(word) for word in self.recipe.argv]
            self.init = self.spawn(processes, argv, base, {}, self.recipe.workdir, (null, stdout, stderr))
        finally:
            for fd in (stdout, stderr, null):
                os.close(fd)
        self.started, self.status, self.ended = time.time_ns(), "running", asyncio.Event()
        Path(self.paths.base, "init").write_text(str(self.init.pid))
        self.refresh_proc()

    def _reopen(self, loop: asyncio.AbstractEventLoop) -> ContainerLog:
        old = self.log
        for path in (self.paths.stdout, self.paths.stderr):
            Path(path).unlink(missing_ok=True)
        log = ContainerLog(loop, self.paths.stdout, self.paths.stderr)
        log.lines = old.lines if old else []
        return log

    def spawn(
        self,
        processes: Processes,
        argv: list[str],
        base: dict[str, str],
        extra: dict[str, str],
        workdir: str,
        stdio: tuple[int, int, int],
    ) -> Child:
        """Start one process in the container; argv holds real paths already."""
        env = self.environment(base, extra)
        cwd = self.paths.host(workdir or WORKDIR)
        program = which(argv[0], env["PATH"], cwd)
        return processes.spawn(argv, env, cwd, stdio, program=program)

    def refresh_proc(self) -> None:
        """A /proc with only this container's processes, for commands that walk it."""
        folder = Path(self.paths.base, "proc")
        folder.mkdir(exist_ok=True)
        here = {str(pid) for pid in self.pids()}
        for link in folder.iterdir():
            if link.name not in here:
                link.unlink(missing_ok=True)
        for pid in here:
            if not (folder / pid).is_symlink():
                (folder / pid).symlink_to(f"/proc/{pid}")

    async def watch(self) -> None:
        """Wait for PID 1; its end is the end of every other process, as in a PID namespace."""
        assert self.init is not None and self.log is not None
        self.code = exit_code(await self.init.exited)
        while pids := self.pids():
            procfs.signal_all(pids, signal.SIGKILL)
            await asyncio.sleep(0.01)
        self.status, self.finished = "exited", time.time_ns()
        self.log.close()
        self.ended.set()

    async def stop(self, seconds: float, signum: int = signal.SIGTERM) -> None:
        """As `docker stop`: a signal to PID 1, patience, then SIGKILL."""
        self.stop_asked = True
        if self.init is None or not self.running:
            return
        self.signal(signum)
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            self.init.kill(signal.SIGKILL)
            await self.ended.wait()

    def signal(self, signum: int) -> None:
        """Signal PID 1; without a handler for it nothing happens, unless it is SIGKILL."""
        if self.init and (signum == signal.SIGKILL or procfs.catches(self.init.pid, signum)):
            self.init.kill(signum)

    def forget(self) -> None:
        """Remove the container's folder."""
        shutil.rmtree(self.paths.base, ignore_errors=True)

    def on_end(self, tell: Callable[[Container], None]) -> asyncio.Task[None]:
        """Call `tell` once PID 1 has ended."""

        async def run() -> None:
            await self.watch()
            tell(self)

        return asyncio.get_running_loop().create_task(run())


def which(program: str, path: str, cwd: str) -> str:
    """The program's file. FileNotFoundError, PermissionError as from execvp."""
    if "/" in program:
        if not Path(cwd, program).exists():
            raise FileNotFoundError(program)
        if not os.access(Path(cwd, program), os.X_OK):
            raise PermissionError(program)
        return program
    found = shutil.which(program, path=path)
    if found is None:
        raise FileNotFoundError(program)
    return found
