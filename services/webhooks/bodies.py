"""What a receiver gets: the standard body, and ready-made shapes for receivers that have one of their own. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.webhooks import templates
from services.webhooks.types import TYPES

STANDARD = "standard"
CUSTOM = "custom"
SIGNED_BY = "Spark Control"

# What a template can name besides data.* and options.*
ROOTS = {
    "id": "of the message; the same at every try",
    "type": "event type",
    "event": "the same, as receivers of the older product read it",
    "timestamp": "moment of the event",
    "model": "key of the model it concerns; null when none",
    "title": "two or three words",
    "sentence": "one sentence for people",
    "severity": "info, warning or error",
    "priority": "3 for info, 4 for warning, 5 for error, as ntfy counts",
    "link": "page with more",
}
PRIORITIES = {"info": 3, "warning": 4, "error": 5}


@dataclass(frozen=True, slots=True)
class Shape:
    """A ready-made body. `options` are what its user must say and may say, each with its meaning."""

    label: str
    template: Any
    required: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)


SHAPES: dict[str, Shape] = {
    STANDARD: Shape("Standard Webhooks: type, timestamp, data", None),
    "openclaw-agent": Shape(
        "OpenClaw: run an agent turn (/hooks/agent)",
        {
            "message": "{{ options.instruction | \"News of the GPU, act if it concerns you:\" }} {{ sentence }}",
            "name": SIGNED_BY,
            "agentId": "{{ options.agent }}",
            "wakeMode": "{{ options.wake_mode | \"now\" }}",
            "deliver": "{{ options.deliver }}",
            "channel": "{{ options.channel }}",
            "to": "{{ options.to }}",
            "model": "{{ options.model }}",
            "timeoutSeconds": "{{ options.timeout_seconds }}",
        },
        optional={
            "instruction": "what the agent shall do; the sentence of the event follows",
            "agent": "agentId",
            "wake_mode": "now or next-heartbeat",
            "deliver": "true or false: send the agent's answer to a channel",
            "channel": "where to, such as last or telegram",
            "to": "recipient in that channel",
            "model": "model the agent shall use",
            "timeout_seconds": "longest run",
        },
    ),
    "openclaw-wake": Shape(
        "OpenClaw: a line for the main session (/hooks/wake)",
        {"text": "{{ sentence }}", "mode": "{{ options.mode | \"now\" }}"},
        optional={"mode": "now or next-heartbeat"},
    ),
    "slack": Shape(
        "Slack incoming webhook",
        {
            "text": "{{ title }}: {{ sentence }}",
            "channel": "{{ options.channel }}",
            "username": "{{ options.username }}",
        },
        optional={"channel": "for Mattermost and older Slack webhooks", "username": "the same"},
    ),
    "ntfy": Shape(
        "ntfy, published as JSON to the server's root address",
        {
            "topic": "{{ options.topic }}",
            "title": "{{ title }}",
            "message": "{{ sentence }}",
            "priority": "{{ priority }}",
            "click": "{{ link }}",
        },
        required={"topic": "the ntfy topic"},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way out. `data` follows TYPES[type].fields."""

    id: str
    type: str
    timestamp: str  # UTC ISO-8601
    sentence: str
    data: Mapping[str, Any]


def standard(message: Message) -> dict[str, Any]:
    """Standard Webhooks; `event` and `model` on top are for receivers of the older product."""
    return {
        "type": message.type,
        "timestamp": message.timestamp,
        "event": message.type,
        "model": message.data.get("model"),
        "data": dict(message.data),
    }


def body(message: Message, shape: str, template: Any, options: Mapping[str, Any]) -> tuple[str, str]:
    """(body, content type) as the endpoint wants it. `template` counts for the shape `custom` only."""
    if shape == STANDARD:
        return templates.as_body(standard(message))
    chosen = template if shape == CUSTOM else SHAPES[shape].template
    rendered = templates.render(chosen, _values(message, options))
    if shape != CUSTOM:
        rendered = {name: value for name, value in rendered.items() if value is not None}
    return templates.as_body(rendered)


def check(shape: str, template: Any, options: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by field; empty when all is well."""
    if shape == CUSTOM:
        return _check_custom(template, options)
    known = SHAPES.get(shape)
    if known is None:
        return {"shape": f"Choose one of {', '.join([*SHAPES, CUSTOM])}."}
    if template is not None:
        return {"template": "Only the shape custom takes a template of your own."}
    missing = [name for name in known.required if options.get(name) in (None, "")]
    if missing:
        return {"options": f"This shape needs {', '.join(missing)}."}
    unknown = [name for name in options if name not in {**known.required, **known.optional}]
    if unknown:
        return {"options": f"This shape does not know {', '.join(unknown)}."}
    return {}


def known_paths(options: Mapping[str, Any]) -> set[str]:
    """Everything a template may name."""
    names = {name for kind in TYPES.values() for name in kind.fields}
    data = {f"data.{name}" for name in names}
    nested = {"data.durations.*", "data.diagnosis.*", "data.served_ids.*", "data.nodes.*"}
    return {*ROOTS, "data", *data, *nested, *(f"options.{name}" for name in options)}


def _check_custom(template: Any, options: Mapping[str, Any]) -> dict[str, str]:
    if not isinstance(template, str | dict | list) or not template:
        return {"template": "Write a JSON object, or a text."}
    try:
        templates.check(template, known_paths(options))
    except templates.BadTemplate as error:
        return {"template": str(error)}
    return {}


def _values(message: Message, options: Mapping[str, Any]) -> dict[str, Any]:
    kind = TYPES[message.type]
    return {
        **standard(message),
        "id": message.id,
        "title": kind.title,
        "sentence": message.sentence,
        "severity": kind.severity,
        "priority": PRIORITIES[kind.severity],
        "link": message.data.get("link"),
        "options": dict(options),
    }
