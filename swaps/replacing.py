"""Containers that others started and a person agreed to stop: kept, set aside, and brought back when the swap is not.

Their `docker inspect` holds secrets, so the row keeps it encrypted and nothing of it is said but names.
"""

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import transaction

from cluster import encryption, events, people
from cluster.ssh.base import CommandResult
from cluster.vllm_probe import probe_vllm
from swaps import serving
from swaps.checks import Check, CheckState
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import outsider_commands as commands
from swaps.launcher.outsiders import Outsider, in_the_way, read_boxes
from swaps.logs.masking import mask_secrets
from swaps.models import ServingState, Swap, restored
from swaps.outsider_checks import outsider_checks
from swaps.site import Site
from swaps.states import Status

LOOK_SECONDS = 20.0
MOVE_SECONDS = 60.0
ANSWER_SECONDS = 20 * 60.0  # a model that comes back loads like any other
ANSWER_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One container as it was found. `answered`: it was what applications reach at the slot's address. `told`: the
    journal says that it was set aside."""

    node: str
    running: bool
    answered: bool
    document: dict[str, Any]
    told: bool = False

    @property
    def name(self) -> str:
        return str(self.document["Name"]).lstrip("/")


def look(site: Site, *, consent: bool) -> list[Check]:
    """What a stop of the slot would meet. Raises StepFailed when a Spark does not say which containers it has."""
    slot, found = site.slot, list[Check]()
    for node, boxes in _boxes(site).items():
        port = slot.vllm_port if node == site.head else None
        found += outsider_checks(node, boxes, slot.container_name, port, consent=consent)
    return found


def refuse_without_consent(drive: Drive) -> None:
    """Before anything is stopped. Raises StepFailed when a container of somebody else's is in the way."""
    checks = look(drive.site, consent=drive.swap.stop_foreign)
    drive.say(checks=[check.as_dict() for check in checks])
    for check in checks:
        if check.state is CheckState.BLOCKS:
            raise StepFailed(Cause(check.code, check.sentence, check.remedy))


def make_way(drive: Drive) -> None:
    """Keep and set aside what is in the way, when that was agreed to. May be begun again after any interruption."""
    if not drive.swap.stop_foreign:
        return
    slot, head = drive.site.slot, drive.site.head
    for node, boxes in _boxes(drive.site).items():
        port = slot.vllm_port if node == head else None
        for outsider in in_the_way(boxes, slot.container_name, port):
            _keep(drive, node, outsider)
            _set_aside(drive, node, outsider)
    _tell_set_aside(drive)


def comes_back(swap: Swap, end: Status) -> bool:
    """Is what was set aside to be brought back? After a cancel always: who cancels wants it as it was."""
    return bool(swap.replaced) and (swap.rollback or end is Status.CANCELLED)


def bring_back(drive: Drive) -> str:
    """Start again what was set aside, made anew where it is gone; returns the names. Raises StepFailed."""
    try:
        kept = kept_of(drive.swap)
    except encryption.EncryptionError as error:
        raise StepFailed(_trouble("What ran before is not known any more", str(error))) from None
    for each in kept:
        drive.progress(f"Starting {each.name} on {each.node} again"[:200])
        _put_back(drive, each)
    _believe(drive, answered=any(each.answered and each.running for each in kept))
    return _names(kept)[:100]


def tell_back(swap: Swap) -> None:
    """Call it in the transaction that ends the swap, so that it is told once."""
    kept = kept_of(swap)
    what = {"swap": swap.pk, "containers": [{"node": each.node, "name": each.name} for each in kept]}
    events.record("containers.restored", f"{_names(kept)} runs again as before.", slot=swap.slot, data=what)


def _names(kept: list[Kept]) -> str:
    return ", ".join(each.name for each in kept)


def left_aside(swap: Swap) -> str:
    """How a person brings back what stays set aside; blank when nothing does, or when it was started with --rm."""
    try:
        kept = kept_of(swap)
    except encryption.EncryptionError:
        return ""
    stays = [each for each in kept if each.running and not each.document["HostConfig"].get("AutoRemove")]
    return " ".join(f"{each.name} was stopped on {each.node}; to start it: {_by_hand(swap, each)}" for each in stays)


def _by_hand(swap: Swap, kept: Kept) -> str:
    """Renamed first when it had the slot's own name."""
    if kept.name != swap.slot.container_name:
        return f"docker start {kept.name}"
    return f"docker rename {_aside(swap, kept.name)} {kept.name} && docker start {kept.name}"


def _aside(swap: Swap, name: str) -> str:
    return f"{name[:40]}-before-swap-{swap.pk}"


def kept_of(swap: Swap) -> list[Kept]:
    """Raises EncryptionError when the key file is not the one it was stored with."""
    if not swap.replaced:
        return []
    return [Kept(**one) for one in json.loads(encryption.decrypt(swap.replaced, context=_context(swap)))]


def _boxes(site: Site) -> dict[str, Any]:
    answers = site.on_each(site.names, lambda node: site.on(node, commands.boxes(), timeout=LOOK_SECONDS))
    for node, answer in answers.items():
        if not answer.ok:
            raise StepFailed(_trouble(f"{node} does not say which containers it has", _said(answer)))
    return {node: read_boxes(answer.stdout.splitlines()) for node, answer in answers.items()}


def _keep(drive: Drive, node: str, outsider: Outsider) -> None:
    """Its whole description, once: a second look would find it stopped already."""
    kept = kept_of(drive.swap)
    if any(each.document["Id"] == outsider.box.id for each in kept):
        return
    answer = drive.site.on(node, commands.inspect(outsider.box.id), timeout=LOOK_SECONDS)
    try:
        [document] = json.loads(answer.stdout)
    except ValueError:
        what = f"{node} does not describe {outsider.box.name}"
        raise StepFailed(_trouble(what, answer.reason)) from None  # not what it said: that may hold secrets
    answered = outsider.box.running and drive.site.slot.vllm_port in outsider.box.ports
    _store(drive, [*kept, Kept(node, outsider.box.running, answered, document)])


def _store(drive: Drive, kept: list[Kept]) -> None:
    secret = encryption.encrypt(json.dumps([asdict(each) for each in kept]), context=_context(drive.swap))
    drive.say(replaced=secret)


def _set_aside(drive: Drive, node: str, outsider: Outsider) -> None:
    swap, box = drive.swap, outsider.box
    drive.progress(f"Stopping {box.name} on {node}, as agreed"[:200])
    aside = _aside(swap, box.name) if outsider.takes_name and not box.auto_remove else ""  # --rm: the stop removes it
    command = commands.set_aside(drive.site.slot.name, swap.fence, box.id, rename_to=aside)
    answer = drive.site.on(node, command, timeout=MOVE_SECONDS)
    if not answer.ok:
        raise StepFailed(_trouble(f"{box.name} could not be stopped on {node}", _said(answer)))


def _tell_set_aside(drive: Drive) -> None:
    """Also what a driver before us set aside and could not tell any more."""
    kept = kept_of(drive.swap)
    if all(each.told for each in kept):
        return
    with transaction.atomic():
        for each in kept:
            if not each.told:
                _journal(drive.swap, each)
        _store(drive, [replace(each, told=True) for each in kept])


def _journal(swap: Swap, kept: Kept) -> None:
    renames = kept.name == swap.slot.container_name and not kept.document["HostConfig"].get("AutoRemove")
    aside = _aside(swap, kept.name) if renames else None
    sentence = (
        f"{people.named(swap.actor)} agreed: {kept.name} on {kept.node}, started outside Spark Control, was stopped"
        f"{f' and is called {aside} now' if aside else ''}."
    )
    data = {"swap": swap.pk, "node": kept.node, "name": kept.name, "renamed_to": aside}
    events.record("container.set_aside", sentence, slot=swap.slot, actor=swap.actor, data=data)


def _put_back(drive: Drive, kept: Kept) -> None:
    slot, fence = drive.site.slot.name, drive.swap.fence
    command = commands.put_back(slot, fence, kept.document, start=kept.running)
    answer = drive.site.on(kept.node, command, timeout=MOVE_SECONDS)
    if answer.exit_status == commands.ABSENT:  # it was started with --rm, or somebody removed it
        command, stdin = commands.recreate(slot, fence, kept.document, start=kept.running)
        answer = drive.site.on(kept.node, command, timeout=MOVE_SECONDS, stdin=stdin)
    if not answer.ok:
        raise StepFailed(_trouble(f"{kept.name} could not be started again on {kept.node}", _said(answer)))


def _believe(drive: Drive, *, answered: bool) -> None:
    """Wait for what answered at the slot's address. One that takes long is left to itself: the probes go on looking."""
    slot, swap = drive.site.slot, drive.swap
    serving.mark(swap, ServingState.UNKNOWN, problem="What ran before was started again; it was not heard from yet.")
    ends_at = time.monotonic() + (ANSWER_SECONDS if answered else 0)
    while time.monotonic() < ends_at:
        reading = probe_vllm(slot.base_url, timeout=2.0, brief=True)
        if reading.health_ok and swap.from_definition:
            serving.mark(swap, ServingState.SERVING, restored(swap.from_definition), reading.model_ids)
        if reading.health_ok:
            return
        drive.wait(ANSWER_LOOK_SECONDS)


def _said(answer: CommandResult) -> str:
    return mask_secrets(answer.reason or answer.stderr or answer.stdout).strip()[-300:]


def _trouble(what: str, said: str) -> Cause:
    remedy = "Look at that container with `docker ps -a` on the Spark, and start it there by hand when it is needed."
    return Cause("container-not-moved", f"{what}: {said}" if said else f"{what}.", remedy)


def _context(swap: Swap) -> str:
    return f"swap:{swap.pk}:replaced"
