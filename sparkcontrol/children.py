"""Child processes that cannot outlive their supervisor. Standard library only, no Django: memory is counted here."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOG_LIMIT_BYTES = 5_000_000
CALM_SECONDS = 30.0  # a child that lived so long is started again at once
SLOWEST_RESTART_SECONDS = 30.0
FIRST_RESTART_SECONDS = 0.2
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


def die_with_parent(signum: int) -> None:
    """The kernel sends `signum` to this process when its parent ends, however that ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)


class Program:
    """What to run and where its words go: to the log, or what it says on stdout to `says`, anew each time."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        says: Path | None = None,
        keeps_open: Sequence[int] = (),
        at_parent_death: int = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self.says = says
        self.keeps_open = tuple(keeps_open)
        self.at_parent_death = at_parent_death


class Child:
    """A program, its process, and when to start it again."""

    def __init__(self, program: Program, env: Mapping[str, str], folder: Path) -> None:
        self.program = program
        self.env = dict(env)
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.delay_seconds = 0.0
        self.start_again_at: float | None = None

    def start(self) -> None:
        """Call it from the main thread: the death signal is bound to the thread that forks, not to the process."""
        rotate(self.program.log)
        log = os.open(self.program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        out = os.open(self.program.says, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if self.program.says else log
        try:
            self.process = subprocess.Popen(
                self.program.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=self.env,
                cwd=self.folder,
                pass_fds=self.program.keeps_open,
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends the children in order
                preexec_fn=self._bind_to(os.getpid()),
            )
        finally:
            os.close(log)
            if out != log:
                os.close(out)
        self.started_at = time.monotonic()
        self.start_again_at = None

    def _bind_to(self, parent: int) -> Callable[[], None]:
        death_signal = self.program.at_parent_death

        def bind() -> None:
            die_with_parent(death_signal)
            if os.getppid() != parent:  # it died between fork and prctl
                os._exit(1)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

        return bind

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def exit_status(self) -> int | None:
        return self.process.returncode if self.process else None

    def plan_restart(self, now: float) -> None:
        """At once when it lived well, else after a delay that doubles up to 30 s."""
        lived = now - self.started_at
        if lived >= CALM_SECONDS:
            self.delay_seconds = FIRST_RESTART_SECONDS
        else:
            self.delay_seconds = min(max(FIRST_RESTART_SECONDS, self.delay_seconds * 2), SLOWEST_RESTART_SECONDS)
        self.start_again_at = now + self.delay_seconds

    def ask_to_end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end_group(self) -> None:
        """SIGKILL for the child and whatever of its session is left."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.program.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""


def rotate(log: Path) -> None:
    """Keep one old log. Copy and truncate, because a running child keeps appending to the file it opened."""
    try:
        if log.stat().st_size <= LOG_LIMIT_BYTES:
            return
    except FileNotFoundError:
        return
    old = log.with_suffix(log.suffix + ".1")
    old.write_bytes(log.read_bytes()[-LOG_LIMIT_BYTES:])
    old.chmod(0o600)
    os.truncate(log, 0)
