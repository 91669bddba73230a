"""What a preflight says about others on the GPU: named always, and by the slot's policy a reason to refuse. Pure."""

from collections.abc import Collection, Iterable, Iterator

from swaps.checks import Check, CheckState
from swaps.launcher.gpu_users import GpuUser

CODE = "gpu-shared"
MIB_PER_GIB = 1024
VLLM_TITLE = "VLLM::"


def foreign_checks(
    node: str, users: Iterable[GpuUser], container: str, stopped: Collection[str], *, refuse: bool
) -> Iterator[Check]:
    """`container` is the slot's own; `stopped`: names of containers that the swap stops anyway."""
    users = tuple(users)
    own_runs = any(user.name == container and not user.pid for user in users)
    for user in users:
        # When nobody tells whose a vLLM process is, it is that of our container.
        own = user.name == container if not user.pid else own_runs and user.name.startswith(VLLM_TITLE)
        if own or user.name in stopped:
            continue
        yield _check(node, user, refuse=refuse and not user.ours)


def _check(node: str, user: GpuUser, *, refuse: bool) -> Check:
    held = f": {user.memory_mib / MIB_PER_GIB:.1f} GiB" if user.memory_mib is not None else ""
    other_slot = ", started by Spark Control for another slot," if user.ours else ""
    sentence = f"{user.words}{other_slot} also uses the memory of the GPU on {node}{held}."
    stop = f"docker stop {user.name}" if not user.pid else f"kill {user.pid}"
    if not refuse:
        return Check(CODE, CheckState.WARNING, sentence, f"If the load runs out of memory, end it: {stop}.", node)
    remedy = f"End it ({stop} on {node}), or let the slot warn only: others on the GPU, in its settings."
    return Check(CODE, CheckState.BLOCKS, sentence, remedy, node)
