"""`python -m sparkcontrol.supervisor`: the whole product in one command, and nothing left behind.

    simulator (unless SPARKS=real), bootstrap -> web and task worker

What dies is started again with a growing delay. Ctrl-C or SIGTERM ends the children in order; a killed supervisor
takes its children along by the kernel's parent-death signal. Standard library only, so that it stays small.
"""

import errno
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkcontrol import env
from sparkcontrol.children import Child, Program, die_with_parent, rotate
from sparkcontrol.loopback import SSH_PORT, first_address

BASE_DIR = Path(__file__).resolve().parent.parent
# nohup asks us to ignore a hang-up; a blocked signal would arrive all the same.
_HANG_UP = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, *_HANG_UP)
START_SECONDS = 120.0
STOP_SECONDS = 8.0
BETWEEN_LOOKS_SECONDS = 30.0
BACKLOG = 256


class Problem(Exception):
    """Why it cannot run: a sentence with the remedy."""


class AskedToEnd(Exception):
    """Ctrl-C or SIGTERM."""


class Options:
    """The environment, read once."""

    def __init__(self) -> None:
        self.bind = env.text("BIND", "127.0.0.1")
        self.port = env.integer("PORT", 9999)
        self.sparks = env.text("SPARKS", "simulated")
        self.data = Path(env.text("SPARKCONTROL_DATA_DIR", str(BASE_DIR / "var"))).resolve()
        if self.sparks not in ("simulated", "real"):
            raise Problem(f"SPARKS is {self.sparks!r}; write simulated or real.")
        if not 1 <= self.port <= 65535:
            raise Problem(f"PORT is {self.port}; write a number from 1 to 65535.")

    @property
    def simulated(self) -> bool:
        return self.sparks == "simulated"

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.bind)  # noqa: S104 - names, not a listener
        return f"http://{host or (f'[{self.bind}]' if ':' in self.bind else self.bind)}:{self.port}"

    def child_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SPARKCONTROL_DATA_DIR": str(self.data),
            "BIND": self.bind,
            "PORT": str(self.port),
            "SPARKS": self.sparks,
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # glibc gives every thread its own heap otherwise: 20 MB more in the worker
        }


class Supervisor:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.children: list[Child] = []

    def run(self) -> int:
        """Until Ctrl-C or SIGTERM. Problem when it cannot start."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)  # they are waited for, so nothing is ever interrupted
        if "MAKELEVEL" in os.environ:
            die_with_parent(signal.SIGTERM)  # a killed make leaves nothing behind either
        with own_folder(self.options.data), listen(self.options) as door:
            try:
                self.start_all(door)
                self.watch()
            except AskedToEnd:
                say("Ending.")
            finally:
                self.end_all()
        return 0

    def start_all(self, door: socket.socket) -> None:
        simulator = self.start(self.simulator()) if self.options.simulated else None
        words = self.bootstrap(simulator)
        web = self.start(self.web(door))
        self.start(self.worker())
        self.until_it_answers(web, door)
        say(words)

    # What there is to run

    def program(self, name: str, *argv: str, says: bool = False, **more: object) -> Program:
        out = self.options.data / "run" / f"{name}.out" if says else None
        log = self.options.data / "log" / f"{name}.log"
        return Program(name, [sys.executable, *argv], log, says=out, **more)  # type: ignore[arg-type]

    def simulator(self) -> Program:
        folder = self.options.data / "sim"
        copy_once(BASE_DIR / "fixtures" / "demo" / "boot.sh", folder / "spark-1" / "home" / "boot.sh")
        address = os.environ.get("SPARKSIM_FIRST_ADDRESS") or first_address(folder / "topology.json")
        place = ["--first-address", address, "--ssh-port", str(SSH_PORT)]
        argv = ["-m", "cluster.simulator", "serve", str(folder), *place]
        # SIGTERM at our death, because it has containers to end.
        return self.program("simulator", *argv, says=True, at_parent_death=signal.SIGTERM)

    def web(self, door: socket.socket) -> Program:
        """Daphne gets our listening socket, so connections wait, not fail, while it starts again."""
        argv = [
            "-m",
            "daphne",
            "--fd",
            str(door.fileno()),
            "-v",
            "0",
            "--no-server-name",
            "sparkcontrol.asgi:application",
        ]
        return self.program("web", *argv, keeps_open=(door.fileno(),))

    def worker(self) -> Program:
        return self.program("worker", "-m", "sparkcontrol.worker")

    def bootstrap(self, simulator: Child | None) -> str:
        """Run it to its end; what it says is for the person who waits. It waits for the simulated Sparks itself."""
        where = ["--simulated", str(simulator.program.says)] if simulator else []
        child = self.start(self.program("bootstrap", "manage.py", "bootstrap", *where, says=True))
        self.until(child.has_ended, "bootstrap")
        self.children.remove(child)
        if child.exit_status:
            raise Problem(
                f"Spark Control could not be set up: {child.last_words()} The whole story: {child.program.log}"
            )
        return child.program.says.read_text().strip() if child.program.says else ""

    # Waiting

    def start(self, program: Program) -> Child:
        child = Child(program, self.options.child_environment(), BASE_DIR)
        self.children.append(child)
        child.start()
        return child

    def until_it_answers(self, web: Child, door: socket.socket) -> None:
        """One request, sent before the web process is up; it is answered when it is."""
        with socket.create_connection(own_address(door), timeout=5) as line:
            line.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            self.until(lambda: bool(select.select([line], [], [], 0)[0]), web.program.name)

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not done():
            self.refuse_the_dead()
            if time.monotonic() > deadline:
                raise Problem(f"{what} did not start within {START_SECONDS:.0f} s. See {self.options.data / 'log'}.")
            pause(0.05)

    def refuse_the_dead(self) -> None:
        for child in self.children:
            if child.has_ended() and child.program.name != "bootstrap":
                log = child.program.log
                raise Problem(f"{child.program.name} ended while starting: {child.last_words()} The whole story: {log}")

    # Running and ending

    def watch(self) -> None:
        while True:
            now = time.monotonic()
            for child in self.children:
                self.look_after(child, now)
            planned = [child.start_again_at - now for child in self.children if child.start_again_at is not None]
            pause(max(0.01, min([*planned, BETWEEN_LOOKS_SECONDS])))

    def look_after(self, child: Child, now: float) -> None:
        rotate(child.program.log)
        if child.start_again_at is not None:
            if now >= child.start_again_at:
                child.start()
        elif child.has_ended():
            child.plan_restart(now)
            say(
                f"{child.program.name} ended unexpectedly ({how(child.exit_status)}); "
                f"it is started again. See {child.program.log}"
            )

    def end_all(self) -> None:
        """Those who talk to the Sparks first, then the simulated Sparks."""
        simulators = [child for child in self.children if child.program.name == "simulator"]
        others = [child for child in self.children if child.program.name != "simulator"]
        for group in (others, simulators):
            end(group)


def end(children: list[Child]) -> None:
    """Ask, wait up to 8 s (a second Ctrl-C shortens it), then kill what is left."""
    for child in children:
        child.ask_to_end()
    deadline = time.monotonic() + STOP_SECONDS
    try:
        while not all(child.process is None or child.has_ended() for child in children):
            if time.monotonic() > deadline:
                break
            pause(0.2)
    except AskedToEnd:
        pass
    for child in children:
        child.end_group()


def pause(seconds: float) -> None:
    """Sleep, but wake when a child ends; AskedToEnd on Ctrl-C and SIGTERM."""
    got = signal.sigtimedwait(WATCHED, seconds)
    if got is not None and got.si_signo != signal.SIGCHLD:
        raise AskedToEnd


def how(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"


@contextmanager
def own_folder(data: Path) -> Iterator[None]:
    """Hold the data directory: two Spark Controls on one database would start everything twice."""
    lock = data / "run" / "supervisor.lock"
    try:
        for folder in (data, data / "log", data / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = lock.open("a+")
    except OSError as error:
        raise Problem(
            f"The data directory {data} cannot be used: {error.strerror}. "
            "Give another: make run SPARKCONTROL_DATA_DIR=/path"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(
                f"Spark Control already runs on {data} (process {lock.read_text()}). End it first, or give "
                "another data directory: make run SPARKCONTROL_DATA_DIR=/path"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def copy_once(source: Path, target: Path) -> None:
    """Not again after its owner removed it: the folder is there then."""
    if not target.parent.exists():
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes())


def listen(options: Options) -> socket.socket:
    """The listening socket, taken before anything else starts. Problem when the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(options.bind, options.port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"Port {options.port} on {options.bind} is in use by another program. "
                f"End that one, or choose another port: make run PORT={options.port + 1}"
            ) from error
        raise Problem(f"Cannot listen on {options.bind} port {options.port}: {error.strerror}.") from error
    return door


def own_address(door: socket.socket) -> tuple[str, int]:
    host, port = door.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    try:
        return Supervisor(Options()).run()
    except (Problem, env.BadEnvironment) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
