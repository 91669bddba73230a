"""A Redis server of a test's own: fresh, on a free port, gone afterwards. It keeps nothing on disk, so every restart
is the worst one: what was queued is lost."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.needs import require_program

INSTALL = "apt-get install redis-server"
START_SECONDS = 20.0


class RedisServer:
    """`url` stays the same over `stop` and `start`."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Until it answers."""
        where = ("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder))
        keeps_nothing = ("--save", "", "--appendonly", "no")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *where, *keeps_nothing], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, f"redis-server did not answer within {START_SECONDS} s"
            time.sleep(0.02)

    def stop(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It holds its connections and answers nothing, like a host that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        """FLUSHALL: the queue, and all else it knows, is gone."""
        assert self.ask("FLUSHALL") == b"+OK\r\n"

    def answers(self) -> bool:
        try:
            return self.ask("PING") == b"+PONG\r\n"
        except OSError:
            return False

    def ask(self, command: str) -> bytes:
        """One inline command; the first 64 KiB of what it answers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(command.encode() + b"\r\n")
            return line.recv(65536)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Running."""
    program = require_program("redis-server", INSTALL)
    folder = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
    server = RedisServer(program, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
