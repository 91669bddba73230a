"""When a failed delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from services.webhooks.retrying import GIVE_UP_AFTER, retry_after_seconds, wait_seconds

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def tries(outage: timedelta, random: float = 0.5) -> list[float]:
    """Seconds after the first failure at which an endpoint that fails for `outage` is tried."""
    at, failures, found = 0.0, 0, [0.0]
    while at < outage.total_seconds():
        failures += 1
        at += wait_seconds(failures, timedelta(seconds=at), random=random)
        found.append(at)
    return found


def test_it_begins_fast_and_grows_slow() -> None:
    steps = [
        later - earlier
        for earlier, later in zip(tries(timedelta(hours=1)), tries(timedelta(hours=1))[1:], strict=False)
    ]
    assert steps[:7] == [5, 30, 120, 300, 600, 900, 900]


def test_it_is_hourly_after_six_hours_and_four_hourly_after_a_day() -> None:
    assert wait_seconds(40, timedelta(hours=7), random=0.5) == 3600
    assert wait_seconds(60, timedelta(hours=25), random=0.5) == 4 * 3600


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_after_an_outage_of_an_hour_it_comes_within_twenty_minutes(random: float) -> None:
    hour = 3600.0
    back = next(at for at in tries(timedelta(hours=2), random) if at >= hour)
    assert back - hour <= 20 * 60


def test_it_tries_no_more_than_a_few_hundred_times_in_its_whole_life() -> None:
    assert len(tries(GIVE_UP_AFTER)) < 100


def test_it_spreads_by_a_fifth_both_ways() -> None:
    assert wait_seconds(1, timedelta(0), random=0.0) == 4
    assert wait_seconds(1, timedelta(0), random=1.0) == pytest.approx(6)


def test_the_receivers_own_wish_counts_when_it_is_longer_up_to_a_limit() -> None:
    assert wait_seconds(1, timedelta(0), random=0.5, retry_after=700) == 700
    assert wait_seconds(6, timedelta(0), random=0.5, retry_after=1) == 900
    assert wait_seconds(1, timedelta(0), random=0.5, retry_after=1e9) == 4 * 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("١٢", None),
        ("9" * 400, 999999999),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds
