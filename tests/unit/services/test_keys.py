"""API keys as text."""

import pytest

from services import keys


def test_a_new_key_has_the_shape_everybody_relies_on() -> None:
    new = keys.new_key()

    assert new.text.startswith(f"spk_{new.prefix}_")
    assert len(new.text) == len("spk_") + 8 + 1 + 43 + 6
    assert keys.prefix_of(new.text) == new.prefix
    assert keys.digest(new.text) == new.digest
    assert new.text not in repr(new)


def test_two_keys_differ() -> None:
    assert keys.new_key().text != keys.new_key().text


@pytest.mark.parametrize("position", range(4, 62))
def test_one_wrong_character_is_noticed_without_the_database(position: int) -> None:
    text = keys.new_key().text
    wrong = text[:position] + ("a" if text[position] != "a" else "b") + text[position + 1 :]

    assert keys.prefix_of(wrong) is None


@pytest.mark.parametrize("text", ["", "spk_", "Bearer", "spk_aaaaaaaa_", "x" * 100_000, "spk_\u0661" * 10])
def test_other_text_is_no_key(text: str) -> None:
    assert keys.prefix_of(text) is None


def test_a_key_with_a_line_break_is_no_key() -> None:
    assert keys.prefix_of(keys.new_key().text + "\n") is None
