"""A sweep over several Sparks and slots: real sshd, real threads, and one machine that stands still."""

import getpass
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from cluster import actions, side_by_side, tasks
from cluster.models import Spark, SshState
from swaps import serving
from swaps import tasks as swap_tasks
from swaps.models import Serving
from tests.factories import SlotFactory, SparkFactory
from tests.integration.sshd import Sshd
from tests.simulated_sparks import until


@pytest.fixture
def standing_still() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.fixture
def sparks(transactional_db: None, sshd: Sshd, standing_still: int) -> list[Spark]:
    """The first three stand still."""
    with (sshd.folder / "authorized_keys").open("a") as file:
        file.write(actions.public_key() + "\n")
    ports = [standing_still] * 3 + [sshd.port] * 3
    values = {"host": "127.0.0.1", "ssh_user": getpass.getuser(), "host_key": sshd.host_key}
    return [SparkFactory(name=f"spark-{n}", ssh_port=port, **values) for n, port in enumerate(ports, 1)]


def states() -> list[str]:
    return list(Spark.objects.order_by("name").values_list("ssh_state", flat=True))


def test_sparks_that_stand_still_delay_neither_the_others_nor_the_task(sparks: list[Spark]) -> None:
    began = timezone.now()
    tasks.probe_sparks([spark.pk for spark in sparks])
    assert timezone.now() - began < timedelta(seconds=5)

    until(lambda: states() == [SshState.NEW] * 3 + [SshState.UP] * 3, 15)
    assert {thread.name for thread in threading.enumerate()} >= {"look-spark-1", "look-spark-2", "look-spark-3"}


def test_a_sweep_that_is_rung_for_twice_looks_once(sparks: list[Spark]) -> None:
    keys = [spark.pk for spark in sparks]

    assert {spark.pk for spark in tasks.claim(keys[:4])} == set(keys[:4])
    assert {spark.pk for spark in tasks.claim(keys)} == set(keys[4:])
    assert tasks.claim(keys) == []


def test_slots_are_looked_at_once_and_each_on_its_own(transactional_db: None) -> None:
    slots = [SlotFactory(name=f"slot-{n}", head__host="127.0.0.1", port=1, is_default=n == 1) for n in (1, 2, 3)]
    keys = [slot.pk for slot in slots]
    Serving.objects.create(slot=slots[0], next_probe_at=timezone.now() + timedelta(seconds=5))

    swap_tasks.probe_slots(keys)

    until(lambda: Serving.objects.filter(checked_at__isnull=False).count() == 2, 15)
    assert Serving.objects.get(slot=slots[0]).checked_at is None
    assert serving.claim(keys) == []


def test_a_look_that_fails_is_told_and_gives_its_room_back(
    transactional_db: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "_room", threading.BoundedSemaphore(1))
    with caplog.at_level(logging.ERROR):
        for thread in side_by_side.start({"spark-1": lambda: 1 / 0, "spark-2": lambda: 1 / 0}):
            thread.join(10)

    assert [record.args for record in caplog.records] == [("spark-1",), ("spark-2",)]
