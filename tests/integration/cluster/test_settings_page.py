"""The first-run steps against a real OpenSSH server: key, Spark, fingerprint, test, slot."""

import getpass
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from cluster.actions import public_key
from cluster.models import Event, Slot, Spark
from cluster.ssh.hostkeys import fingerprint
from cluster.ssh.pool import pool
from tests.factories import SparkFactory
from tests.integration.sshd import Sshd
from tests.pages import signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path)
    (tmp_path / "authorized_keys").write_text(public_key() + "\n")
    server.start()
    yield server
    pool.close()
    server.stop()


def form(sshd: Sshd, **more: str) -> dict[str, str]:
    given = {"name": "spark-1", "host": "127.0.0.1", "ssh_port": str(sshd.port), "ssh_user": getpass.getuser()}
    return given | more


def test_the_steps_of_a_fresh_install(client: Client) -> None:
    page = client.get("/settings/")
    assert public_key() in page.content.decode().replace("&#x27;", "'")
    assert "The Sparks you add appear here" in text_of(page)
    assert "data-done" not in page.content.decode()


def test_it_never_shows_a_private_key(client: Client) -> None:
    assert "PRIVATE" not in client.get("/settings/").content.decode()


def test_from_a_host_name_to_a_tested_spark(client: Client, sshd: Sshd) -> None:
    added = client.post("/settings/sparks/new", form(sshd))
    assert added.headers["Location"] == "/settings/sparks/spark-1/host-key"
    shown = client.get("/settings/sparks/spark-1/host-key")
    assert fingerprint(sshd.host_key) in text_of(shown)
    line = re.search(r'name="line" value="([^"]+)"', shown.content.decode())
    assert line is not None
    tested = client.post("/settings/sparks/spark-1/host-key", {"line": line[1]}, follow=True)
    assert tested.redirect_chain[-1][0] == "/sparks/spark-1/"
    assert Spark.objects.get().host_key.split()[:2] == sshd.host_key.split()[:2]
    assert Event.objects.filter(kind="host_key.pinned", actor="user:ana").exists()


def test_a_test_with_the_wrong_user_says_what_to_do(client: Client, sshd: Sshd) -> None:
    SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=sshd.port, ssh_user="nobody-here", host_key=sshd.host_key)
    told = text_of(client.post("/sparks/spark-1/test", follow=True))
    assert "authorized_keys" in told


def test_a_changed_host_key_is_shown_beside_the_one_confirmed_before(client: Client, sshd: Sshd) -> None:
    old = sshd.host_key
    SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=sshd.port, host_key=old)
    assert "It is the key you confirmed before." in text_of(client.get("/settings/sparks/spark-1/host-key"))
    sshd.stop()
    sshd.new_host_key("ed25519")
    sshd.start()
    text = text_of(client.get("/settings/sparks/spark-1/host-key"))
    assert "The key has changed." in text
    assert fingerprint(old) in text
    assert fingerprint(sshd.host_key) in text


def test_only_the_key_that_was_shown_is_trusted(client: Client, sshd: Sshd) -> None:
    SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=sshd.port)
    shown = sshd.host_key
    sshd.stop()
    sshd.new_host_key("ed25519")
    sshd.start()
    text = text_of(client.post("/settings/sparks/spark-1/host-key", {"line": shown}))
    assert "now offers another key" in text
    assert Spark.objects.get().host_key == ""


def test_a_host_that_does_not_answer_is_told_with_a_way_on(client: Client) -> None:
    SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=1)
    text = text_of(client.get("/settings/sparks/spark-1/host-key"))
    assert "127.0.0.1" in text
    assert "Look again" in text


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", "a b"), ("name", "Spark One"), ("ssh_user", "root; id"), ("ssh_port", "0"), ("fabric_ip", "x")],
)
def test_a_wrong_field_is_told_at_the_field(client: Client, field: str, value: str) -> None:
    given = {"name": "spark-1", "host": "192.0.2.1", "ssh_port": "22", "ssh_user": "nvidia", field: value}
    response = client.post("/settings/sparks/new", given)
    assert response.status_code == 400
    assert re.search(rf'data-wrong>\s*<label for="id_{field}"', response.content.decode())
    assert not Spark.objects.exists()


def test_a_key_that_is_none_is_told_and_never_shown_again(client: Client) -> None:
    given = {"name": "spark-1", "host": "192.0.2.1", "ssh_port": "22", "ssh_user": "nvidia", "private_key": "not a key"}
    response = client.post("/settings/sparks/new", given)
    assert response.status_code == 400
    assert not Spark.objects.get_queryset().exclude(own_private_key="").exists()


def test_it_makes_a_slot_of_a_head_and_a_worker(client: Client) -> None:
    SparkFactory(name="spark-1")
    SparkFactory(name="spark-2")
    given = {"name": "main", "head": "spark-1", "workers": ["spark-2"], "is_default": "on"}
    assert client.post("/settings/slots/new", given).headers["Location"] == "/"
    slot = Slot.objects.with_sparks().get()
    assert [spark.name for spark in slot.sparks()] == ["spark-1", "spark-2"]
    assert (slot.vllm_port, slot.container_name, slot.is_default) == (8888, "vllm_node", True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"workers": ["spark-1"]}, "takes one place"),
        ({"container": "a b"}, "Use letters, digits"),
        ({"launcher_dir": "../x"}, "Write a path"),
        ({"head": "nobody"}, "Select a valid choice"),
        ({"port": "70000"}, "less than or equal to 65535"),
    ],
)
def test_a_slot_that_cannot_be_says_why(client: Client, more: dict[str, object], words: str) -> None:
    SparkFactory(name="spark-1")
    response = client.post("/settings/slots/new", {"name": "main", "head": "spark-1"} | more)
    assert response.status_code == 400
    assert words in text_of(response)
    assert not Slot.objects.exists()


def test_a_slot_can_be_changed(client: Client) -> None:
    two_sparks()
    assert 'value="spark-2" id="id_workers_1" checked' in client.get("/settings/slots/main").content.decode()
    client.post("/settings/slots/main", {"name": "main", "head": "spark-1", "port": "8000", "is_default": "on"})
    slot = Slot.objects.with_sparks().get()
    assert (slot.vllm_port, len(slot.sparks())) == (8000, 1)


def test_how_a_slot_launches_and_guards_is_set_on_its_page_and_stays_when_left_blank(client: Client) -> None:
    two_sparks()
    given = {
        "name": "main",
        "head": "spark-1",
        "launcher": "docker_run",
        "image": "vllm/vllm-openai:latest",
        "memory_floor_gib": "0",
        "drop_caches": "on",
        "foreign_gpu_users": "refuse",
        "relaunches_per_hour": "3",
    }
    assert "starts vLLM on the head alone" in text_of(
        client.post("/settings/slots/main", given | {"workers": ["spark-2"]})
    )
    client.post("/settings/slots/main", given)
    client.post("/settings/slots/main", {"name": "main", "head": "spark-1"})
    slot = Slot.objects.get()
    assert (slot.launcher, slot.memory_floor_gib, slot.drop_caches) == ("docker_run", 0, False)
    assert (slot.foreign_gpu_users, slot.relaunches_per_hour) == ("refuse", 3)


def test_a_spark_in_use_is_not_removed(client: Client) -> None:
    two_sparks()
    text = text_of(client.post("/settings/sparks/spark-2/remove", follow=True))
    assert "is used by main; take it out of there first" in text
    assert Spark.objects.count() == 2


def test_a_free_spark_is_removed_after_asking(client: Client) -> None:
    SparkFactory(name="spark-1")
    assert "its confirmed host key" in text_of(client.get("/settings/sparks/spark-1/remove"))
    client.post("/settings/sparks/spark-1/remove")
    assert not Spark.objects.exists()


@pytest.mark.parametrize("address", ["", "sparks/new", "sparks/spark-1", "sparks/spark-1/host-key", "slots/new"])
def test_it_is_closed_to_people_without_the_right(address: str) -> None:
    SparkFactory(name="spark-1")
    client = signed_in(username="bob", is_staff=False, is_superuser=False)
    assert client.get(f"/settings/{address}", headers={"Accept": "text/html"}).status_code == 403
    assert client.post("/sparks/spark-1/test").status_code == 403
