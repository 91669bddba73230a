"""What was recorded arrives: at least once, in order, signed, whatever the receiver does meanwhile."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from django.db import transaction
from django.utils import timezone

from cluster import events
from cluster.models import Event
from services.webhooks import actions, delivery, outbox
from services.webhooks.rows import Attempt, Delivery, DeliveryState, OutgoingMessage, WebhookEndpoint
from swaps.states import Status
from tests.factories import SlotFactory, SwapFactory
from tests.integration.services.webhooks.conftest import Motor, endpoint_to, wanted
from tests.integration.services.webhooks.receiver import Call, Receiver


def something_happens(times: int = 1, kind: str = "lock.acquired", **data: Any) -> list[Event]:
    return [events.record(kind, f"Ana took the lock, {i}.", actor="user:ana", data=data) for i in range(times)]


def test_it_delivers_an_event_signed_for_both_generations_of_receivers(motor: Motor, inbox: Receiver) -> None:
    _, secret = endpoint_to(inbox.url)
    something_happens(holder="daily-run", fence=4)
    motor.turn()

    (call,) = inbox.calls
    standardwebhooks.Webhook(secret).verify(call.body, call.headers)
    svix.webhooks.Webhook(secret).verify(call.body, call.headers)
    older = hmac.new(secret.encode(), call.body, hashlib.sha256).hexdigest()
    assert call.headers["x-spark-signature"] == f"sha256={older}"
    assert call.json["type"] == call.json["event"] == "lock.acquired"
    assert call.json["data"]["holder"] == "daily-run" and call.json["data"]["fence"] == 4
    assert datetime.fromisoformat(call.json["timestamp"]).tzinfo
    assert call.headers["content-type"] == "application/json"


def test_a_forged_or_changed_message_does_not_verify(motor: Motor, inbox: Receiver) -> None:
    _, secret = endpoint_to(inbox.url)
    something_happens()
    motor.turn()

    (call,) = inbox.calls
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(call.body.replace(b"lock", b"luck"), call.headers)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(secret).verify(call.body, {**call.headers, "webhook-id": "msg_other"})


def test_the_signature_verifies_whatever_time_zone_people_use(motor: Motor, inbox: Receiver, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    _, secret = endpoint_to(inbox.url)
    something_happens()
    motor.now = timezone.localtime(motor.now)
    motor.turn()

    standardwebhooks.Webhook(secret).verify(inbox.calls[0].body, inbox.calls[0].headers)


def test_a_swap_goes_out_with_everything_a_client_needs_to_follow_it(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    slot = SlotFactory(name="main")
    swap = SwapFactory(
        slot=slot, status=Status.READY, from_model="old", fence=7, ended_at=timezone.now(), model_key="qwen"
    )
    data = {"swap": swap.pk, "slot": "main", "status": "ready", "model": "qwen", "from_model": "old"}
    event = events.record("swap.ended", "Done.", slot=slot, actor="user:ana", data=data)
    motor.turn()

    told = inbox.calls[0].json
    assert (told["type"], told["event"], told["model"]) == ("swap_complete", "swap_complete", "qwen")
    assert told["data"]["to_model"] == "qwen" and told["data"]["from_model"] == "old"
    assert told["data"]["served_ids"] == ["org/qwen"]
    assert told["data"]["base_url"] == slot.base_url and told["data"]["nodes"] == [slot.head.name]
    assert (told["data"]["fence"], told["data"]["sequence"], told["data"]["slot"]) == (7, event.pk, "main")
    assert told["data"]["link"].endswith(f"/swaps/{swap.pk}/") and "total" in told["data"]["durations"]


@pytest.mark.parametrize("status", ["failed", "errored"])
def test_a_failed_swap_goes_out_with_its_diagnosis(motor: Motor, inbox: Receiver, status: str) -> None:
    endpoint_to(inbox.url, event_types=["swap_failed"])
    swap = SwapFactory(status=status, diagnosis_code="oom", diagnosis="Too big.", remedy="Take less.")
    data = {"swap": swap.pk, "status": status, "model": "qwen"}
    events.record("swap.ended", "Failed.", slot=swap.slot, data=data)
    motor.turn()

    assert inbox.calls[0].json["data"]["diagnosis"] == {"code": "oom", "sentence": "Too big.", "remedy": "Take less."}


def test_what_concerns_the_house_alone_stays_there(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    for kind in ("swap.phase", "key.made", "spark.up", "webhook.changed"):
        something_happens(kind=kind)
    motor.turn()

    assert inbox.calls == [] and not OutgoingMessage.objects.exists()
    assert not Event.objects.not_fanned_out().exists()


def test_an_endpoint_hears_only_the_types_and_slots_it_asked_for(
    motor: Motor, new_receiver: Callable[[], Receiver]
) -> None:
    main, other = SlotFactory(name="main"), SlotFactory(name="other")
    locks, slot_two = new_receiver(), new_receiver()
    endpoint_to(locks.url, name="locks", event_types=["lock.*"])
    endpoint_to(slot_two.url, name="two", slots=["other"])
    for slot in (main, other):
        events.record("lock.forced", "Taken.", slot=slot)
        events.record("model.drifted", "Drifted.", slot=slot, data={"state": "idle"})
    motor.turn()

    assert [call.json["data"]["slot"] for call in locks.calls] == ["main", "other"]
    assert [call.json["type"] for call in slot_two.calls] == ["lock.forced", "model.drifted"]
    assert {call.json["data"]["slot"] for call in slot_two.calls} == {"other"}


def test_a_receiver_down_for_an_hour_hears_everything_once_in_order_and_others_notice_nothing(
    motor: Motor, new_receiver: Callable[[], Receiver]
) -> None:
    down, well = new_receiver(), new_receiver()
    endpoint_to(down.url, name="down")
    endpoint_to(well.url, name="well")
    down.says(503)
    for _ in range(60):
        something_happens()
        motor.pass_time(timedelta(minutes=1))
        assert not delivery.due(motor.now).filter(name="well").exists(), "a dead endpoint delayed another"
    assert len(well.accepted) == 60 and down.accepted == []
    tried = set(down.ids())

    down.says(204)
    back_at = motor.now
    while len(down.accepted) < 60:
        motor.pass_time(timedelta(minutes=1))
        assert motor.now - back_at <= timedelta(minutes=20)

    assert down.accepted == list(OutgoingMessage.objects.values_list("message_id", flat=True))
    assert down.accepted == well.accepted, "same ids, same order"
    assert tried <= set(down.accepted), "the id of a try is the id of its success"
    assert not Delivery.objects.pending().exists()


def test_a_message_that_committed_late_is_not_passed_over(motor: Motor, inbox: Receiver) -> None:
    """As a second transaction would leave it: a lower id becomes visible after a higher one was handed on."""
    endpoint_to(inbox.url)
    early = something_happens()[0]
    Event.objects.filter(pk=early.pk).update(fanned_out_at=motor.now)  # not there yet
    something_happens()
    motor.turn()
    Event.objects.filter(pk=early.pk).update(fanned_out_at=None)
    motor.turn()

    assert {call.json["data"]["sequence"] for call in inbox.calls} == {early.pk, early.pk + 1}


def test_an_event_is_handed_on_once_however_often_it_is_looked_at(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    something_happens(3)
    motor.turn()
    messages = list(OutgoingMessage.objects.all())
    outbox.add_deliveries(messages, [endpoint], motor.now)
    motor.turn()

    assert len(inbox.calls) == 3 and Delivery.objects.count() == 3


def test_nothing_is_sent_for_a_change_that_was_rolled_back(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    with pytest.raises(RuntimeError), transaction.atomic():
        something_happens()
        raise RuntimeError
    motor.turn()

    assert inbox.calls == []


def test_it_waits_longer_after_each_failure_and_a_success_forgets_them(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    inbox.says(500)
    something_happens()
    waits = []
    for _ in range(6):
        motor.turn()
        endpoint.refresh_from_db()
        assert endpoint.next_attempt_at
        waits.append((endpoint.next_attempt_at - motor.now).total_seconds())
        motor.now = endpoint.next_attempt_at
    for seconds, step in zip(waits, (5, 30, 120, 300, 600, 900), strict=True):
        assert 0.8 * step <= seconds <= 1.2 * step

    inbox.says(200)
    motor.turn()
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since, endpoint.next_attempt_at) == (0, None, None)
    assert len(set(inbox.ids())) == 1


def test_retry_after_is_honoured(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    inbox.says(429, Retry_After="700")
    something_happens()
    motor.turn()
    endpoint.refresh_from_db()
    assert endpoint.next_attempt_at == motor.now + timedelta(seconds=700)


def test_gone_switches_an_endpoint_off_at_once_and_tells_the_others(
    motor: Motor, new_receiver: Callable[[], Receiver]
) -> None:
    gone, well = new_receiver(), new_receiver()
    endpoint, _ = endpoint_to(gone.url, name="gone")
    endpoint_to(well.url, name="well")
    gone.says(410)
    something_happens()
    motor.turn()
    motor.turn()

    endpoint.refresh_from_db()
    assert not endpoint.enabled and "410" in endpoint.disabled_reason and len(gone.calls) == 1
    assert [call.json["type"] for call in well.calls] == ["lock.acquired", "endpoint.disabled"]
    assert well.calls[1].json["data"]["name"] == "gone"


def test_an_endpoint_that_fails_for_five_days_is_switched_off_and_not_before(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    inbox.says(500)
    (first,) = something_happens()
    motor.turn()
    motor.pass_time(timedelta(hours=119), step=timedelta(hours=1))
    something_happens()
    endpoint.refresh_from_db()
    assert endpoint.enabled
    assert Delivery.objects.get(message__data__sequence=first.pk).status == "failed"
    motor.pass_time(timedelta(hours=7), step=timedelta(hours=1))
    endpoint.refresh_from_db()
    assert not endpoint.enabled and "120 hours" in endpoint.disabled_reason


def test_one_message_a_receiver_refuses_does_not_hold_up_the_others_for_ever(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    first = something_happens()[0]

    def picky(call: Call) -> tuple[int, dict[str, str], bytes]:
        return (422 if call.json["data"]["sequence"] == first.pk else 200), {}, b""

    inbox.answer = picky
    something_happens(2)
    motor.turn()
    motor.pass_time(timedelta(minutes=12), step=timedelta(seconds=10))

    assert [row.status for row in Delivery.objects.in_order()] == ["failed", "delivered", "delivered"]
    assert Delivery.objects.in_order()[0].attempts == 5


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(motor: Motor, inbox: Receiver, status: int) -> None:
    endpoint_to(inbox.url)
    inbox.says(status, Location=inbox.url + "/elsewhere")
    something_happens()
    motor.turn()

    assert [call.path for call in inbox.calls] == ["/hook"]
    assert "redirect" in Attempt.objects.get().error


def test_what_is_kept_of_an_answer_is_short_and_holds_no_secret(motor: Motor, inbox: Receiver) -> None:
    _, secret = endpoint_to(inbox.url, headers={"Authorization": "Bearer hook-token-1"})
    told = f"you sent {secret} and hook-token-1 and sk-abcdefghijklmnop \0 ".encode()
    inbox.says(400, told + b"x" * 1_000_000)
    something_happens()
    motor.turn()

    kept = Attempt.objects.get().response
    assert inbox.calls[0].headers["authorization"] == "Bearer hook-token-1"
    assert kept.startswith("you sent ***") and len(kept.encode()) <= 4096
    assert secret not in kept and "hook-token-1" not in kept and "abcdefghij" not in kept and "\0" not in kept


def test_secrets_are_not_in_the_database_in_plain(motor: Motor, inbox: Receiver) -> None:
    endpoint, secret = endpoint_to(inbox.url, headers={"X-Key": "canary-value"})
    actions.rotate(endpoint, by="user:ana")
    stored = str(list(WebhookEndpoint.objects.values())) + str(list(Event.objects.values()))
    assert "canary-value" not in stored and secret not in stored


def test_after_a_rotation_both_secrets_verify_for_a_day_and_then_the_new_one_alone(
    motor: Motor, inbox: Receiver
) -> None:
    endpoint, old = endpoint_to(inbox.url)
    _, new = actions.rotate(endpoint, by="user:ana")
    something_happens()
    motor.turn()
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(inbox.calls[0].body, inbox.calls[0].headers)

    motor.now += timedelta(hours=25)
    something_happens()
    motor.turn()
    assert len(inbox.calls[1].headers["webhook-signature"].split()) == 1


def test_redelivering_sends_the_same_id_with_a_new_timestamp(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    something_happens()
    motor.turn()
    motor.now += timedelta(seconds=90)
    actions.redeliver(Delivery.objects.get(), by="user:ana")
    motor.turn()

    first, second = inbox.calls
    assert first.id == second.id and first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 90
    assert Delivery.objects.get().attempts == 2


def test_replaying_the_failed_sends_those_and_replaying_all_also_what_the_endpoint_never_got(
    motor: Motor, inbox: Receiver, new_receiver: Callable[[], Receiver]
) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    began = motor.now - timedelta(minutes=1)
    something_happens(3)
    motor.turn()
    Delivery.objects.filter(pk=Delivery.objects.in_order()[1].pk).update(status=DeliveryState.FAILED)
    assert actions.replay(endpoint, since=began, everything=False, by="user:ana") == 1
    motor.turn()
    assert len(inbox.calls) == 4 and inbox.calls[3].id == inbox.calls[1].id

    late = new_receiver()
    newcomer, _ = endpoint_to(late.url, name="newcomer")
    assert actions.replay(newcomer, since=began, everything=True, by="user:ana") == 3
    motor.turn()
    assert late.ids() == inbox.ids()[:3]
    assert actions.replay(newcomer, since=motor.now + timedelta(hours=1), everything=True, by="user:ana") == 0


def test_a_ping_goes_to_the_one_endpoint_even_when_it_wants_other_types(
    motor: Motor, new_receiver: Callable[[], Receiver]
) -> None:
    one, two = new_receiver(), new_receiver()
    endpoint, _ = endpoint_to(one.url, name="one", event_types=["swap_failed"])
    endpoint_to(two.url, name="two")
    actions.ping(endpoint, by="user:ana")
    motor.turn()

    assert [call.json["type"] for call in one.calls] == ["ping"] and two.calls == []


def test_two_who_want_to_deliver_to_one_endpoint_do_not_both(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    something_happens()
    outbox.fan_out(motor.now)
    assert delivery._claim(endpoint.pk, "other") is not None
    assert delivery._claim(endpoint.pk, "other") is None
    motor.turn()
    assert inbox.calls == []


def test_a_deliverer_that_died_is_replaced_when_its_claim_ran_out(motor: Motor, inbox: Receiver) -> None:
    endpoint, _ = endpoint_to(inbox.url)
    something_happens()
    outbox.fan_out(motor.now)
    delivery._claim(endpoint.pk, "other")
    WebhookEndpoint.objects.update(claimed_until=datetime(2001, 1, 1, tzinfo=UTC))
    motor.turn()
    assert len(inbox.accepted) == 1


def test_a_corrected_address_is_tried_at_once(motor: Motor, new_receiver: Callable[[], Receiver]) -> None:
    wrong, right = new_receiver(), new_receiver()
    endpoint, _ = endpoint_to(wrong.url)
    wrong.says(404)
    something_happens()
    motor.turn()
    actions.change(endpoint, wanted(right.url), expected_version=endpoint.version, by="user:ana")
    motor.turn()
    assert right.accepted == wrong.ids()


def test_what_waits_for_a_switched_off_endpoint_is_kept_a_week(motor: Motor, inbox: Receiver) -> None:
    endpoint_to(inbox.url)
    something_happens(2)
    motor.turn()
    WebhookEndpoint.objects.update(enabled=False)
    Delivery.objects.filter(pk=Delivery.objects.in_order()[1].pk).update(status=DeliveryState.PENDING)
    delivery.give_up_stale(motor.now + timedelta(days=6))
    assert Delivery.objects.pending().count() == 1
    delivery.give_up_stale(motor.now + timedelta(days=8))
    assert not Delivery.objects.pending().exists() and Delivery.objects.count() == 2
