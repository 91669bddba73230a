"""One running simulated Spark: its SSH front, its door, its Docker daemon."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
from contextlib import suppress
from pathlib import Path

from cluster.simulator import journal, procfs
from cluster.simulator.docker.commands import docker
from cluster.simulator.docker.daemon import Daemon
from cluster.simulator.door import Door, Reply, Request
from cluster.simulator.faults import Faults
from cluster.simulator.layout import Spark
from cluster.simulator.processes import Child, Processes, exit_code
from cluster.simulator.sshd import SshFront
from cluster.simulator.standins import memory

PASSED_ON = {
    "SPARKSIM_LOAD_SECONDS", "SPARKSIM_LOAD_LINES_PER_SECOND", "SPARKSIM_VLLM_VERSION", "SPARKSIM_LAUNCHER_PAUSE",
    "SPARKSIM_PYTHON",
}  # fmt: skip
BASH = "/bin/bash"
# /proc/PID/cgroup tells which container a process is in; here the model itself leaves that note.
CGROUP = re.compile(r"/proc/(\$\{?\w+\}?|\d+)/cgroup")
# A redirection is read by the shell itself, so no stand-in can answer it; this file is kept true instead.
MEMINFO = re.compile(r"<\s*/proc/meminfo")
TURN = 0.2  # seconds
SHELL_SAFE = re.compile(r"[\w./@+-]+")


class Host:
    """A Spark that is up. `folder` is its short path; `neighbours` finds the other Sparks by any of their names."""

    def __init__(self, spark: Spark, folder: str, processes: Processes, neighbours: dict[str, Host]) -> None:
        self.spark = spark
        self.faults = Faults(str(spark.faults))
        self._folder = folder
        self._processes = processes
        self._neighbours = neighbours
        self._frozen = False
        self._lost_gib: float | None = None
        self._meminfo = ""
        self._off = False
        self._coming_up: asyncio.Task[None] | None = None
        # The launcher expands paths unquoted, so a home with a space in its path goes by its short name.
        self._home = str(spark.home) if SHELL_SAFE.fullmatch(str(spark.home)) else folder + "/home"
        self._daemon = Daemon(folder, spark.address, processes, self.faults)
        self._door: Door | None = None
        self._poll: asyncio.Task[None] | None = None
        self.front = SshFront(spark, self.faults, self)
        Path(folder, "run", "boot_id").write_text(_boot_id())

    async def start(self, keys: list[str]) -> str:
        """Open the door and the SSH port; the public host key."""
        self._door = Door(f"{self._folder}/run/door", self._answer)
        public = await self.front.start(keys)
        self._take_memory()
        self._poll = asyncio.create_task(self._watch_faults())
        boot = self.spark.home / "boot.sh"
        if boot.exists():
            self._boot(boot)
        return public

    def close(self) -> None:
        for task in (self._poll, self._coming_up):
            if task:
                task.cancel()
        if self._door:
            self._door.close()
        self.front.close()

    def environment(self) -> dict[str, str]:
        """What a login on this Spark gets."""
        return {
            "HOME": self._home,
            "PATH": f"{self._folder}/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "USER": self.spark.user,
            "LOGNAME": self.spark.user,
            "SHELL": BASH,
            "LANG": "C.UTF-8",
            "TMPDIR": f"{self._folder}/tmp",
            "SPARKSIM_DIR": self._folder,
            "SPARKSIM_ADDRESS": self.spark.address,
            **{name: value for name, value in os.environ.items() if name in PASSED_ON},
        }

    def shell(
        self, command: str | None, stdio: tuple[int, int, int], extra: dict[str, str] | None = None, tty: bool = False
    ) -> Child:
        """Start a command the way sshd does: the login shell with -c, in the home folder."""
        if command is not None:
            command = CGROUP.sub(rf"{self._folder}/run/cgroup/\1", command)
            command = MEMINFO.sub(f"<{self._folder}/run/meminfo", command)
        argv = [BASH, "-c", command] if command is not None else [BASH]
        if tty:
            argv = ["/usr/bin/setsid", "-c", *argv]
        env = {**self.environment(), **(extra or {})}
        return self._processes.spawn(argv, env, self._home, stdio, preserve_pid=tty)

    def note(self, what: str, **fields: object) -> None:
        journal.note(str(self.spark.folder), what, **fields)

    def _boot(self, script: Path) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(self.spark.folder / "boot.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._processes.spawn([BASH, str(script)], self.environment(), self._home, (null, log, log))
        os.close(null)
        os.close(log)

    async def _answer(self, request: Request, reply: Reply) -> int:
        if request.kind == "docker":
            return await docker(self._daemon, str(self.spark.folder), request, reply)
        if request.kind == "ssh":
            return await self._ssh_out(request, reply)
        if request.kind == "sync":
            await self.apply_faults()
            return 0
        return 2

    async def _ssh_out(self, request: Request, reply: Reply) -> int:
        """A neighbour's command, as the ssh stand-in asks for it: target, time limit, command."""
        target, limit, command = request.argv
        other = self._neighbours.get(target)
        if other is None:
            literal = re.fullmatch(r"[\d.]+", target)
            reason = f"connect to host {target} port 22: No route to host" if literal else (
                f"Could not resolve hostname {target}: Name or service not known")  # fmt: skip
            await reply.err(f"ssh: {reason}\r\n")
            return 255
        if other.refuses:
            await reply.err(f"ssh: connect to host {target} port 22: Connection refused\r\n")
            return 255
        if other.faults.value("frozen-host") is not None:
            return await other.silence(target, float(limit or 0), reply)
        other.note("ssh-exec", command=command, origin=self.spark.name)
        child = other.shell(command or None, request.stdio)
        return exit_code(await child.exited)

    async def silence(self, target: str, limit: float, reply: Reply) -> int:
        """A connection to a host that stands still: the time limit, or for ever."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reply.gone), limit or None)
        await reply.err(f"Connection timed out during banner exchange\nConnection to {target} port 22 timed out\r\n")
        return 255

    async def _watch_faults(self) -> None:
        while True:
            self._take_memory()
            await self.apply_faults()
            await asyncio.sleep(TURN)

    def _take_memory(self) -> None:
        """The memory-exhausted fault while something loads, and what a shell reads as /proc/meminfo."""
        rate = self.faults.number("memory-exhausted", 2.0)
        if self._frozen or self._off:
            return
        runs_out = rate is not None and bool(memory.holders(self._folder))
        self._lost_gib = (self._lost_gib or 0.0) + (rate or 0.0) * TURN if runs_out else None
        memory.run_out(self._folder, self._lost_gib)
        text = memory.meminfo(self._folder)
        if text != self._meminfo:
            self._meminfo = text
            Path(self._folder, "run", "meminfo.new").write_text(text)
            Path(self._folder, "run", "meminfo.new").replace(Path(self._folder, "run", "meminfo"))
        if runs_out and memory.available_gib(self._folder) <= memory.LEAST_GIB:
            self.note("out-of-memory")
            self.faults.switch_on("frozen-host")

    async def apply_faults(self) -> None:
        """Bring what is not asked at each use in line with the switches."""
        frozen = self.faults.value("frozen-host") is not None
        if frozen != self._frozen:
            self._frozen = frozen
            procfs.signal_all(self.pids(), signal.SIGSTOP if frozen else signal.SIGCONT)
        await self.front.apply_faults(frozen)
        seconds = self.faults.number("reboot", 3.0)
        if seconds is not None and not self._off:
            self.faults.switch_off("reboot")
            await self._power_off()
            self._coming_up = asyncio.create_task(self._power_on(seconds))

    @property
    def refuses(self) -> bool:
        """Nothing listens on the SSH port."""
        return self._off or self.faults.value("sshd-refuse") is not None

    async def _power_off(self) -> None:
        """As if the cable was pulled: nothing is asked to end. A freeze ends with it."""
        self._off = True
        self.note("power-off")
        self.faults.switch_off("frozen-host")
        self.front.close()
        await self._daemon.power_off()
        while pids := self.pids():
            procfs.signal_all(pids, signal.SIGKILL)
            await asyncio.sleep(0.01)
        for entry in Path(self._folder, "gpu").iterdir():
            entry.unlink()

    async def _power_on(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        Path(self._folder, "run", "boot_id").write_text(_boot_id())
        self._off = False
        self.note("power-on")
        self._daemon.power_on()
        await self.apply_faults()

    def pids(self) -> list[int]:
        """Everything that runs on this Spark."""
        return procfs.marked(f"SPARKSIM_DIR={self._folder}")


def _boot_id() -> str:
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}\n"
