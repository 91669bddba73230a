"""The guard over a load: a Spark that runs out of memory freezes, so the load is stopped before (docs/memory.md).

What stops it runs on the Spark itself (launcher/guard_scripts.py). Here it is sent there, listened to, and sent home.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Iterable

from django.utils import timezone

from cluster.models import Spark
from cluster.readings import HostReading
from cluster.ssh.base import CommandResult, OutputLine, TransportError
from cluster.ssh.command import Command
from swaps.catalog.definition import Definition
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import guard_commands
from swaps.launcher.guard_reports import GuardReport, read_available, read_guard
from swaps.launcher.node_commands import STALE_FENCE
from swaps.logs.splitting import LineSplitter
from swaps.memory_rules import GIB, gib, node_memory, stopped_at_floor
from swaps.models import Swap
from swaps.states import Status

START_SECONDS = 40.0  # raising the fence waits up to 20 s for a command that still runs
SPARE_SECONDS = 30  # beyond the swap's deadline, should nobody be there to send the guard home
WATCH_SECONDS = 600
REOPEN_SECONDS = 1.0
LOOK_SECONDS = 5.0
SAID_ALREADY = ("memory-floor", "spark-rebooted")
TELL_EVERY_SECONDS = 2.0
TELL_BYTES = GIB // 2

log = logging.getLogger(__name__)


def key_of(swap: Swap) -> str:
    """One guard for each launch of a swap: that of a rollback is another one."""
    return f"{swap.pk}.{'back' if swap.state is Status.ROLLING_BACK else 'there'}"


def arm(drive: Drive, definition: Definition) -> None:
    """A guard on every node of the launch; one that is there already stays. Raises StepFailed."""
    if drive.site.slot.memory_floor_gib == 0:
        return
    nodes = drive.site.names_for(definition)
    command = _start(drive)
    answers = drive.site.on_each(nodes, lambda node: drive.site.ask(node, command, timeout=START_SECONDS))
    for node, answer in answers.items():
        if not answer.ok:
            raise StepFailed(_cannot_guard(node, answer))
    if any(answer.stdout.strip() == "fired" for answer in answers.values()):
        raise explained(drive, definition, StepFailed(_ended_before()))
    drive.guarded = key_of(drive.swap)


def rearm(drive: Drive, definition: Definition) -> None:
    """For a driver that takes over in the middle of a load: see that the guards are there.

    One that cannot be asked now is no reason to end the load: most likely the driver before us left it its guard.
    """
    if drive.guarded == key_of(drive.swap):
        return
    try:
        arm(drive, definition)
    except StepFailed as failure:
        if failure.cause.code != "spark-unreachable":
            raise
        log.warning("swap %s: it is not known whether its memory guards are there: %s", drive.swap.pk, failure)


def disarm(drive: Drive, nodes: Iterable[str]) -> None:
    """Send the guards home. One that does not hear it ends by itself a little after the swap's deadline."""
    site, command = drive.site, guard_commands.end_guard(drive.site.slot.name, key_of(drive.swap))
    answers = site.on_each(tuple(nodes), lambda node: site.on(node, command, timeout=LOOK_SECONDS + 5))
    for node, answer in answers.items():
        if not answer.ok:
            log.warning("swap %s: the memory guard on %s was not told: %s", drive.swap.pk, node, answer.reason)
    drive.guarded = ""


def explained(drive: Drive, definition: Definition, failure: StepFailed) -> StepFailed:
    """The failure of a launch, or that the guard is behind it: asks every node, for a few seconds at most."""
    if failure.cause.code in SAID_ALREADY:
        return failure
    site, key = drive.site, key_of(drive.swap)
    command = guard_commands.watch_memory(site.slot.name, 0)
    nodes = tuple(node for node in site.names_for(definition) if node not in drive.silent)
    answers = site.on_each(nodes, lambda node: site.on(node, command, timeout=LOOK_SECONDS)) if nodes else {}
    for node, answer in answers.items():
        for report in filter(None, map(read_guard, answer.stdout.splitlines())):
            if report.key == key and report.stopped_it:
                return StepFailed(cause_of(drive, definition, node, report))
    return failure


def cause_of(drive: Drive, definition: Definition, node: str, report: GuardReport) -> Cause:
    floor = report.floor_bytes or drive.site.slot.memory_floor_gib * GIB
    spark, container = Spark.objects.get(name=node), drive.site.slot.container_name
    memory = node_memory(node, HostReading.from_dict(spark.reading), spark.idle_available_bytes, container)
    return stopped_at_floor(memory, definition, report.available_bytes, floor)


class MemoryWatch:
    """Listens to every node of a load, in a thread for each. Use as a context manager."""

    def __init__(self, drive: Drive, definition: Definition) -> None:
        self._drive = drive
        self._definition = definition
        self._nodes = drive.site.names_for(definition)
        self._key = key_of(drive.swap)
        self._over = threading.Event()
        self._stopped: dict[str, GuardReport] = {}
        self._told: dict[str, int] = {}
        self._told_at = 0.0
        self.available: dict[str, int] = {}
        self.lowest: dict[str, int] = {}

    def __enter__(self) -> "MemoryWatch":
        for node in self._nodes:
            threading.Thread(target=self._listen, args=(node,), name=f"memory-{node}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()  # nobody waits for a node that is silent

    def check(self) -> None:
        """Raises StepFailed when a guard stopped the load."""
        for node, report in list(self._stopped.items()):
            raise StepFailed(cause_of(self._drive, self._definition, node, report))

    def has_news(self) -> bool:
        """Is it worth a message? Small changes are not, and nothing is within two seconds of the last one."""
        if time.monotonic() - self._told_at < TELL_EVERY_SECONDS:
            return False
        return any(
            node not in self._told or abs(value - self._told[node]) >= TELL_BYTES
            for node, value in self.available.items()
        )

    def tell(self) -> dict[str, int]:
        """The figures for a message; what they say is no news any more."""
        self._told, self._told_at = dict(self.available), time.monotonic()
        return self._told

    def summary(self) -> list[dict[str, str]]:
        """Log lines for the end of a load that went well."""
        words = "Memory left during this load, at its lowest: "
        return [{"node": node, "text": f"{words}{gib(value)}."} for node, value in self.lowest.items()]

    def _listen(self, node: str) -> None:
        site = self._drive.site
        command = guard_commands.watch_memory(site.slot.name, WATCH_SECONDS)
        while not self._over.is_set():
            splitter = LineSplitter()

            def feed(piece: OutputLine, splitter: LineSplitter = splitter) -> None:
                for line in splitter.feed(piece.text):
                    self._hear(node, line)

            with contextlib.suppress(TransportError):  # the guard needs no link to us
                site.transports[node].follow(
                    command, feed, should_stop=self._over.is_set, timeout=WATCH_SECONDS + LOOK_SECONDS
                )
            self._over.wait(REOPEN_SECONDS)

    def _hear(self, node: str, line: str) -> None:
        available, report = read_available(line), read_guard(line)
        if available is not None:
            self.available[node] = available
            self.lowest[node] = min(available, self.lowest.get(node, available))
        if report and report.key == self._key and report.stopped_it:
            self._stopped[node] = report


def _start(drive: Drive) -> Command:
    slot, swap = drive.site.slot, drive.swap
    seconds = max(0, round((drive.deadline_at - timezone.now()).total_seconds())) + SPARE_SECONDS
    return guard_commands.start_guard(
        slot.name,
        swap.fence,
        key_of(swap),
        swap.pk,
        slot.container_name,
        floor_bytes=slot.memory_floor_gib * GIB,
        seconds=seconds,
    )


def _cannot_guard(node: str, answer: CommandResult) -> Cause:
    if answer.exit_status is None:
        sentence = f"{node} did not answer when the load was about to begin: {answer.reason}"
        return Cause("spark-unreachable", sentence, f"See that {node} is up and reachable.")
    if answer.exit_status == STALE_FENCE:
        sentence = f"{node} already obeys a newer driver: {answer.stderr}"
        return Cause("stale-fence", sentence, "Start the swap again; every try raises the fence.")
    sentence = f"The memory of {node} cannot be watched: {answer.stderr or answer.stdout}"
    return Cause("no-memory-guard", sentence, "Correct that on the Spark, or set the slot's memory floor to 0.")


def _ended_before() -> Cause:
    """Only when the guard's note vanishes between two questions."""
    return Cause("memory-floor", "The load was stopped because a Spark ran short of memory.", "Lower what it takes.")
