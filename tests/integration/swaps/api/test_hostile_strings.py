"""More than 500 hostile strings through every catalog field of the API, and through what else could reach a shell.

Each is answered with 400 that names the field, or stored exactly as it was sent. Never a 5xx.
"""

from collections.abc import Callable
from typing import Any

import pytest

from swaps.models import ModelDefinition
from tests.corpus.hostile_strings import HOSTILE
from tests.factories import ModelDefinitionFactory, SlotFactory
from tests.integration.conftest import Api

FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "key": lambda s: {"key": s, "repo": "org/m"},
    "label": lambda s: {"repo": "org/m", "label": s},
    "repo": lambda s: {"repo": s},
    "local_path": lambda s: {"local_path": s},
    "args": lambda s: {"repo": "org/m", "args": ["--x", s]},
    "env": lambda s: {"repo": "org/m", "env": {"X": s}},
    "launcher_args": lambda s: {"repo": "org/m", "launcher_args": ["--eth-if", s]},
    "docker_args": lambda s: {"repo": "org/m", "docker_args": [s]},
    "mods": lambda s: {"repo": "org/m", "mods": [s]},
    "image": lambda s: {"repo": "org/m", "image": s},
}


def sendable(text: str) -> bool:
    """A lone surrogate has no UTF-8 form; the parser's own tests send those as JSON escapes."""
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """What must be stored as it is; a label that is left blank becomes the key."""
    return {name: value for name, value in body.items() if name != "label" or value}


def named(answer: Any, field: str) -> bool:
    fields = {error["field"].split(".")[0] for error in answer["errors"]}
    return field in fields or ("repo" in fields and field == "local_path")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("field", FIELDS)
def test_a_catalog_field_is_refused_by_name_or_kept_exactly(api: Api, field: str) -> None:
    client = api("config")
    reaches_a_shell = field not in ("key", "label")
    for number, text in enumerate(filter(sendable, HOSTILE[:: 1 if reaches_a_shell else 5])):
        body = {"key": f"model-{number}", **FIELDS[field](text)}
        answer = client.post("/api/models", json=body)
        if answer.status_code == 201:
            stored = ModelDefinition.objects.get(key=body["key"])
            assert {name: getattr(stored, name) for name in sent(body)} == sent(body)
        else:
            assert answer.status_code == 400, (text, answer.text)
            problem = answer.json()
            assert problem["detail"] and (problem["code"] == "malformed-json" or named(problem, field)), (text, problem)


@pytest.mark.timeout(240)
def test_what_a_swap_is_asked_with_never_breaks_the_answer(api: Api) -> None:
    SlotFactory(name="main")
    ModelDefinitionFactory(key="qwen")
    client = api("swap")
    for text in filter(sendable, HOSTILE[::7]):
        for body in ({"model": text}, {"model": "qwen", "slot": text}, {"model": "qwen", "lock_token": text}):
            answer = client.post("/api/swap", json={**body, "dry_run": body["model"] != "qwen"})
            assert 400 <= answer.status_code < 500 or answer.status_code == 202, (body, answer.text)
            assert answer.status_code == 202 or answer.json()["detail"]
