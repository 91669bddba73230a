"""What a slot should serve by the last swap, against what is seen there. Pure.

A difference is a drift: somebody changed the slot from outside, a Spark restarted, or our model died by itself. Not
knowing is no drift, and neither is a slot of which nothing is believed yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from cluster.readings import Container
from swaps.launcher.witness import Witness

ASKED_TO_END = (0, 143)  # exit codes of a vLLM that was told to stop: docker stop sends SIGTERM
SWAP_LABEL = "sparkcontrol.swap"
COMPOSE = "com.docker.compose.project"


class Kind(StrEnum):
    OTHER_MODEL = "other-model"
    STARTED = "started"  # nothing should serve, and something does
    REPLACED = "replaced"  # the same model, from a container that is not the one we started
    STOPPED = "stopped"
    CRASHED = "crashed"  # nobody asked it to end
    RESTARTED = "restarted"  # the Spark did, and our model with it


@dataclass(frozen=True, slots=True)
class Belief:
    """What the last swap made true, or a person adopted. No served ids: nothing should serve."""

    at: str  # ISO-8601
    model_key: str = ""
    model_label: str = ""
    served_ids: tuple[str, ...] = ()
    swap: int | None = None
    container: str = ""  # id, of what was adopted
    boot_ids: Mapping[str, str] = field(default_factory=dict)
    log_file: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "served_ids": list(self.served_ids), "boot_ids": dict(self.boot_ids)}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self | None:
        """None while nothing is believed yet."""
        if not stored.get("at"):
            return None
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        return cls(**{**known, "served_ids": tuple(stored.get("served_ids") or ())})

    @property
    def name(self) -> str:
        return self.model_label or ", ".join(self.served_ids)


def differs(belief: Belief | None, serving: bool, served_ids: Iterable[str]) -> bool:
    """Ids besides the believed ones are no difference: adapters come and go."""
    if belief is None:
        return False
    if not serving:
        return bool(belief.served_ids)
    return not belief.served_ids or not set(belief.served_ids) <= set(served_ids)


def replaced_by(belief: Belief | None, container: str, seen: Iterable[Container]) -> Container | None:
    """Who answers instead of our container while the same model serves; None when it may well be ours."""
    if belief is None or not belief.served_ids:
        return None
    running = [box for box in seen if box.running]
    if not running or any(is_believed(belief, box) for box in running):
        return None
    return culprit(belief, container, running)


def is_believed(belief: Belief, box: Container) -> bool:
    if belief.swap is not None:
        return box.labels.get(SWAP_LABEL) == str(belief.swap)
    return not belief.container or box.id == belief.container


def culprit(belief: Belief | None, container: str, seen: Iterable[Container]) -> Container | None:
    """Whose vLLM it most likely is: the slot's own container name first, then the newest that serves models."""
    others = [box for box in seen if box.running and not (belief and belief.swap and is_believed(belief, box))]
    named = [box for box in others if box.name == container]
    servers = [box for box in others if box.kind != "other"]
    return max(named or servers, key=lambda box: box.created, default=None)


def serving_kind(belief: Belief, served_ids: Iterable[str]) -> Kind:
    if not belief.served_ids:
        return Kind.STARTED
    return Kind.REPLACED if set(belief.served_ids) <= set(served_ids) else Kind.OTHER_MODEL


def gone_kind(belief: Belief, witness: Witness, *, engine_dead: bool) -> tuple[Kind, str] | None:
    """Why our model does not serve any more, and on which node; None while a vLLM runs that does not answer yet.

    `engine_dead`: its web server still answers, with 503.
    """
    state = witness.container
    if state.running and witness.vllm_processes and not engine_dead:
        return None
    for node, boot_id in belief.boot_ids.items():
        if witness.boot_ids.get(node, boot_id) != boot_id:
            return Kind.RESTARTED, node
    ours = state.exists and (belief.swap is None or state.swap_id == belief.swap)
    if not ours or (not state.running and state.exit_code in ASKED_TO_END):
        return Kind.STOPPED, witness.node
    return Kind.CRASHED, witness.node


def started_at(box: Container) -> datetime | None:
    """Docker says `2026-11-20 10:00:00 +0000 UTC`."""
    try:
        return datetime.strptime(" ".join(box.created.split(" ")[:3]), "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def started_by(box: Container) -> str:
    """What its labels and name tell about who started it; blank when nothing."""
    if SWAP_LABEL in box.labels:
        return f"swap {box.labels[SWAP_LABEL]} of Spark Control"
    if box.kind == "sparkrun":
        return "sparkrun"
    if COMPOSE in box.labels:
        return f"Docker Compose, project {box.labels[COMPOSE]}"
    return "the community launcher" if box.kind == "launcher" else ""
