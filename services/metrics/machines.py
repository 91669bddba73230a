"""Sparks in figures, as their last probe saw them. Of one that does not answer only that is told."""

from datetime import datetime

from cluster.models import Spark, SshState
from cluster.readings import HostReading
from services.metrics.text import Family

PERCENT = 100.0
MILLISECONDS = 1000.0

# metric, help, attribute of the reading, what to divide it by
GAUGES = (
    ("probe_first_byte_seconds", "Until the first byte of the last probe's answer.", "reachable_ms", MILLISECONDS),
    ("probe_duration_seconds", "How long the last probe took.", "took_ms", MILLISECONDS),
    ("memory_total_bytes", "Memory of the Spark, which CPU and GPU share.", "mem_total_bytes", 1),
    ("memory_available_bytes", "Memory that is available.", "mem_available_bytes", 1),
    ("memory_pressure_ratio", "Share of 10 s in which some task waited for memory.", "psi_memory_some_avg10", PERCENT),
    ("gpu_busy_ratio", "How busy the GPU is, 0 to 1.", "gpu_busy_percent", PERCENT),
    ("gpu_temperature_celsius", "Temperature of the GPU.", "gpu_temperature_c", 1),
    ("gpu_power_watts", "What the GPU draws.", "gpu_power_watts", 1),
    ("cpu_temperature_celsius", "Temperature of the CPU.", "cpu_temperature_c", 1),
    ("disk_total_bytes", "Size of the disk with the home folder.", "disk_total_bytes", 1),
    ("disk_free_bytes", "Free on the disk with the home folder.", "disk_free_bytes", 1),
    ("uptime_seconds", "Since the Spark started.", "uptime_seconds", 1),
)


def families(now: datetime) -> list[Family]:
    up = Family("sparkcontrol_spark_up", "gauge", "1 when the Spark answers over SSH.")
    state = Family("sparkcontrol_spark_ssh_state", "gauge", "1 for the state of the SSH connection.")
    age = Family("sparkcontrol_spark_probe_age_seconds", "gauge", "Time since the Spark last answered a probe.")
    figures = [Family(f"sparkcontrol_spark_{name}", "gauge", words) for name, words, _, _ in GAUGES]
    for spark in Spark.objects.enabled().order_by("name"):
        up.add(float(spark.ssh_state == SshState.UP), spark=spark.name)
        state.one_of(SshState.values, spark.ssh_state, spark=spark.name)
        if spark.probed_at:
            age.add(max(0.0, round((now - spark.probed_at).total_seconds(), 3)), spark=spark.name)
        if spark.ssh_state == SshState.UP:
            _add_reading(figures, spark)
    return [up, state, age, *figures]


def _add_reading(figures: list[Family], spark: Spark) -> None:
    reading = HostReading.from_dict(spark.reading)
    for family, (_, _, attribute, divisor) in zip(figures, GAUGES, strict=True):
        value = getattr(reading, attribute)
        family.add(None if value is None else value / divisor, spark=spark.name)
