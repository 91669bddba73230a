"""Pages of webhooks: secrets shown once, headers never, deliveries told and sent again."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from cluster import events
from services.webhooks import actions, outbox
from services.webhooks.rows import Attempt, Delivery, DeliveryState, WebhookEndpoint
from tests.pages import a_webhook, ago, signed_in, text_of, two_sparks

pytestmark = pytest.mark.django_db

FORM = {"name": "openclaw", "url": "http://192.168.7.9:8080/hooks/agent", "shape": "standard", "enabled": "on"}


@pytest.fixture
def client() -> Client:
    return signed_in()


def shown_once(response: Any) -> str:
    found = re.search(r'data-copy="([^"]+)"', response.content.decode())
    assert found is not None
    return found[1]


def a_delivery(endpoint: WebhookEndpoint, status: DeliveryState = DeliveryState.FAILED) -> Delivery:
    event = events.record("lock.forced", "ana took the lock.", actor="user:ana", data={"reason": "It hangs."})
    outbox.fan_out_one(event, timezone.now())
    ended = None if status is DeliveryState.PENDING else timezone.now()
    Delivery.objects.filter(message__event=event).update(status=status, attempts=3, ended_at=ended)
    return Delivery.objects.get(endpoint=endpoint, message__event=event)


def test_an_empty_page_says_whom_one_can_tell(client: Client) -> None:
    assert "OpenClaw, Slack and ntfy have ready-made bodies." in text_of(client.get("/webhooks/"))


def test_the_secret_is_shown_when_it_is_made_and_never_again(client: Client) -> None:
    made = client.post("/webhooks/new", FORM)
    endpoint = WebhookEndpoint.objects.get()
    secret = shown_once(made)
    assert secret == endpoint.open("secret")
    assert "no-store" in made.headers["Cache-Control"]
    for address in ("", "edit", "rotate", "replay"):
        assert secret not in client.get(f"/webhooks/{endpoint.pk}/{address}").content.decode()
    assert endpoint.created_by == "user:ana"


def test_types_slots_options_and_headers_are_kept(client: Client) -> None:
    two_sparks()
    given = {"event_types": ["swap_complete", "lock.*"], "slots": ["main"], "shape": "ntfy"}
    more = {"options": "topic=gpu", "headers": "Authorization: Bearer s3cr3t:x\nX-Room: 4"}
    client.post("/webhooks/new", FORM | given | more)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.event_types, endpoint.slots) == (["swap_complete", "lock.*"], ["main"])
    assert endpoint.options == {"topic": "gpu"}
    assert actions.header_values(endpoint) == {"Authorization": "Bearer s3cr3t:x", "X-Room": "4"}


def test_header_values_are_write_only(client: Client) -> None:
    endpoint = a_webhook(headers={"Authorization": "Bearer s3cr3t", "X-Room": "4"})
    address = f"/webhooks/{endpoint.pk}/edit"
    page = client.get(address).content.decode()
    assert "s3cr3t" not in page + client.get(f"/webhooks/{endpoint.pk}/").content.decode()
    assert "Authorization:\nX-Room:" in page
    client.post(address, FORM | {"headers": "Authorization:\nX-New: 1", "version": "1"})
    endpoint.refresh_from_db()
    assert actions.header_values(endpoint) == {"Authorization": "Bearer s3cr3t", "X-New": "1"}


def test_a_template_of_ones_own_is_json_or_text(client: Client) -> None:
    client.post("/webhooks/new", FORM | {"shape": "custom", "template": '{"text": "{{ sentence }}"}'})
    client.post("/webhooks/new", FORM | {"name": "b", "shape": "custom", "template": "GPU: {{ sentence }}"})
    assert [e.template for e in WebhookEndpoint.objects.all()] == ["GPU: {{ sentence }}", {"text": "{{ sentence }}"}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"shape": "ntfy"}, "This shape needs topic."),
        ({"shape": "custom", "template": "{broken"}, "This is no JSON"),
        ({"shape": "custom", "template": "{{ nothing }}"}, "There is no value nothing"),
        ({"headers": "no colon"}, "Write name:value, one a line."),
        ({"headers": "Host: evil"}, "cannot be a header of your own"),
        ({"secret": "short"}, "secret"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client: Client, wrong: dict[str, str], words: str) -> None:
    response = client.post("/webhooks/new", FORM | wrong)
    assert response.status_code == 400
    assert words in response.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_a_taken_name_is_said(client: Client) -> None:
    a_webhook()
    assert "There is a webhook named openclaw already" in text_of(client.post("/webhooks/new", FORM))


def test_an_edit_from_a_stale_page_is_refused(client: Client) -> None:
    endpoint = a_webhook()
    WebhookEndpoint.objects.update(version=2)
    response = client.post(f"/webhooks/{endpoint.pk}/edit", FORM | {"name": "other", "version": "1"})
    assert "Somebody changed this webhook since you read it" in text_of(response)
    assert WebhookEndpoint.objects.get().name == "openclaw"


def test_only_people_with_the_right_see_any_of_it() -> None:
    endpoint = a_webhook()
    delivery = a_delivery(endpoint)
    plain = signed_in(username="bob", is_staff=False, is_superuser=False)
    for address in ("", "new", f"{endpoint.pk}/", f"{endpoint.pk}/edit", f"{endpoint.pk}/deliveries/{delivery.pk}/"):
        assert plain.get(f"/webhooks/{address}").status_code == 403, address
    assert plain.post(f"/webhooks/{endpoint.pk}/ping").status_code == 403
    assert "Webhooks" not in text_of(plain.get("/"))


def test_a_test_leads_to_its_delivery(client: Client) -> None:
    endpoint = a_webhook()
    response = client.post(f"/webhooks/{endpoint.pk}/ping", follow=True)
    assert "ana tests the webhook openclaw." in text_of(response).replace("user:", "")
    assert "Not tried yet" in text_of(response)


def test_a_test_of_one_that_is_off_is_refused_in_words(client: Client) -> None:
    endpoint = a_webhook(enabled=False)
    assert "openclaw is switched off." in text_of(client.post(f"/webhooks/{endpoint.pk}/ping", follow=True))


def test_deliveries_are_told_and_filtered(client: Client) -> None:
    endpoint = a_webhook()
    a_delivery(endpoint)
    text = text_of(client.get(f"/webhooks/{endpoint.pk}/"))
    assert "lock.forced" in text
    assert "Given up" in text
    assert "Nothing in this state" in text_of(client.get(f"/webhooks/{endpoint.pk}/?status=delivered"))


def test_a_delivery_tells_its_tries_and_answers_only_to_those_who_may_see_all(client: Client) -> None:
    endpoint = a_webhook()
    delivery = a_delivery(endpoint)
    told = {
        "at": timezone.now(),
        "milliseconds": 31,
        "status_code": 500,
        "error": "It answered 500.",
        "response": "boom",
    }
    Attempt.objects.create(delivery=delivery, **told)
    address = f"/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/"
    text = text_of(client.get(address))
    for words in ("It answered 500.", "31 ms", "boom", "&quot;reason&quot;: &quot;It hangs.&quot;".replace(": ", ":")):
        assert words in text
    staff = text_of(signed_in(username="cleo", is_superuser=False).get(address))
    assert "It answered 500." in staff
    assert "boom" not in staff


def test_it_is_sent_again_under_its_id(client: Client) -> None:
    endpoint = a_webhook()
    delivery = a_delivery(endpoint)
    client.post(f"/webhooks/{endpoint.pk}/deliveries/{delivery.pk}/again")
    delivery.refresh_from_db()
    assert delivery.status == DeliveryState.PENDING


def test_replay_sends_what_was_given_up_since_then(client: Client) -> None:
    endpoint = a_webhook()
    a_delivery(endpoint)
    a_delivery(endpoint, DeliveryState.DELIVERED)
    since = timezone.localtime(ago(hours=1)).strftime("%Y-%m-%dT%H:%M")
    response = client.post(f"/webhooks/{endpoint.pk}/replay", {"since": since, "what": "failed"}, follow=True)
    assert "1 message is on the way again." in text_of(response)
    response = client.post(f"/webhooks/{endpoint.pk}/replay", {"since": since, "what": "all"}, follow=True)
    assert "2 messages are on the way again." in text_of(response)


def test_a_new_secret_is_asked_for_once_and_shown_once(client: Client) -> None:
    endpoint = a_webhook()
    old = endpoint.open("secret")
    assert "signs along for 24 hours" in text_of(client.get(f"/webhooks/{endpoint.pk}/rotate"))
    new = shown_once(client.post(f"/webhooks/{endpoint.pk}/rotate"))
    endpoint.refresh_from_db()
    assert (endpoint.open("secret"), endpoint.open("previous_secret")) == (new, old)
    assert "signs along until" in text_of(client.get(f"/webhooks/{endpoint.pk}/"))


def test_removing_names_what_is_lost_and_notices_a_change(client: Client) -> None:
    endpoint = a_webhook()
    a_delivery(endpoint, DeliveryState.PENDING)
    address = f"/webhooks/{endpoint.pk}/remove"
    assert "1 waiting messages are not sent" in text_of(client.get(address))
    assert client.post(address, {"believed": "7"}).status_code == 412
    client.post(address, {"believed": str(endpoint.version)})
    assert not WebhookEndpoint.objects.exists()


def test_one_that_was_switched_off_says_why(client: Client) -> None:
    endpoint = a_webhook()
    WebhookEndpoint.objects.update(enabled=False, disabled_reason="It answered 410 Gone.")
    assert "Switched off by Spark Control." in text_of(client.get(f"/webhooks/{endpoint.pk}/"))
    assert "Switched off" in text_of(client.get("/webhooks/"))


def test_the_types_of_the_form_are_the_types_there_are(client: Client) -> None:
    page = client.get("/webhooks/new").content.decode()
    values = re.findall(r'name="event_types" value="([^"]+)"', page)
    client.post("/webhooks/new", FORM | {"event_types": values})
    assert json.loads(json.dumps(WebhookEndpoint.objects.get().event_types)) == values
