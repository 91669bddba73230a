"""What /api/schema says is what the API does: generated calls, well and badly formed, are answered as described."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from cluster.models import Slot
from services.actions import make_key
from swaps.models import Serving, SwapLock
from swaps.states import Status
from tests.factories import ModelDefinitionFactory, SlotFactory, SparkFactory, SwapFactory

# A stream ends with its swap, which generated calls do not wait for; it has tests of its own.
LEFT_OUT = ["stream_swap", "stream_events"]
CHECKED = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]

GENERATED = settings(
    max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def key(web: str) -> str:
    _, text = make_key("schemathesis", ["admin"], by="test")
    return text


def some_rows() -> Slot:
    """A little of everything, on Sparks where nothing listens."""
    head = SparkFactory(name="spark-1", host="127.0.0.1", ssh_port=1)
    slot: Slot = SlotFactory(name="main", head=head)
    Serving.objects.create(slot=slot)
    SwapLock.objects.create(slot=slot)
    ModelDefinitionFactory(key="small")
    SwapFactory(slot=slot, status=Status.READY, ended_at=timezone.now())
    return slot


def operations() -> list[Any]:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found: list[Any] = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]  # type: ignore[union-attr]
    return [operation for operation in found if operation.definition.raw["operationId"] not in LEFT_OUT]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: str(operation.definition.raw["operationId"]))
def test_calls_are_answered_as_described(web: str, key: str, operation: Any, mode: GenerationMode) -> None:
    some_rows()

    @GENERATED
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        response = case.call(base_url=web, headers={"Authorization": f"Bearer {key}"}, timeout=30)
        case.validate_response(response, checks=CHECKED)

    with suppress(Unsatisfiable):  # nothing can be wrong with a call that takes nothing
        answered()


def test_nobody_gets_past_the_door_without_credentials(web: str, key: str) -> None:
    some_rows()
    headers = {"Authorization": f"Bearer {key}"}
    paths = httpx.get(f"{web}/api/schema", headers=headers).json()["paths"]
    assert len(paths) > 20
    for path, method in calls(paths):
        answer = httpx.request(method, f"{web}{path}", json={} if method in ("POST", "PUT") else None)
        assert answer.status_code == 401, f"{method} {path} answered {answer.status_code}"
        assert answer.headers["Content-Type"] == "application/problem+json"
    for path in ("/api/schema", "/api/docs"):
        assert httpx.get(f"{web}{path}").status_code == 401


def calls(paths: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = {"name": "spark-1", "model": "small", "key": "small"}  # the rest are numbers
    for path, operations in paths.items():
        for method in operations:
            yield re.sub(r"\{(\w+)\}", lambda place: names.get(place[1], "1"), path), method.upper()


def test_every_call_has_a_name_a_description_and_its_problems(web: str, key: str) -> None:
    schema = httpx.get(f"{web}/api/schema", headers={"Authorization": f"Bearer {key}"}).json()
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]

    assert len(ids) == len(set(ids))
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert {"401", "403"} <= set(operation["responses"]), operation["operationId"]
        assert "application/problem+json" in operation["responses"]["401"]["content"]
        assert {"key": []} in operation["security"]


def test_the_page_of_calls_is_made_from_the_schema(web: str, key: str) -> None:
    page = httpx.get(f"{web}/api/docs", headers={"Authorization": f"Bearer {key}", "Accept": "text/html"})

    assert page.headers["Content-Type"].startswith("text/html")
    assert "POST /api/swap" in page.text and "//cdn" not in page.text
