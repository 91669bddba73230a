"""Asking for a swap: what is accepted, what is refused, and with which words."""

import threading

import pytest
from django.db import connection

from cluster.models import Event
from cluster.refusals import Conflict, Invalid, Missing, Unprocessable
from swaps import actions
from swaps.actions import Requester
from swaps.models import Serving, ServingState, Swap, SwapLock, Trigger, stored
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SwapFactory

pytestmark = pytest.mark.django_db
ANA = Requester("user:ana", Trigger.DASHBOARD)


def test_it_makes_a_queued_swap_with_its_own_copy_of_the_definition() -> None:
    slot, model = SlotFactory(), ModelDefinitionFactory(key="qwen", args=["--max-num-seqs", "8"])

    swap = actions.request_swap(slot, "qwen", ANA)
    model.args = ["--max-num-seqs", "99"]
    model.save()

    swap.refresh_from_db()
    assert swap.state is Status.QUEUED
    assert swap.definition["args"] == ["--max-num-seqs", "8"]
    assert SwapLock.objects.get(slot=slot).active_swap == swap
    assert list(swap.messages.values_list("kind", "data__phase")) == [("phase", "queued")]
    assert Event.objects.filter(kind="swap.accepted", actor="user:ana").count() == 1


def test_it_remembers_what_served_for_a_rollback() -> None:
    slot = SlotFactory()
    before = ModelDefinitionFactory(key="old")
    ModelDefinitionFactory(key="new")
    Serving.objects.create(
        slot=slot, state=ServingState.SERVING, model_key="old", definition=stored(before.as_definition())
    )

    swap = actions.request_swap(slot, "new", ANA, rollback=True)

    assert (swap.from_model, swap.rollback) == ("old", True)
    assert swap.from_definition["key"] == "old"


def test_an_unknown_model_names_close_ones() -> None:
    ModelDefinitionFactory(key="qwen3-coder")

    with pytest.raises(Missing, match="Did you mean qwen3-coder") as refusal:
        actions.request_swap(SlotFactory(), "qwen3-code", ANA)

    assert refusal.value.code == "unknown-model"


def test_a_second_swap_is_refused_with_the_address_of_the_first() -> None:
    slot = SlotFactory()
    ModelDefinitionFactory(key="qwen")
    first = actions.request_swap(slot, "qwen", ANA)

    with pytest.raises(Conflict) as refusal:
        actions.request_swap(slot, "qwen", Requester("key:cron", Trigger.API))

    assert refusal.value.code == "swap-in-progress"
    assert refusal.value.location == f"/api/swap/{first.pk}"
    assert refusal.value.detail.startswith("ana is changing")


def test_another_slot_is_free_to_swap() -> None:
    ModelDefinitionFactory(key="qwen")
    actions.request_swap(SlotFactory(), "qwen", ANA)

    assert actions.request_swap(SlotFactory(is_default=False), "qwen", ANA).pk


def test_a_model_for_two_sparks_is_refused_on_a_slot_of_one() -> None:
    ModelDefinitionFactory(key="big", nodes=2, args=["-tp", "2"])

    with pytest.raises(Unprocessable, match="needs 2 Sparks") as refusal:
        actions.request_swap(SlotFactory(), "big", ANA)

    assert refusal.value.extra["checks"][0]["code"] == "not-enough-sparks"
    assert not Swap.objects.exists()


@pytest.mark.parametrize("seconds", [0, -1, 9, 10**9])
def test_a_deadline_out_of_range_names_the_field(seconds: int) -> None:
    ModelDefinitionFactory(key="qwen")

    with pytest.raises(Invalid) as refusal:
        actions.request_swap(SlotFactory(), "qwen", ANA, deadline_seconds=seconds)

    assert refusal.value.errors[0]["field"] == "deadline_seconds"


def test_cancel_is_a_wish_on_the_row_and_keeps_the_first_person() -> None:
    swap = SwapFactory(status=Status.LOADING)

    actions.cancel_swap(swap, ANA)
    actions.cancel_swap(swap, Requester("user:bob", Trigger.DASHBOARD))

    swap.refresh_from_db()
    assert swap.cancelled_by == "user:ana"
    assert swap.state is Status.LOADING


def test_an_ended_swap_cannot_be_cancelled() -> None:
    with pytest.raises(Conflict, match="already ended"):
        actions.cancel_swap(SwapFactory(status=Status.READY), ANA)


def test_a_retry_is_a_new_swap_that_names_the_old_one() -> None:
    ModelDefinitionFactory(key="qwen")
    old = SwapFactory(status=Status.FAILED, model_key="qwen")

    new = actions.retry_swap(old, ANA)

    assert new.pk != old.pk
    assert new.retry_of == old


@pytest.mark.django_db(transaction=True)
def test_ten_requests_at_once_make_one_swap() -> None:
    slot = SlotFactory()
    ModelDefinitionFactory(key="qwen")
    start = threading.Barrier(10)
    answers: list[str] = []

    def ask() -> None:
        start.wait()
        try:
            actions.request_swap(slot, "qwen", ANA)
            answers.append("accepted")
        except Conflict as refusal:
            answers.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["accepted"] + ["swap-in-progress"] * 9
    assert Swap.objects.count() == 1
