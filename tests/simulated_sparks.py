"""The shipped simulator as tests use it: its own process, real SSH, real HTTP, on loopback addresses of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
START_SECONDS = 30


@dataclass(frozen=True)
class SimulatedSparks:
    """Spark facts as the simulator printed them, and its switches."""

    root: Path
    sparks: list[dict[str, Any]]

    def fault(self, spark: str, fault: str, *, on: bool = True, value: str = "") -> None:
        """Switch a fault; `value` as cluster/simulator/README.md says."""
        folder = self.root / spark / "faults"
        folder.mkdir(exist_ok=True)
        if on:
            (folder / fault).write_text(value)
        else:
            (folder / fault).unlink(missing_ok=True)

    def no_faults(self) -> None:
        for spark in self.sparks:
            for fault in (self.root / spark["name"] / "faults").glob("*"):
                fault.unlink()

    def load_seconds(self, seconds: float) -> None:
        for spark in self.sparks:
            (self.root / spark["name"] / "load_seconds").write_text(str(seconds))

    def journal(self, spark: str, what: str = "") -> list[dict[str, Any]]:
        """What happened there, oldest first, optionally of one kind."""
        path = self.root / spark / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if not what or entry["what"] == what]


def own_first_address(base: int = 20) -> str:
    """A loopback address that no other test process of this run uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return f"127.{base + int(worker)}.{os.getpid() % 250}.11"


@contextmanager
def simulated_sparks(root: Path, public_key: str, *, first_address: str, sparks: int = 2) -> Iterator[SimulatedSparks]:
    """Start the simulator, wait until it is ready, and end it with everything it started."""
    key_file = root.parent / f"{root.name}-key.pub"
    key_file.write_text(public_key + "\n")
    command = [
        *(sys.executable, "-m", "cluster.simulator", "serve", str(root)),
        *("--sparks", str(sparks), "--first-address", first_address, "--ssh-port", "2222"),
        *("--authorized-key", str(key_file)),
    ]
    env = {**os.environ, "SPARKSIM_LOAD_SECONDS": "0.4", "SPARKSIM_LAUNCHER_PAUSE": "0.2"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=env) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield SimulatedSparks(root, ready["sparks"])
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def until(condition: Any, seconds: float = 10.0, what: str = "") -> Any:
    """The first true value of `condition()`, asked every 20 ms; fails after `seconds`."""
    ends_at = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > ends_at:
            raise AssertionError(f"did not happen within {seconds} s: {what or condition}")
        time.sleep(0.02)
