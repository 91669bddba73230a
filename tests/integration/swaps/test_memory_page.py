"""Where people see memory: on the page of a load that runs, and on the card of a Spark that misses some."""

import pytest
from django.utils import timezone

from cluster.models import Spark
from swaps import machine
from swaps.models import Swap, SwapMessage
from swaps.states import Status
from tests.pages import a_swap, catalog, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

GIB = 2**30


def test_a_running_load_shows_what_is_left_on_each_of_its_sparks() -> None:
    slot = two_sparks()
    catalog("qwen")
    swap = a_swap(slot, Status.LOADING)
    for left in (90, 8.5):
        memory = {"spark-1": round(left * GIB), "spark-2": 60 * GIB}
        data = {"percent": 40, "detail": "Loading weights.", "memory": memory}
        machine.tell(swap, [(SwapMessage.Kind.PROGRESS, data)])
    client = signed_in()

    for address in ("/", f"/swaps/{swap.pk}/"):
        text = text_of(client.get(address))
        assert "Memory left, spark-1 8.5 GiB" in text and "Memory left, spark-2 60.0 GiB" in text, address
    Swap.objects.update(status=Status.FAILED, ended_at=timezone.now())
    assert "Memory left" not in text_of(client.get(f"/swaps/{swap.pk}/"))


def test_a_spark_that_misses_memory_says_so_with_the_advice_that_helps() -> None:
    two_sparks()
    Spark.objects.filter(name="spark-1").update(idle_available_bytes=114 * GIB, memory_missing_bytes=33 * GIB)
    client = signed_in()

    for address in ("/sparks/", "/sparks/spark-1/"):
        text = text_of(client.get(address))
        assert "33.0 GiB of the usual 114.0 GiB of memory did not come back on spark-1" in text
        assert "Otherwise restart the Spark" in text
    assert "did not come back" not in text_of(client.get("/sparks/spark-2/"))
