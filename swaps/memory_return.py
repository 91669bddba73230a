"""After the old model is gone: did its memory come back, compared with what the Spark has when idle?"""

import time

from cluster import idle_memory
from cluster.models import Spark
from swaps.checks import Check, CheckState
from swaps.drive import Drive
from swaps.launcher import guard_commands
from swaps.launcher.guard_reports import IdleLook, read_idle
from swaps.memory_rules import share_of
from swaps.models import SwapMessage

CODE = "memory-not-returned"
LOOK_EVERY_SECONDS = 0.5
LOOK_SECONDS = 10.0
PATIENCE_SECONDS = 5.0  # memory of an ended vLLM is usually back within a second
LONG_PATIENCE_SECONDS = 60.0  # when the next model cannot start without it: late is better than never


def see_it_back(drive: Drive) -> None:
    """Wait for it a little, and say so when it stays away. Never ends a swap: vLLM itself says what is too little."""
    sparks = _with_baseline(drive)
    began = time.monotonic()
    while sparks:
        looks = _look(drive, sparks)
        sparks = [spark for spark in sparks if _lack(spark, looks[spark.name]) >= idle_memory.MISSING_BYTES]
        patience = LONG_PATIENCE_SECONDS if _too_little(drive, sparks, looks) else PATIENCE_SECONDS
        if time.monotonic() - began >= patience:
            break
        if sparks:
            drive.wait(LOOK_EVERY_SECONDS)
    for spark in sparks:
        _tell(drive, spark, _lack(spark, looks[spark.name]))


def _with_baseline(drive: Drive) -> list[Spark]:
    """As the row is now: probes went on since the drive began."""
    names = drive.site.names_for(drive.target)
    return list(Spark.objects.filter(name__in=names).exclude(idle_available_bytes=None))


def _look(drive: Drive, sparks: list[Spark]) -> dict[str, IdleLook]:
    site, command = drive.site, guard_commands.memory_left()
    names = tuple(spark.name for spark in sparks)
    return site.on_each(names, lambda node: read_idle(site.on(node, command, timeout=LOOK_SECONDS).stdout))


def _lack(spark: Spark, look: IdleLook) -> int:
    """Bytes that are missing there; 0 when something uses the GPU, or when that is not known."""
    if look.gpu_processes != 0 or look.available_bytes is None or look.total_bytes is None:
        return 0
    if look.total_bytes != spark.reading.get("mem_total_bytes"):
        return 0
    return (spark.idle_available_bytes or 0) - look.available_bytes


def _too_little(drive: Drive, sparks: list[Spark], looks: dict[str, IdleLook]) -> bool:
    """vLLM refuses to start when less is available than the share it was told to take (spark-facts.md 5.3)."""
    share = share_of(drive.target) or 0.0
    return any((looks[s.name].total_bytes or 0) * share > (looks[s.name].available_bytes or 0) for s in sparks)


def _tell(drive: Drive, spark: Spark, missing: int) -> None:
    idle_memory.tell_missing(spark, missing)
    words = idle_memory.sentence(spark, missing)
    check = Check(CODE, CheckState.WARNING, words, idle_memory.REMEDY, spark.name).as_dict()
    others = [one for one in drive.swap.checks if (one["code"], one["node"]) != (CODE, spark.name)]
    line = {"node": spark.name, "text": f"{words} {idle_memory.REMEDY}"}
    drive.say((SwapMessage.Kind.LOG, line), checks=[*others, check])
