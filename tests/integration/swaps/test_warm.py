"""A warm-up asks what serves, and touches nothing else."""

from collections.abc import Callable

import httpx
import pytest

from cluster.models import Event, Slot
from cluster.refusals import Conflict, Invalid, Locked, Unprocessable
from swaps import actions, locks, runner, story
from swaps.models import ModelDefinition, Serving, ServingState, Swap, SwapLock, Trigger
from swaps.requester import Requester
from swaps.states import Status
from swaps.warm_wish import MOST_CHARACTERS, PREFIX, WarmWish
from tests.factories import SlotFactory, SwapFactory
from tests.simulated_sparks import SimulatedSparks

ANA = Requester("user:ana", Trigger.API)


def warmed(slot: Slot, wish: WarmWish) -> Swap:
    swap = actions.request_warm(slot, ANA, wish)
    runner.drive(swap.pk)
    swap.refresh_from_db()
    return swap


def test_it_tells_the_time_to_the_first_token(slot: Slot, swap_to: Callable[..., Swap]) -> None:
    assert swap_to("small").state is Status.READY

    warm = warmed(slot, WarmWish())

    assert warm.state is Status.READY, warm.diagnosis
    assert 0 < warm.result["first_token_seconds"] < 5
    assert warm.result["model"] == "org/small" and warm.result["prompt_tokens"] > 0
    assert warm.progress == f"First token after {warm.result['first_token_seconds']:.2f} s."
    assert [t.to_status for t in warm.transitions.all()] == ["queued", "warming", "ready"]
    kinds = Event.objects.filter(data__swap=warm.pk).order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["warm.accepted", "warm.phase", "warm.ended"]
    assert SwapLock.objects.get(slot=slot).active_swap is None


def test_a_prefix_is_sent_twice_and_its_words_are_not_kept(slot: Slot, swap_to: Callable[..., Swap]) -> None:
    swap_to("small")

    warm = warmed(slot, WarmWish(PREFIX, system="You are the clerk of a library. " * 200))

    assert warm.state is Status.READY, warm.diagnosis
    assert warm.result["again_seconds"] > 0
    cached, prompt = warm.result["cached_tokens"], warm.result["prompt_tokens"]
    assert warm.result["cached_tokens_from"] == "metrics" and prompt - 32 < cached < prompt
    assert warm.progress.endswith(f" with {cached} of {prompt} tokens from the cache.")
    assert warm.options == {"kind": PREFIX}


def test_it_changes_no_container_and_is_no_load(
    slot: Slot, sparks: SimulatedSparks, swap_to: Callable[..., Swap]
) -> None:
    swap_to("small")
    before = [len(sparks.journal(spark["name"])) for spark in sparks.sparks]

    warm = warmed(slot, WarmWish())

    assert [len(sparks.journal(spark["name"])) for spark in sparks.sparks] == before
    assert len(story.past_loads("small", warm.nodes)) == 1
    serving = Serving.objects.get(slot=slot)
    assert (serving.state, serving.model_key) == (ServingState.SERVING, "small")


def test_when_nothing_answers_it_fails_and_leaves_what_there_is(
    slot: Slot, sparks: SimulatedSparks, models: dict[str, ModelDefinition]
) -> None:
    Serving.objects.create(slot=slot, state=ServingState.SERVING, model_key="small", model_label="Small")

    warm = warmed(slot, WarmWish())

    assert (warm.state, warm.diagnosis_code) == (Status.FAILED, "nothing-serves")
    assert Serving.objects.get(slot=slot).state == ServingState.SERVING
    assert all(not sparks.journal(spark["name"], "stop") for spark in sparks.sparks)


def test_it_can_be_cancelled_before_it_is_driven(slot: Slot, swap_to: Callable[..., Swap]) -> None:
    swap_to("small")
    warm = actions.request_warm(slot, ANA, WarmWish())
    actions.cancel_swap(warm, ANA)

    runner.drive(warm.pk)

    warm.refresh_from_db()
    assert warm.state is Status.CANCELLED
    assert httpx.get(f"{slot.base_url}/health").status_code == 200


@pytest.fixture
def warm_slot(transactional_db: None) -> Slot:
    slot: Slot = SlotFactory(name="main")
    Serving.objects.create(slot=slot, state=ServingState.SERVING, model_key="small", model_label="Small")
    return slot


def test_it_is_not_possible_beside_a_swap_and_no_swap_beside_it(warm_slot: Slot) -> None:
    running = SwapFactory(slot=warm_slot, status=Status.LOADING)
    with pytest.raises(Conflict) as refusal:
        actions.request_warm(warm_slot, ANA, WarmWish())
    assert refusal.value.code == "swap-in-progress"

    Swap.objects.filter(pk=running.pk).update(status=Status.READY)
    warm = actions.request_warm(warm_slot, ANA, WarmWish())
    with pytest.raises(Conflict) as refusal:
        actions.request_stop(warm_slot, Requester("user:bob", Trigger.API))
    assert refusal.value.location == f"/api/swap/{warm.pk}"


def test_it_needs_the_token_of_a_held_lock(warm_slot: Slot) -> None:
    grant = locks.acquire(warm_slot, holder="openclaw", purpose="", ttl_seconds=60, by=ANA)
    with pytest.raises(Locked, match="openclaw"):
        actions.request_warm(warm_slot, ANA, WarmWish())
    assert actions.request_warm(warm_slot, ANA, WarmWish(), lock_token=grant.token).holder == "openclaw"


def test_where_nothing_serves_there_is_nothing_to_warm(transactional_db: None) -> None:
    with pytest.raises(Unprocessable) as refusal:
        actions.request_warm(SlotFactory(), ANA, WarmWish())
    assert refusal.value.code == "nothing-serves"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (WarmWish("boil"), "kind"),
        (WarmWish(PREFIX), "prompt"),
        (WarmWish(prompt="a" * MOST_CHARACTERS, system="b"), "prompt"),
    ],
    ids=["kind", "prefix", "size"],
)
def test_a_bad_wish_is_refused_by_field(warm_slot: Slot, wish: WarmWish, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        actions.request_warm(warm_slot, ANA, wish)
    assert [error["field"] for error in refusal.value.errors] == [field]
