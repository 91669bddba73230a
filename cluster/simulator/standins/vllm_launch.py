"""From the command line to a loaded model: what happens, in order and in time."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time

from cluster.simulator import journal
from cluster.simulator.standins import memory, rendezvous, spark, vllm_failures
from cluster.simulator.standins.titles import set_title
from cluster.simulator.standins.vllm_chatter import Chatter
from cluster.simulator.standins.vllm_model import Model, is_local, resolves, well_formed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from cluster.simulator.standins.vllm_flags import Flags
    from cluster.simulator.standins.vllm_words import Words

DEFAULT_SECONDS = 20.0
TICK = 0.05
READY_TIMEOUT = 600


class Stopped(Exception):
    """SIGTERM or SIGINT arrived."""


class EngineDied(Exception):
    """The engine or a worker is gone; the text is what the API server prints then."""


class Launch:
    """One `vllm serve`. FlagError when a value cannot be read."""

    def __init__(self, flags: Flags, words: Words) -> None:
        self.flags = flags
        self.words = words
        self.faults = spark.faults()
        self.headless = flags.has("headless")
        self.port = flags.integer("port", 8000)
        self.rank = flags.integer("node-rank", 0)
        self.world = flags.integer("tensor-parallel-size", 1) * flags.integer("pipeline-parallel-size", 1)
        self.ray = flags.text("distributed-executor-backend") == "ray" and self.world > 1
        self.nodes = self.world if self.ray else flags.integer("nnodes", 1)
        self.model = Model(flags, max(1, self.nodes))
        self.socket: socket.socket | None = None
        self._ended = False
        self.began = time.time()
        self._engine = 0
        self._life = -1
        self._seen: set[str] = set()
        self._seconds = load_seconds()
        self._chatter = Chatter()
        self._place = ""

    # -- the whole start ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything up to a loaded model. StartError, EngineDied, Stopped."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, _stop)
        if not self.headless:
            self._bind()
            self._say(self.words.opening(self.model, self.flags))
        self._pause(0.05)
        self._check_model()
        if not self.headless:
            self._say(self.words.config(self.model))
        self._start_engine()
        self._join()
        self._pause(0.10)
        self._load()
        if self.headless:
            self._hold(self.model.budget_gib)
        else:
            self._compile_and_capture()

    @property
    def dead(self) -> bool:
        """The API server lives on without its engine, for the moment until it notices."""
        return bool(self._engine) and (self._ended or _closed(self._life))

    def end(self) -> None:
        """Take the engine along and leave the rendezvous."""
        self._ended = True
        if self._place:
            rendezvous.leave(self._place, f"rank-{self.rank}")
        if self._engine:
            _kill(self._engine)
            memory.release(pid=self._engine)
        if self.ray:
            self._release_ray_workers()

    def stand_by(self) -> int:
        """A worker that is loaded: wait for the head's end."""
        while True:
            self._pause_seconds(0.2)

    def pid_of(self, error: vllm_failures.StartError) -> int:
        return os.getpid() if error.who == vllm_failures.API else self._engine or os.getpid()

    # -- steps -------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Take the port without listening yet: clients are refused until the model is loaded."""
        if self.faults.value("port-clash") is not None:
            raise vllm_failures.address_in_use()
        self._lock = os.open(spark.path("ports", str(self.port)), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # SO_REUSEADDR would let two bind while neither listens; the lock is what tells them apart.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The protocol named, or asyncio leaves Nagle on for what this socket accepts: 40 ms more an answer.
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((os.environ["SPARKSIM_ADDRESS"], self.port))
        except OSError as error:
            raise vllm_failures.address_in_use() from error
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def _check_model(self) -> None:
        name = self.model.name
        if self.world > 1 and self.nodes < self.world:
            raise vllm_failures.too_many_ranks(self.world)
        if is_local(name):
            if not resolves(name, os.environ.get("SPARKSIM_BASE", ""), os.environ.get("SPARKSIM_MOUNTS", "")):
                raise vllm_failures.no_such_path(name)
        elif not well_formed(name):
            raise vllm_failures.no_such_path(name)
        if self.faults.value("gated-repo") is not None and not is_local(name):
            raise vllm_failures.gated(self.model)

    def _start_engine(self) -> None:
        """A child that only lives: its title is what people look for, its end is the engine's end."""
        read_end, write_end = os.pipe()
        parent_read, parent_write = os.pipe()
        child = os.fork()
        if child == 0:
            _be_engine(self._title(), read_end, write_end, parent_read)
        os.close(read_end)
        os.close(parent_write)
        self._engine, self._life = child, parent_read
        self._keep = write_end  # closes when we die, which ends the engine
        os.set_blocking(parent_read, False)

    def _title(self) -> str:
        if self.headless:
            return f"VLLM::Worker_TP{self.rank}"
        return f"VLLM::{self.words.engine}"

    def _join(self) -> None:
        """Meet the other nodes of this launch."""
        if self.ray:
            self._wait_for_ray()
            return
        if self.nodes < 2:
            return
        self._place = f"torch-{self.flags.text('master-addr')}-{self.flags.text('master-port', '29501')}"
        rendezvous.join(self._place, f"rank-{self.rank}")
        if self.headless:
            address = f"{self.flags.text('master-addr')}:{self.flags.text('master-port', '29501')}"
            self._worker("serve.py:152", f"Launching vLLM (v{self.words.version}) headless multiproc executor, "
                         f"with head node address {address} for torch.distributed process group.")  # fmt: skip
        wanted = {"rank-0"} if self.headless else {f"rank-{rank}" for rank in range(1, self.nodes)}
        limit = int(os.environ.get("VLLM_ENGINE_READY_TIMEOUT_S") or READY_TIMEOUT)
        deadline = time.monotonic() + limit
        while not wanted <= self._seen:
            self._seen |= {member for member in wanted if rendezvous.alive(self._place, member)}
            if time.monotonic() > deadline:
                raise vllm_failures.engines_timed_out(limit)
            self._pause_seconds(TICK)

    def _wait_for_ray(self) -> None:
        head = os.environ.get("VLLM_HOST_IP") or str(spark.facts()["fabric_ip"])
        waited = 0.0
        while len(rendezvous.members("ray-" + head)) < self.nodes:
            if waited and round(waited, 2) % 10 == 0:
                self._engine_line(
                    "ray_utils.py:260",
                    f"Waiting for creating a placement group of specs for "
                    f"{int(waited)} seconds. Check `ray status` to see if you have enough resources.",
                )
            self._pause_seconds(TICK)
            waited += TICK

    def _load(self) -> None:
        model, words = self.model, self.words
        available = memory.available_gib()
        if model.budget_gib > available:
            raise vllm_failures.not_enough_free(model, available, memory.TOTAL_GIB)
        if self.headless and self.faults.value("worker-missing-weights") is not None:
            raise vllm_failures.missing_weights(model)
        if not self.headless:
            self._engine_line("core.py:106", words.engine_start(model))
        self._engine_line("gpu_model_runner.py:4736", f"Starting to load model {model.name}...")
        self._pause(0.03)
        if self.faults.value("disk-full") is not None:
            raise vllm_failures.disk_full(model)
        if words.minor >= 33 and not self.headless:
            size = f"Checkpoint size: {model.weights_gib:.2f} GiB. Available RAM: {available:.2f} GiB."
            self._engine_line("weight_utils.py:861", f"Filesystem type for checkpoints: EXT4. {size}")
        self._read_shards()

    def _read_shards(self) -> None:
        started = time.monotonic()
        for done in range(self.model.shards + 1):
            if not self.headless:
                bar = self.words.bar(self.model, done, time.monotonic() - started)
                self._say(f"({self.words.engine} pid={self._engine}) {bar}")
            self._hold(self.model.weights_gib * done / self.model.shards + 1.0)
            if done * 2 >= self.model.shards and self.faults.value("oom") is not None:
                raise vllm_failures.out_of_memory(1.21, memory.TOTAL_GIB)
            self._hang_if_asked(done * 2 >= self.model.shards)
            if done < self.model.shards:
                self._pause(0.50 / self.model.shards)
        for place, text in self.words.loaded(self.model, time.monotonic() - started):
            self._engine_line(place, text)

    def _compile_and_capture(self) -> None:
        started = time.monotonic()
        if not self.flags.has("enforce-eager"):
            self._engine_line("backends.py:809", "Using cache directory: /root/.cache/vllm/torch_compile_cache/8c1f3a/"
                              "rank_0_0/backbone for vLLM's torch.compile")  # fmt: skip
            self._pause(0.16)
            for place, text in self.words.compiled(time.monotonic() - started):
                self._engine_line(place, text)
        self._pause(0.04)
        if self.model.cache_gib <= 0:
            raise vllm_failures.no_cache_memory()
        for place, text in self.words.cache(self.model):
            self._engine_line(place, text)
        self._hold(self.model.budget_gib)
        if not self.flags.has("enforce-eager"):
            self._capture()
        self._engine_line("core.py:284", self.words.engine_done(time.monotonic() - started))
        self._pause(0.02)

    def _capture(self) -> None:
        """The CUDA-graph bar: carriage returns, so Docker shows it as one line at its end."""
        started, steps = time.monotonic(), 7
        head = f"({self.words.engine} pid={self._engine}) Capturing CUDA graphs (mixed prefill-decode, PIECEWISE)"
        for done in range(steps + 1):
            self._say(f"\r{head}: {round(100 * done / steps):3d}%| {done}/{steps} [00:00<00:00, 12.31it/s]")
            self._pause(0.10 / steps if done < steps else 0)
        self._say("\n")
        seconds = max(1, round(time.monotonic() - started))
        self._engine_line("gpu_model_runner.py:6047", f"Graph capturing finished in {seconds} secs, took 0.85 GiB")

    # -- time, memory, voices ----------------------------------------------------------------------------------

    def _pause(self, share: float) -> None:
        """A share of the load time; the slow-load fault stretches it while it is on."""
        left = share * self._seconds
        while left > 0.001:
            factor = max(0.1, self.faults.number("slow-load", 3.0) or 1.0)
            step = min(TICK, left * factor)
            self._pause_seconds(step)
            left -= step / factor

    def _pause_seconds(self, seconds: float) -> None:
        time.sleep(seconds)
        for text in self._chatter.due():
            self._engine_line("weight_utils.py:918", text)
        self.check_alive()

    def check_alive(self) -> None:
        """EngineDied when the engine or a node of the launch is gone."""
        if self.dead:
            text = self.words.api(
                "core_client.py:612", f"{self.words.engine} died unexpectedly, shutting down client.", "ERROR"
            )
            raise EngineDied(
                text
                + self.words.api(
                    "async_llm.py:540",
                    "vllm.v1.engine.exceptions.EngineDeadError: "
                    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
                    "ERROR",
                )
            )
        for member in self._seen:
            if not rendezvous.alive(self._place, member):
                if self.headless:
                    raise Stopped
                raise vllm_failures.worker_died(int(member[5:]))

    def _hang_if_asked(self, far_enough: bool) -> None:
        while far_enough and self.faults.value("never-ready") is not None:
            self._pause_seconds(TICK)

    def _hold(self, gib: float) -> None:
        memory.hold(gib, self._title(), pid=self._engine)
        if self.ray:
            for pid, folder in self._ray_workers():
                memory.hold(gib, "ray::RayWorkerWrapper", folder, pid)

    def _ray_workers(self) -> list[tuple[int, str]]:
        head = os.environ.get("VLLM_HOST_IP") or str(spark.facts()["fabric_ip"])
        others = [member for member in rendezvous.members("ray-" + head) if member != head]
        return [found for found in (rendezvous.find("ray-" + head, member) for member in others) if found[0]]

    def _release_ray_workers(self) -> None:
        for pid, folder in self._ray_workers():
            memory.release(folder, pid)

    def _engine_line(self, place: str, text: str) -> None:
        if self.headless:
            self._worker(place, text)
        else:
            self._say(self.words.line(self.words.engine, self._engine, place, text))

    def _worker(self, place: str, text: str) -> None:
        self._say(self.words.line(f"Worker_TP{self.rank}", self._engine or os.getpid(), place, text))

    def _say(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            return

    def announce(self) -> None:
        journal.note(spark.folder(), "vllm-ready", pid=os.getpid(), port=self.port, seconds=time.time() - self.began)


def load_seconds() -> float:
    """The pace of a load: the file load_seconds of the Spark, else the environment, else 20 s."""
    try:
        with open(spark.path("load_seconds"), encoding="ascii") as file:
            return float(file.read())
    except (OSError, ValueError):
        return float(os.environ.get("SPARKSIM_LOAD_SECONDS") or DEFAULT_SECONDS)


def _be_engine(title: str, read_end: int, write_end: int, life: int) -> None:
    """Never returns; ends when the API server's end of the pipe closes."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)
    os.close(write_end)
    os.close(life)
    set_title([title], title)
    os.read(read_end, 1)
    os._exit(0)


def _closed(fd: int) -> bool:
    try:
        return os.read(fd, 1) == b""
    except BlockingIOError:
        return False


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _stop(_signum: int, _frame: FrameType | None) -> None:
    raise Stopped
