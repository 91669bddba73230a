"""JSON as programs may send it: nothing ambiguous, nothing a database or a log would choke on. Pure."""

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 4000  # Python itself refuses to convert 4300 digits and more

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class BadJSON(ValueError):
    """`str()` is a sentence naming the trouble."""


def parse(raw: bytes | str) -> Any:
    """The value. Raises BadJSON: malformed text, depth over 32, NUL, lone surrogates, doubled names, NaN, Infinity."""
    text = _text(raw)
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise BadJSON(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    _check_text(value)
    return value


def _text(raw: bytes | str) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadJSON(f"The body is not UTF-8 at byte {error.start}.") from None


def _check_depth(text: str) -> None:
    """Counted on the text, because the parser itself recurses."""
    depth = 0
    for char in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if char in "[{" else -1
        if depth > MAX_DEPTH:
            raise BadJSON(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise BadJSON(f"The name {_shown(name)} is given twice in one object.")
        result[name] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise BadJSON(f"{name} is not JSON; write a number or null.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise BadJSON("A number has too many digits.")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadJSON("A number is too large.")
    return value


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        _check_string(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_string(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)


def _check_string(value: str) -> None:
    if "\0" in value:
        raise BadJSON("A text holds a NUL character.")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise BadJSON("A text holds half of a surrogate pair.")


def _shown(name: str) -> str:
    return ascii(name[:40])
