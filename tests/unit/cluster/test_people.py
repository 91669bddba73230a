"""Actors in words."""

import pytest

from cluster import people


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("user:ana", "ana"),
        ("key:openclaw", "openclaw (API key)"),
        ("schedule:nightly: the big one", "nightly: the big one (schedule)"),
        ("command:bootstrap", "bootstrap (command line)"),
        ("lan:10.0.0.9", "10.0.0.9 (local network)"),
        ("somebody", "somebody"),
        ("", "Spark Control"),
    ],
)
def test_people_have_names_and_programs_say_what_they_are(actor: str, words: str) -> None:
    assert people.named(actor) == words


@pytest.mark.parametrize(
    ("holder", "taken_by", "words"),
    [
        ("ana", "user:ana", "ana"),
        ("openclaw", "key:openclaw", "openclaw (API key)"),
        ("cron", "key:nightly", "cron (API key nightly)"),
        ("cron", "lan:10.0.0.9", "cron (local network 10.0.0.9)"),
        ("the demo", "user:ana", "the demo (ana)"),
        ("cron", "", "cron"),
        ("", "", ""),
    ],
)
def test_a_name_somebody_gave_themselves_says_who_that_is(holder: str, taken_by: str, words: str) -> None:
    assert people.signed(holder, taken_by) == words


def test_nobody_passes_for_somebody_else() -> None:
    assert people.signed("ana", "key:openclaw") == "ana (API key openclaw)"
    assert people.signed("ana", "user:bob") == "ana (bob)"
