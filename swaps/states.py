"""The swap machine on paper: states, allowed moves, and what each state means.

queued -> preflight -> stopping -> launching -> loading -> verifying -> ready
any active state -> rolling_back -> failed | cancelled
any active state -> failed | errored | cancelled
launching, loading or verifying -> stopping, once: a Spark restarted, and the model is launched again

A warm-up touches no container: queued -> warming -> ready.
"""

from enum import StrEnum


class Status(StrEnum):
    QUEUED = "queued"  # accepted; nobody drives it yet
    PREFLIGHT = "preflight"  # questions only; the old model still serves
    STOPPING = "stopping"  # the old model is being ended
    LAUNCHING = "launching"  # the launcher is starting containers
    LOADING = "loading"  # vLLM reads weights, compiles, captures graphs
    VERIFYING = "verifying"  # health, served id, one tiny completion
    ROLLING_BACK = "rolling_back"  # the last good model is being brought back
    WARMING = "warming"  # a prompt is on its way to the model that serves
    READY = "ready"
    FAILED = "failed"  # an expected failure, told in one sentence
    ERRORED = "errored"  # our own bug, with a traceback
    CANCELLED = "cancelled"  # asked for


IN_ORDER = (
    Status.QUEUED,
    Status.PREFLIGHT,
    Status.STOPPING,
    Status.LAUNCHING,
    Status.LOADING,
    Status.VERIFYING,
    Status.READY,
)
TERMINAL = frozenset({Status.READY, Status.FAILED, Status.ERRORED, Status.CANCELLED})
ACTIVE = frozenset(Status) - TERMINAL

_ENDS = {Status.FAILED, Status.ERRORED, Status.CANCELLED}
MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PREFLIGHT, Status.WARMING, *_ENDS}),
    Status.PREFLIGHT: frozenset({Status.STOPPING, *_ENDS}),
    Status.STOPPING: frozenset({Status.LAUNCHING, Status.READY, Status.ROLLING_BACK, *_ENDS}),  # a stop ends here
    Status.LAUNCHING: frozenset({Status.LOADING, Status.STOPPING, Status.ROLLING_BACK, *_ENDS}),
    Status.LOADING: frozenset({Status.VERIFYING, Status.STOPPING, Status.ROLLING_BACK, *_ENDS}),
    Status.VERIFYING: frozenset({Status.READY, Status.STOPPING, Status.ROLLING_BACK, *_ENDS}),
    Status.ROLLING_BACK: frozenset(_ENDS),
    Status.WARMING: frozenset({Status.READY, *_ENDS}),
}

# In these the model that serves is untouched, so ending early leaves it serving.
BEFORE_STOP = frozenset({Status.QUEUED, Status.PREFLIGHT, Status.WARMING})


def may_move(current: Status, to: Status) -> bool:
    return to in MOVES.get(current, frozenset())


def phase_label(status: Status) -> str:
    """The word people read."""
    return LABELS[status]


LABELS = {
    Status.QUEUED: "Queued",
    Status.PREFLIGHT: "Checking",
    Status.STOPPING: "Stopping the old model",
    Status.LAUNCHING: "Launching",
    Status.LOADING: "Loading",
    Status.VERIFYING: "Verifying",
    Status.ROLLING_BACK: "Rolling back",
    Status.WARMING: "Warming",
    Status.READY: "Ready",
    Status.FAILED: "Failed",
    Status.ERRORED: "Errored",
    Status.CANCELLED: "Cancelled",
}
