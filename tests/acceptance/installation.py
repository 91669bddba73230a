"""A checkout of its own, started the way a newcomer starts it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.simulated_sparks import own_first_address

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", ".*_cache", "node_modules", "test-results")
LAST_LINE = "Ctrl-C ends it."
START_SECONDS = 90
END_SECONDS = 30

T = TypeVar("T")


def until(ask: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_with(text: str) -> dict[int, str]:
    """Processes of this machine that carry `text` in their command line or environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            alive = "Z" not in (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if alive and text.encode() in command + b"\0" + (folder / "environ").read_bytes():
                found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    found.pop(os.getpid(), None)
    return found


class Run:
    """One `make run`."""

    def __init__(self, installation: "Installation", variables: dict[str, str]) -> None:
        self.installation = installation
        self.screen = installation.folder.parent / f"screen-{time.monotonic_ns()}.txt"
        given = {
            "PORT": str(installation.port),
            "VENV": str(Path(sys.prefix)),
            "PYTHON": sys.executable,
            "SPARKCONTROL_DATA_DIR": str(installation.data),
            "SPARKSIM_FIRST_ADDRESS": installation.place,
            **variables,
        }
        with self.screen.open("w") as out:
            self.make = subprocess.Popen(
                ["make", "run", *(f"{name}={value}" for name, value in given.items())],
                cwd=installation.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.screen.read_text()

    def is_ready(self) -> bool:
        assert self.make.poll() is None, f"make run ended: {self.text()}"
        return LAST_LINE in self.text()

    def supervisor_pid(self) -> int:
        return child_named(self.make.pid, "sparkcontrol.supervisor")

    def ctrl_c(self) -> None:
        """What a terminal does: the signal goes to everything in the foreground."""
        os.killpg(self.make.pid, signal.SIGINT)
        self.make.wait(END_SECONDS)


def child_named(parent: int, word: str) -> int:
    """The child (or parent itself) whose command line contains `word`."""
    for pid, command in processes_with(word).items():
        with contextlib.suppress(OSError):
            ancestor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if word in command and ancestor == parent:
                return pid
    raise AssertionError(f"no process {word} below {parent}")


def clean_environment() -> dict[str, str]:
    """Without what the tests' own settings put there."""
    mine = ("SPARKCONTROL_", "DJANGO_", "PYTEST", "MAKE", "MFLAGS", "PORT", "BIND", "SPARKS")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}


class Installation:
    """A copy of the repository with its own data directory and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "spark-control"
        shutil.copytree(ROOT, self.folder, ignore=NOT_COPIED, symlinks=True)
        self.data = folder / "data"
        self.port = free_port()
        self.place = own_first_address(120)
        self.runs: list[Run] = []

    def start(self, **variables: str) -> Run:
        """Until it says that it is ready."""
        run = Run(self, {"SPARKSIM_LOAD_SECONDS": "2", "SPARKSIM_LAUNCHER_PAUSE": "0.5", **variables})
        self.runs.append(run)
        until(run.is_ready, START_SECONDS, "make run is ready")
        return run

    def refused(self, **variables: str) -> str:
        """What a start says that ends by itself."""
        run = Run(self, variables)
        self.runs.append(run)
        assert run.make.wait(START_SECONDS) != 0
        return run.text()

    def close(self) -> None:
        for run in self.runs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.make.pid, signal.SIGKILL)
            run.make.wait()

    @property
    def note(self) -> Path:
        return self.data / "first-run.json"

    def first_run(self) -> dict[str, Any]:
        return dict(json.loads(self.note.read_text()))

    def api(self) -> httpx.Client:
        """A client with the printed key."""
        note = self.first_run()
        headers = {"Authorization": f"Bearer {note['api_key']}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    def processes(self) -> dict[int, str]:
        return processes_with(str(self.data))


def events(api: httpx.Client, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A server-sent stream until its `end`."""
    with api.stream("GET", path, headers={"Accept": "text/event-stream"}, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                yield kind, json.loads(line[5:])
                if kind == "end":
                    return
