"""Signatures: what the reference packages verify, and nothing else."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks import signing

KNOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_it_signs_as_the_specification_computes_it() -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    found = signing.headers("msg_1", at, '{"a":1}', [KNOWN])
    key = base64.b64decode(KNOWN.removeprefix("whsec_"))
    signed = f'msg_1.{int(at.timestamp())}.{{"a":1}}'.encode()
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert found["webhook-signature"] == f"v1,{expected}"
    assert found["webhook-timestamp"] == str(int(at.timestamp()))


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Kolkata"), timezone(timedelta(hours=2))])
def test_an_instant_signs_the_same_in_every_time_zone(zone: timezone) -> None:
    at = datetime.now(UTC)
    assert signing.headers("msg_1", at.astimezone(zone), "{}", [KNOWN]) == signing.headers("msg_1", at, "{}", [KNOWN])


@given(body=st.text(st.characters(codec="utf-8"), max_size=200))
def test_both_packages_verify_any_body(body: str) -> None:
    secret = signing.new_secret()
    found = signing.headers("msg_1", datetime.now(UTC), body, [secret])
    standardwebhooks.Webhook(secret).verify(body.encode(), found, json_parse=False)
    older = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    assert found["X-Spark-Signature"] == f"sha256={older}"


def test_an_older_secret_signs_along() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    found = signing.headers("msg_1", datetime.now(UTC), "{}", [new, old])
    for secret in (old, new):
        svix.webhooks.Webhook(secret).verify("{}", found)
    assert found["X-Spark-Signature"] == signing.headers("msg_1", datetime.now(UTC), "{}", [new])["X-Spark-Signature"]


def test_a_text_of_ones_own_is_its_bytes() -> None:
    own = "what-the-old-receiver-knows"
    found = signing.headers("msg_1", datetime.now(UTC), "{}", [own])
    standardwebhooks.Webhook(own.encode()).verify("{}", found)


def test_an_old_timestamp_does_not_verify() -> None:
    found = signing.headers("msg_1", datetime.now(UTC) - timedelta(minutes=6), "{}", [KNOWN])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(KNOWN).verify("{}", found)


@pytest.mark.parametrize(
    "text", ["", "short", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "has a space in the text", "ä" * 20]
)
def test_a_weak_or_broken_secret_is_refused(text: str) -> None:
    with pytest.raises(signing.BadSecret):
        signing.check_secret(text)


def test_made_up_secrets_are_good_and_never_the_same() -> None:
    made = {signing.new_secret() for _ in range(50)}
    assert len(made) == 50
    for secret in made:
        signing.check_secret(secret)
