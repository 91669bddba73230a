"""One sentence for every door, and what a look at the lock says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from swaps.lock_view import LockView, span
from swaps.models import Swap

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FREE = LockView("main", False, 417, NOON)
HELD = replace(
    FREE,
    held=True,
    holder="openclaw",
    purpose="nightly eval",
    taken_by="key:agent",
    ttl_seconds=900,
    acquired_at=NOON - timedelta(minutes=12),
    renewed_at=NOON - timedelta(minutes=12),
    expires_at=NOON + timedelta(minutes=3, seconds=10),
)
SWAP = Swap(pk=7, model_key="qwen", model_label="Qwen", status="loading", actor="user:bob")


def test_it_says_who_what_for_since_until_and_what_to_do() -> None:
    assert HELD.refusal_sentence() == (
        "openclaw (API key agent) holds the lock of main for “nightly eval”, since 11:48:00 UTC, until 12:03:10 UTC "
        "(in 3 min 10 s) unless renewed. Wait, or ask openclaw to release it; somebody with the right to can release "
        "it by force."
    )


def test_the_countdown_follows_the_reader() -> None:
    assert "(in 1 min)" in HELD.refusal_sentence(NOON + timedelta(minutes=2, seconds=10))


def test_it_says_so_when_nobody_said_what_for() -> None:
    assert "without saying what for" in replace(HELD, purpose="").refusal_sentence()


def test_a_swap_under_it_is_named() -> None:
    told = replace(HELD, active_swap=SWAP).refusal_sentence()

    assert "at least until 60 s after its swap ends (Qwen, loading)" in told
    assert "12:03:10" not in told


def test_a_swap_without_a_lock_is_named_with_its_address() -> None:
    told = replace(FREE, active_swap=SWAP).refusal_sentence()

    assert told.startswith("bob is changing main (Qwen, loading)") and "/api/swap/7" in told


def test_a_delay_after_a_force_is_told_with_its_end() -> None:
    delayed = replace(FREE, delay_until=NOON + timedelta(seconds=12), delay_for="user:ana")

    assert "ana released the lock of main by force" in delayed.refusal_sentence()
    assert "12 s" in delayed.refusal_sentence()
    assert delayed.delays("key:cron") and not delayed.delays("user:ana")
    assert not replace(delayed, server_time=NOON + timedelta(seconds=12)).delays("key:cron")


@pytest.mark.parametrize(
    ("view", "seconds"),
    [
        (HELD, 60),  # holders release early: look now and then
        (replace(HELD, expires_at=NOON + timedelta(seconds=9.2)), 10),
        (replace(HELD, active_swap=SWAP), 15),
        (replace(FREE, delay_until=NOON + timedelta(seconds=4)), 4),
        (FREE, 1),
    ],
)
def test_it_says_when_to_come_back(view: LockView, seconds: int) -> None:
    assert view.retry_after_seconds == seconds


def test_seconds_remaining_are_rounded_up_so_that_nought_means_over() -> None:
    assert replace(HELD, expires_at=NOON + timedelta(seconds=0.2)).seconds_remaining == 1
    assert replace(HELD, expires_at=NOON - timedelta(seconds=5), active_swap=SWAP).seconds_remaining == 0
    assert FREE.seconds_remaining == 0


def test_a_forgotten_lock_is_shown_as_such() -> None:
    assert HELD.idle_seconds == 720 and "12 min without a swap" in HELD.idle_hint
    assert replace(HELD, acquired_at=NOON - timedelta(seconds=300)).idle_hint == ""
    assert replace(HELD, swap_count=1).idle_hint == ""


def test_its_document_has_no_secret_and_every_time_is_utc() -> None:
    document = replace(HELD, active_swap=SWAP).as_document()

    assert not [name for name in document if "token" in name]
    assert document["expires_at"] == "2026-03-01T12:03:10+00:00"
    assert document["active_swap"]["url"] == "/api/swap/7" and document["pinned_by"] == 7
    assert FREE.as_document()["fence"] == 417 and FREE.as_document()["holder"] is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (-4, "0 s"), (59.4, "59 s"), (60, "1 min"), (190, "3 min 10 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
