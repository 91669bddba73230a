"""How the simulator's tests talk to it: paramiko for SSH, http.client for vLLM."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

REPOSITORY = Path(__file__).resolve().parents[4]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


def wait_until(question: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The first true answer; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.03)


class Simulator:
    """A running simulator process and the Sparks it announced."""

    def __init__(self, root: Path, address: str, port: int, key: Path, **env: str) -> None:
        self.root = root
        self.key = key
        self._kept: dict[int, paramiko.SSHClient] = {}
        argv = [sys.executable, "-m", "cluster.simulator", "serve", str(root), "--first-address", address]
        argv += ["--ssh-port", str(port), "--authorized-key", str(key) + ".pub"]
        self.process = subprocess.Popen(
            argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}, start_new_session=True
        )
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.sparks: list[dict[str, Any]] = self.ready["sparks"]

    def spark(self, number: int) -> dict[str, Any]:
        return self.sparks[number - 1]

    def folder(self, number: int) -> Path:
        return self.root / f"spark-{number}"

    @contextlib.contextmanager
    def connection(self, number: int, user: str = "spark") -> Iterator[paramiko.SSHClient]:
        """An SSH connection of its own."""
        client = self._connect(number, user)
        try:
            yield client
        finally:
            client.close()

    def _connect(self, number: int, user: str) -> paramiko.SSHClient:
        """Insists on the announced host key."""
        spark = self.spark(number)
        client = paramiko.SSHClient()
        kind, text = spark["host_key"].split()[:2]
        name = f"[{spark['host']}]:{spark['port']}"
        client.get_host_keys().add(name, kind, paramiko.Ed25519Key(data=base64.b64decode(text)))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            spark["host"], spark["port"], user, key_filename=str(self.key), allow_agent=False, look_for_keys=False,
            timeout=5, banner_timeout=5, auth_timeout=5,
        )  # fmt: skip
        return client

    def run(self, number: int, command: str, stdin: str = "", seconds: float = 60.0, fresh: bool = False) -> Result:
        """Run a command over the kept connection, or over a fresh one."""
        client = self._connected(number, fresh)
        channel_in, out, err = client.exec_command(command, timeout=seconds)
        channel_in.write(stdin)
        channel_in.channel.shutdown_write()
        text, errors = out.read().decode(), err.read().decode()
        return Result(out.channel.recv_exit_status(), text, errors)

    def _connected(self, number: int, fresh: bool) -> paramiko.SSHClient:
        kept = self._kept.get(number)
        transport = kept.get_transport() if kept else None
        if kept and not fresh and transport and transport.is_active():
            return kept
        if kept:
            kept.close()
        self._kept[number] = self._connect(number, "spark")
        return self._kept[number]

    def fault(self, number: int, name: str, on: bool = True, value: str = "") -> None:
        argv = [sys.executable, "-m", "cluster.simulator", "fault", str(self.root), f"spark-{number}", name]
        subprocess.run([*argv, "on" if on else "off", value], cwd=REPOSITORY, check=True)

    def journal(self, number: int, what: str = "") -> list[dict[str, Any]]:
        path = self.folder(number) / "journal.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if not what or line["what"] == what]

    def http(
        self, number: int, path: str, body: dict[str, Any] | None = None, port: int = 8888, key: str = ""
    ) -> tuple[int, str]:
        """Status and body; (0, "") when nobody listens."""
        connection = http.client.HTTPConnection(self.spark(number)["host"], port, timeout=5)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            payload = json.dumps(body) if body is not None else None
            connection.request("POST" if body is not None else "GET", path, payload, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            return 0, ""
        finally:
            connection.close()

    def wait_ready(self, number: int = 1, seconds: float = 20.0) -> None:
        wait_until(lambda: self.http(number, "/health")[0] == 200, seconds)

    def launch(self, number: int, arguments: str, environment: str = "") -> Result:
        """The launcher in its own folder."""
        return self.run(number, f"cd spark-vllm-docker && {environment} ./launch-cluster.sh {arguments}")

    def logs(self, number: int, name: str = "vllm_node") -> str:
        result = self.run(number, f"docker logs {name}")
        return result.out + result.err

    def clear(self) -> None:
        """No containers, no faults, empty journals."""
        for number in range(1, len(self.sparks) + 1):
            for path in (self.folder(number) / "faults").iterdir():
                self.fault(number, path.name, on=False)
            self.run(number, "docker rm -f $(docker ps -aq) >/dev/null 2>&1")
            (self.folder(number) / "journal.jsonl").unlink(missing_ok=True)

    def stop(self) -> int:
        for client in self._kept.values():
            client.close()
        self.process.terminate()
        code = self.process.wait(15)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code
