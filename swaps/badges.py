"""The states of swaps and slots as people see them."""

from cluster.badges import Badge
from swaps.models import Operation, Serving, ServingState, Swap
from swaps.states import Status, phase_label

_ENDS = {
    Status.READY: Badge("check", "Ready", "good"),
    Status.FAILED: Badge("cross", "Failed", "bad"),
    Status.ERRORED: Badge("alert", "Errored", "bad"),
    Status.CANCELLED: Badge("slash", "Cancelled", "mute"),
}
_DONE = {
    Operation.STOP: Badge("check", "Stopped", "good"),
    Operation.WARM: Badge("check", "Warmed", "good"),
}
_SERVING = {
    ServingState.SERVING: Badge("check", "Serving", "good"),
    ServingState.IDLE: Badge("idle", "Idle", "mute"),
    ServingState.STARTING: Badge("clock", "Starting", "info"),
    ServingState.UNKNOWN: Badge("question", "Unknown", "warn"),
}


def of_swap(swap: Swap) -> Badge:
    if swap.state is Status.READY and swap.operation != Operation.SWAP:
        return _DONE[Operation(swap.operation)]
    if swap.state in _ENDS:
        return _ENDS[swap.state]
    if swap.cancel_requested_at:
        return Badge("clock", "Cancelling", "warn")
    return Badge("clock", phase_label(swap.state), "info")


def of_serving(serving: Serving | None) -> Badge:
    return _SERVING[ServingState(serving.state)] if serving else _SERVING[ServingState.UNKNOWN]
