"""One Idempotency-Key, one piece of work, the same answer each time."""

import json
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cluster import idempotency
from cluster.idempotency import Answer, Call
from cluster.models import Event, IdempotentCall
from cluster.refusals import Conflict
from services.models import ApiKey
from swaps.models import ModelDefinition, Swap
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.integration.conftest import Api

MODEL = {"key": "qwen", "repo": "org/qwen"}
CALL = Call("key:x", "POST", "/api/models", "k1", "f" * 64)


def post(client: httpx.Client, path: str, body: Any, key: str = "k1") -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def test_the_same_call_twice_is_done_once_and_answered_twice(api: Api) -> None:
    client = api("config")
    first = post(client, "/api/models", MODEL)
    again = post(client, "/api/models", MODEL)

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"] and again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert ModelDefinition.objects.count() == 1 and Event.objects.filter(kind="model.added").count() == 1


def test_without_the_key_the_second_call_is_a_call_of_its_own(api: Api) -> None:
    client = api("config")
    assert client.post("/api/models", json=MODEL).status_code == 201
    assert client.post("/api/models", json=MODEL).status_code == 409


def test_the_key_quoted_or_bare_is_the_same_key(api: Api) -> None:
    client = api("config")
    post(client, "/api/models", MODEL, '"8e03978e-40d5"')
    assert post(client, "/api/models", MODEL, "8e03978e-40d5").headers["Idempotency-Replayed"] == "true"


def test_the_same_key_with_another_payload_is_refused(api: Api) -> None:
    client = api("config")
    post(client, "/api/models", MODEL)
    other = post(client, "/api/models", {**MODEL, "key": "other"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    query = post(client, "/api/models?x=1", MODEL)
    assert query.status_code == 422


def test_a_key_belongs_to_one_caller_method_and_path(api: Api) -> None:
    one, two = api("config"), api("config")
    post(one, "/api/models", MODEL)
    assert post(two, "/api/models", MODEL).json()["code"] == "key-taken"
    headers = {"Idempotency-Key": "k1", "If-Match": "*"}
    assert one.delete("/api/models/qwen", headers=headers).status_code == 204
    gone = one.delete("/api/models/qwen", headers=headers)
    assert (gone.status_code, gone.headers["Idempotency-Replayed"], gone.content) == (204, "true", b"")


def test_two_programs_whose_keys_have_one_name_are_two_callers(api: Api) -> None:
    one, two = api("config"), api("config")
    ApiKey.objects.update(name="twin")
    post(one, "/api/models", MODEL)
    assert "Idempotency-Replayed" not in post(two, "/api/models", MODEL).headers


def test_a_refusal_changes_nothing_and_frees_the_key(api: Api) -> None:
    client = api("config")
    assert post(client, "/api/models", {"key": "qwen"}).status_code == 400
    assert not IdempotentCall.objects.exists()
    assert post(client, "/api/models", MODEL).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "a b", '"open', "x" * 256, "tab\there"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    answer = post(api("config"), "/api/models", MODEL, key)
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not ModelDefinition.objects.exists()


def test_reading_ignores_the_key(api: Api) -> None:
    client = api("read")
    for _ in range(2):
        assert "Idempotency-Replayed" not in client.get("/api/models", headers={"Idempotency-Key": "k1"}).headers


def test_who_may_not_call_may_not_hear_the_answer_either(api: Api) -> None:
    client = api("admin")
    post(client, "/api/keys", {"name": "openclaw", "scopes": ["read"]})
    ApiKey.objects.exclude(name="openclaw").update(scopes=["read"])
    assert post(client, "/api/keys", {"name": "openclaw", "scopes": ["read"]}).status_code == 403


def test_a_secret_shown_once_is_repeated_to_its_caller_and_not_stored_in_plain(api: Api) -> None:
    client = api("admin")
    body = {"name": "openclaw", "scopes": ["read"]}
    first, again = post(client, "/api/keys", body), post(client, "/api/keys", body)
    assert again.json()["key"] == first.json()["key"] and ApiKey.objects.filter(name="openclaw").count() == 1
    assert first.json()["key"] not in str(list(IdempotentCall.objects.values()))


def test_an_answer_that_waits_is_kept_whole_too(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="qwen")
    client = api("swap")
    body = {"model": "qwen", "wait": 1}
    first, again = post(client, "/api/swap", body), post(client, "/api/swap", body)
    assert first.status_code == again.status_code == 202
    assert again.headers["Location"] == first.headers["Location"] and again.json()["id"] == first.json()["id"]
    assert Swap.objects.count() == 1


def test_many_at_once_with_one_key_are_one(api: Api) -> None:
    client = api("config")
    codes: list[int] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        codes.append(post(client, "/api/models", MODEL).status_code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ModelDefinition.objects.count() == 1
    assert set(codes) <= {201, 409} and 201 in codes


def test_while_the_first_is_answered_a_repetition_is_told_to_wait(api: Api) -> None:
    client = api("config")
    post(client, "/api/models", MODEL)
    IdempotentCall.objects.update(answered_at=None, answer="")
    answer = post(client, "/api/models", MODEL)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-use")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_crash_in_the_middle_leaves_no_poisoned_key(api: Api) -> None:
    client = api("config")
    post(client, "/api/models", MODEL)
    ModelDefinition.objects.all().delete()
    IdempotentCall.objects.update(answered_at=None, answer="", claimed_until=timezone.now() - timedelta(seconds=1))
    assert post(client, "/api/models", MODEL).status_code == 201
    assert ModelDefinition.objects.count() == 1


@pytest.mark.django_db
def test_who_lost_the_claim_keeps_nothing() -> None:
    late = idempotency.begin(CALL)
    assert isinstance(late, str)
    IdempotentCall.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    second = idempotency.begin(CALL)
    assert isinstance(second, str) and second != late
    idempotency.finish(CALL, late, Answer(201, {}, "late"))
    idempotency.release(CALL, late)
    idempotency.finish(CALL, second, Answer(201, {}, "second"))
    assert idempotency.begin(CALL) == Answer(201, {}, "second")


@pytest.mark.django_db
def test_keys_are_forgotten_after_a_day() -> None:
    claim = idempotency.begin(CALL)
    assert isinstance(claim, str)
    idempotency.finish(CALL, claim, Answer(200, {}, json.dumps({"a": 1})))
    IdempotentCall.objects.update(created_at=F("created_at") - timedelta(hours=25))
    assert isinstance(idempotency.begin(CALL), str)
    IdempotentCall.objects.update(created_at=F("created_at") - timedelta(hours=25))
    idempotency.forget_old()
    assert not IdempotentCall.objects.exists()


def test_a_foretold_answer_is_given_when_the_process_died_before_its_own(db: None) -> None:
    """As if it had been killed after the commit of the work."""
    begun = idempotency.begin(CALL)
    with transaction.atomic():
        idempotency.foretell(Answer(202, {"Location": "/api/swap/7"}, '{"id": 7}'))

    assert isinstance(begun, str)
    assert idempotency.begin(CALL) == Answer(202, {"Location": "/api/swap/7"}, '{"id": 7}')


def test_what_was_foretold_is_lost_with_the_work(db: None) -> None:
    idempotency.begin(CALL)
    with transaction.atomic():
        idempotency.foretell(Answer(202, {}, "{}"))
        transaction.set_rollback(True)

    with pytest.raises(Conflict):
        idempotency.begin(CALL)


def test_a_failure_after_the_work_keeps_what_was_foretold(db: None) -> None:
    claim = idempotency.begin(CALL)
    idempotency.foretell(Answer(202, {}, "{}"))
    idempotency.release(CALL, str(claim))

    assert idempotency.begin(CALL) == Answer(202, {}, "{}")
