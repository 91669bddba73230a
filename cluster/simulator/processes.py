"""Start processes, learn how they ended, and see which belong to which Spark.

The simulator is the subreaper of everything it starts, so one waitpid loop sees every end, orphans included."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass
class Child:
    """A process we started; `exited` resolves to its wait status."""

    pid: int
    exited: asyncio.Future[int]

    def kill(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signum)


def exit_code(status: int) -> int:
    """A wait status as the shell and Docker tell it: 137 for SIGKILL."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Processes:
    """All children of this process; one SIGCHLD handler reaps them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[int, tuple[asyncio.Future[int], subprocess.Popen[bytes]]] = {}
        loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        stdio: tuple[int, int, int],
        preserve_pid: bool = False,
        program: str | None = None,
    ) -> Child:
        """Start argv in a session of its own.

        program: the file to run when it is not argv[0]. preserve_pid: argv[0] (setsid -c) makes the session.
        FileNotFoundError and PermissionError as from exec."""
        popen = subprocess.Popen(
            list(argv),
            executable=program,
            env=dict(env),
            cwd=cwd,
            stdin=stdio[0],
            stdout=stdio[1],
            stderr=stdio[2],
            start_new_session=not preserve_pid,
        )
        future: asyncio.Future[int] = self._loop.create_future()
        self._waiting[popen.pid] = (future, popen)
        return Child(popen.pid, future)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            future, popen = self._waiting.pop(pid, (None, None))
            if popen is not None:
                popen.returncode = os.waitstatus_to_exitcode(status)  # else Popen would look for it again
            if future is not None and not future.done():
                future.set_result(status)
