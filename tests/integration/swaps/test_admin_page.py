"""Django's admin for the catalog and for swaps."""

import re

import pytest
from django.test import Client

from services.models import ApiKey
from swaps.models import ModelDefinition, Swap, Trigger
from swaps.states import Status
from tests.factories import ModelDefinitionFactory
from tests.pages import a_swap, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

MODEL = {
    "key": "qwen",
    "label": "Qwen",
    "repo": "org/qwen",
    "local_path": "",
    "args": "[]",
    "env": "{}",
    "nodes": "1",
    "launcher_args": "[]",
    "docker_args": "[]",
    "mods": "[]",
    "image": "",
    "expected_load_seconds": "",
    "notes": "",
}


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_an_entry_is_added_through_the_same_rules(client: Client) -> None:
    refused = client.post("/admin/swaps/modeldefinition/add/", MODEL | {"args": '["--port", "9"]'})
    assert "--port" in text_of(refused)
    assert not ModelDefinition.objects.exists()
    assert client.post("/admin/swaps/modeldefinition/add/", MODEL).status_code == 302
    assert ModelDefinition.objects.get().repo == "org/qwen"


def test_an_edit_counts_the_version_and_never_overwrites(client: Client) -> None:
    model = ModelDefinitionFactory(key="qwen", label="Qwen", repo="org/qwen")
    address = f"/admin/swaps/modeldefinition/{model.pk}/change/"
    client.post(address, MODEL | {"label": "First", "seen_version": "1"})
    told = client.post(address, MODEL | {"label": "Second", "seen_version": "1"}, follow=True)
    assert "Somebody changed First since you read it" in text_of(told)
    model.refresh_from_db()
    assert (model.label, model.version) == ("First", 2)


def test_swap_to_this_asks_and_then_swaps(client: Client) -> None:
    slot = two_sparks()
    serve(slot, "gemma")
    model = catalog("qwen")[0]
    asked = client.post("/admin/swaps/modeldefinition/", {"action": "swap_to_this", "_selected_action": model.pk})
    assert "Stops The gemma on spark-1." in text_of(asked)
    assert not Swap.objects.exists()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', asked.content.decode()))
    done = client.post("/admin/swaps/modeldefinition/", fields | {"slot": "main"})
    swap = Swap.objects.get()
    assert done.headers["Location"] == f"/swaps/{swap.pk}/"
    assert (swap.model_key, swap.trigger, swap.actor) == ("qwen", Trigger.ADMIN, "user:ana")


def test_swap_to_this_takes_one_model(client: Client) -> None:
    chosen = [model.pk for model in catalog("qwen", "gemma")]
    given = {"action": "swap_to_this", "_selected_action": chosen}
    assert "Choose exactly one model" in text_of(client.post("/admin/swaps/modeldefinition/", given, follow=True))


def test_swap_to_this_tells_that_a_swap_runs(client: Client) -> None:
    slot = two_sparks()
    model = catalog("qwen")[0]
    a_swap(slot, Status.LOADING)
    given = {"action": "swap_to_this", "_selected_action": model.pk, "confirmed": "yes", "slot": "main"}
    assert "is changing main already" in text_of(client.post("/admin/swaps/modeldefinition/", given, follow=True))
    assert Swap.objects.count() == 1


def test_a_swap_can_only_be_read(client: Client) -> None:
    swap = a_swap(two_sparks(), Status.READY)
    assert "Loading" in text_of(client.get(f"/admin/swaps/swap/{swap.pk}/change/"))
    assert client.post(f"/admin/swaps/swap/{swap.pk}/change/", {"status": "failed"}).status_code == 403
    assert client.post(f"/admin/swaps/swap/{swap.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/swaps/swap/add/").status_code == 403


@pytest.mark.parametrize("rows", ["serving", "swaplock", "swap"])
def test_machine_rows_are_listed(client: Client, rows: str) -> None:
    serve(two_sparks())
    assert client.get(f"/admin/swaps/{rows}/").status_code == 200


def test_an_api_key_is_shown_once_and_can_be_revoked(client: Client) -> None:
    told = client.post("/admin/services/apikey/add/", {"name": "openclaw", "scopes": ["swap"]}, follow=True)
    text = re.search(r"spk_[A-Za-z0-9_-]{20,}", told.content.decode())
    assert text is not None
    key = ApiKey.objects.get()
    assert text[0] not in client.get("/admin/services/apikey/").content.decode()
    client.post("/admin/services/apikey/", {"action": "revoke", "_selected_action": key.pk})
    key.refresh_from_db()
    assert key.revoked_at is not None
