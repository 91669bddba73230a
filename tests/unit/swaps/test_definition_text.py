"""A definition as text, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.catalog.definition import Definition
from swaps.definition_text import as_fields, changes, read_env, read_words
from swaps.model_rows import argument_lines

WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1), max_size=8)


@given(WORDS)
def test_words_survive_their_way_through_the_form(words: list[str]) -> None:
    text = as_fields(Definition("k", "K", args=tuple(words)))["args"]
    assert read_words(str(text)) == tuple(words)


def test_options_stand_on_lines_of_their_own_with_their_values() -> None:
    words = ["serve", "--a", "1", "2", "--flag", "--json", '{"x": 1}']
    assert argument_lines(words) == ["serve", "--a 1 2", "--flag", """--json '{"x": 1}'"""]


def test_a_pasted_command_with_line_ends_is_read() -> None:
    assert read_words("--a 1 \\\r\n  --b 'two words'\n--c") == ("--a", "1", "--b", "two words", "--c")


def test_an_open_quote_is_no_words() -> None:
    with pytest.raises(ValueError, match="quotation"):
        read_words("--a 'open")


def test_environment_lines_are_read_sorted_and_values_may_hold_equals_signs() -> None:
    assert read_env("B=x=y\n\n A = 1 ") == (("A", "1"), ("B", "x=y"))


def test_a_line_without_a_value_is_told() -> None:
    with pytest.raises(ValueError, match="'NOPE' is not NAME=value"):
        read_env("A=1\nNOPE")


def test_only_what_changed_is_told() -> None:
    before = Definition("k", "K", repo="a/b", args=("--x", "1", "--y"))
    after = Definition("k", "K", repo="a/b", args=("--x", "2", "--y"), image="img:2")
    told = [(change.sign, change.text.strip()) for change in changes(before, after)]
    assert told == [(" ", "image:"), ("+", "img:2"), (" ", "args:"), ("-", "--x 1"), ("+", "--x 2"), (" ", "--y")]
    assert changes(before, before) == []
