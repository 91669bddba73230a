"""The SSH server of one simulated Spark."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

from cluster.simulator.faults import Faults
from cluster.simulator.layout import Spark
from cluster.simulator.pipes import carry_in, carry_out
from cluster.simulator.processes import Child

if TYPE_CHECKING:
    from cluster.simulator.host import Host

MAX_SESSIONS = 10  # OpenSSH's MaxSessions
Process = asyncssh.SSHServerProcess[bytes]
Started = tuple[Child, list[asyncio.Task[None]]]


class Login(asyncssh.SSHServer):
    """One connection: who may log in, and how many sessions it may open."""

    def __init__(self, front: SshFront) -> None:
        self._front = front
        self.connection: asyncssh.SSHServerConnection | None = None
        self.sessions = 0
        self.carriers: set[asyncio.Task[None]] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn
        self._front.logins.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._front.logins.discard(self)
        # sshd closes its pipes: a command that goes on writing gets SIGPIPE.
        for task in self.carriers:
            task.cancel()

    def begin_auth(self, _username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == self._front.spark.user and self._front.knows(key)

    def session_requested(self) -> Any:
        if self.sessions >= MAX_SESSIONS:
            return False
        self.sessions += 1
        return asyncssh.SSHServerProcess(self._run, None, 3, False)

    async def _run(self, process: Process) -> None:
        try:
            await self._front.serve(process, self)
        finally:
            self.sessions -= 1

    def transport(self) -> asyncio.Transport | None:
        found = getattr(self.connection, "_transport", None)
        return found if isinstance(found, asyncio.Transport) else None

    def drop(self) -> None:
        """Cut the connection without a word."""
        transport = self.transport()
        if transport:
            transport.abort()


class SshFront:
    """Accepts connections itself, so that refusing, freezing and another host key can happen to a live host."""

    def __init__(self, spark: Spark, faults: Faults, host: Host) -> None:
        self.spark = spark
        self.logins: set[Login] = set()
        self._faults = faults
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._keys: list[str] = []
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: list[socket.socket] = []
        self._options: dict[bool, asyncssh.SSHServerConnectionOptions] = {}
        self._frozen = False

    async def start(self, keys: list[str]) -> str:
        """Listen; the public host key as one line."""
        self._keys = keys
        for changed in (False, True):
            key = _host_key(self.spark.folder / ("host_key.changed" if changed else "host_key"))
            self._options[changed] = await asyncssh.SSHServerConnectionOptions.construct(
                server_factory=lambda: Login(self),
                server_host_keys=[key],
                encoding=None,
                line_editor=False,
                agent_forwarding=False,
                login_timeout=30,
            )
        self._listen()
        return _host_key(self.spark.folder / "host_key").export_public_key().decode().strip()

    def close(self) -> None:
        """Nothing listens and nobody is connected any more."""
        self._hang_up()
        for login in list(self.logins):
            login.drop()

    def knows(self, key: asyncssh.SSHKey) -> bool:
        """Whether the key is in --authorized-key or in ~/.ssh/authorized_keys, read at every login."""
        wanted = key.export_public_key().split()[1]
        texts = list(self._keys)
        with suppress(OSError):
            texts.append((self.spark.home / ".ssh" / "authorized_keys").read_text())
        return any(wanted in line.encode().split() for text in texts for line in text.splitlines())

    async def apply_faults(self, frozen: bool) -> None:
        """Refuse, freeze or thaw as the switches say."""
        refuse = self._host.refuses
        if refuse and self._listener:
            self._hang_up()
        elif not refuse and not self._listener:
            self._listen()
        if frozen != self._frozen:
            self._frozen = frozen
            for login in self.logins:
                transport = login.transport()
                if transport and not transport.is_closing():
                    transport.pause_reading() if frozen else transport.resume_reading()
        if not frozen:
            while self._silent:
                self._silent.pop().close()

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.spark.address, self.spark.port))
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept, self._listener)

    def _hang_up(self) -> None:
        if self._listener:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            connection, _ = listener.accept()
            if self._faults.value("frozen-host") is not None:
                self._silent.append(connection)
                return
            self._keep(self._welcome(connection))

    async def _welcome(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        changed = self._faults.value("host-key-changed") is not None
        with suppress(OSError, asyncssh.Error):
            await asyncssh.run_server(connection, options=self._options[changed])

    async def serve(self, process: Process, login: Login) -> None:
        """One session: a command, or a shell when there is none."""
        self._host.note("ssh-exec", command=process.command)
        drop = self._drops(process.command or "")
        child, carriers = self._on_terminal(process) if process.term_type else self._on_pipes(process)
        login.carriers |= set(carriers)
        if drop:
            await asyncio.wait({child.exited}, timeout=0.2)
            login.drop()
            return
        status = await child.exited
        # Like sshd, stay until nobody holds the output any more: a background child keeps the channel open.
        await asyncio.gather(*carriers)
        login.carriers -= set(carriers)
        with suppress(OSError, asyncssh.Error):
            if os.WIFSIGNALED(status):
                process.exit_with_signal(_signal_name(os.WTERMSIG(status)), bool(status & 0x80))
            else:
                process.exit(os.WEXITSTATUS(status))

    def _drops(self, command: str) -> bool:
        wanted = self._faults.value("sshd-drop")
        if wanted is None or wanted not in command:
            return False
        self._faults.switch_off("sshd-drop")
        return True

    def _on_pipes(self, process: Process) -> Started:
        """Plain exec: when the connection goes, the command goes on as an orphan."""
        stdin_read, stdin_write = os.pipe()
        stdout_read, stdout_write = os.pipe()
        stderr_read, stderr_write = os.pipe()
        child = self._host.shell(process.command, (stdin_read, stdout_write, stderr_write), _session(process))
        for fd in (stdin_read, stdout_write, stderr_write):
            os.close(fd)
        self._keep(carry_in(process.stdin, stdin_write, child))
        out = self._keep(carry_out(stdout_read, process.stdout))
        return child, [out, self._keep(carry_out(stderr_read, process.stderr))]

    def _on_terminal(self, process: Process) -> Started:
        """With a terminal: when the connection goes, the kernel hangs the command up."""
        master, slave = pty.openpty()
        child = self._host.shell(process.command, (slave, slave, slave), _session(process), tty=True)
        os.close(slave)
        self._keep(carry_in(process.stdin, os.dup(master), child))
        return child, [self._keep(carry_out(master, process.stdout))]

    def _keep(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task that is held until it is done."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _session(process: Process) -> dict[str, str]:
    peer = process.get_extra_info("peername") or ("", 0)
    here = process.get_extra_info("sockname") or ("", 0)
    extra = {"SSH_CONNECTION": f"{peer[0]} {peer[1]} {here[0]} {here[1]}"}
    return {**extra, "TERM": process.term_type} if process.term_type else extra


def _host_key(path: Path) -> asyncssh.SSHKey:
    """The key in the file, made at the first start."""
    if not path.exists():
        path.touch(0o600)
        path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(str(path))


def _signal_name(number: int) -> str:
    names = {1: "HUP", 2: "INT", 3: "QUIT", 6: "ABRT", 9: "KILL", 13: "PIPE", 14: "ALRM", 15: "TERM", 11: "SEGV"}
    return names.get(number, "TERM")
