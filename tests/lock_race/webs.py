"""Several web processes of the product on one database, as they would run on several machines."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@dataclass(frozen=True)
class Webs:
    addresses: list[str]
    key: str
    environment: dict[str, str]

    def holds(self) -> list[dict[str, Any]]:
        """All rows of LockHold, read past the web."""
        return list(json.loads(manage(self.environment, "dumpdata", "swaps.lockhold")))

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        url = f"http://{self.addresses[0]}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def webs(data: Path, database_url: str, count: int = 2) -> Iterator[Webs]:
    """With the slot `main` on a Spark that nobody ever contacts. `database_url` blank: SQLite in `data`."""
    data.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SPARKCONTROL_DATA_DIR": str(data), "DATABASE_URL": database_url}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    manage(environment, "bootstrap")
    key = json.loads((data / "first-run.json").read_text())["api_key"]
    ports = [free_port() for _ in range(count)]
    processes = [_daphne(port, environment, data) for port in ports]
    try:
        found = Webs([f"127.0.0.1:{port}" for port in ports], key, environment)
        for port in ports:
            _wait_for(port)
        found.call("POST", "/api/sparks", {"name": "spark-1", "host": "192.0.2.1", "ssh_user": "nvidia"})
        found.call("PUT", "/api/slots/main", {"head": "spark-1"})
        yield found
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _daphne(port: int, environment: dict[str, str], data: Path) -> "subprocess.Popen[bytes]":
    argv = ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "sparkcontrol.asgi:application"]
    with (data / f"web-{port}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, *argv], cwd=REPOSITORY, env=environment, stdout=log, stderr=log)


def _wait_for(port: int) -> None:
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no web process answers on port {port}")
