"""docs/webhooks.md and the code say the same."""

import re
from pathlib import Path

import pytest

from services.webhooks import bodies
from services.webhooks.types import DRIFT, ENDPOINT, LOCK, OPERATION, REBOOT, SCHEDULE, SIGN_IN, TYPES, WEDGED

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "webhooks.md").read_text()
SECTIONS = {
    "data of swaps, stops and warm-ups": OPERATION,
    "data of lock.*": LOCK,
    "data of schedule.*": SCHEDULE,
    "data of model.drifted, model.crashed, model.back and model.adopted": DRIFT,
    "data of model.wedged and model.unwedged": WEDGED,
    "data of spark.rebooted": REBOOT,
    "data of signin.throttled": SIGN_IN,
    "data of endpoint.disabled and ping": ENDPOINT,
}


def rows(heading: str) -> dict[str, str]:
    """First and second column of the table under a heading."""
    section = re.split(r"^#+ ", TEXT.split(f" {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.MULTILINE))


def test_every_type_is_documented_and_no_other() -> None:
    assert rows("Event types") == {name: kind.meaning for name, kind in TYPES.items()}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_field_is_documented_and_no_other(heading: str) -> None:
    assert rows(heading) == SECTIONS[heading]


def test_every_name_a_template_may_use_is_documented() -> None:
    assert rows("Bodies for receivers with a shape of their own") == bodies.ROOTS


@pytest.mark.parametrize("shape", bodies.SHAPES)
def test_every_ready_made_shape_and_its_options_are_documented(shape: str) -> None:
    assert f"`{shape}`" in TEXT or f'"shape": "{shape}"' in TEXT
    for option in (*bodies.SHAPES[shape].required, *bodies.SHAPES[shape].optional):
        assert f"`{option}`" in TEXT or f'"{option}"' in TEXT, option
