"""/api/webhooks over HTTP, with a dispatcher at work and a receiver on loopback."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import standardwebhooks

from services.webhooks.dispatcher import Dispatcher
from tests.factories import SlotFactory
from tests.integration.conftest import Api
from tests.integration.services.webhooks.receiver import Receiver, receiver
from tests.simulated_sparks import until


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Any) -> None:
    settings.WEBHOOK_NETWORKS = ["private", "127.0.0.0/8"]


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def dispatcher(web: str) -> Iterator[Dispatcher]:
    motor = Dispatcher()
    thread = threading.Thread(target=motor.run)
    thread.start()
    yield motor
    motor.close()
    thread.join(timeout=10)


def add(client: httpx.Client, url: str, **changes: Any) -> Any:
    answer = client.post("/api/webhooks", json={"name": "agent", "url": url, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_endpoint_is_made_looked_at_changed_and_removed(api: Api, inbox: Receiver) -> None:
    client = api("config")
    made = add(client, inbox.url, headers={"Authorization": "Bearer canary-token"})
    assert made["secret"].startswith("whsec_") and made["headers"] == ["Authorization"]

    read = client.get(made["link"])
    assert "secret" not in read.json() and made["secret"] not in read.text
    for text in (read.text, client.get("/api/webhooks").text):
        assert "canary-token" not in text

    body = {"name": "renamed", "url": inbox.url, "event_types": ["lock.*"]}
    assert client.put(made["link"], json=body).status_code == 428
    changed = client.put(made["link"], json=body, headers={"If-Match": read.headers["ETag"]})
    assert changed.status_code == 200 and changed.json()["headers"] == ["Authorization"], changed.text
    assert client.put(made["link"], json=body, headers={"If-Match": read.headers["ETag"]}).status_code == 412

    assert client.delete(made["link"], headers={"If-Match": "*"}).status_code == 204
    assert client.get(made["link"]).json()["code"] == "unknown-webhook"


def test_a_stored_header_value_can_be_kept_replaced_and_dropped(api: Api, inbox: Receiver) -> None:
    client = api("config")
    made = add(client, inbox.url, headers={"Authorization": "Bearer one", "X-Room": "two"})
    body = {"name": "agent", "url": inbox.url, "headers": {"Authorization": None, "X-New": "three"}}
    changed = client.put(made["link"], json=body, headers={"If-Match": "*"})
    assert sorted(changed.json()["headers"]) == ["Authorization", "X-New"]
    body["headers"] = {"X-Never": None}
    refused = client.put(made["link"], json=body, headers={"If-Match": "*"})
    assert refused.json()["errors"][0]["field"] == "headers"


def test_only_config_may_look_at_webhooks(api: Api) -> None:
    assert api("swap").get("/api/webhooks").json()["code"] == "scope-missing"
    assert api("read").get("/api/webhooks/types").status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://127.0.0.2:6379/"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "http://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": "http://100.100.100.200/"}, "url"),
        ({"url": "ftp://10.0.0.1/"}, "url"),
        ({"url": "http://user:word@10.0.0.1/"}, "url"),
        ({"url": "https://8.8.8.8/hook"}, "url"),
        ({"name": ""}, "name"),
        ({"event_types": ["swap_done"]}, "event_types"),
        ({"event_types": ["swap*"]}, "event_types"),
        ({"slots": ["nowhere"]}, "slots"),
        ({"shape": "ntfy"}, "options"),
        ({"shape": "slack", "options": {"room": "x"}}, "options"),
        ({"shape": "custom"}, "template"),
        ({"shape": "custom", "template": {"text": "{{ data.modle }}"}}, "template"),
        ({"shape": "custom", "template": {"text": "{{ __class__ }}"}}, "template"),
        ({"shape": "custom", "template": {"text": "{% import os %} {{ 7*7 }}"}}, "template"),
        ({"template": {"text": "x"}}, "template"),
        ({"headers": {"Webhook-Id": "x"}}, "headers"),
        ({"headers": {"X Y": "x"}}, "headers"),
        ({"headers": {"X-Y": "a\r\nEvil: 1"}}, "headers"),
        ({"headers": {"X-Y": 1}}, "headers.X-Y"),
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": "short"}, "secret"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_work_is_refused_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "agent", "url": "http://10.0.0.7:18789/hooks/wake", **change}
    answer = api("config").post("/api/webhooks", json=body)

    assert answer.status_code == 400, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}, answer.text


def test_a_name_is_taken_once(api: Api, inbox: Receiver) -> None:
    client = api("config")
    add(client, inbox.url)
    again = client.post("/api/webhooks", json={"name": "agent", "url": inbox.url})
    assert (again.status_code, again.json()["code"]) == (409, "name-taken")


@pytest.mark.usefixtures("dispatcher")
def test_a_ping_arrives_and_its_delivery_tells_how_it_went(api: Api, inbox: Receiver) -> None:
    client = api("config")
    made = add(client, inbox.url, event_types=["swap_failed"])
    inbox.says(200, b"internal page of some other machine")
    sent = client.post(f"{made['link']}/ping")
    assert sent.status_code == 202

    done = until(lambda: (d := client.get(sent.headers["Location"]).json())["status"] == "delivered" and d)
    standardwebhooks.Webhook(made["secret"]).verify(inbox.calls[0].body, inbox.calls[0].headers)
    assert [row["status_code"] for row in done["tries"]] == [200]
    assert "some other machine" not in str(done), "the test button must not read other machines' pages"
    assert client.get(f"{made['link']}/deliveries?status=delivered").json()["results"][0]["type"] == "ping"
    assert client.get(f"{made['link']}/deliveries?status=lost").status_code == 400


@pytest.mark.usefixtures("dispatcher")
def test_an_event_reaches_the_receiver_within_a_second(api: Api, inbox: Receiver) -> None:
    client = api("config")
    add(client, inbox.url, event_types=["model.drifted", "lock.*", "endpoint.disabled"])
    made = add(client, inbox.url + "/2", name="gone")
    inbox.answer = lambda call: (410 if call.path.endswith("/2") else 204, {}, b"")
    client.post(f"{made['link']}/ping")

    until(lambda: [call.json["type"] for call in inbox.calls] == ["ping", "endpoint.disabled"], seconds=5)
    gone = client.get(made["link"]).json()
    assert not gone["enabled"] and "410" in gone["disabled_reason"]
    assert client.post(f"{made['link']}/ping").json()["code"] == "webhook-off"


@pytest.mark.usefixtures("dispatcher")
def test_redeliver_replay_and_rotate(api: Api, inbox: Receiver) -> None:
    client = api("config")
    SlotFactory(name="main")
    made = add(client, inbox.url)
    location = client.post(f"{made['link']}/ping").headers["Location"]
    until(lambda: inbox.accepted)
    assert client.post(f"{location}/redeliver").status_code == 202
    until(lambda: len(inbox.accepted) == 2)
    assert inbox.accepted[0] == inbox.accepted[1]

    body = {"since": "2020-01-01T00:00:00Z", "what": "all"}
    assert client.post(f"{made['link']}/replay", json=body).json() == {"count": 0}  # pings are not replayed
    rotated = client.post(f"{made['link']}/rotate").json()
    assert rotated["secret"] != made["secret"] and rotated["old_secret_until"]
    own = "an-old-receiver-knows-this"
    assert client.post(f"{made['link']}/rotate", json={"secret": own}).json()["secret"] == own


def test_every_type_is_described(api: Api) -> None:
    told = api("read").get("/api/webhooks/types").json()
    assert {"swap_complete", "swap_failed", "ping", "lock.forced"} <= {kind["name"] for kind in told["types"]}
    assert [shape["name"] for shape in told["shapes"]] == [
        "standard",
        "openclaw-agent",
        "openclaw-wake",
        "slack",
        "ntfy",
    ]
