"""The verbs of Sparks and slots, on a real sshd."""

import getpass
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from cluster import actions, tasks
from cluster.models import Event, InstallKey, Reading, Slot, Spark, SshState
from cluster.refusals import Conflict, Invalid, Unavailable
from cluster.ssh.hostkeys import fingerprint
from cluster.ssh.keys import new_private_key, public_key_line
from tests.factories import SlotFactory, SparkFactory
from tests.integration.sshd import Sshd, free_port


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


def look_as_the_workers_do(spark: Spark) -> None:
    tasks.probe_sparks([spark.pk])
    for thread in threading.enumerate():
        if thread.name == f"look-{spark.name}":
            thread.join(30)


def fields_of(refusal: pytest.ExceptionInfo[Invalid]) -> set[str]:
    return {error["field"] for error in refusal.value.errors}


def test_spark_control_makes_its_key_once_and_keeps_the_private_half_encrypted(db: None) -> None:
    line = actions.public_key()

    assert line.startswith("ssh-ed25519 ")
    assert actions.public_key() == line
    assert "PRIVATE KEY" not in InstallKey.objects.get().private_key


def test_a_spark_is_added_and_told(db: None) -> None:
    spark = actions.save_spark(
        spark=None,
        values={"name": "spark-1", "host": "192.0.2.1", "ssh_user": "nvidia", "fabric_ip": ""},
        by="user:ana",
    )

    assert (spark.ssh_port, spark.fabric_ip, spark.ssh_state) == (22, None, SshState.NEW)
    assert kinds() == ["spark.added"]
    assert Event.objects.get().actor == "user:ana"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Spark 1"}, "name"),
        ({"host": "-oProxyCommand=id"}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "a\n"}, "host"),
        ({"ssh_user": "root; id"}, "ssh_user"),
        ({"ssh_port": 0}, "ssh_port"),
        ({"fabric_ip": "not an address"}, "fabric_ip"),
    ],
)
def test_a_wrong_value_is_refused_by_field_and_nothing_is_saved(
    db: None, change: dict[str, object], field: str
) -> None:
    values = {"name": "spark-1", "host": "192.0.2.1", "ssh_user": "nvidia", **change}
    with pytest.raises(Invalid) as refusal:
        actions.save_spark(spark=None, values=values, by="user:ana")

    assert fields_of(refusal) == {field}
    assert not Spark.objects.exists() and not Event.objects.exists()


def test_a_name_is_taken_only_once(db: None) -> None:
    SparkFactory(name="spark-1")
    with pytest.raises(Invalid) as refusal:
        actions.save_spark(spark=None, values={"name": "spark-1", "host": "h", "ssh_user": "u"}, by="user:ana")

    assert fields_of(refusal) == {"name"}


def test_another_host_keeps_the_pinned_key(db: None) -> None:
    spark = SparkFactory(host_key="ssh-ed25519 AAAA")
    saved = actions.save_spark(spark=spark, values={"host": "192.0.2.77"}, by="user:ana")

    assert Spark.objects.get().host_key == "ssh-ed25519 AAAA" == saved.host_key


def test_editing_does_not_undo_what_a_probe_wrote_meanwhile(db: None) -> None:
    spark = SparkFactory()
    Spark.objects.update(ssh_state=SshState.UP, reading={"hostname": "a"})
    actions.save_spark(spark=spark, values={"ssh_user": "ana"}, by="user:ana")

    assert (Spark.objects.get().ssh_state, Spark.objects.get().reading) == (SshState.UP, {"hostname": "a"})


def test_a_spark_in_a_slot_is_not_removed(db: None) -> None:
    slot = SlotFactory(name="main")
    worker = SparkFactory()
    slot.seats.create(spark=worker, rank=1)
    for spark in (slot.head, worker):
        with pytest.raises(Conflict, match="main"):
            actions.remove_spark(spark, "user:ana")

    free = SparkFactory()
    actions.remove_spark(free, "user:ana")
    assert not Spark.objects.filter(name=free.name).exists()


def test_the_connection_test_tells_what_it_found(spark: Spark) -> None:
    test = actions.test_connection(spark)

    assert test.ok and getpass.getuser() in test.sentence
    assert test.reading["mem_total_bytes"] > 0
    assert test.fingerprint == fingerprint(spark.host_key)


def test_the_connection_test_tells_the_remedy(spark: Spark, sshd: Sshd) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    refused = actions.test_connection(spark)
    sshd.stop()
    spark.ssh_port = free_port()
    away = actions.test_connection(spark)

    assert not refused.ok and "authorized_keys" in refused.remedy
    assert not away.ok and "refused" in away.sentence


def test_a_spark_without_a_pinned_key_is_not_logged_in_to(spark: Spark) -> None:
    spark.host_key = ""

    assert not actions.test_connection(spark).ok
    assert actions.probe(spark).ssh_state == SshState.NEW
    assert kinds() == []


def test_the_offered_key_can_be_pinned_and_no_other(spark: Spark, sshd: Sshd) -> None:
    Spark.objects.update(host_key="")
    offered = actions.offered_host_key(spark.host, spark.ssh_port)
    other = public_key_line(new_private_key(), "")

    with pytest.raises(Conflict, match="another key"):
        actions.pin_host_key(spark, other, "user:ana")
    with pytest.raises(Invalid):
        actions.pin_host_key(spark, "ssh-ed25519 nonsense", "user:ana")
    pinned = actions.pin_host_key(spark, offered.line + " a comment", "user:ana")

    assert Spark.objects.get().host_key == pinned.host_key == sshd.host_key
    assert Event.objects.get().data == {"fingerprint": offered.fingerprint}


def test_a_host_that_is_away_offers_nothing(db: None) -> None:
    with pytest.raises(Unavailable) as refusal:
        actions.offered_host_key("127.0.0.1", free_port())

    assert refusal.value.code == "ssh-unreachable"


def test_a_key_of_its_own_is_used_and_never_stored_in_the_clear(spark: Spark, sshd: Sshd) -> None:
    (sshd.folder / "authorized_keys").write_text(public_key_line(sshd.private_key) + "\n")
    assert not actions.test_connection(spark).ok

    actions.use_private_key(spark, sshd.private_key, "user:ana")

    assert actions.test_connection(Spark.objects.get()).ok
    assert "PRIVATE" not in Spark.objects.get().own_private_key
    actions.use_private_key(spark, "", "user:ana")
    assert Spark.objects.get().own_private_key == ""


def test_what_is_no_private_key_is_refused_without_quoting_it(db: None) -> None:
    with pytest.raises(Invalid) as refusal:
        actions.use_private_key(SparkFactory(), "my secret", "user:ana")

    assert fields_of(refusal) == {"private_key"} and "my secret" not in refusal.value.detail


def test_a_probe_stores_the_reading_and_tells_only_changes(spark: Spark) -> None:
    look_as_the_workers_do(spark)
    spark.refresh_from_db()

    assert spark.ssh_state == SshState.UP
    assert spark.reading["mem_total_bytes"] > 0
    assert Reading.objects.get().mem_available_bytes == spark.reading["mem_available_bytes"]
    assert spark.next_probe_at is not None and spark.probed_at is not None
    assert spark.next_probe_at - spark.probed_at == timedelta(seconds=10)

    Spark.objects.update(next_probe_at=None)
    look_as_the_workers_do(spark)
    assert kinds() == ["spark.up"]
    assert Reading.objects.count() == 2


def test_a_probe_that_is_not_due_is_left_to_whoever_took_it(spark: Spark) -> None:
    Spark.objects.update(next_probe_at=timezone.now() + timedelta(seconds=5))
    look_as_the_workers_do(spark)

    assert not Reading.objects.exists()


def test_a_spark_that_went_away_is_told_once_and_asked_less_and_less(spark: Spark, sshd: Sshd) -> None:
    actions.probe(spark)
    sshd.stop()
    actions.probe(spark)
    assert spark.ssh_state == SshState.DOWN and "refused" in spark.ssh_problem
    assert spark.reading["mem_total_bytes"] > 0  # the last known values stay

    spark.ssh_state_since = timezone.now() - timedelta(minutes=10)
    actions.probe(spark)
    assert spark.next_probe_at is not None
    assert timedelta(seconds=15) < spark.next_probe_at - timezone.now() <= timedelta(seconds=20)

    sshd.start()
    actions.probe(spark)
    assert kinds() == ["spark.up", "spark.down", "spark.up"]


def test_another_host_key_puts_a_spark_into_quarantine_until_a_person_confirms_it(spark: Spark, sshd: Sshd) -> None:
    actions.probe(spark)
    sshd.stop()
    sshd.new_host_key("ed25519")
    sshd.start()

    actions.probe(spark)
    assert spark.ssh_state == SshState.QUARANTINED
    offered = actions.offered_host_key(spark.host, spark.ssh_port)
    actions.pin_host_key(spark, offered.line, "user:ana")
    actions.probe(spark)

    assert spark.ssh_state == SshState.UP
    assert kinds() == ["spark.up", "spark.quarantined", "host_key.pinned", "spark.up"]


def test_the_first_slot_is_the_default_and_seats_its_workers_by_rank(db: None) -> None:
    for number in (1, 2, 3):
        SparkFactory(name=f"s{number}")
    slot = actions.save_slot(slot=None, values={"name": "main", "head": "s2", "workers": ["s3", "s1"]}, by="user:ana")

    assert slot.is_default
    assert [spark.name for spark in slot.sparks()] == ["s2", "s3", "s1"]
    changed = actions.save_slot(slot=slot, values={"workers": ["s1", "s3"]}, by="user:ana")
    assert [spark.name for spark in changed.sparks()] == ["s2", "s1", "s3"]


def test_there_is_one_default_slot(db: None) -> None:
    SparkFactory(name="s1")
    for name in ("main", "second"):
        actions.save_slot(slot=None, values={"name": name, "head": "s1", "is_default": True}, by="user:ana")

    assert list(Slot.objects.filter(is_default=True).values_list("name", flat=True)) == ["second"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"head": "nobody"}, "head"),
        ({"workers": ["nobody"]}, "workers"),
        ({"workers": ["s1"]}, "workers"),
        ({"workers": ["s2", "s2"]}, "workers"),
        ({"container": "a;b"}, "container"),
        ({"container": "-x"}, "container"),
        ({"launcher_dir": "../../etc"}, "launcher_dir"),
        ({"launcher_dir": "/opt/my launcher"}, "launcher_dir"),
        ({"launcher_dir": "$(id)"}, "launcher_dir"),
        ({"launcher_dir": "~root/x"}, "launcher_dir"),
        ({"image": "a b"}, "image"),
        ({"image": "--privileged"}, "image"),
        ({"port": 70000}, "port"),
        ({"name": "Main"}, "name"),
    ],
)
def test_a_wrong_slot_is_refused_by_field(db: None, values: dict[str, object], field: str) -> None:
    SparkFactory(name="s1"), SparkFactory(name="s2")
    with pytest.raises(Invalid) as refusal:
        actions.save_slot(slot=None, values={"name": "main", "head": "s1", **values}, by="user:ana")

    assert fields_of(refusal) == {field}
    assert not Slot.objects.exists()
