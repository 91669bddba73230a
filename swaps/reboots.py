"""A Spark that restarts, or falls silent, in the middle of a swap: seen by its boot id, and launched again once."""

import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from cluster.ssh.base import CommandResult, Outcome
from swaps import story
from swaps.catalog.definition import Definition
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import witness
from swaps.lock_view import clock
from swaps.site import Site
from swaps.states import Status

ASK_EVERY_SECONDS = 3.0
ASK_SECONDS = 8.0
BACK_WITHIN = timedelta(minutes=4)  # a Spark takes one to three minutes from power to SSH
LEAST_TIME = timedelta(seconds=20)  # for another launch, when nothing is known of the model
NOT_TOLD = ("unexplained", "killed", "stopped", "worker-unreachable")  # ends without a word of vLLM's own
GOING_DOWN_SECONDS = 2.0  # from the end of the containers to that of sshd
UNSURE = ("spark-unreachable", "docker-unavailable", "container-not-started", "launcher-failed")

SILENT = CommandResult(Outcome.UNKNOWN, None, (), 0.0, "It does not answer.")

log = logging.getLogger(__name__)


class SparkRestarted(StepFailed):
    """What was launched there is gone."""

    def __init__(self, node: str) -> None:
        remedy = f"See why {node} restarted (power, heat, memory), then start the swap again."
        super().__init__(Cause("spark-rebooted", f"{node} restarted in the middle of the swap.", remedy))
        self.node = node


def read(site: Site, nodes: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Boot ids of the nodes that answer, and why the others do not."""
    answers = site.on_each(tuple(nodes), lambda node: site.on(node, witness.boot_id(), timeout=ASK_SECONDS))
    told = {node: answer.stdout.strip() for node, answer in answers.items() if answer.ok}
    silent = {node: answer.reason for node, answer in answers.items() if answer.exit_status is None}
    return told, silent


def awake(drive: Drive) -> tuple[str, ...]:
    """The nodes that answer. One that was found silent a moment ago is not asked again: that takes half a minute."""
    told, _ = read(drive.site, (node for node in drive.site.names if node not in drive.silent))
    return tuple(told)


def record(drive: Drive, definition: Definition) -> None:
    """Call it before a launch: another boot id afterwards means that the node restarted since."""
    told, _ = read(drive.site, drive.site.names_for(definition))
    drive.say(boot_ids=told)


def restarted(known: Mapping[str, str], told: Mapping[str, str]) -> str | None:
    """The first node whose boot id is another one now."""
    return next((node for node, boot_id in told.items() if known.get(node, boot_id) != boot_id), None)


class BootWatch:
    """Asks every node of a load again and again, in a thread of its own, so that a silent one delays nobody."""

    def __init__(self, site: Site, known: Mapping[str, str]) -> None:
        self._site = site
        self._known = dict(known)
        self._over = threading.Event()
        self._restarted: str | None = None
        self._silent: dict[str, tuple[datetime, str]] = {}

    def __enter__(self) -> "BootWatch":
        threading.Thread(target=self._run, name="boot-watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()  # nobody waits for a question to a silent node

    def check(self) -> None:
        """Raises SparkRestarted."""
        if self._restarted:
            raise SparkRestarted(self._restarted)

    def explained(self, drive: Drive, failure: StepFailed) -> StepFailed:
        """The failure of a load, in the light of what the nodes say, or do not say, about themselves."""
        if isinstance(failure, SparkRestarted):
            return failure
        if not self._silent:
            self._look()
        if failure.cause.code in NOT_TOLD:
            self._wait_for_the_silent(drive)
        drive.silent = frozenset(self._silent)
        if self._restarted:
            return SparkRestarted(self._restarted)
        if failure.cause.code == "deadline" and self._silent:
            return StepFailed(self._not_answering(failure.cause))
        return failure

    def _wait_for_the_silent(self, drive: Drive) -> None:
        """A Spark that goes down ends its containers first: they are seen to die while it still answers."""
        until = min(timezone.now() + BACK_WITHIN, drive.deadline_at)
        drive.wait(GOING_DOWN_SECONDS)
        self._look()
        while self._silent and not self._restarted and timezone.now() < until:
            node, (_, why) = next(iter(self._silent.items()))
            drive.progress(f"{node} does not answer at the moment: {why}"[:200])
            drive.wait(2.0)
            self._look()

    def _not_answering(self, cause: Cause) -> Cause:
        node, (since, why) = next(iter(self._silent.items()))
        sentence = f"{node} has not answered since {clock(since)}. {why} {cause.sentence}"
        remedy = f"See that {node} is up and reachable; what it serves is not known until then."
        return Cause("spark-unreachable", sentence, remedy)

    def _run(self) -> None:
        try:
            while not self._over.wait(ASK_EVERY_SECONDS):
                self._look()
        except Exception:
            log.exception("The watch over restarts failed; the swap goes on without it.")

    def _look(self) -> None:
        if not self._known:
            return
        asked_at = timezone.now()
        told, silent = read(self._site, self._known)
        self._restarted = self._restarted or restarted(self._known, told)
        self._silent = {node: self._silent.get(node, (asked_at, why)) for node, why in silent.items()}


def launch_again(drive: Drive, failure: SparkRestarted) -> None:
    """Back to the stop, under a new fence: other nodes may still have a part of the launch. Raises the failure when
    this was the second restart or too little time is left."""
    launches = drive.swap.transitions.filter(to_status=Status.LAUNCHING).count()
    if launches > 1 or drive.deadline_at - timezone.now() < _time_needed(drive):
        raise failure
    drive.outdate()
    drive.cleared = False
    detail = f"{failure.node} restarted; the model is launched again."
    drive.advance(Status.STOPPING, detail=detail, percent=0, progress=detail)


def _time_needed(drive: Drive) -> timedelta:
    past = story.past_loads(drive.swap.model_key, drive.swap.nodes)
    usual = min((load.seconds for load in past), default=drive.target.expected_load_seconds or 0)
    return max(LEAST_TIME, timedelta(seconds=usual))


def look_after_launch(drive: Drive, failure: StepFailed) -> None:
    """A launch failed in words that a node which went away may be behind: wait for it, then say what is true.

    Returns when all nodes answer under the old boot ids, so that the launch may be looked at again.
    Raises SparkRestarted, or the failure itself.
    """
    known = drive.swap.boot_ids
    told, silent = read(drive.site, known)
    if failure.cause.code not in UNSURE or (not silent and not restarted(known, told)):
        raise failure
    until = min(timezone.now() + BACK_WITHIN, drive.deadline_at)
    while silent:
        node, why = next(iter(silent.items()))
        if timezone.now() >= until:
            raise failure
        drive.progress(f"{node} does not answer at the moment: {why}"[:200])
        drive.wait(2.0)
        told, silent = read(drive.site, known)
    gone = restarted(known, told)
    if gone:
        raise SparkRestarted(gone)
