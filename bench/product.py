"""The product as a newcomer starts it, and a client of its API."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90


class Product:
    """Used as a context manager: started on entry, ended on exit."""

    def __init__(
        self, data: Path, *, sparks: str = "simulated", load_seconds: float = 3, more: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self.port = free_port()
        self.start_seconds = 0.0
        self.environment = {
            **os.environ,
            "SPARKCONTROL_DATA_DIR": str(data),
            "PORT": str(self.port),
            "SPARKS": sparks,
            "SPARKSIM_LOAD_SECONDS": str(load_seconds),
            **(more or {}),
        }

    def __enter__(self) -> "Product":
        started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sparkcontrol.supervisor"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Ctrl-C"):
                self.start_seconds = time.monotonic() - started
                threading.Thread(target=self._drain, daemon=True).start()
                break
        else:
            raise SystemExit(f"The product did not start; see {self.data / 'log'}.")
        self.api = self.client()
        return self

    def _drain(self) -> None:
        """Whatever it says from now on is a problem worth seeing."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() != "Ending.":
                sys.stderr.write(line)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.api.close()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def client(self) -> httpx.Client:
        note = json.loads((self.data / "first-run.json").read_text())
        headers = {"Authorization": f"Bearer {note['api_key']}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60)

    def bare_get(self, path: str) -> Callable[[], float]:
        """A call on one kept connection that answers its seconds."""
        line = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Authorization": self.api.headers["Authorization"]}

        def call() -> float:
            began = time.perf_counter()
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            answer.read()
            took = time.perf_counter() - began
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}.")
            return took

        return call

    def spark(self, name: str) -> dict[str, Any]:
        described = json.loads((self.data / "sim" / "topology.json").read_text())["sparks"]
        return dict(next(entry for entry in described if entry["name"] == name))

    def swap(self, model: str) -> "Watched":
        return self._watch("/api/swap", {"model": model})

    def stop(self) -> "Watched":
        return self._watch("/api/slots/main/stop", {})

    def _watch(self, path: str, body: dict[str, str]) -> "Watched":
        watched = Watched(time.time())
        answer = self.api.post(path, json=body)
        if answer.status_code != 202:
            raise SystemExit(f"{path} answered {answer.status_code}: {answer.text}")
        for kind, data in self.events(f"/api/swap/{answer.json()['id']}/stream"):
            watched.hear(kind, data)
        return watched

    def events(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """A server-sent stream until its `end`."""
        with self.client() as listener, listener.stream("GET", path, timeout=300) as answer:
            kind = ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    yield kind, json.loads(line[5:])
                    if kind == "end":
                        return


class Watched:
    """A swap as a client of the stream saw it: wall-clock seconds of the request, of each phase and of the end."""

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.ended_at = asked_at
        self.status = ""
        self.phases: dict[str, float] = {}

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "phase":
            self.phases.setdefault(data["phase"], time.time())
        elif kind == "end":
            self.ended_at, self.status = time.time(), data["status"]
            if self.status != "ready":
                raise SystemExit(f"A swap ended {self.status}: {data.get('diagnosis')}")

    @property
    def seconds(self) -> float:
        return self.ended_at - self.asked_at


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
