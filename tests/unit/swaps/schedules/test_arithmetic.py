"""When a rule comes due, checked against a clock that is walked minute by minute."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from swaps.schedules.arithmetic import Rule, fires_between, moment_of, next_fires
from tests.unit.swaps.schedules.walked_clock import MINUTE, Line, walked

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
# The day before each change. Lord Howe changes by half an hour, Troll by two; Santiago and Cairo at midnight.
NIGHTS = [
    (BERLIN, datetime(2026, 3, 28, 12)),
    (BERLIN, datetime(2026, 10, 24, 12)),
    (NEW_YORK, datetime(2026, 3, 7, 20)),
    (NEW_YORK, datetime(2026, 10, 31, 20)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 0)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 0)),
    ("America/Santiago", datetime(2026, 4, 4, 12)),
    ("America/Santiago", datetime(2026, 9, 5, 12)),
    ("Africa/Cairo", datetime(2026, 4, 23, 12)),
    ("Africa/Cairo", datetime(2026, 10, 29, 12)),
    ("Antarctica/Troll", datetime(2026, 3, 28, 12)),
    ("Antarctica/Troll", datetime(2026, 10, 24, 12)),
    ("Asia/Kolkata", datetime(2026, 3, 28, 12)),
    ("UTC", datetime(2026, 3, 28, 12)),
]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int, star: bool | None = None) -> tuple[str, frozenset[int]]:
    everything = range(low, high + 1)
    kind = draw(st.sampled_from(["star", "step", "one", "list", "range"]))
    if star is True or (star is None and kind == "star"):
        return "*", frozenset(everything)
    if kind == "step" and star is None:
        step = draw(st.integers(1, 20))
        return f"*/{step}", frozenset(everything[::step])
    if kind == "range":
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        return f"{first}-{last}", frozenset(range(first, last + 1))
    values = draw(st.lists(st.integers(low, high), min_size=1, max_size=5))
    return ",".join(map(str, values)), frozenset(values)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    minute, minutes = draw(fields(0, 59))
    hour, hours = draw(fields(0, 23))
    always = draw(st.booleans())  # most lines of the world name no day
    day, days = draw(fields(1, 31, star=True if always else None))
    weekday, weekdays = draw(fields(0, 6, star=True if always else None))
    text = f"{minute} {hour} {day} * {weekday}"
    return Line(text, minutes, hours, days, weekdays, day.startswith("*"), weekday.startswith("*"))


@settings(max_examples=150, deadline=None)
@given(lines(), st.sampled_from(NIGHTS), st.integers(0, 2000))
def test_it_agrees_with_a_clock_walked_minute_by_minute(
    line: Line, night: tuple[str, datetime], minutes_in: int
) -> None:
    zone = ZoneInfo(night[0])
    start = night[1].replace(tzinfo=UTC) + MINUTE * minutes_in
    end = start + timedelta(hours=26)
    rule = Rule(cron=line.text, timezone=night[0])

    assert fires_between(rule, start, end) == walked(line, zone, start, end)
    assert [at for at in next_fires(rule, start - MINUTE / 2, 2000) if at < end] == walked(line, zone, start, end)


@settings(max_examples=150, deadline=None)
@given(lines(), st.sampled_from([BERLIN, NEW_YORK, "UTC", "Asia/Kolkata"]), st.integers(0, 300))
def test_away_from_such_nights_it_agrees_with_cronsim_itself(line: Line, timezone: str, days: int) -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo(timezone)) + timedelta(days=days)
    expected = [at.astimezone(UTC) for at in islice(CronSim(line.text, start), 8)]

    assert next_fires(Rule(cron=line.text, timezone=timezone), start, 8) == expected[: len(expected)]


@given(lines(), st.sampled_from(NIGHTS), st.integers(0, 3000), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_asking_one_at_a_time_is_asking_for_all(
    line: Line, night: tuple[str, datetime], minutes_in: int, count: int
) -> None:
    rule = Rule(cron=line.text, timezone=night[0])
    start = night[1].replace(tzinfo=UTC) + MINUTE * minutes_in
    at, one_by_one = start, []
    for _ in range(count):
        following = next_fires(rule, at, 1)
        one_by_one += following
        at = following[0] if following else at

    assert one_by_one[:count] == next_fires(rule, start, count)


@given(st.integers(60, 400_000), st.integers(-2_000_000, 2_000_000))
def test_an_interval_counts_from_its_anchor_in_elapsed_time(seconds: int, offset: int) -> None:
    anchor = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    after = anchor + timedelta(seconds=offset)
    rule = Rule(interval_seconds=seconds, anchor=anchor, timezone=BERLIN)

    found = next_fires(rule, after, 3)

    step = timedelta(seconds=seconds)
    assert found[0] >= anchor and found[0] > after
    assert found[0] == anchor or found[0] - step <= after
    assert (found[0] - anchor) % step == timedelta() and found[1] - found[0] == found[2] - found[1] == step


def berlin(*moment: int, fold: int = 0) -> datetime:
    year, month, day, hour, minute = (*moment, 0)[:5]
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC)


def test_half_past_two_comes_once_on_the_night_it_is_skipped() -> None:
    found = next_fires(Rule(cron="30 2 * * *", timezone=BERLIN), berlin(2026, 3, 28, 12), 2)
    assert found == [berlin(2026, 3, 29, 3, 0), berlin(2026, 3, 30, 2, 30)]


def test_half_past_two_comes_once_on_the_night_it_is_doubled() -> None:
    rule = Rule(cron="30 2 * * *", timezone=BERLIN)
    assert next_fires(rule, berlin(2026, 10, 24, 12), 2) == [berlin(2026, 10, 25, 2, 30), berlin(2026, 10, 26, 2, 30)]
    assert next_fires(rule, berlin(2026, 10, 25, 2, 10, fold=1), 1) == [berlin(2026, 10, 26, 2, 30)]


def test_every_half_hour_keeps_its_rhythm_through_both_nights() -> None:
    rule = Rule(cron="*/30 * * * *", timezone=BERLIN)
    for night in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        found = next_fires(rule, night, 12)
        assert [b - a for a, b in pairwise(found)] == [timedelta(minutes=30)] * 11


def test_times_are_sorted_once_and_end() -> None:
    one, two = datetime(2026, 5, 1, 8, tzinfo=UTC), datetime(2026, 5, 1, 9, tzinfo=UTC)
    rule = Rule(times=(two, one, one.astimezone(ZoneInfo(BERLIN)), two))

    assert next_fires(rule, one - MINUTE, 5) == [one, two]
    assert next_fires(rule, one, 5) == [two]
    assert next_fires(rule, two, 5) == []


def test_between_means_from_the_start_on_and_before_the_end() -> None:
    rule = Rule(cron="0 * * * *")
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert fires_between(rule, noon, noon + timedelta(hours=2)) == [noon, noon + timedelta(hours=1)]
    assert len(fires_between(rule, noon, noon + timedelta(days=400), limit=7)) == 7


def test_29_february_comes_also_over_the_century_that_has_none() -> None:
    found = next_fires(Rule(cron="0 0 29 2 *"), datetime(2096, 3, 1, tzinfo=UTC), 1)
    assert found == [datetime(2104, 2, 29, tzinfo=UTC)]


@pytest.mark.parametrize(("macro", "month", "day"), [("@daily", 5, 2), ("@monthly", 6, 1), ("@WEEKLY", 5, 3)])
def test_it_knows_the_short_names(macro: str, month: int, day: int) -> None:
    found = next_fires(Rule(cron=macro), datetime(2026, 5, 1, 12, tzinfo=UTC), 1)
    assert found == [datetime(2026, month, day, tzinfo=UTC)]


def test_a_skipped_wall_time_means_the_end_of_the_gap_and_a_doubled_one_the_first() -> None:
    zone = ZoneInfo(BERLIN)
    assert moment_of(datetime(2026, 3, 29, 2, 30), zone) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert moment_of(datetime(2026, 10, 25, 2, 30), zone) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
