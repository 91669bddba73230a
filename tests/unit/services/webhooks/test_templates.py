"""Templates fill in values. They run nothing, and no value changes the shape of a body."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks import bodies, templates
from services.webhooks.bodies import Message
from services.webhooks.types import TYPES

VALUES: dict[str, Any] = {"type": "ping", "data": {"model": "qwen", "fence": 7, "nodes": ["a", "b"], "none": None}}
KNOWN = {"type", "data.model", "data.fence", "data.nodes", "data.nodes.*", "data.durations.*"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ("plain", "plain"),
        ("{{ type }}: {{data.model}}", "ping: qwen"),
        ({"n": "{{ data.fence }}"}, {"n": 7}),
        ({"n": "fence {{ data.fence }}"}, {"n": "fence 7"}),
        ({"n": "{{ data.nodes }}", "m": "on {{ data.nodes }}"}, {"n": ["a", "b"], "m": "on a, b"}),
        ({"n": "{{ data.nodes.0 }}"}, {"n": "a"}),
        ({"n": '{{ data.none | data.absent | "nothing" }}'}, {"n": "nothing"}),
        ({"n": "{{ data.absent }}", "m": "x{{ data.absent }}y"}, {"n": None, "m": "xy"}),
        ([1, True, None, {"a": ["{{ type }}"]}], [1, True, None, {"a": ["ping"]}]),
        ({"{{ type }}": 1}, {"ping": 1}),
    ],
)
def test_it_fills_in_values(template: Any, body: Any) -> None:
    assert templates.render(template, VALUES) == body


def test_a_value_is_never_read_as_a_template() -> None:
    evil = '{{ data.secret }}", "admin": true, "x": "'
    body, _ = templates.as_body(
        templates.render({"text": "by {{ data.model }}"}, {"data": {"model": evil, "secret": "s"}})
    )
    assert json.loads(body) == {"text": f"by {evil}"}


@pytest.mark.parametrize(
    "text",
    [
        "{{ data.modle }}",
        "{{ __class__ }}",
        "{{ data.__class__.__mro__ }}",
        "{{ data['model'] }}",
        "{{ data.model() }}",
        "{{ 7*7 }}",
        "{{ config }}",
        "{{ data.model | upper }}",
        "{{ }}",
        "{{ data.model",
        "data.model }}",
        "{{ {{ type }} }}",
        '{{ "unclosed }}',
    ],
)
def test_it_refuses_what_is_no_place(text: str) -> None:
    with pytest.raises(templates.BadTemplate):
        templates.check({"a": [text]}, KNOWN)


def test_it_says_what_was_probably_meant() -> None:
    with pytest.raises(templates.BadTemplate, match=r"did you mean data\.model"):
        templates.check("{{ data.modell }}", KNOWN)


def test_it_allows_what_lies_below_an_open_path() -> None:
    templates.check("{{ data.durations.loading }}", KNOWN)


def test_a_long_template_is_refused_and_a_long_text_is_cut() -> None:
    with pytest.raises(templates.BadTemplate):
        templates.check("x" * 9000, KNOWN)
    body, kind = templates.as_body("ä" * 30_000)
    assert len(body.encode()) <= templates.MAX_BODY_BYTES and kind.startswith("text/plain")


@given(template=JSON, values=st.dictionaries(st.text(), JSON, max_size=3))
def test_whatever_passes_the_check_can_be_rendered(template: Any, values: dict[str, Any]) -> None:
    try:
        templates.check(template, KNOWN)
    except templates.BadTemplate:
        return
    templates.as_body(templates.render(template, {"data": values, "type": "x"}))


def message(kind: str) -> Message:
    data = dict.fromkeys(TYPES[kind].fields) | {"model": "qwen", "link": "http://spark.lan/swaps/1/"}
    return Message("msg_1", kind, "2026-11-23T12:00:00+00:00", "The swap to Qwen on main is done.", data)


READY_MADE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openclaw-agent": (
        {"instruction": "Re-point the clients:", "agent": "main", "deliver": False, "timeout_seconds": 120},
        {
            "message": "Re-point the clients: The swap to Qwen on main is done.",
            "name": "Spark Control",
            "agentId": "main",
            "wakeMode": "now",
            "deliver": False,
            "timeoutSeconds": 120,
        },
    ),
    "openclaw-wake": ({}, {"text": "The swap to Qwen on main is done.", "mode": "now"}),
    "slack": ({}, {"text": "Model ready: The swap to Qwen on main is done."}),
    "ntfy": (
        {"topic": "gpu"},
        {
            "topic": "gpu",
            "title": "Model ready",
            "message": "The swap to Qwen on main is done.",
            "priority": 3,
            "click": "http://spark.lan/swaps/1/",
        },
    ),
}


@pytest.mark.parametrize("shape", READY_MADE)
def test_the_ready_made_bodies_are_what_their_receivers_take(shape: str) -> None:
    options, expected = READY_MADE[shape]
    assert bodies.check(shape, None, options) == {}
    body, kind = bodies.body(message("swap_complete"), shape, None, options)
    assert (json.loads(body), kind) == (expected, "application/json")


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_has_a_standard_body_and_fits_every_ready_made_one(kind: str) -> None:
    body = json.loads(bodies.body(message(kind), "standard", None, {})[0])
    assert set(body) == {"type", "timestamp", "event", "model", "data"}
    assert body["type"] == body["event"] == kind and set(body["data"]) >= set(TYPES[kind].fields)
    for shape, (options, _) in READY_MADE.items():
        assert len(bodies.body(message(kind), shape, None, options)[0]) < templates.MAX_BODY_BYTES
