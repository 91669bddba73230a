"""/api/sparks over HTTP, with a real sshd behind it."""

from cluster.models import Spark
from tests.factories import SlotFactory
from tests.integration.conftest import Api
from tests.integration.sshd import Sshd


def test_a_spark_is_added_changed_and_removed(api: Api) -> None:
    client = api("config")
    made = client.post("/api/sparks", json={"name": "spark-9", "host": "192.0.2.9", "ssh_user": "nvidia"})
    assert made.status_code == 201 and made.headers["Location"] == "/api/sparks/spark-9"

    changed = client.put("/api/sparks/spark-9", json={"host": "192.0.2.10", "ssh_user": "nvidia", "enabled": False})
    assert (changed.json()["host"], changed.json()["enabled"]) == ("192.0.2.10", False)
    assert client.get("/api/sparks/spark-9").json() == changed.json()

    assert client.delete("/api/sparks/spark-9").status_code == 204
    assert client.get("/api/sparks/spark-9").json()["code"] == "unknown-spark"


def test_a_spark_in_a_slot_stays(api: Api) -> None:
    slot = SlotFactory(name="main")
    answer = api("config").delete(f"/api/sparks/{slot.head.name}")

    assert (answer.status_code, answer.json()["code"]) == (409, "spark-in-use")


def test_a_probe_answers_with_what_it_saw(api: Api, spark: Spark) -> None:
    answer = api("swap").post("/api/sparks/spark-1/probe")

    assert answer.status_code == 200
    assert answer.json()["state"] == "up"
    assert answer.json()["reading"]["mem_total_bytes"] > 0


def test_a_host_key_is_shown_and_pinned(api: Api, spark: Spark, sshd: Sshd) -> None:
    Spark.objects.update(host_key="")
    client = api("config")
    offer = client.get("/api/sparks/spark-1/host-key").json()
    assert (offer["pinned"], offer["matches"]) == (None, False)

    pinned = client.post("/api/sparks/spark-1/host-key", json={"line": offer["offered"]["line"]})

    assert pinned.json() == offer["offered"]
    assert client.get("/api/sparks/spark-1/host-key").json()["matches"] is True


def test_secrets_are_in_no_answer(api: Api, spark: Spark) -> None:
    Spark.objects.update(own_private_key="gAAAA-secret")
    text = api("admin").get("/api/sparks/spark-1").text

    assert "gAAAA" not in text and '"own_private_key":true' in text.replace(" ", "")
