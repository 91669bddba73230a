"""Body templates: JSON with places to fill in. Nothing is executed, and a value can never change the shape. Pure.

    {"text": "{{ sentence }}", "model": "{{ data.model | \"none\" }}"}

A place names a value by its path; alternatives follow after `|`, the first that is not null counts, and a quoted text
may be one. A string that is nothing but one place becomes the value itself: a number stays a number.
A template that is a string instead of an object gives a text body.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEMPLATE_CHARACTERS = 8192
MAX_BODY_BYTES = 20_000  # what Standard Webhooks asks for

_PATH = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+){0,5}"
_ALTERNATIVE = re.compile(rf"\s*(?:(?P<path>{_PATH})|\"(?P<text>[^\"{{}}]{{0,200}})\")\s*")
_PLACE = re.compile(r"\{\{([^{}]{0,500})\}\}")


class BadTemplate(ValueError):
    """`str()` is a sentence naming the place."""


@dataclass(frozen=True, slots=True)
class Path:
    names: tuple[str, ...]


Choice = Path | str
Part = tuple[Choice, ...] | str  # a place with its alternatives, or text between places


def check(template: Any, known: Iterable[str]) -> None:
    """Raises BadTemplate: too long, a place that cannot be read, or a path that is not in `known`.

    A known path that ends in `.*` covers everything below it.
    """
    if len(json.dumps(template)) > MAX_TEMPLATE_CHARACTERS:
        raise BadTemplate(f"The template is longer than {MAX_TEMPLATE_CHARACTERS} characters.")
    allowed = set(known)
    for text in _strings(template):
        for part in _parse(text):
            for choice in part if isinstance(part, tuple) else ():
                if isinstance(choice, Path):
                    _check_path(".".join(choice.names), allowed)


def render(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its places filled in. What is missing is null, and nothing inside a text."""
    if isinstance(template, str):
        return _fill(template, values)
    if isinstance(template, dict):
        return {_text(_fill(name, values)): render(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [render(inner, values) for inner in template]
    return template


def as_body(rendered: Any) -> tuple[str, str]:
    """(body, content type): text for a string, JSON for the rest; cut to what a receiver must accept."""
    if isinstance(rendered, str):
        return rendered.encode()[:MAX_BODY_BYTES].decode(errors="ignore"), "text/plain; charset=utf-8"
    return json.dumps(rendered, separators=(",", ":"), ensure_ascii=False), "application/json"


def _strings(template: Any) -> Iterable[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict):
        for name, inner in template.items():
            yield name
            yield from _strings(inner)
    elif isinstance(template, list):
        for inner in template:
            yield from _strings(inner)


def _check_path(path: str, allowed: set[str]) -> None:
    parents = [path]
    while "." in parents[-1]:
        parents.append(parents[-1].rpartition(".")[0])
    if path in allowed or any(f"{parent}.*" in allowed for parent in parents[1:]):
        return
    close = difflib.get_close_matches(path, sorted(allowed), n=1)
    hint = f" did you mean {close[0]}?" if close else f" there are {', '.join(sorted(allowed))}."
    raise BadTemplate(f"There is no value {path};{hint}")


def _parse(text: str) -> list[Part]:
    parts: list[Part] = []
    end = 0
    for place in _PLACE.finditer(text):
        parts += [text[end : place.start()], _alternatives(place[1])]
        end = place.end()
    rest = text[end:]
    if any("{{" in part or "}}" in part for part in [*parts, rest] if isinstance(part, str)):
        raise BadTemplate(f"{text[:60]!r} has braces that do not close; write {{{{ path }}}}.")
    return [part for part in [*parts, rest] if part != ""]


def _alternatives(inside: str) -> tuple[Choice, ...]:
    choices: list[Choice] = []
    for piece in inside.split("|"):
        match = _ALTERNATIVE.fullmatch(piece)
        if match is None:
            raise BadTemplate(f"{inside.strip()[:60]!r} cannot be read; write a path such as data.model.")
        choices.append(Path(tuple(match["path"].split("."))) if match["path"] else match["text"])
    return tuple(choices)


def _fill(text: str, values: Mapping[str, Any]) -> Any:
    parts = _parse(text)
    if len(parts) == 1 and isinstance(parts[0], tuple):
        return _value(parts[0], values)
    return "".join(part if isinstance(part, str) else _text(_value(part, values)) for part in parts)


def _value(choices: tuple[Choice, ...], values: Mapping[str, Any]) -> Any:
    for choice in choices:
        value = choice if isinstance(choice, str) else _look_up(choice, values)
        if value is not None:
            return value
    return None


def _look_up(path: Path, values: Any) -> Any:
    for name in path.names:
        if isinstance(values, Mapping):
            values = values.get(name)
        elif isinstance(values, list) and name.isdecimal() and int(name[:4]) < len(values):
            values = values[int(name[:4])]
        else:
            return None
    return values


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)
