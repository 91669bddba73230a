"""What contact with a Spark means for its row: the newest reading, its state, and an Event when that changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from cluster import events, idle_memory
from cluster.clock import as_utc
from cluster.models import Reading, Spark, SshState
from cluster.probes import probe_host
from cluster.readings import HostReading
from cluster.ssh.base import AuthFailed, HostKeyMismatch, HostKeyUnknown, Transport, Unreachable

PROBE_EVERY = timedelta(seconds=10)
PROBE_AT_LEAST_EVERY = timedelta(seconds=20)  # what a returned Spark is may not stay unknown for longer
CHARTED = ("gpu_busy_percent", "mem_available_bytes", "gpu_temperature_c", "gpu_power_watts", "disk_free_bytes")
EVENTS = {
    SshState.UP: ("spark.up", "{} answers."),
    SshState.DOWN: ("spark.down", "{} does not answer: {}"),
    SshState.REFUSED: ("spark.down", "{} refuses the sign-in: {}"),
    SshState.QUARANTINED: ("spark.quarantined", "{} shows another host key and is left alone: {}"),
}


def look_at(transport: Transport) -> HostReading:
    """One probe. Raises TransportError, also when the Spark took the question and said nothing at all."""
    reading = probe_host(transport)
    if reading.reachable_ms is None:
        raise Unreachable("The Spark accepted the connection but did not answer in time; it may be overloaded or hung.")
    return reading


def note(spark: Spark, outcome: HostReading | Exception) -> Spark:
    """Store a probe's reading, or why there is none. Other columns stay: a person may be editing them."""
    now = timezone.now()
    before, earlier = SshState(spark.ssh_state), HostReading.from_dict(spark.reading)
    reboot = None
    if isinstance(outcome, HostReading):
        spark.ssh_state, spark.ssh_problem = SshState.UP, ""
        reboot = reboot_between(spark.reading.get("boot_id"), spark.probed_at, outcome, now)
        spark.rebooted_at = reboot.restarted_at if reboot else spark.rebooted_at
        spark.reading, spark.probed_at = outcome.as_dict(), now
    else:
        spark.ssh_state, spark.ssh_problem = state_after(outcome), str(outcome)
    if spark.ssh_state != before or spark.ssh_state_since is None:
        spark.ssh_state_since = now
    spark.next_probe_at = now + pause(spark, now)
    with transaction.atomic():
        _store(spark, outcome, now)
        if isinstance(outcome, HostReading):
            idle_memory.keep(spark, earlier, outcome)
        if spark.ssh_state != before:
            _tell(spark)
        if reboot:
            _tell_reboot(spark, reboot)
    return spark


def _store(spark: Spark, outcome: HostReading | Exception, now: datetime) -> None:
    columns = ["ssh_state", "ssh_state_since", "ssh_problem", "next_probe_at", "reading", "probed_at", "rebooted_at"]
    Spark.objects.filter(pk=spark.pk).update(**{name: getattr(spark, name) for name in columns})
    if isinstance(outcome, HostReading):
        Reading.objects.create(spark=spark, at=now, **{name: getattr(outcome, name) for name in CHARTED})


def state_after(error: Exception) -> SshState:
    if isinstance(error, HostKeyMismatch):
        return SshState.QUARANTINED
    if isinstance(error, HostKeyUnknown):
        return SshState.NEW
    return SshState.REFUSED if isinstance(error, AuthFailed) else SshState.DOWN


def look_soon(spark: Spark, *, answers: bool) -> None:
    """Somebody found a Spark to be otherwise than its row says: probe it with the next ring, not some time later."""
    if answers == (spark.ssh_state == SshState.UP) or spark.ssh_state == SshState.NEW:
        return
    now = timezone.now()
    # A later moment is a claim: it is being probed right now.
    waiting = Spark.objects.filter(pk=spark.pk, next_probe_at__gt=now, next_probe_at__lte=now + PROBE_AT_LEAST_EVERY)
    waiting.update(next_probe_at=now)


def pause(spark: Spark, now: datetime) -> timedelta:
    """Until the next probe: 10 s, and for a Spark that is away as long as it has been away, up to 20 s."""
    if spark.ssh_state == SshState.UP or spark.ssh_state_since is None:
        return PROBE_EVERY
    return min(PROBE_AT_LEAST_EVERY, max(PROBE_EVERY, now - spark.ssh_state_since))


@dataclass(frozen=True, slots=True)
class Reboot:
    """Two looks at a Spark, with a restart between them."""

    before: str  # boot id
    after: str
    last_seen_at: datetime | None
    restarted_at: datetime


def reboot_between(
    boot_id: str | None, last_seen_at: datetime | None, reading: HostReading, now: datetime
) -> Reboot | None:
    """None when the Spark still runs since the look before. When it does not tell how long it is up: now."""
    if not boot_id or not reading.boot_id or boot_id == reading.boot_id:
        return None
    up = timedelta(seconds=reading.uptime_seconds or 0)
    return Reboot(boot_id, reading.boot_id, last_seen_at, now - up)


def _tell_reboot(spark: Spark, reboot: Reboot) -> None:
    seen = f"; it was last seen up at {_clock(reboot.last_seen_at)}" if reboot.last_seen_at else ""
    data = {
        "spark": spark.name,
        "boot_id_before": reboot.before,
        "boot_id": reboot.after,
        "last_seen_at": as_utc(reboot.last_seen_at),
        "restarted_at": as_utc(reboot.restarted_at),
    }
    sentence = f"{spark.name} restarted at {_clock(reboot.restarted_at)}{seen}."
    events.record("spark.rebooted", sentence, spark=spark, data=data)


def _clock(at: datetime) -> str:
    return timezone.localtime(at).strftime("%H:%M:%S %Z")


def _tell(spark: Spark) -> None:
    state = SshState(spark.ssh_state)
    if state in EVENTS:
        kind, words = EVENTS[state]
        data = {"spark": spark.name, "state": str(state)}
        events.record(kind, words.format(spark.name, spark.ssh_problem), spark=spark, data=data)
