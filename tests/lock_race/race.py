"""Starts contenders, starts those that died again, lets those that were stopped go on after their time."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lock_race.webs import REPOSITORY, Webs

NEVER = 10**6
STOPPED_SECONDS = 2.5  # longer than any ttl of a racer


@dataclass
class Contender:
    """One racer and all its lives."""

    number: int
    journal: Path
    dies_at: int
    pauses_at: int
    process: "subprocess.Popen[bytes] | None" = None
    go_on_at: float = 0.0

    def notes(self) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


def race(webs: Webs, folder: Path, *, processes: int, attempts: int, seed: int, seconds: float) -> list[dict[str, Any]]:
    """All notes of all contenders. Each is killed once while it holds the lock; every other one is also stopped once
    until its time is over."""
    chance = random.Random(seed)
    contenders = [
        Contender(
            n, folder / f"racer-{n}.jsonl", chance.randrange(attempts), chance.randrange(attempts) if n % 2 else NEVER
        )
        for n in range(processes)
    ]
    ends_at = time.monotonic() + seconds
    try:
        for contender in contenders:
            contender.process = _start(webs, contender, attempts, seed)
        done = [False]
        while not all(done):
            done = [_look_after(webs, contender, attempts, seed) for contender in contenders]
            assert time.monotonic() < ends_at, "the race did not end in time"
            time.sleep(0.05)
    finally:
        for contender in contenders:
            _end(contender)
    return [note for contender in contenders for note in contender.notes()]


def _end(contender: Contender) -> None:
    if contender.process is not None and contender.process.returncode is None:
        contender.process.kill()
        contender.process.wait(10)


def _look_after(webs: Webs, contender: Contender, attempts: int, seed: int) -> bool:
    """True when it is done."""
    process = contender.process
    if process is None:
        return True
    if contender.go_on_at and time.monotonic() >= contender.go_on_at:
        contender.go_on_at = 0.0
        process.send_signal(signal.SIGCONT)
    pid, status = os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED)
    if pid == 0:
        return False
    if os.WIFSTOPPED(status):
        contender.go_on_at = time.monotonic() + STOPPED_SECONDS
        return False
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -signal.SIGKILL:
        contender.process = _start(webs, contender, attempts, seed)
        return False
    assert process.returncode == 0, f"contender {contender.number} broke"
    contender.process = None
    return True


def _start(webs: Webs, contender: Contender, attempts: int, seed: int) -> "subprocess.Popen[bytes]":
    notes = contender.notes()
    ends = [name for name in ("killed", "paused") if any(note["what"] == name for note in notes)]
    argv = [
        *("--webs", ",".join(webs.addresses), "--key", webs.key, "--name", f"racer-{contender.number}"),
        *("--journal", str(contender.journal), "--seed", str(seed), "--number", str(contender.number)),
        *("--attempts", str(attempts), "--first", str(1 + max((note["attempt"] for note in notes), default=-1))),
        *("--dies-at", str(contender.dies_at), "--pauses-at", str(contender.pauses_at)),
        *(["--died"] if "killed" in ends else []),
        *(["--paused"] if "paused" in ends else []),
    ]
    return subprocess.Popen([sys.executable, "-S", str(REPOSITORY / "tests/lock_race/racer.py"), *argv])
