"""Dropping the page cache before a load, where the slot asks for it and the Spark's sudoers allow it."""

from django.db.models import Q

from cluster.models import Slot
from swaps.checks import Check, CheckState
from swaps.drive import Drive
from swaps.launcher import guard_commands
from swaps.models import Swap, SwapMessage
from swaps.states import Status

CODE = "page-cache-kept"
DROP_SECONDS = 60.0
TOUCHY = (Status.LAUNCHING, Status.LOADING, Status.VERIFYING, Status.ROLLING_BACK)


def drop(drive: Drive) -> None:
    """On every node of the launch. A Spark that does not let us keeps its cache; the swap goes on."""
    if not drive.site.slot.drop_caches:
        return
    nodes = tuple(name for name in drive.site.names_for(drive.target) if not _loads_elsewhere(drive, name))
    if not nodes:
        return
    command = guard_commands.drop_caches()
    answers = drive.site.on_each(nodes, lambda node: drive.site.on(node, command, timeout=DROP_SECONDS))
    users = {spark.name: spark.ssh_user for spark in drive.site.sparks}
    for node, answer in answers.items():
        if answer.ok and answer.stdout.strip() == "dropped":
            _say(drive, node, "The page cache was dropped.")
        else:
            _warn(drive, node, users[node], answer.stdout.removeprefix("refused").strip() or answer.reason)


def sudoers_line(user: str) -> str:
    """What lets `user` do exactly this and nothing else."""
    return f"{user} ALL=(root) NOPASSWD: /usr/bin/tee /proc/sys/vm/drop_caches"


def _loads_elsewhere(drive: Drive, node: str) -> bool:
    """A model of another slot that loads there reads its weights through that cache."""
    slots = Slot.objects.filter(Q(head__name=node) | Q(seats__spark__name=node)).exclude(pk=drive.site.slot.pk)
    return Swap.objects.filter(slot__in=slots, status__in=TOUCHY).exists()


def _warn(drive: Drive, node: str, user: str, why: str) -> None:
    sentence = f"The page cache of {node} was not dropped: {why}"[:300]
    remedy = (
        f"On {node}, run sudo visudo -f /etc/sudoers.d/spark-control and add the line {sudoers_line(user)}"
        " Or switch the drop off in the slot's settings."
    )
    check = Check(CODE, CheckState.WARNING, sentence, remedy, node).as_dict()
    _say(drive, node, f"{sentence} {remedy}", check)


def _say(drive: Drive, node: str, text: str, check: dict[str, str] | None = None) -> None:
    others = [one for one in drive.swap.checks if (one["code"], one["node"]) != (CODE, node)]
    drive.say((SwapMessage.Kind.LOG, {"node": node, "text": text}), checks=[*others, *([check] if check else [])])
