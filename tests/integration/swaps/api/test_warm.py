"""/api/slots/{slot}/warm over HTTP."""

import pytest

from cluster.models import Slot
from swaps.models import Serving, ServingState, Swap
from tests.factories import SlotFactory
from tests.integration.conftest import Api


@pytest.fixture
def slot(transactional_db: None) -> Slot:
    made: Slot = SlotFactory(name="main")
    Serving.objects.create(slot=made, state=ServingState.SERVING, model_key="small", model_label="Small")
    return made


def test_it_is_accepted_like_a_swap(api: Api, slot: Slot) -> None:
    client = api("swap")
    answer = client.post("/api/slots/main/warm", json={"kind": "prefix", "system": "You are a clerk."})
    assert answer.status_code == 202, answer.text
    swap = Swap.objects.get()
    assert answer.headers["Location"] == f"/api/swap/{swap.pk}"
    assert (answer.json()["operation"], answer.json()["model"], answer.json()["result"]) == ("warm", "small", None)
    assert [phase["phase"] for phase in answer.json()["phases"]] == ["queued", "warming"]
    assert client.post("/api/slots/main/warm", json={}).status_code == 409


def test_it_says_what_is_wrong(api: Api, slot: Slot) -> None:
    client = api("swap")
    assert client.post("/api/slots/main/warm", json={"kind": "prefix"}).status_code == 400
    assert client.post("/api/slots/main/warm", json={"kind": "boil"}).status_code == 400
    assert client.post("/api/slots/gone/warm", json={}).json()["code"] == "unknown-slot"
    assert api("schedule").post("/api/slots/main/warm", json={}).status_code == 403
    Serving.objects.update(state=ServingState.IDLE)
    assert client.post("/api/slots/main/warm", json={}).json()["code"] == "nothing-serves"


def test_a_stale_token_is_told(api: Api, slot: Slot) -> None:
    answer = api("swap").post("/api/slots/main/warm", json={}, headers={"Swap-Lock-Token": "slk_old"})
    assert (answer.status_code, answer.json()["code"]) == (412, "lock-lost")
