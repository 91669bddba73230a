"""The public verbs of `cluster`: Sparks, their keys, slots. Every door calls these and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from cluster import encryption, events, people, side_by_side
from cluster.contacts import look_at, note
from cluster.models import InstallKey, Slot, SlotWorker, Spark, SshState
from cluster.refusals import Conflict, Invalid, Unavailable
from cluster.slot_rules import slot_problems
from cluster.ssh.base import Transport, TransportError
from cluster.ssh.hostkeys import HostKey, fetch_host_key, fingerprint, key_blob
from cluster.ssh.keys import check_private_key, new_private_key, public_key_line, tidy
from cluster.ssh.pool import pool

INSTALL_KEY_CONTEXT = "install:private_key"
SPARK_FIELDS = ("name", "host", "ssh_port", "ssh_user", "fabric_ip", "enabled")
SLOT_FIELDS = (
    *("name", "label", "port", "container", "launcher", "launcher_dir", "image", "is_default"),
    *("memory_floor_gib", "drop_caches", "foreign_gpu_users", "relaunches_per_hour"),
)
REMEDIES = {
    "ssh-auth": "Put Spark Control's public key into ~/.ssh/authorized_keys of that user on the Spark.",
    "ssh-host-key": "Compare the fingerprint on the Spark itself, then confirm the new host key.",
    "ssh-host-key-unknown": "Compare the host key's fingerprint on the Spark itself, then confirm it.",
    "ssh-unreachable": "Check that the Spark is on and that host and port are right.",
}

Errors = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """`reading` is HostReading.as_dict(), empty when it did not come about; `fingerprint` that of the pinned key."""

    ok: bool
    sentence: str
    remedy: str = ""
    reading: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""


def public_key() -> str:
    """The authorized_keys line of Spark Control's own key, which is made at the first call."""
    return install_key().public_key


def install_key() -> InstallKey:
    found = InstallKey.objects.first()
    if found is not None:
        return found
    private = new_private_key()
    secret = encryption.encrypt(private, context=INSTALL_KEY_CONTEXT)
    try:
        with transaction.atomic():
            InstallKey(private_key=secret, public_key=public_key_line(private)).save(force_insert=True)
    except IntegrityError:
        pass  # another process made one first, and that one counts
    return InstallKey.objects.get()


def transport_to(spark: Spark) -> Transport:
    """The pooled connection to a Spark; nothing connects yet."""
    own = bool(spark.own_private_key)
    shared = "" if own else encryption.decrypt(install_key().private_key, context=INSTALL_KEY_CONTEXT)
    return pool.get(spark.address(shared))


def offered_host_key(host: str, port: int) -> HostKey:
    """What a host offers now, to be compared by a person. Raises Unavailable."""
    try:
        return fetch_host_key(host, port)
    except TransportError as error:
        raise Unavailable(error.code, str(error), retry_after_seconds=10) from error


def save_spark(*, spark: Spark | None, values: Mapping[str, object], by: str) -> Spark:
    """Create or change a Spark; what `values` does not name stays. A pinned host key stays pinned.

    Raises Invalid with errors per field.
    """
    known = spark is not None
    spark = spark or Spark()
    old_name = spark.name
    for name in SPARK_FIELDS:
        if name in values:
            setattr(spark, name, values[name])
    spark.fabric_ip = spark.fabric_ip or None
    spark.next_probe_at = None
    _check(spark)
    with transaction.atomic():
        # Not the columns of contact: a probe may be writing them at this moment.
        spark.save(update_fields=[*SPARK_FIELDS, "next_probe_at"] if known else None)
        kind, verb = ("spark.changed", "changed") if known else ("spark.added", "added")
        events.record(
            kind,
            f"{people.named(by)} {verb} the Spark {spark.name}.",
            spark=spark,
            actor=by,
            data={"spark": spark.name},
        )
    if known and (old_name != spark.name or not spark.enabled):
        pool.forget(old_name)
    return spark


def remove_spark(spark: Spark, by: str) -> None:
    """Forget a Spark and its readings. Raises Conflict while a slot uses it."""
    slots = Slot.objects.filter(Q(head=spark) | Q(seats__spark=spark)).distinct().values_list("name", flat=True)
    if names := ", ".join(slots):
        raise Conflict("spark-in-use", f"{spark.name} is used by {names}; take it out of there first.")
    with transaction.atomic():
        spark.delete()
        events.record(
            "spark.removed", f"{people.named(by)} removed the Spark {spark.name}.", actor=by, data={"spark": spark.name}
        )
    pool.forget(spark.name)


def pin_host_key(spark: Spark, line: str, by: str) -> Spark:
    """Trust this host key and no other from now on; ends a quarantine.

    Raises Invalid when `line` is no key, Conflict when the host offers another one now, Unavailable.
    """
    try:
        wanted = key_blob(line)
    except ValueError as error:
        raise _invalid([{"field": "host_key", "message": f"{error}."}]) from None
    offered = offered_host_key(spark.host, spark.ssh_port)
    if key_blob(offered.line) != wanted:
        detail = f"{spark.name} now offers another key, {offered.fingerprint}; look again and compare."
        raise Conflict("host-key-moved", detail, extra={"fingerprint": offered.fingerprint})
    return _pin(spark, offered, by)


def _pin(spark: Spark, offered: HostKey, by: str) -> Spark:
    spark.host_key, spark.next_probe_at = offered.line, None
    if spark.ssh_state == SshState.QUARANTINED:
        spark.ssh_state, spark.ssh_problem = SshState.NEW, ""
    with transaction.atomic():
        spark.save(update_fields=["host_key", "next_probe_at", "ssh_state", "ssh_problem"])
        sentence = f"{people.named(by)} confirmed the host key of {spark.name}: {offered.fingerprint}."
        events.record("host_key.pinned", sentence, spark=spark, actor=by, data={"fingerprint": offered.fingerprint})
    return spark


def use_private_key(spark: Spark, text: str, by: str) -> Spark:
    """Log in to this Spark with a key of its own; blank text = with Spark Control's. Raises Invalid."""
    problem = check_private_key(text) if text.strip() else None
    if problem:
        raise _invalid([{"field": "private_key", "message": problem}])
    secret = encryption.encrypt(tidy(text), context=spark.private_key_context) if text.strip() else ""
    spark.own_private_key, spark.next_probe_at = secret, None
    with transaction.atomic():
        spark.save(update_fields=["own_private_key", "next_probe_at"])
        which = "a key of its own" if secret else "Spark Control's key"
        sentence = f"{people.named(by)} set {spark.name} to be reached with {which}."
        events.record("spark.changed", sentence, spark=spark, actor=by, data={"spark": spark.name})
    return spark


def test_connection(spark: Spark) -> ConnectionTest:
    """Log in and look, now. Nothing is stored; what went wrong is told, not raised."""
    pinned = fingerprint(spark.host_key) if spark.host_key else ""
    try:
        reading = look_at(transport_to(spark))
    except TransportError as error:
        return ConnectionTest(False, str(error), REMEDIES.get(error.code, ""), fingerprint=pinned)
    except encryption.EncryptionError as error:
        return ConnectionTest(False, str(error), fingerprint=pinned)
    found = reading.hostname or spark.host
    return ConnectionTest(True, f"Connected to {found} as {spark.ssh_user}.", "", reading.as_dict(), pinned)


def probe(spark: Spark) -> Spark:
    """Look at a Spark and store what was seen; an Event only when its state changed. Raises nothing of SSH."""
    return _probe(spark, _door_to(spark))


def probe_side_by_side(sparks: Sequence[Spark]) -> list[Thread]:
    """The same with all of them at once; answers without waiting, so that a silent one delays nobody."""
    return side_by_side.start({spark.name: partial(_probe, spark, _door_to(spark)) for spark in sparks})


def _door_to(spark: Spark) -> Transport | encryption.EncryptionError:
    try:
        return transport_to(spark)
    except encryption.EncryptionError as error:
        return error


def _probe(spark: Spark, door: Transport | encryption.EncryptionError) -> Spark:
    if isinstance(door, encryption.EncryptionError):
        return note(spark, door)
    try:
        return note(spark, look_at(door))
    except TransportError as error:
        return note(spark, error)


def save_slot(*, slot: Slot | None, values: Mapping[str, Any], by: str) -> Slot:
    """Create or change a slot; what `values` does not name stays. `head` and `workers` are names of Sparks.

    Raises Invalid with errors per field.
    """
    known = slot is not None
    slot = slot or Slot(is_default=not Slot.objects.exists())
    errors = _fill_slot(slot, values)
    workers = _named_sparks(values.get("workers"), errors) if "workers" in values else None
    if not errors:
        errors = slot_problems(slot, slot.sparks()[1:] if workers is None and known else workers or [])
    if errors:
        raise _invalid(errors)
    with transaction.atomic():
        if slot.is_default:
            Slot.objects.exclude(pk=slot.pk).update(is_default=False)
        _check(slot)
        slot.save()
        _seat(slot, workers)
        verb = "changed" if known else "added"
        events.record(
            "slot.changed",
            f"{people.named(by)} {verb} the slot {slot.name}.",
            slot=slot,
            actor=by,
            data={"slot": slot.name},
        )
    return Slot.objects.with_sparks().get(pk=slot.pk)


def _fill_slot(slot: Slot, values: Mapping[str, Any]) -> Errors:
    errors: Errors = []
    for name in SLOT_FIELDS:
        if name in values:
            setattr(slot, name, values[name])
    if "head" in values:
        for head in _named_sparks([values["head"]], errors, "head"):
            slot.head = head
    elif slot.head_id is None:
        errors.append({"field": "head", "message": "Name the Spark that is the head."})
    return errors


def _named_sparks(names: Any, errors: Errors, label: str = "workers") -> list[Spark]:
    """Sparks in the order of their names; unknown ones go into `errors`."""
    names = [getattr(name, "name", name) for name in names or ()]
    known = {spark.name: spark for spark in Spark.objects.filter(name__in=names)}
    errors += [{"field": label, "message": f"There is no Spark {name!r}."} for name in names if name not in known]
    return [known[name] for name in names if name in known]


def _seat(slot: Slot, workers: Sequence[Spark] | None) -> None:
    if workers is None:
        return
    slot.seats.all().delete()
    SlotWorker.objects.bulk_create(
        SlotWorker(slot=slot, spark=worker, rank=rank) for rank, worker in enumerate(workers, 1)
    )


def _check(row: Spark | Slot) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise _invalid(
            [
                {"field": "" if name == "__all__" else name, "message": message}
                for name, messages in error.message_dict.items()
                for message in messages
            ]
        ) from None


def _invalid(errors: Errors) -> Invalid:
    sentence = " ".join(f"{e['field']}: {e['message']}" if e["field"] else e["message"] for e in errors)
    return Invalid("invalid-request", sentence, errors=errors)
