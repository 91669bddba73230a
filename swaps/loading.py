"""From a launched container to a model that answers: read the logs, notice death, prove readiness."""

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace

from django.utils import timezone

from cluster.models import Launcher
from cluster.vllm_probe import VllmReading, probe_vllm
from swaps import story
from swaps.catalog.definition import Definition
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import node_commands
from swaps.launching import container_of
from swaps.logs.diagnosis import diagnose, unexplained
from swaps.logs.following import LogFollowers, NodeLine
from swaps.logs.progress import START, LoadState, observe
from swaps.machine import Entry
from swaps.memory_guard import MemoryWatch
from swaps.models import Swap, SwapMessage
from swaps.reboots import BootWatch
from swaps.states import Status

FLUSH_SECONDS = 0.15  # log rows are written in batches
ALIVE_EVERY_SECONDS = 1.0
ALIVE_SOON_SECONDS = 0.3  # when a vLLM that was up does not answer
HEALTH_EVERY_SECONDS = 1.0
HEALTH_SOON_SECONDS = 0.05  # once vLLM said that it is up
ABSENT_LOOKS_MEAN_DEAD = 2
LAST_LINES = 5
KEPT_LINES = 20_000  # for the diagnosis
COMPLETION_SECONDS = 30.0  # the first request after a load may still compile


@dataclass
class Loading:
    """The watch over one launch. `until_ready` returns the proof, or raises StepFailed with the cause."""

    drive: Drive
    definition: Definition
    expected_ids: tuple[str, ...]
    followers: LogFollowers
    container: str
    boots: BootWatch
    memory: MemoryWatch
    state: LoadState = START
    _lines: deque[NodeLine] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    _unsaid: list[NodeLine] = field(default_factory=list)
    _flushed_at: float = 0.0
    _looked_at: float = field(default_factory=time.monotonic)
    _asked_at: float = 0.0
    _absent_looks: int = 0
    _seen_alive: bool = False

    def until_ready(self) -> VllmReading:
        """Wait for health and the expected id and one tiny completion."""
        self._recall()
        while True:
            self._hear(self.followers.take(0.05 if self.state.startup_complete else 0.1))
            self.drive.pulse()
            self.boots.check()
            self.memory.check()
            if self.memory.has_news():
                self._flush()
            proof = self._ask()
            if proof is not None:
                return proof
            self._check_alive()

    def finish(self) -> None:
        """Write the log lines that are still in hand."""
        self._hear(self.followers.settle(0.02, 0.2))
        self._flush()

    def with_last_words(self, failure: StepFailed) -> StepFailed:
        """A failure that no log line explains, with what was printed last."""
        if failure.cause.code != "deadline":
            return failure
        last = "\n".join(f"{line.node}: {line.text}" for line in list(self._lines)[-LAST_LINES:])
        return StepFailed(replace(failure.cause, evidence=last))

    def _recall(self) -> None:
        """What was heard of this launch before: the launcher's words, and all of it when we took the drive over."""
        for line in launch_log(self.drive.swap):
            self._lines.append(line)
            if line.node == self.drive.site.head:
                self.state = observe(self.state, line.text)

    def _hear(self, lines: list[NodeLine]) -> None:
        for line in lines:
            if line.node == self.drive.site.head:
                self.state = observe(self.state, line.text)
        self._lines.extend(lines)
        self._unsaid += lines
        if self._unsaid and time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        """Rows for the lines in hand, and one for the progress when it moved."""
        entries: list[Entry] = [(SwapMessage.Kind.LOG, {"node": line.node, "text": line.text}) for line in self._unsaid]
        fields: dict[str, object] = {"log_cursors": dict(self.followers.cursors)}
        swap = self.drive.swap
        if (self.state.percent, self.state.detail) != (swap.percent, swap.progress) or self.memory.has_news():
            fields |= {"percent": self.state.percent, "progress": self.state.detail}
            left = story.remaining_of(swap, timezone.now(), self.state.percent)
            data: dict[str, object] = {"percent": self.state.percent, "detail": self.state.detail}
            data["remaining_seconds"] = left.seconds if left else None
            data["memory"] = self.memory.tell()
            entries.append((SwapMessage.Kind.PROGRESS, data))
        if entries:
            self.drive.say(*entries, **fields)
        self._unsaid = []
        self._flushed_at = time.monotonic()

    def _ask(self) -> VllmReading | None:
        """The questions of readiness, asked often once the log says that vLLM is up."""
        pause = HEALTH_SOON_SECONDS if self.state.startup_complete else HEALTH_EVERY_SECONDS
        if time.monotonic() - self._asked_at < pause:
            return None
        self._asked_at = time.monotonic()
        if not (self.state.startup_complete or self._healthy()):
            return None
        if self.drive.swap.state is Status.LOADING:
            self._flush()
            self.drive.advance(Status.VERIFYING)
        return self._verify()

    def _healthy(self) -> bool:
        return probe_vllm(self.drive.site.slot.base_url, timeout=2.0, brief=True).health_ok

    def _verify(self) -> VllmReading | None:
        """Health and the expected ids and one tiny completion, or a look whether it still lives."""
        url, model = self.drive.site.slot.base_url, self.expected_ids[0]
        reading = probe_vllm(url, timeout=COMPLETION_SECONDS, brief=True, complete=True, model=model)
        if reading.health_ok and reading.completion_ok and set(self.expected_ids) <= set(reading.model_ids):
            return reading
        self._check_alive(now=True)
        return None

    def _check_alive(self, *, now: bool = False) -> None:
        """Dead = the container is gone, or no vLLM process is left in it, twice in a row."""
        pause = ALIVE_SOON_SECONDS if now else ALIVE_EVERY_SECONDS
        if time.monotonic() - self._looked_at < pause:
            return
        self._looked_at = time.monotonic()
        site = self.drive.site
        result = site.on(site.head, node_commands.container_processes(self.container), timeout=8.0)
        if result.exit_status is None:
            self._say_silent(result.reason)
            return
        alive = result.ok and bool(node_commands.vllm_processes(result.stdout))
        self._seen_alive |= alive
        self._absent_looks = 0 if alive else self._absent_looks + 1
        if self._absent_looks >= ABSENT_LOOKS_MEAN_DEAD:
            self._die()

    def _say_silent(self, reason: str) -> None:
        detail = f"{self.drive.site.head} does not answer at the moment: {reason}"[:200]
        if self.drive.swap.progress != detail:
            self.drive.progress(detail)

    def _die(self) -> None:
        self._hear(self.followers.settle())
        self._flush()
        raise StepFailed(self.cause(self._exit_code()))

    def _exit_code(self) -> int | None:
        """Of vLLM, where it is the container's main process; an idle container's would say nothing."""
        site = self.drive.site
        if site.slot.launcher != Launcher.DOCKER_RUN:
            return None
        with suppress(StepFailed):  # docker does not say
            return container_of(site, site.head).exit_code
        return None

    def cause(self, exit_code: int | None = None) -> Cause:
        """Why it died, from everything that was printed on any node."""
        lines = [(line.node, line.text) for line in self._lines]
        return Cause.of(diagnose(lines, exit_code=exit_code) or unexplained(lines))


def launch_log(swap: Swap) -> list[NodeLine]:
    """The stored log lines of the swap's newest launch, in order."""
    starts = [str(Status.LAUNCHING), str(Status.ROLLING_BACK)]
    phases = swap.messages.filter(kind=SwapMessage.Kind.PHASE, data__phase__in=starts)
    since = phases.order_by("-seq").values_list("seq", flat=True).first() or 0
    rows = swap.messages.filter(kind=SwapMessage.Kind.LOG, seq__gt=since).order_by("seq")
    return [NodeLine(data["node"], "", data["text"]) for data in rows.values_list("data", flat=True)]
