"""What may be said to the lock."""

import pytest

from swaps import lock_rules
from tests.corpus.hostile_strings import HOSTILE


@pytest.mark.parametrize(("asked", "given"), [(-1, 1), (0, 1), (1, 1), (900, 900), (86_400, 86_400), (86_401, 86_400)])
def test_a_time_is_bent_into_its_bounds(asked: int, given: int) -> None:
    assert lock_rules.clamp_ttl(asked) == given


def test_our_tokens_are_good_tokens_and_never_the_same() -> None:
    made = {lock_rules.new_token() for _ in range(100)}

    assert len(made) == 100
    assert all(lock_rules.problems_of("cron", "", token) == [] for token in made)


@pytest.mark.parametrize(
    "token", ["0123456789abcdef0123456789abcdef", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "A" * 200]
)
def test_a_caller_may_bring_hex_a_uuid_or_base64(token: str) -> None:
    assert lock_rules.problems_of("cron", "", token) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_taken_as_it_is_or_refused_by_name(text: str) -> None:
    for field, given in (("holder", (text, "")), ("purpose", ("cron", text))):
        assert {name for name, _ in lock_rules.problems_of(*given, None)} <= {field}
    lock_rules.hash_of(text)  # any text can be looked for


@pytest.mark.parametrize(
    "char", ["\0", "\n", "\t", "\x1b", "\x7f", "\x85", "\u200e", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_nothing_that_hides_or_turns_text_around_gets_in(char: str) -> None:
    assert [field for field, _ in lock_rules.problems_of(f"a{char}b", f"a{char}b", None)] == ["holder", "purpose"]


def test_a_hash_says_nothing_about_its_token() -> None:
    token = lock_rules.new_token()

    assert len(lock_rules.hash_of(token)) == 64 and token not in lock_rules.hash_of(token)
    assert lock_rules.hash_of(token) != lock_rules.hash_of(token + " ")
