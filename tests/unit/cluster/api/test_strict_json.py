"""What counts as JSON here."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.api.strict_json import MAX_DEPTH, BadJSON, parse

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_reads_what_json_writes(value: object) -> None:
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": {"b": 1, "b": 1}}', "twice"),
        ('["\\u0000"]', "NUL"),
        ('{"\\u0000": 1}', "NUL"),
        ('["\\ud800"]', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("NaN", "NaN"),
        ("[Infinity]", "Infinity"),
        ("[-Infinity]", "-Infinity"),
        ("[1e999]", "too large"),
        ("[" + "1" * 5000 + "]", "too many digits"),
        ("{'a': 1}", "line 1"),
        ("[1,]", "not JSON"),
        ("{", "not JSON"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper"),
        ("[" * 100_000, "deeper"),
        ('{"a":' * 100_000, "deeper"),
    ],
)
def test_it_refuses_and_names_the_trouble(body: str, trouble: str) -> None:
    with pytest.raises(BadJSON, match=trouble):
        parse(body)


def test_it_refuses_what_is_not_utf_8() -> None:
    with pytest.raises(BadJSON, match="byte 2"):
        parse(b'["\xff"]')


def test_brackets_in_texts_are_no_depth() -> None:
    text = "[{" * 100 + '\\"'
    assert parse(json.dumps([text])) == [text]


def test_the_deepest_allowed_is_allowed() -> None:
    body = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert json.dumps(parse(body)) == body


@given(st.binary(max_size=60))
def test_it_never_fails_in_another_way(raw: bytes) -> None:
    try:
        parse(raw)
    except BadJSON as error:
        assert str(error).endswith(".")
