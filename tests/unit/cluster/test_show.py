"""How values are shown: units, durations, moments, people."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from cluster.templatetags import show


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0, "0 B"),
        (1536, "1.5 KiB"),
        (31 * 2**30, "31.0 GiB"),
        (112 * 2**30, "112 GiB"),
        (int(1.25 * 2**40), "1.2 TiB"),
        (5000 * 2**50, "5000 PiB"),
    ],
)
def test_bytes_have_a_unit_that_fits(value: float | None, words: str) -> None:
    assert show.bytes_(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.34, "0.3 s"),
        (4, "4 s"),
        (12.4, "12 s"),
        (59.7, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (47 * 3600, "47 h 0 min"),
        (903_000, "10 d 10 h"),
    ],
)
def test_durations_are_said_as_people_say_them(value: float | None, words: str) -> None:
    assert show.seconds(value) == words


@pytest.mark.parametrize(
    ("age", "words"),
    [(-5, "just now"), (9, "just now"), (45, "45 s ago"), (3599, "59 min ago"), (7200, "2 h ago"), (2e5, "2 d ago")],
)
def test_moments_are_relative(age: float, words: str) -> None:
    assert show.ago_words(age) == words


@pytest.mark.parametrize(
    ("left", "words"),
    [(-3, "0 s"), (40, "40 s"), (1799, "29 min"), (4800, "1 h 20 min"), (7200, "2 h"), (93_600, "1 d 2 h")],
)
def test_what_is_left_is_not_cut_to_whole_hours(left: float, words: str) -> None:
    assert show.left_words(left) == words


def test_a_moment_carries_its_absolute_time_for_hover_and_for_machines() -> None:
    html = show.ago(datetime(2026, 3, 1, 14, 2, tzinfo=UTC))
    assert 'datetime="2026-03-01T14:02:00+00:00"' in html
    assert 'title="01 Mar 2026, 14:02:00 UTC"' in html


def test_no_moment_is_said_in_a_word() -> None:
    assert show.ago(None) == "never"
    assert "ago" in show.ago(timezone.now() - timedelta(minutes=3))


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        ("user:ana", "ana"),
        ("key:openclaw", "openclaw (API key)"),
        ("command:bootstrap", "bootstrap (command line)"),
        ("lan:10.0.0.9", "10.0.0.9 (local network)"),
        ("", "Spark Control"),
    ],
)
def test_people_have_names_and_programs_say_what_they_are(actor: str, name: str) -> None:
    assert show.person(actor) == name


@pytest.mark.parametrize(
    ("names", "told"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_joined_as_in_a_sentence(names: list[str], told: str) -> None:
    assert show.names([SimpleNamespace(name=name) for name in names]) == told


def test_an_icon_is_hidden_from_screen_readers_because_a_word_stands_beside_it() -> None:
    html = show.icon("check", "spin")
    assert html.startswith('<svg class="icon spin" aria-hidden="true">')
    assert "icons.svg#check" in html
