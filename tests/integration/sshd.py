"""A real OpenSSH sshd on loopback: an ordinary process with its own keys, for whoever runs the tests (root or not)."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cluster.ssh.base import Address
from cluster.ssh.keys import new_private_key, public_key_line
from tests.needs import require_program

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/{host_key}
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
LogLevel VERBOSE
{extra}
"""


def wait_until(ready: Callable[[], object], seconds: float = 10.0, what: str = "condition") -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


class Sshd:
    """Start, stop, freeze and re-key one sshd. `address()` is how Spark Control reaches it."""

    def __init__(self, folder: Path, *, extra: str = "", key_type: str = "ed25519") -> None:
        self.program = require_program("sshd", "apt-get install openssh-server")
        self.keygen = require_program("ssh-keygen", "apt-get install openssh-client")
        self.folder = folder
        self.extra = extra
        self.key_type = key_type
        self.port = free_port()
        self.private_key = new_private_key()
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "authorized_keys").write_text(public_key_line(self.private_key) + "\n")
        self.new_host_key(key_type)

    @property
    def host_key(self) -> str:
        kind, blob = (self.folder / f"host_{self.key_type}.pub").read_text().split()[:2]
        return f"{kind} {blob}"

    def new_host_key(self, key_type: str) -> None:
        """Replace the host key; takes effect at the next start."""
        self.key_type = key_type
        path = self.folder / f"host_{key_type}"
        for old in (path, path.with_suffix(".pub")):
            old.unlink(missing_ok=True)
        subprocess.run([self.keygen, "-q", "-t", key_type, "-N", "", "-f", str(path)], check=True)

    def address(self, **changes: object) -> Address:
        plain = Address("spark-1", "127.0.0.1", self.port, getpass.getuser(), self.host_key, self.private_key)
        return replace(plain, **changes)  # type: ignore[arg-type]

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd run by root insists on it
        config = self.folder / "sshd_config"
        host_key = f"host_{self.key_type}"
        config.write_text(CONFIG.format(port=self.port, folder=self.folder, host_key=host_key, extra=self.extra))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.program, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
        wait_until(self._answers, what="sshd answering")

    def stop(self) -> None:
        """End the listener and every session, as a power cut would."""
        if self.process is None:
            return
        sessions = self.sessions()
        for pid in [self.process.pid, *sessions]:
            _signal(pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None
        wait_until(lambda: not any(_is_running(pid) for pid in sessions), what="sessions gone")

    def sessions(self) -> list[int]:
        """Process ids of the sshd processes that serve connections."""
        return [] if self.process is None else _descendants(self.process.pid, "sshd")

    def kill_sessions(self) -> None:
        self.signal_sessions(signal.SIGKILL)

    def signal_sessions(self, number: signal.Signals) -> None:
        for pid in self.sessions():
            _signal(pid, number)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False


@contextmanager
def running_sshd(folder: Path, *, extra: str = "", key_type: str = "ed25519") -> Iterator[Sshd]:
    folder.mkdir(parents=True, exist_ok=True)
    server = Sshd(folder, extra=extra, key_type=key_type)
    server.start()
    try:
        yield server
    finally:
        server.signal_sessions(signal.SIGCONT)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _descendants(parent: int, name: str) -> list[int]:
    children: dict[int, list[tuple[int, str]]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue
        comm, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
        children.setdefault(int(rest[1]), []).append((int(folder.name), comm))
    found: list[int] = []
    pending = [parent]
    while pending:
        for pid, comm in children.get(pending.pop(), []):
            if comm.startswith(name):
                found.append(pid)
                pending.append(pid)
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
