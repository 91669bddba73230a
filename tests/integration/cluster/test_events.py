"""The journal's ids grow in the order of commits, on every database: who reads behind an id misses nothing."""

import threading

import pytest
from django.db import connection, transaction

from cluster import event_feed, events
from cluster.models import Event


@pytest.mark.django_db(transaction=True)
def test_an_event_that_waits_for_its_commit_holds_back_the_ones_after_it() -> None:
    recorded, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            events.record("lock.acquired", "First.")
            recorded.set()
            may_commit.wait(10)
        connection.close()

    def fast() -> None:
        recorded.wait(10)
        events.record("lock.released", "Second.")
        connection.close()

    threads = [threading.Thread(target=work) for work in (slow, fast)]
    for thread in threads:
        thread.start()
    recorded.wait(10)
    threads[1].join(0.5)
    assert event_feed.read(0, 10) == [], "the second was visible before the first"
    may_commit.set()
    for thread in threads:
        thread.join(10)
    assert [row.data["sentence"] for row in event_feed.read(0, 10)] == ["First.", "Second."]


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_change_that_failed_was_never_there() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        events.record("lock.acquired", "Never.")
        raise RuntimeError
    assert not Event.objects.exists()
