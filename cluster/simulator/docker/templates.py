"""The Go templates people give to --format: fields, json, index, range, if, len, eq, join and the like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

TOKEN = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|\(|\)|\||[^\s()|]+')
MISSING = "<no value>"


class TemplateError(Exception):
    """The template cannot be read; the text is near to Docker's own."""


Node = tuple[str, Any]


def render(template: str, data: Any) -> str:
    """The template filled from `data` (dicts, lists, strings, numbers, booleans, None). TemplateError."""
    tokens = list(_tokens(template.replace("\\t", "\t").replace("\\n", "\n")))
    nodes, end = _block(tokens, 0)
    if end != len(tokens):
        raise TemplateError(f"template: :1: unexpected {{{{{tokens[end][1]}}}}}")
    return _run(nodes, data, {"$": data})


def _tokens(template: str) -> Iterator[tuple[str, str]]:
    position = 0
    for match in TOKEN.finditer(template):
        text = template[position : match.start()]
        yield "text", text.rstrip() if match.group(0).startswith("{{-") else text
        yield "code", match.group(1)
        position = match.end()
        if match.group(0).endswith("-}}"):
            while position < len(template) and template[position].isspace():
                position += 1
    yield "text", template[position:]


def _block(tokens: list[tuple[str, str]], position: int) -> tuple[list[Node], int]:
    """Nodes up to an else or end (whose position is returned) or the end of the template."""
    nodes: list[Node] = []
    while position < len(tokens):
        kind, text = tokens[position]
        head = text.split(None, 1)[0] if kind == "code" and text else ""
        if head in {"end", "else"}:
            return nodes, position
        if head in {"if", "range", "with"}:
            node, position = _branch(tokens, position, head, text[len(head) :].strip())
            nodes.append(node)
        else:
            nodes.append((kind, text))
        position += 1
    return nodes, position


def _branch(tokens: list[tuple[str, str]], position: int, head: str, expression: str) -> tuple[Node, int]:
    body, position = _block(tokens, position + 1)
    other: list[Node] = []
    if position < len(tokens) and tokens[position][1].startswith("else"):
        deeper = tokens[position][1][4:].strip()
        if deeper.startswith("if"):
            node, position = _branch(tokens, position, "if", deeper[2:].strip())
            return (head, (expression, body, [node])), position
        other, position = _block(tokens, position + 1)
    if position >= len(tokens):
        raise TemplateError("template: :1: unexpected EOF")
    return (head, (expression, body, other)), position


def _run(nodes: list[Node], dot: Any, names: dict[str, Any]) -> str:
    return "".join(_node(kind, content, dot, names) for kind, content in nodes)


def _node(kind: str, content: Any, dot: Any, names: dict[str, Any]) -> str:
    if kind == "text":
        return str(content)
    if kind == "code":
        return _code(content, dot, names)
    expression, body, other = content
    if kind == "range":
        return _range(expression, body, other, dot, names)
    value = _evaluate(expression, dot, names)
    if not value:
        return _run(other, dot, names)
    return _run(body, value if kind == "with" else dot, names)


def _code(text: str, dot: Any, names: dict[str, Any]) -> str:
    if text.startswith("/*"):
        return ""
    assignment = re.match(r"(\$\w+)\s*:?=\s*(.*)", text, re.DOTALL)
    if assignment:
        names[assignment.group(1)] = _evaluate(assignment.group(2), dot, names)
        return ""
    return show(_evaluate(text, dot, names))


def _range(expression: str, body: list[Node], other: list[Node], dot: Any, names: dict[str, Any]) -> str:
    variables: list[str] = []
    match = re.match(r"((?:\$\w+\s*,\s*)?\$\w+)\s*:=\s*(.*)", expression, re.DOTALL)
    if match:
        variables, expression = [v.strip() for v in match.group(1).split(",")], match.group(2)
    value = _evaluate(expression, dot, names)
    pairs = sorted(value.items()) if isinstance(value, dict) else list(enumerate(value or []))
    if not pairs:
        return _run(other, dot, names)
    out = []
    for key, item in pairs:
        inner = dict(names)
        inner.update(zip(variables, [item] if len(variables) == 1 else [key, item], strict=False))
        out.append(_run(body, item, inner))
    return "".join(out)


def _evaluate(expression: str, dot: Any, names: dict[str, Any]) -> Any:
    words = WORD.findall(expression)
    value: Any = None
    first = True
    for stage in _split(words, "|"):
        arguments = list(_arguments(stage, dot, names))
        value = _call(arguments if first else [*arguments, ("value", value)])
        first = False
    return value


def _split(words: list[str], separator: str) -> list[list[str]]:
    stages: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == separator and depth == 0:
            stages.append([])
        else:
            stages[-1].append(word)
    return stages


def _arguments(words: list[str], dot: Any, names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Pairs of (kind, value); kind "function" only where a function's name may stand."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "(":
            depth, end = 1, index + 1
            while end < len(words) and depth:
                depth += {"(": 1, ")": -1}.get(words[end], 0)
                end += 1
            yield "value", _evaluate(" ".join(words[index + 1 : end - 1]), dot, names)
            index = end
            continue
        index += 1
        if word.startswith((".", "$")):
            base = names.get(word.split(".")[0]) if word.startswith("$") else dot
            yield "value", _field(base, word.split(".")[1:])
        elif word[0] in '"`':
            yield "value", json.loads(word) if word[0] == '"' else word[1:-1]
        elif re.fullmatch(r"-?\d+", word):
            yield "value", int(word)
        elif word in {"true", "false"}:
            yield "value", word == "true"
        else:
            yield "function", word


def _field(value: Any, path: list[str]) -> Any:
    for name in path:
        if not name:
            continue
        if not isinstance(value, dict):
            raise TemplateError(f"can't evaluate field {name}")
        if name not in value and value.get("\0strict"):
            raise TemplateError(f"map has no entry for key {name!r}")
        value = value.get(name, MISSING)
    return value


def _call(arguments: list[tuple[str, Any]]) -> Any:
    if not arguments:
        return ""
    kind, name = arguments[0]
    values = [value for _, value in arguments[1:]]
    if kind == "value":
        return name
    if name not in FUNCTIONS:
        raise TemplateError(f'template: :1: function "{name}" not defined')
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, ValueError) as error:
        raise TemplateError(f"error calling {name}: {error}") from error


def _plain_verbs(pattern: str) -> str:
    return pattern.replace("%v", "%s").replace("%d", "%s").replace("%q", '"%s"')


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            raise TemplateError(f"error calling index: index of untyped nil or out of range: {key}")
    return value


FUNCTIONS: dict[str, Any] = {
    "json": lambda value: json.dumps(None if value == MISSING else value, separators=(",", ":"), sort_keys=False),
    "index": _index,
    "len": lambda value: len(value or ""),
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
    "not": lambda value: not value,
    "and": lambda *values: next((v for v in values if not v), values[-1]),
    "or": lambda *values: next((v for v in values if v), values[-1]),
    "join": lambda values, separator: separator.join(show(v) for v in values or []),
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
    "title": lambda value: str(value).title(),
    "split": lambda value, separator: str(value).split(separator),
    "printf": lambda pattern, *values: _plain_verbs(pattern) % tuple(map(show, values)),
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "print": lambda *values: "".join(map(show, values)),
    "truncate": lambda value, length: str(value)[:length],
}


def show(value: Any) -> str:
    """A value as Go prints it: map[a:1], [a b], true, <nil>."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(show(item) for item in value) + "]"
    return str(value)
