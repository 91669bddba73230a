"""A slot in use is edited through no door: not while a swap changes it, nor so that what serves is left behind."""

from typing import Any

import pytest
from django.test import Client

from cluster.models import Slot
from cluster.refusals import Conflict
from services.actions import make_key
from swaps.models import Operation, ServingState
from swaps.slot_edits import save_slot
from swaps.states import Status
from tests.factories import SwapFactory
from tests.pages import a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

SAME: dict[str, Any] = {"name": "main", "head": "spark-1", "workers": ["spark-2"], "is_default": "on"}
DOORS = ["page", "admin", "api"]


@pytest.fixture
def slot() -> Slot:
    catalog("qwen")
    return two_sparks()


def serving_since_a_swap(slot: Slot, **fields: Any) -> None:
    SwapFactory(slot=slot, status=Status.READY, model_key="qwen")
    serve(slot, "qwen", **fields)


def edit(door: str, slot: Slot, **more: Any) -> Any:
    if door == "page":
        return signed_in().post("/settings/slots/main", SAME | more)
    if door == "admin":
        sparks = {spark.name: spark.pk for spark in slot.sparks()}
        standard = {"launcher": "launch_cluster", "memory_floor_gib": 6, "foreign_gpu_users": "warn"}
        given = SAME | standard | {"relaunches_per_hour": 0} | more
        given |= {"head": sparks[given["head"]], "worker_sparks": [sparks[name] for name in given.pop("workers")]}
        return signed_in().post(f"/admin/cluster/slot/{slot.pk}/change/", given)
    _, key = make_key(f"config-{slot.pk}", ["config"], by="test")
    body = {name: value for name, value in (SAME | more).items() if name not in ("name", "is_default")}
    return Client(headers={"Authorization": f"Bearer {key}"}).put(
        "/api/slots/main", {**body, "is_default": True}, content_type="application/json"
    )


@pytest.mark.parametrize("door", DOORS)
def test_while_a_swap_changes_it_an_edit_is_refused(slot: Slot, door: str) -> None:
    a_swap(slot, Status.LOADING)
    answer = edit(door, slot, label="Renamed")
    assert "is changing main already: The qwen, loading." in text_of(answer)
    assert not Slot.objects.filter(label="Renamed").exists()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "more",
    [{"container": "other"}, {"port": 9000}, {"head": "spark-2", "workers": []}],
    ids=lambda more: next(iter(more)),
)
def test_what_serves_is_not_left_behind(slot: Slot, door: str, more: dict[str, Any]) -> None:
    serving_since_a_swap(slot)
    answer = edit(door, slot, **more)
    assert answer.status_code == {"page": 409, "admin": 200, "api": 409}[door]
    assert "in the container vllm_node on spark-1, port 8888" in text_of(answer)
    assert "Stop the model first, then change this." in text_of(answer)
    kept = Slot.objects.with_sparks().get()
    assert (kept.container_name, kept.vllm_port, kept.head.name) == ("vllm_node", 8888, "spark-1")


@pytest.mark.parametrize("door", DOORS)
def test_what_does_not_move_it_is_changed_while_it_serves(slot: Slot, door: str) -> None:
    """A name spelled out that was the default moves nothing; a worker may go when the model never used it."""
    serving_since_a_swap(slot)
    answer = edit(door, slot, label="Big", container="vllm_node", port=8888, workers=[])
    assert answer.status_code in (200, 302)
    kept = Slot.objects.with_sparks().get()
    assert (kept.label, kept.container, len(kept.sparks())) == ("Big", "vllm_node", 1)


def test_a_worker_of_a_model_on_two_sparks_stays(slot: Slot) -> None:
    serving_since_a_swap(slot, definition={"nodes": 2})
    with pytest.raises(Conflict, match="Stop the model first") as refused:
        save_slot(slot=slot, values={"workers": []}, by="user:ana")
    assert [error["field"] for error in refused.value.errors] == ["workers"]
    assert len(Slot.objects.with_sparks().get().sparks()) == 2


@pytest.mark.parametrize(
    ("last", "serving"),
    [
        (None, {}),  # what others started may have any name
        (Operation.STOP, {}),
        (Operation.SWAP, {"state": ServingState.IDLE}),
        (Operation.SWAP, {"state": ServingState.UNKNOWN}),
        (Operation.SWAP, {"drift": {"kind": "other-model"}}),
    ],
)
def test_what_is_not_ours_to_stop_holds_up_no_edit(slot: Slot, last: Operation | None, serving: dict[str, Any]) -> None:
    if last:
        SwapFactory(slot=slot, status=Status.READY, operation=last)
    serve(slot, "qwen", **serving)
    assert save_slot(slot=slot, values={"container": "theirs"}, by="user:ana").container == "theirs"
