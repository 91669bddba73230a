"""Pages of the catalog: list, one entry, edit with a look at the changes, import and export."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from cluster.models import Event
from swaps.models import ModelDefinition
from swaps.states import Status
from tests.factories import ModelDefinitionFactory
from tests.pages import a_swap, ago, catalog, serve, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

FORM = {"label": "Qwen", "key": "qwen", "repo": "org/qwen", "nodes": "1"}


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_the_list_tells_source_sparks_load_time_and_last_result(client: Client) -> None:
    slot = two_sparks()
    catalog("qwen")
    swap = a_swap(slot, Status.READY)
    type(swap).objects.update(started_at=ago(minutes=10), ended_at=ago(minutes=7))
    serve(slot, "qwen")
    text = text_of(client.get("/models/"))
    for words in ("The qwen", "org/qwen", "Serving on main", "3 min", "Ready"):
        assert words in text


def test_the_list_can_be_searched_with_and_without_a_script(client: Client) -> None:
    catalog("qwen", "gemma")
    page = client.get("/models/?q=GEM")
    assert "The gemma" in text_of(page)
    assert "The qwen" not in text_of(page)
    fragment = client.get("/models/?q=GEM", headers={"HX-Request": "true"}).content.decode()
    assert fragment.startswith('<div class="card" id="model-rows"')


def test_an_empty_catalog_says_how_to_fill_it(client: Client) -> None:
    assert "import a models.yaml" in text_of(client.get("/models/"))


def test_an_entry_shows_its_arguments_one_option_a_line(client: Client) -> None:
    ModelDefinitionFactory(key="qwen", args=["--max-model-len", "65536", "--name", "two words", "--fast"])
    assert "--max-model-len 65536\n--name &#x27;two words&#x27;\n--fast" in client.get("/models/qwen/").content.decode()


def test_an_entry_says_when_no_slot_is_large_enough(client: Client) -> None:
    two_sparks()
    ModelDefinitionFactory(key="huge", nodes=4)
    assert "No slot has the 4 Sparks this model needs." in text_of(client.get("/models/huge/"))


def test_it_adds_an_entry_as_typed_on_a_command_line(client: Client) -> None:
    args = "--max-model-len 65536 \\\n  --served-model-name 'my qwen'"
    response = client.post("/models/new", FORM | {"args": args, "env": "A_B=1\n"})
    assert response.headers["Location"] == "/models/qwen/"
    made = ModelDefinition.objects.get()
    assert made.args == ["--max-model-len", "65536", "--served-model-name", "my qwen"]
    assert made.env == {"A_B": "1"}
    assert Event.objects.get(kind="model.added").actor == "user:ana"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"args": "--name 'open"}, "A quote is opened and not closed."),
        ({"env": "NOVALUE"}, "is not NAME=value."),
        ({"env": "HF_TOKEN=x"}, "looks like a secret"),
        ({"repo": "", "local_path": ""}, "Neither repo nor local_path is given."),
        ({"local_path": "/m"}, "Both repo and local_path are given."),
        ({"args": "--port 9"}, "--port"),
        ({"repo": "a/b; rm -rf /"}, "The repo"),
        ({"nodes": "9"}, "less than or equal to 8"),
    ],
)
def test_it_says_at_the_field_what_is_wrong_and_keeps_what_was_typed(
    client: Client, given: dict[str, str], words: str
) -> None:
    response = client.post("/models/new", FORM | given)
    assert response.status_code == 400
    assert words in text_of(response).replace("&#x27;", "'")
    assert 'value="Qwen"' in response.content.decode()
    assert not ModelDefinition.objects.exists()


def test_a_taken_key_is_told(client: Client) -> None:
    catalog("qwen")
    assert "The key qwen is taken" in text_of(client.post("/models/new", FORM))


def test_it_offers_to_add_what_serves_from_outside(client: Client) -> None:
    assert 'value="org/foreign"' in client.get("/models/new?repo=org/foreign").content.decode()


def test_an_edit_shows_its_changes_before_it_is_saved(client: Client) -> None:
    ModelDefinitionFactory(key="qwen", label="Qwen", repo="org/qwen", args=["--max-model-len", "65536", "--fast"])
    edited = {**FORM, "args": "--max-model-len 32768\n--fast", "version": "1"}
    review = client.post("/models/qwen/edit", edited)
    page = review.content.decode()
    assert '<span data-sign="-">-   --max-model-len 65536</span>' in page
    assert '<span data-sign="+">+   --max-model-len 32768</span>' in page
    assert '<span data-sign=" ">    --fast</span>' in page
    assert ModelDefinition.objects.get().version == 1
    saved = client.post("/models/qwen/edit", edited | {"step": "save"})
    assert saved.headers["Location"] == "/models/qwen/"
    model = ModelDefinition.objects.get()
    assert (model.args, model.version) == (["--max-model-len", "32768", "--fast"], 2)


def test_a_review_goes_back_to_the_form_with_what_was_typed(client: Client) -> None:
    catalog("qwen")
    back = client.post("/models/qwen/edit", FORM | {"notes": "half done", "version": "1", "step": "edit"})
    assert "half done" in back.content.decode()
    assert "Review the changes" in text_of(back)


def test_a_review_of_nothing_offers_nothing_to_save(client: Client) -> None:
    ModelDefinitionFactory(key="qwen", label="Qwen", repo="org/qwen")
    text = text_of(client.post("/models/qwen/edit", FORM | {"version": "1"}))
    assert "Nothing is different" in text
    assert "Save the changes" not in text


def test_a_mistake_is_told_before_the_review(client: Client) -> None:
    catalog("qwen")
    response = client.post("/models/qwen/edit", FORM | {"args": "--port 9", "version": "1"})
    assert response.status_code == 400
    assert "--port" in text_of(response)


def test_an_edit_never_overwrites_somebody_elses(client: Client) -> None:
    ModelDefinitionFactory(key="qwen", label="Qwen", repo="org/qwen", version=2)
    response = client.post("/models/qwen/edit", FORM | {"label": "Mine", "version": "1", "step": "save"})
    assert "Somebody changed Qwen since you read it" in text_of(response)
    assert ModelDefinition.objects.get().label == "Qwen"


def test_the_key_cannot_be_edited(client: Client) -> None:
    catalog("qwen")
    client.post("/models/qwen/edit", FORM | {"key": "other", "version": "1", "step": "save"})
    assert ModelDefinition.objects.get().key == "qwen"


def test_it_deletes_after_asking(client: Client) -> None:
    catalog("qwen")
    assert "Weights on the Sparks and past swaps stay." in text_of(client.get("/models/qwen/delete"))
    assert client.post("/models/qwen/delete").headers["Location"] == "/models/"
    assert not ModelDefinition.objects.exists()


def test_an_entry_a_swap_needs_is_not_deleted(client: Client) -> None:
    catalog("qwen")
    a_swap(two_sparks(), Status.LOADING)
    text = text_of(client.post("/models/qwen/delete", follow=True))
    assert "cancel it or wait for its end" in text
    assert ModelDefinition.objects.exists()


def test_what_is_exported_can_be_imported_again(client: Client) -> None:
    ModelDefinitionFactory(key="qwen", args=["--name", "two words"], env={"A": "1"})
    exported = client.get("/models/export")
    assert "attachment" in exported.headers["Content-Disposition"]
    before = ModelDefinition.objects.get().as_definition()
    ModelDefinition.objects.all().delete()
    upload = SimpleUploadedFile("models.yaml", exported.content)
    assert "1 added, 0 changed" in text_of(client.post("/models/import", {"file": upload}))
    assert ModelDefinition.objects.get().as_definition() == before


def test_an_import_skips_bad_entries_and_says_which(client: Client) -> None:
    text = "models:\n  good: {label: Good, repo: org/good}\n  bad: {label: Bad, repo: 'a b; rm'}\n"
    told = text_of(client.post("/models/import", {"text": text}))
    assert "1 added, 0 changed, 0 as they were, 1 skipped." in told
    assert "bad : The repo" in told


@pytest.mark.parametrize("text", ["", "{unclosed", "just words"])
def test_an_import_of_nonsense_is_told(client: Client, text: str) -> None:
    response = client.post("/models/import", {"text": text})
    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


@pytest.mark.parametrize("address", ["new", "import", "qwen/edit", "qwen/delete"])
def test_people_who_only_look_and_swap_cannot_edit(address: str) -> None:
    catalog("qwen")
    response = signed_in(is_staff=False, is_superuser=False).get(f"/models/{address}", headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert "Your account may not do this" in text_of(response)
