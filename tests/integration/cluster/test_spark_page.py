"""Pages of Sparks: figures with their last hour, who is on the GPU, and what is wrong."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cluster import events
from cluster.models import Reading, Spark
from tests.factories import SparkFactory
from tests.pages import ago, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

GIB = 2**30


def busy_spark(**reading: object) -> Spark:
    two_sparks()
    spark = Spark.objects.get(name="spark-1")
    spark.reading = spark.reading | reading
    spark.save()
    return spark


def test_it_shows_figures_with_units_and_a_dash_for_what_is_not_known() -> None:
    busy_spark(gpu_temperature_c=71.4, disk_free_bytes=int(1.25 * 2**40), disk_total_bytes=4 * 2**40)
    text = text_of(signed_in().get("/sparks/"))
    for words in ("93 %", "112 GiB of 128 GiB", "71 °C", "1.2 TiB of 4.0 TiB", "– W"):
        assert words in text


def test_it_draws_the_last_hour_and_says_it_in_words() -> None:
    spark = busy_spark()
    now = timezone.now()
    Reading.objects.bulk_create(
        Reading(spark=spark, at=now - timedelta(minutes=minutes), gpu_busy_percent=minutes)
        for minutes in range(0, 90, 5)
    )
    page = signed_in().get("/sparks/spark-1/").content.decode()
    assert 'aria-label="GPU busy in the last 55 min: 0 % to 55 %"' in page
    assert page.count(' d="M') == 2  # the line and what is under it


def test_it_names_what_occupies_the_gpu_and_marks_foreign_containers() -> None:
    ours = {"name": "vllm_node", "image": "vllm-node", "status": "Up 3 hours", "running": True, "on_gpu": True}
    foreign = {"name": "comfyui", "image": "comfy:2", "status": "Up 2 days", "running": True, "on_gpu": True}
    processes = [
        {"pid": 1, "name": "VLLM::EngineCore", "memory_mib": 81920, "container": ""},
        {"pid": 2, "name": "python", "memory_mib": 5120, "container": "comfyui"},
        {"pid": 3, "name": "blender", "memory_mib": 1024, "container": ""},
    ]
    busy_spark(containers=[ours, foreign], gpu_processes=processes)
    text = text_of(signed_in().get("/sparks/spark-1/"))
    assert "vllm_node vllm-node Up 3 hours 80.0 GiB comfyui" in text
    assert "comfyui comfy:2 Up 2 days 5.0 GiB Not ours" in text
    assert "blender process 3 1.0 GiB Not ours" in text


def test_it_says_when_nothing_is_on_the_gpu_and_when_nobody_has_looked() -> None:
    SparkFactory(name="spark-1", probed_at=ago(seconds=3), ssh_state="up")
    SparkFactory(name="spark-2")
    text = text_of(signed_in().get("/sparks/"))
    assert "Nothing on the GPU" in text
    assert "Not looked at yet" in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("down", "Not answering"),
        ("refused", "Sign-in refused"),
        ("quarantined", "Host key changed"),
        ("new", "Not contacted"),
    ],
)
def test_every_state_has_its_word_and_the_sentence_of_the_problem(state: str, words: str) -> None:
    SparkFactory(name="spark-1", ssh_state=state, ssh_problem="It did not answer for 10 s.", probed_at=ago(minutes=3))
    response = signed_in().get("/sparks/")
    assert words in text_of(response)
    assert "It did not answer for 10 s." in text_of(response)
    assert "data-stale" in response.content.decode()


def test_a_spark_switched_off_says_so() -> None:
    SparkFactory(enabled=False, ssh_state="down")
    assert "Switched off" in text_of(signed_in().get("/sparks/"))


def test_its_own_page_tells_its_facts_and_its_own_events() -> None:
    spark = busy_spark(driver_version="580.95.05", uptime_seconds=903_000.0)
    events.record("spark.up", "spark-1 answers.", spark=spark)
    events.record("spark.up", "spark-2 answers.", spark=Spark.objects.get(name="spark-2"))
    text = text_of(signed_in().get("/sparks/spark-1/"))
    for words in ("580.95.05", "10 d 10 h", "SHA256:", "spark-1 answers."):
        assert words in text
    assert "spark-2 answers." not in text


def test_an_unknown_spark_is_not_found() -> None:
    assert signed_in().get("/sparks/nobody/").status_code == 404
