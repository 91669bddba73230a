"""How much memory a Spark has with nothing on its GPU, and whether an ended model gave its share back.

The driver sometimes keeps memory of a process that is gone (spark-facts.md 5.4). How much is usual differs, so
each Spark is compared with itself: its baseline is the most it had twice in a row while idle, since it started.
"""

from dataclasses import dataclass

from django.db import transaction

from cluster import events
from cluster.models import Spark
from cluster.readings import Container, HostReading

GIB = 2**30
MISSING_BYTES = 5 * GIB
BACK_BYTES = 4 * GIB  # less than this is missing: it is back. The gap keeps the word from flickering.
REMEDY = (
    "Wait a minute: memory of an ended model can come back late. If it does not, see whether another program holds it"
    " (ps aux --sort=-rss | head). Otherwise restart the Spark: dropping the page cache does not free what the driver"
    " has lost."
)


@dataclass(frozen=True, slots=True)
class IdleMemory:
    """Bytes. `baseline` None: never seen idle since it started; `missing` None: nothing is."""

    baseline: int | None = None
    missing: int | None = None


def is_idle(reading: HostReading) -> bool:
    """Nothing on the GPU and no container that could be on its way there. False when either is not known."""
    gpu_known = reading.gpu_name is not None and not reading.gpu_problem
    busy = any(box.running and _counts(box) for box in reading.containers)
    return gpu_known and not reading.gpu_processes and reading.docker_ok is True and not busy


def _counts(box: Container) -> bool:
    return box.on_gpu or box.kind != "other" or any(label.startswith("sparkcontrol.") for label in box.labels)


def after(known: IdleMemory, earlier: HostReading, now: HostReading) -> IdleMemory:
    """What is known after two looks in a row. Pure."""
    if not now.boot_id:
        return known  # a look that failed half-way
    if earlier.boot_id != now.boot_id or earlier.mem_total_bytes != now.mem_total_bytes:
        return IdleMemory()  # another start, or another machine: the old figures say nothing of it
    had, has = earlier.mem_available_bytes, now.mem_available_bytes
    if had is None or has is None:
        return known
    if not (is_idle(earlier) and is_idle(now)):
        return _while_busy(known, now, has)
    baseline = max(known.baseline or 0, min(had, has))
    lack = baseline - max(had, has)
    least = BACK_BYTES if known.missing else MISSING_BYTES
    return IdleMemory(baseline, lack if lack >= least else None)


def _while_busy(known: IdleMemory, now: HostReading, has: int) -> IdleMemory:
    """With a model on the GPU only one thing can be seen: that nothing is missing beyond what it holds."""
    held = now.gpu_memory_mib
    if known.missing and known.baseline and held is not None and known.baseline - has - held * 2**20 < BACK_BYTES:
        return IdleMemory(known.baseline)
    return known


def keep(spark: Spark, earlier: HostReading, now: HostReading) -> None:
    """Call it in the transaction that stores a reading. `spark` as it was read before."""
    known = IdleMemory(spark.idle_available_bytes, spark.memory_missing_bytes)
    found = after(known, earlier, now)
    if found.baseline != known.baseline:
        Spark.objects.filter(pk=spark.pk).update(idle_available_bytes=found.baseline)
        spark.idle_available_bytes = found.baseline
    if found.missing:
        tell_missing(spark, found.missing)
    elif known.missing:
        _tell_back(spark)


def tell_missing(spark: Spark, missing: int) -> None:
    """Note it on the row; an Event only when it is news."""
    with transaction.atomic():
        row = Spark.objects.filter(pk=spark.pk)
        is_news = row.filter(memory_missing_bytes=None).update(memory_missing_bytes=missing)
        if is_news:
            data = {"spark": spark.name, "missing_bytes": missing, "idle_available_bytes": spark.idle_available_bytes}
            events.record("spark.memory_not_returned", f"{sentence(spark, missing)} {REMEDY}", spark=spark, data=data)
        else:
            row.update(memory_missing_bytes=missing)
    spark.memory_missing_bytes = missing


def _tell_back(spark: Spark) -> None:
    if Spark.objects.filter(pk=spark.pk).exclude(memory_missing_bytes=None).update(memory_missing_bytes=None):
        words = f"The memory of {spark.name} that an ended model had kept is back."
        events.record("spark.memory_returned", words, spark=spark, data={"spark": spark.name})
    spark.memory_missing_bytes = None


def sentence(spark: Spark, missing: int) -> str:
    usual = f" of the usual {_gib(spark.idle_available_bytes)}" if spark.idle_available_bytes else ""
    return f"{_gib(missing)}{usual} of memory did not come back on {spark.name}: nothing uses its GPU that we can see."


def _gib(value: int) -> str:
    return f"{value / GIB:.1f} GiB"
