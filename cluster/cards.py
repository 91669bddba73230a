"""What a Spark's card shows: gauges with one hour behind them, and who is on its GPU."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cluster import badges, charts, idle_memory
from cluster.models import Reading, Slot, Spark, SshState
from cluster.readings import Container, GpuProcess, HostReading
from cluster.templatetags import show

HOUR = timedelta(hours=1)
OLD_AFTER = timedelta(minutes=2)
REBOOT_SHOWN_FOR = timedelta(hours=24)
SHORTEST_SPAN = timedelta(minutes=10)  # a line of two minutes would be a dot at the edge


@dataclass(frozen=True, slots=True)
class Scale:
    """One figure of a Spark and the range its line is drawn in. No unit: bytes, up to the Spark's own total."""

    field: str
    label: str
    unit: str = ""
    low: float = 0
    high: float | None = None


_SCALES = (
    Scale("gpu_busy_percent", "GPU busy", "%", high=100),
    Scale("mem_available_bytes", "Memory available"),
    Scale("gpu_temperature_c", "Temperature", "°C", low=20, high=100),
    Scale("gpu_power_watts", "Power", "W", high=140),
    Scale("disk_free_bytes", "Disk free"),
)

Row = tuple[datetime, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class Gauge:
    label: str
    value: str
    unit: str
    of: str
    line: charts.Line | None


@dataclass(frozen=True, slots=True)
class Occupant:
    """Something on the GPU: `ours` is False for a container Spark Control did not start."""

    name: str
    detail: str
    memory: str
    ours: bool


@dataclass(frozen=True, slots=True)
class SparkCard:
    spark: Spark
    badge: badges.Badge
    gauges: list[Gauge]
    occupants: list[Occupant]
    slots: list[str]
    stale: bool
    silent: bool  # contacted once, and now what is true of it is not known
    rebooted_at: datetime | None  # of late
    contacted: bool
    needs_host_key: bool
    memory_missing: str  # a sentence; blank: none is
    memory_remedy: str


def of_sparks(sparks: Iterable[Spark], now: datetime) -> list[SparkCard]:
    """One card per Spark, with three queries for all of them together."""
    sparks = list(sparks)
    rows = _last_hour(sparks, now)
    slots = list(Slot.objects.with_sparks())
    return [_card(spark, rows[spark.pk], [s for s in slots if spark in s.sparks()], now) for spark in sparks]


def _last_hour(sparks: Sequence[Spark], now: datetime) -> dict[int, list[Row]]:
    found = Reading.objects.filter(spark__in=sparks, at__gte=now - HOUR, at__lte=now).order_by("at")
    rows: dict[int, list[Row]] = defaultdict(list)
    for spark_id, at, *values in found.values_list("spark_id", "at", *(scale.field for scale in _SCALES)):
        rows[spark_id].append((at, tuple(values)))
    return rows


def _card(spark: Spark, rows: list[Row], slots: list[Slot], now: datetime) -> SparkCard:
    up = spark.ssh_state == SshState.UP
    return SparkCard(
        spark=spark,
        badge=badges.of_spark(spark),
        gauges=_gauges(spark.reading if up else _totals(spark.reading), rows, now),
        occupants=_occupants(spark.reading, {slot.container_name for slot in slots}),
        slots=[slot.name for slot in slots],
        stale=bool(spark.probed_at and (not up or now - spark.probed_at > OLD_AFTER)),
        silent=spark.probed_at is not None and spark.ssh_state not in (SshState.UP, SshState.NEW),
        rebooted_at=_lately(spark.rebooted_at, now),
        contacted=spark.probed_at is not None,
        needs_host_key=not spark.host_key,
        memory_remedy=idle_memory.REMEDY,
        memory_missing=idle_memory.sentence(spark, spark.memory_missing_bytes) if spark.memory_missing_bytes else "",
    )


def _totals(reading: dict[str, Any]) -> dict[str, Any]:
    """What stays true of a Spark that does not answer; an old figure in the place of a fresh one would be a lie."""
    return {name: value for name, value in reading.items() if name.endswith("_total_bytes")}


def _lately(at: datetime | None, now: datetime) -> datetime | None:
    return at if at and now - at < REBOOT_SHOWN_FOR else None


def _gauges(reading: dict[str, Any], rows: list[Row], now: datetime) -> list[Gauge]:
    span = min(HOUR, max(SHORTEST_SPAN, now - rows[0][0])) if rows else HOUR
    tops = {"Memory available": reading.get("mem_total_bytes"), "Disk free": reading.get("disk_total_bytes")}
    gauges = []
    for i, scale in enumerate(_SCALES):
        points = charts.thin([(1 - (now - at) / span, values[i]) for at, values in rows])
        top = scale.high or tops[scale.label]
        line = charts.draw(points, low=scale.low, high=top, words=_words(scale, points, span))
        value, unit = _shown(scale, reading.get(scale.field))
        gauges.append(Gauge(scale.label, value, unit, "" if scale.high or not top else f"of {show.bytes_(top)}", line))
    return gauges


def _shown(scale: Scale, value: float | None) -> tuple[str, str]:
    """Number and unit apart; scales without a unit are in bytes."""
    if scale.unit:
        return ("–" if value is None else f"{value:.0f}"), scale.unit
    number, _, unit = show.bytes_(value).partition(" ")
    return number, unit


def _words(scale: Scale, points: list[tuple[float, float | None]], span: timedelta) -> str:
    values = [value for _, value in points if value is not None]
    if not values:
        return ""
    least, most = (" ".join(_shown(scale, value)) for value in (min(values), max(values)))
    return f"{scale.label} in the last {round(span.total_seconds() / 60)} min: {least} to {most}"


def _occupants(reading: dict[str, Any], ours: set[str]) -> list[Occupant]:
    seen = HostReading.from_dict(reading)
    boxes = [box for box in seen.containers if box.running or box.on_gpu]
    held = {process.pid: _container_of(process, boxes, ours) for process in seen.gpu_processes}
    loose = [process for process in seen.gpu_processes if not held[process.pid]]
    return [
        *(_box(box, [p for p in seen.gpu_processes if held[p.pid] == box.name], box.name in ours) for box in boxes),
        *(Occupant(p.name, f"process {p.pid}", _mib(p.memory_mib), False) for p in loose),
    ]


def _container_of(process: GpuProcess, boxes: list[Container], ours: set[str]) -> str:
    """vLLM titles its processes VLLM::; when Docker does not tell whose such a process is, it is our container's."""
    if process.container or not process.name.startswith("VLLM::"):
        return process.container
    return next((box.name for box in boxes if box.name in ours), "")


def _box(box: Container, processes: list[GpuProcess], ours: bool) -> Occupant:
    known = [process.memory_mib for process in processes if process.memory_mib is not None]
    return Occupant(box.name, f"{box.image} {box.status}".strip(), _mib(sum(known) if known else None), ours)


def _mib(mib: int | None) -> str:
    return "" if mib is None else show.bytes_(mib * 2**20)


def facts(spark: Spark) -> list[tuple[str, str]]:
    """The quieter figures of a Spark's own page; unknown ones are left out."""
    seen = HostReading.from_dict(spark.reading)
    told = [
        ("GPU", seen.gpu_name),
        ("Driver", seen.driver_version),
        ("GPU clock", seen.gpu_clock_mhz and f"{seen.gpu_clock_mhz:.0f} MHz"),
        ("GPU memory held", seen.gpu_memory_mib is not None and _mib(seen.gpu_memory_mib)),
        (
            "Swap free",
            seen.swap_total_bytes and f"{show.bytes_(seen.swap_free_bytes)} of {show.bytes_(seen.swap_total_bytes)}",
        ),
        ("Model cache disk free", seen.cache_disk_free_bytes is not None and show.bytes_(seen.cache_disk_free_bytes)),
        ("CPU temperature", seen.cpu_temperature_c and f"{seen.cpu_temperature_c:.0f} °C"),
        ("Load, 1 min", seen.load_1m is not None and f"{seen.load_1m:.1f}"),
        ("Up for", seen.uptime_seconds and show.seconds(seen.uptime_seconds)),
        ("SSH answer", seen.reachable_ms and f"{seen.reachable_ms:.0f} ms"),
    ]
    return [(label, str(value)) for label, value in told if value]
