"""What a Spark's card shows: gauges with one hour behind them, and who is on its GPU."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cluster import badges, charts
from cluster.models import Reading, Slot, Spark, SshState
from cluster.readings import HostReading
from cluster.templatetags import show

HOUR = timedelta(hours=1)
OLD_AFTER = timedelta(minutes=2)
_SERIES = ("gpu_busy_percent", "mem_available_bytes", "gpu_temperature_c", "gpu_power_watts", "disk_free_bytes")

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
    contacted: bool
    needs_host_key: bool


def of_sparks(sparks: Iterable[Spark], now: datetime) -> list[SparkCard]:
    """One card per Spark, with three queries for all of them together."""
    sparks = list(sparks)
    rows = _last_hour(sparks, now)
    slots = list(Slot.objects.with_sparks())
    return [_card(spark, rows[spark.pk], [s for s in slots if spark in s.sparks()], now) for spark in sparks]


def _last_hour(sparks: Sequence[Spark], now: datetime) -> dict[int, list[Row]]:
    found = Reading.objects.filter(spark__in=sparks, at__gte=now - HOUR, at__lte=now).order_by("at")
    rows: dict[int, list[Row]] = defaultdict(list)
    for spark_id, at, *values in found.values_list("spark_id", "at", *_SERIES):
        rows[spark_id].append((at, tuple(values)))
    return rows


def _card(spark: Spark, rows: list[Row], slots: list[Slot], now: datetime) -> SparkCard:
    up = spark.ssh_state == SshState.UP
    return SparkCard(
        spark=spark,
        badge=badges.of_spark(spark),
        gauges=_gauges(spark.reading, rows, now),
        occupants=_occupants(spark.reading, {slot.container_name for slot in slots}),
        slots=[slot.name for slot in slots],
        stale=bool(spark.probed_at and (not up or now - spark.probed_at > OLD_AFTER)),
        contacted=spark.probed_at is not None,
        needs_host_key=not spark.host_key,
    )


def _gauges(reading: dict[str, Any], rows: list[Row], now: datetime) -> list[Gauge]:
    memory, disk = reading.get("mem_total_bytes"), reading.get("disk_total_bytes")
    return [
        _gauge("GPU busy", reading, rows, now, 0, unit="%", high=100),
        _gauge("Memory available", reading, rows, now, 1, of=memory, high=memory),
        _gauge("Temperature", reading, rows, now, 2, unit="°C", low=20, high=100),
        _gauge("Power", reading, rows, now, 3, unit="W", high=140),
        _gauge("Disk free", reading, rows, now, 4, of=disk, high=disk),
    ]


def _gauge(
    label: str,
    reading: dict[str, Any],
    rows: list[Row],
    now: datetime,
    series: int,
    *,
    unit: str = "",
    of: float | None = None,
    low: float = 0,
    high: float | None = None,
) -> Gauge:
    value = reading.get(_SERIES[series])
    if unit:
        shown = "–" if value is None else f"{value:.0f}"
    else:
        shown, _, unit = show.bytes_(value).partition(" ")
    points = charts.thin([(1 - (now - at) / HOUR, values[series]) for at, values in rows])
    line = charts.draw(points, low=low, high=high, words=_words(label, points, unit))
    return Gauge(label, shown, unit, f"of {show.bytes_(of)}" if of else "", line)


def _words(label: str, points: list[tuple[float, float | None]], unit: str) -> str:
    values = [value for _, value in points if value is not None]
    if not values:
        return ""
    least, most = (show.bytes_(v) if "iB" in unit else f"{v:.0f} {unit}" for v in (min(values), max(values)))
    return f"{label} in the last hour: {least} to {most}"


def _occupants(reading: dict[str, Any], ours: set[str]) -> list[Occupant]:
    seen = HostReading.from_dict(reading)
    boxes = [box for box in seen.containers if box.running or box.on_gpu]
    loose = [process for process in seen.gpu_processes if not process.container]
    return [
        *(
            Occupant(box.name, f"{box.image} {box.status}".strip(), _memory(seen, box.name), box.name in ours)
            for box in boxes
        ),
        *(Occupant(process.name, f"process {process.pid}", _mib(process.memory_mib), False) for process in loose),
    ]


def _memory(seen: HostReading, container: str) -> str:
    known = [p.memory_mib for p in seen.gpu_processes if p.container == container and p.memory_mib is not None]
    return _mib(sum(known)) if known else ""


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
