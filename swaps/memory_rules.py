"""What memory figures mean for a load, in sentences. Pure. The facts are in spark-facts.md 5.3 and 5.4."""

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.readings import HostReading
from swaps.catalog.definition import Definition
from swaps.catalog.vllm_options import option_values
from swaps.checks import Check, CheckState
from swaps.failures import Cause

GIB = 2**30
USUAL_SHARE = 0.9  # vLLM's own --gpu-memory-utilization
SHARE = "--gpu-memory-utilization"
NOT_BY_SHARE = "--kv-cache-memory-bytes"  # then the share says little about what is taken


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """One node as a load meets it. Bytes; `idle` is what it has available with nothing on the GPU, None: not known."""

    name: str
    total: int | None = None
    idle: int | None = None
    neighbours: tuple[str, ...] = ()


def share_of(definition: Definition) -> float | None:
    """The part of the memory that vLLM will take; None when the arguments do not say it in a way we can read."""
    if option_values(definition.args, NOT_BY_SHARE):
        return None
    given = option_values(definition.args, SHARE)
    try:
        share = float(given[0]) if given else USUAL_SHARE
    except ValueError:
        return None
    return share if 0 < share <= 1 else None


def node_memory(name: str, reading: HostReading, idle: int | None, own_container: str) -> NodeMemory:
    """As the last probe and the node's idle baseline have it."""
    return NodeMemory(name, reading.mem_total_bytes, idle, neighbours_of(reading, own_container))


def neighbours_of(reading: HostReading, own_container: str) -> tuple[str, ...]:
    """Who else uses the memory there: containers of a kind that does, and programs on the GPU outside of any."""
    boxes = [box.name for box in reading.containers if box.running and (box.on_gpu or box.kind != "other")]
    loose = [p.name for p in reading.gpu_processes if not p.container and not p.name.startswith("VLLM::")]
    return tuple(dict.fromkeys(name for name in (*boxes, *loose) if name and name != own_container))


def stopped_at_floor(node: NodeMemory, definition: Definition, available: int | None, floor: int) -> Cause:
    """Why the guard stopped the load of `definition`, and what to do."""
    had = f"only {gib(available)} of memory left" if available is not None else "too little memory left"
    sentence = (
        f"{node.name} had {had} while {definition.label} was loading, less than the floor of {gib(floor)},"
        f" so the load was stopped before {node.name} froze."
    )
    return Cause("memory-floor", sentence, _less_memory(node, definition, floor))


def _less_memory(node: NodeMemory, definition: Definition, floor: int) -> str:
    share, fits = share_of(definition), _fitting_share(node, floor)
    known = f" (it is {share:.2f}{_fits(share, fits)})" if share is not None else ""
    first = f"Lower {SHARE}{known}, or set a smaller --max-model-len."
    others = f" Or stop what else uses memory on {node.name}: {', '.join(node.neighbours)}." if node.neighbours else ""
    return f"{first}{others} The floor is in the slot's settings."


def _fits(share: float, fits: float | None) -> str:
    return f"; {fits:.2f} leaves the floor" if fits is not None and fits < share else ""


def _fitting_share(node: NodeMemory, floor: int) -> float | None:
    """The largest share, in hundredths, that leaves the floor on an otherwise idle node."""
    if not node.total or node.idle is None or node.idle <= floor:
        return None
    return int(100 * (node.idle - floor) / node.total) / 100 or None


def floor_checks(nodes: Iterable[NodeMemory], definition: Definition, floor: int) -> list[Check]:
    """A warning for each node where the load will probably meet the floor. Silent where a figure is missing."""
    share = share_of(definition)
    return [check for node in nodes if share and (check := _floor_check(node, definition, share, floor))]


def _floor_check(node: NodeMemory, definition: Definition, share: float, floor: int) -> Check | None:
    if not node.total or node.idle is None:
        return None
    left = round(node.idle - node.total * share)
    if left >= floor:
        return None
    leaves = f"would leave {gib(left)} on {node.name}" if left > 0 else f"needs more than {node.name} has"
    guard = f", below the floor of {gib(floor)}: the load will probably be stopped" if floor and left > 0 else ""
    sentence = f"{definition.label} takes {share:.0%} of the memory and {leaves}{guard}."
    return Check("memory-floor-near", CheckState.WARNING, sentence, _less_memory(node, definition, floor), node.name)


def gib(value: int | None) -> str:
    return "an unknown amount" if value is None else f"{value / GIB:.1f} GiB"
