"""What is wrong with a rule is said with the field and the remedy."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.schedules.arithmetic import Rule, next_fires
from swaps.schedules.checking import in_zone, problems, read_time

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def said(rule: Rule) -> str:
    return " ".join(f"{problem.field}: {problem.message}" for problem in problems(rule, NOW))


@pytest.mark.parametrize(
    "rule",
    [
        Rule(cron="30 2 * * *", timezone="Europe/Berlin"),
        Rule(cron="@daily"),
        Rule(cron="0 0 29 2 *"),
        Rule(cron="0 3 * JAN-MAR MON-FRI"),
        Rule(cron="0 0 L * *"),
        Rule(interval_seconds=60),
        Rule(times=(datetime(2026, 12, 1, tzinfo=UTC),)),
    ],
    ids=str,
)
def test_a_good_rule_has_no_problem(rule: Rule) -> None:
    assert problems(rule, NOW) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(), "cron: Say when"),
        (Rule(cron="61 * * * *"), "cron: The minute '61' cannot be read: it takes 0 to 59"),
        (Rule(cron="0 24 * * *"), "The hour '24'"),
        (Rule(cron="0 0 * 13 *"), "The month '13'"),
        (Rule(cron="0 0 * * FOO"), "The day-of-week 'FOO'"),
        (Rule(cron="0 0 30 2 *"), "No month 2 has a day 30"),
        (Rule(cron="* * *"), "this one has 3 fields"),
        (Rule(cron="* * * * * *"), "Seconds are not scheduled here"),
        (Rule(cron="@reboot"), "write @hourly"),
        (Rule(cron="1 " * 150), "at most 200"),
        (Rule(cron="0 2 * * *", timezone="berlin"), "timezone: There is no timezone 'berlin'. Did you mean Europe/Ber"),
        (Rule(cron="0 2 * * *", timezone="Europe/Berln"), "Did you mean Europe/Berlin"),
        (Rule(cron="0 2 * * *", timezone="Mars"), "Write one such as Europe/Berlin"),
        (Rule(cron="0 2 * * *", timezone=""), "There is no timezone ''"),
        (Rule(interval_seconds=0), "interval_seconds: 0 seconds is not possible; write at least 60"),
        (Rule(interval_seconds=59), "at least 60"),
        (Rule(interval_seconds=10**9), "at most 31622400"),
        (Rule(cron="* * * * *", interval_seconds=60), "Give only one of cron and interval_seconds"),
        (Rule(times=(datetime(2020, 1, 1, tzinfo=UTC),)), "All of these times are past"),
        (Rule(times=(datetime(2027, 1, 1),)), "has no offset"),
        (Rule(times=(NOW,) * 101), "at most 100"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_it_names_the_field_and_the_remedy(rule: Rule, words: str) -> None:
    assert words in said(rule)


@given(st.text(alphabet="0123456789*/,-#LWMONJAN@ ²x", max_size=40), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_any_text_is_either_refused_in_words_or_a_rule_with_a_next_time(text: str, timezone: str) -> None:
    rule = Rule(cron=text, timezone=timezone)
    if not problems(rule, NOW):
        assert next_fires(rule, NOW, 1)


@given(st.text(max_size=80))
def test_any_name_of_a_timezone_is_known_or_refused(name: str) -> None:
    assert all(problem.message for problem in problems(Rule(cron="0 2 * * *", timezone=name)))


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    at = read_time(text)
    assert at is None or in_zone(at, "UTC").tzinfo is UTC


def test_a_wall_time_gets_the_offset_of_its_zone() -> None:
    at = read_time("2026-07-01T02:00")
    assert at is not None
    assert in_zone(at, "Europe/Berlin") == datetime(2026, 7, 1, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01T00:00", "2026-02-30T00:00Z", "9999-12-31T23:59-12:00"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text) is None
