"""Django's admin for Sparks and slots: through the same actions, and closed where machines write."""

import pytest
from django.test import Client

from cluster import events
from cluster.models import Event, Slot, Spark
from tests.factories import SparkFactory
from tests.pages import signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

SPARK = {
    "name": "spark-1",
    "host": "192.0.2.1",
    "ssh_port": "22",
    "ssh_user": "nvidia",
    "fabric_ip": "",
    "enabled": "on",
}


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_it_wears_the_house_colours(client: Client) -> None:
    page = client.get("/admin/").content.decode()
    assert "css/admin.css" in page
    assert "Configure" in page


def test_a_spark_is_added_and_journalled(client: Client) -> None:
    response = client.post("/admin/cluster/spark/add/", SPARK)
    assert response.status_code == 302, text_of(response)
    assert Spark.objects.get().ssh_user == "nvidia"
    assert Event.objects.get(kind="spark.added").actor == "user:ana"


def test_a_spark_is_changed_and_its_host_key_stays(client: Client) -> None:
    two_sparks()
    spark = Spark.objects.get(name="spark-1")
    client.post(f"/admin/cluster/spark/{spark.pk}/change/", SPARK | {"host": "192.0.2.77"})
    changed = Spark.objects.get(name="spark-1")
    assert (changed.host, changed.host_key) == ("192.0.2.77", spark.host_key)
    assert Event.objects.filter(kind="spark.changed").exists()


def test_a_sparks_page_shows_its_fingerprint_and_leads_to_look_and_test(client: Client) -> None:
    two_sparks()
    page = client.get(f"/admin/cluster/spark/{Spark.objects.get(name='spark-1').pk}/change/").content.decode()
    assert "SHA256:" in page
    assert 'href="/settings/sparks/spark-1/host-key"' in page
    assert 'action="/sparks/spark-1/test"' in page
    assert "own_private_key" not in page


def test_connections_are_tested_from_the_list(client: Client) -> None:
    spark = SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=1)
    given = {"action": "test_connections", "_selected_action": spark.pk}
    assert "Nothing answers SSH at spark-1" in text_of(client.post("/admin/cluster/spark/", given, follow=True))


def test_a_spark_in_use_survives_a_bulk_delete(client: Client) -> None:
    two_sparks()
    given = {"action": "delete_selected", "_selected_action": [s.pk for s in Spark.objects.all()], "post": "yes"}
    client.post("/admin/cluster/spark/", given)
    assert Spark.objects.count() == 2


def test_a_slot_is_made_with_its_workers_and_becomes_the_default(client: Client) -> None:
    two_sparks()
    third = SparkFactory(name="spark-3")
    fourth = SparkFactory(name="spark-4")
    given = {
        "name": "second",
        "head": third.pk,
        "worker_sparks": [fourth.pk],
        "launcher": "launch_cluster",
        "is_default": "on",
        "memory_floor_gib": "8",
        "foreign_gpu_users": "refuse",
        "relaunches_per_hour": "2",
    }
    response = client.post("/admin/cluster/slot/add/", given)
    assert response.status_code == 302, text_of(response)
    slot = Slot.objects.with_sparks().get(name="second")
    assert [spark.name for spark in slot.sparks()] == ["spark-3", "spark-4"]
    assert Slot.objects.filter(is_default=True).get() == slot
    assert (slot.memory_floor_gib, slot.foreign_gpu_users, slot.relaunches_per_hour) == (8, "refuse", 2)


def test_a_slot_that_cannot_be_is_told_at_the_field(client: Client) -> None:
    spark = SparkFactory(name="spark-1")
    given = {"name": "main", "head": spark.pk, "worker_sparks": [spark.pk], "launcher": "launch_cluster"}
    assert "takes one place" in text_of(client.post("/admin/cluster/slot/add/", given))
    assert not Slot.objects.exists()


@pytest.mark.parametrize("rows", ["event", "reading"])
def test_what_machines_wrote_can_only_be_read(client: Client, rows: str) -> None:
    two_sparks()
    events.record("spark.up", "spark-1 answers.")
    assert client.get(f"/admin/cluster/{rows}/").status_code == 200
    assert client.get(f"/admin/cluster/{rows}/add/").status_code == 403


def test_an_event_cannot_be_changed_or_deleted(client: Client) -> None:
    event = events.record("spark.up", "spark-1 answers.")
    assert client.post(f"/admin/cluster/event/{event.pk}/change/", {"sentence": "forged"}).status_code == 403
    assert client.post(f"/admin/cluster/event/{event.pk}/delete/", {"post": "yes"}).status_code == 403
    event.refresh_from_db()
    assert event.sentence == "spark-1 answers."
