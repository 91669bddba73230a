"""Noticing that a slot was changed by nobody of ours: who is asked, what is kept, and how it is told."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from cluster import events
from cluster.models import Slot, SshState
from cluster.readings import Container, HostReading, VllmReading
from swaps.belief import Belief, Kind, culprit, differs, gone_kind, replaced_by, serving_kind, started_at, started_by
from swaps.launcher import node_commands, witness
from swaps.launcher.node_reports import ContainerState
from swaps.launcher.witness import Witness, read_witness
from swaps.lock_view import clock
from swaps.logs.diagnosis import Diagnosis, diagnose, unexplained
from swaps.logs.splitting import clean_line
from swaps.models import Serving, ServingState
from swaps.site import Site, site_of

ASK_SECONDS = 25.0
TAIL_LINES = 200


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the head said when it was asked over SSH; no `witness`: it did not answer, and `problem` says why."""

    witness: Witness | None
    problem: str = ""
    gone: tuple[Kind, str] | None = None  # why our model does not serve, and on which node
    diagnosis: Diagnosis | None = None


def ask_if_in_doubt(slot: Slot, serving: Serving, reading: VllmReading) -> Testimony | None:
    """A look over SSH when what answers is not what is believed, and that was not told yet."""
    belief = Belief.read(serving.believed)
    if belief is None or (reading.listens is None and not reading.health_ok):
        return None
    if reading.health_ok and (not reading.model_ids or list(reading.model_ids) == serving.drift.get("served_ids")):
        return None
    if not differs(belief, reading.health_ok, reading.model_ids):
        return None
    return _ask(site_of(slot), belief, serving.drift, reading)


def _ask(site: Site, belief: Belief, drift: dict[str, Any], reading: VllmReading) -> Testimony:
    result = site.on(site.head, witness.look(site.slot.container_name), timeout=ASK_SECONDS)
    try:
        seen = read_witness(site.head, result.stdout)
    except ValueError:
        return Testimony(None, result.reason or f"Docker on {site.head} does not say what runs.")
    if reading.health_ok:
        return Testimony(seen)
    gone = gone_kind(belief, _with_boots(site, belief, seen), engine_dead=reading.engine_dead)
    crashed = gone is not None and gone[0] is Kind.CRASHED and drift.get("kind") != Kind.CRASHED
    return Testimony(seen, gone=gone, diagnosis=_diagnose(site, belief, seen.container) if crashed else None)


def _with_boots(site: Site, belief: Belief, seen: Witness) -> Witness:
    """With the boot ids of the other nodes the model was spread over."""
    others = tuple(node for node in site.names if node != site.head and node in belief.boot_ids)
    if not others:
        return seen
    answers = site.on_each(others, lambda node: site.on(node, witness.boot_id(), timeout=10.0))
    told = {node: answer.stdout.strip() for node, answer in answers.items() if answer.ok}
    return Witness(seen.node, seen.container, seen.vllm_processes, seen.containers, {**seen.boot_ids, **told})


def _diagnose(site: Site, belief: Belief, state: ContainerState) -> Diagnosis:
    """Why our model ended, from the end of its log and, where vLLM was the main process, its exit code."""
    container = site.slot.container_name
    command = (
        node_commands.log_file_tail(belief.log_file, TAIL_LINES)
        if belief.log_file
        else node_commands.log_tail(container, TAIL_LINES)
    )
    text = site.on(site.head, command, timeout=ASK_SECONDS).text
    lines = [(site.head, _without_time(clean_line(line))) for line in text.splitlines()]
    code = None if state.running else state.exit_code
    return diagnose(lines, exit_code=code) or unexplained(lines)


def _without_time(line: str) -> str:
    """`docker logs -t` puts a timestamp before each line."""
    first, _, rest = line.partition(" ")
    return rest if first[:4].isdigit() and "T" in first else line


def update(serving: Serving, slot: Slot, testimony: Testimony | None, *, ids_known: bool) -> bool:
    """Bring `serving.drift` in line with `serving.state` and tell what is new. True when an Event told it."""
    belief = Belief.read(serving.believed)
    undecided = serving.state in (ServingState.UNKNOWN, ServingState.STARTING)
    if belief is None or undecided or (serving.state == ServingState.SERVING and not ids_known):
        return False
    found = _drift(belief, serving, slot, testimony)
    if found is None or (found and _mark_of(found) == _mark_of(serving.drift)):
        return False
    if not found:
        return _settle(serving, slot, belief)
    found["since"] = serving.drift.get("since") or timezone.now().isoformat()
    serving.drift = found
    kind = "model.crashed" if found["kind"] == Kind.CRASHED else "model.drifted"
    events.record(kind, found["sentence"], slot=slot, data={**_event_data(serving, slot), **found})
    return True


def _settle(serving: Serving, slot: Slot, belief: Belief) -> bool:
    if not serving.drift:
        return False
    serving.drift = {}
    what = f"{belief.name} serves" if belief.served_ids else "nothing serves"
    events.record("model.back", f"On {slot.name} {what} again, as before.", slot=slot, data=_event_data(serving, slot))
    return True


def _mark_of(drift: dict[str, Any]) -> tuple[Any, ...]:
    """Two drifts of the same mark are the same news."""
    if drift.get("state") == ServingState.IDLE:
        return (ServingState.IDLE,)  # the first explanation stays: later ones are what people do about it
    return drift.get("kind"), tuple(drift.get("served_ids") or ()), drift.get("who", {}).get("id")


def _drift(belief: Belief, serving: Serving, slot: Slot, testimony: Testimony | None) -> dict[str, Any] | None:
    """Empty: all is as believed. None: nothing new is known."""
    serves = serving.state == ServingState.SERVING
    if not differs(belief, serves, serving.served_ids):
        box = replaced_by(belief, slot.container_name, _boxes_of_head(slot, belief)) if serves else None
        return _told(belief, serving, slot, Kind.REPLACED, box) if box else {}
    if serves:
        boxes = testimony.witness.containers if testimony and testimony.witness else ()
        if not testimony and serving.drift.get("served_ids") == serving.served_ids:
            return None
        who = culprit(belief, slot.container_name, boxes)
        return _told(belief, serving, slot, serving_kind(belief, serving.served_ids), who)
    if testimony is None or testimony.witness is None or testimony.gone is None:
        return None
    return _gone(belief, serving, slot, testimony.witness, testimony.gone, testimony.diagnosis)


def _gone(
    belief: Belief,
    serving: Serving,
    slot: Slot,
    seen: Witness,
    gone: tuple[Kind, str],
    diagnosis: Diagnosis | None,
) -> dict[str, Any]:
    kind, node = gone
    who = culprit(belief, slot.container_name, seen.containers) if kind is Kind.STOPPED else None
    told = _told(belief, serving, slot, kind, who)
    told["node"] = node
    exited = seen.container.exists and not seen.container.running
    told["exit_code"] = seen.container.exit_code if exited else None
    told["sentence"] = _gone_sentence(belief, slot, kind, node, seen.container, told)
    if kind is Kind.CRASHED:
        told["diagnosis"] = asdict(diagnosis) if diagnosis else serving.drift.get("diagnosis")
        told["sentence"] = f"{told['sentence']} {diagnosis.sentence if diagnosis else ''}".strip()
    return told


def _gone_sentence(
    belief: Belief, slot: Slot, kind: Kind, node: str, state: ContainerState, told: dict[str, Any]
) -> str:
    gone = f"{belief.name} no longer serves on {slot.name}:"
    if kind is Kind.RESTARTED:
        return f"{gone} {node} restarted."
    if kind is Kind.CRASHED:
        code = f" with exit code {told['exit_code']}" if told["exit_code"] is not None else ""
        return f"{belief.name} on {slot.name} ended by itself{code}."
    how = "is gone" if not state.exists else "was stopped" if not state.running else "is another one now"
    there = f" What runs on {node} now: {told['who']['words']}." if told["who"] else ""
    return f"{gone} its container {slot.container_name} on {node} {how}.{there}"


def _told(belief: Belief, serving: Serving, slot: Slot, kind: Kind, who: Container | None) -> dict[str, Any]:
    now_serves = serving.model_label or ", ".join(serving.served_ids)
    sentence = {
        Kind.OTHER_MODEL: f"{slot.name} serves {now_serves} instead of {belief.name}, and no swap did that.",
        Kind.STARTED: f"{slot.name} serves {now_serves}, and no swap did that; nothing should serve there.",
        Kind.REPLACED: f"{belief.name} on {slot.name} answers from another container than the one a swap started.",
    }.get(kind, "")
    described = _who(who) if who else {}
    return {
        "kind": str(kind),
        "sentence": f"{sentence} It runs in {described['words']}." if described and sentence else sentence,
        "believed": {"model": belief.model_key, "model_label": belief.model_label, "swap": belief.swap}
        | {"served_ids": list(belief.served_ids)},
        "state": serving.state,
        "served_ids": list(serving.served_ids),
        "who": described,
        "node": slot.head.name,
        "exit_code": None,
        "diagnosis": None,
    }


def _who(box: Container) -> dict[str, Any]:
    at, by = started_at(box), started_by(box)
    words = f"the container {box.name} ({box.image})"
    words += f", started at {clock(at)}" if at else ""
    words += f" by {by}" if by else ""
    return {
        "id": box.id,
        "container": box.name,
        "image": box.image,
        "kind": box.kind,
        "labels": box.labels,
        "started_at": at.isoformat() if at else None,
        "started_by": by,
        "words": words,
    }


def _boxes_of_head(slot: Slot, belief: Belief) -> tuple[Container, ...]:
    """As the head's newest probe saw them; nothing when it is older than the belief."""
    head = slot.head
    if head.ssh_state != SshState.UP or head.probed_at is None or head.probed_at <= datetime.fromisoformat(belief.at):
        return ()
    reading = HostReading.from_dict(head.reading)
    return reading.containers if reading.docker_ok else ()


def _event_data(serving: Serving, slot: Slot) -> dict[str, Any]:
    return {"slot": slot.name, "state": serving.state, "model": serving.model_key, "served_ids": serving.served_ids}
