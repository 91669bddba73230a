"""The overview: what a person sees first, in every state a slot can be in."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cluster import events
from cluster.models import Spark
from swaps.states import Status
from tests.factories import SparkFactory
from tests.pages import a_swap, ago, browser, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db


def overview() -> str:
    response = signed_in().get("/")
    assert response.status_code == 200
    return text_of(response)


def test_it_asks_for_a_sign_in() -> None:
    response = browser().get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/sign-in/?next=/")


def test_it_says_what_to_do_first_on_an_empty_install() -> None:
    text = overview()
    assert "No slot yet" in text
    assert "Add a Spark" in text


def test_it_tells_what_serves_with_its_figures_and_address() -> None:
    slot = two_sparks()
    figures = {"running": 3, "waiting": 0, "kv_cache_used": 0.37, "tokens_per_second": 84.6}
    serve(slot, max_model_len=131072, metrics=figures)
    text = overview()
    for words in ("Serving", "The qwen", "on spark-1 ", "85 tokens/s", "3 requests", "37 % used", "131,072 tokens"):
        assert words in text
    assert f"{slot.base_url}/v1" in text


def test_it_shows_the_phases_of_a_running_swap_and_a_way_to_cancel() -> None:
    swap = a_swap(two_sparks(), Status.LOADING)
    response = signed_in().get("/")
    text = text_of(response)
    for words in ("Loading", "The qwen", "asked by ana", "Verifying", "Memory available, spark-2", "Cancel…"):
        assert words in text
    assert f'data-watch-swap="{swap.pk}"' in response.content.decode()


def test_it_tells_a_failure_in_one_sentence_with_its_remedy() -> None:
    slot = two_sparks()
    serve(slot, state="idle", model_key="", model_label="", served_ids=[])
    a_swap(slot, Status.FAILED, diagnosis="vLLM ran out of memory.", remedy="Lower --max-model-len.")
    text = overview()
    assert "Last swap failed" in text
    assert "The qwen: vLLM ran out of memory. Lower --max-model-len." in text
    assert "Do it again…" in text


def test_it_keeps_a_failure_beside_what_was_brought_back() -> None:
    slot = two_sparks()
    a_swap(slot, Status.FAILED, key="big", diagnosis="The image is missing.", rolled_back_to="qwen")
    serve(slot)
    text = overview()
    assert "Serving" in text
    assert "The big: The image is missing." in text


def test_it_forgets_a_failure_after_a_day() -> None:
    slot = two_sparks()
    swap = a_swap(slot, Status.FAILED, diagnosis="The image is missing.")
    type(swap).objects.update(ended_at=ago(hours=25))
    serve(slot)
    assert "The image is missing." not in overview().replace("failed. The image is missing.", "")


def test_it_says_since_when_and_why_nothing_is_known() -> None:
    serve(two_sparks(), state="unknown", since=ago(minutes=3), problem="spark-1 does not answer.")
    text = overview()
    for words in ("Not known what serves", "for 3 min", "spark-1 does not answer.", "last seen: The qwen"):
        assert words in text


def test_it_says_when_a_model_was_started_by_somebody_else() -> None:
    serve(two_sparks(), key="", model_label="org/foreign", served_ids=["org/foreign"])
    response = signed_in().get("/")
    assert "Started outside Spark Control." in text_of(response)
    assert "/models/new?repo=org/foreign" in response.content.decode()


def test_it_offers_only_models_that_fit_the_slot() -> None:
    two_sparks()
    small, huge = catalog("small", "huge")
    type(huge).objects.filter(pk=huge.pk).update(nodes=4)
    text = overview()
    assert small.label in text
    assert huge.label not in text


def test_it_lets_people_without_the_right_only_look() -> None:
    serve(two_sparks())
    text = text_of(signed_in(username="bob", is_staff=False, is_superuser=False).get("/"))
    assert "Stop…" in text  # everybody who signs in may swap
    assert "Admin" not in text


def test_it_tells_what_happened_by_name_and_leaves_phases_out() -> None:
    events.record("model.changed", "user:ana changed Qwen.", actor="user:ana")
    events.record("swap.phase", "The swap to Qwen on main: loading.")
    text = overview()
    assert "ana changed Qwen." in text
    assert "user:ana" not in text
    assert "main: loading" not in text


def test_it_takes_hostile_words_as_words() -> None:
    slot = two_sparks()
    Spark.objects.filter(name="spark-2").update(ssh_problem="<script>alert(1)</script>")
    serve(slot, key="", model_label="<img src=x onerror=alert(1)>", served_ids=["<b>"])
    page = signed_in().get("/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>" not in page


def test_it_asks_the_database_as_often_for_six_sparks_as_for_two() -> None:
    serve(two_sparks())
    client = signed_in()
    client.get("/")  # makes the row of the lock
    with CaptureQueriesContext(connection) as two:
        client.get("/")
    SparkFactory.create_batch(4)
    with CaptureQueriesContext(connection) as six:
        client.get("/")
    assert len(six) == len(two) < 30


def test_it_leaves_routine_sweeps_out_but_tells_a_failed_one() -> None:
    events.record("schedule.done", "Sweep is done.", data={"kind": "health_sweep"})
    events.record("schedule.failed", "Sweep failed.", data={"kind": "health_sweep"})
    events.record("schedule.done", "Night model is done.", data={"kind": "swap"})
    text = overview()
    assert "Sweep is done." not in text
    assert "Sweep failed." in text
    assert "Night model is done." in text
