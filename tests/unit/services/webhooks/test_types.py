"""Which journal entries go out, and under which name."""

import re
from typing import Any

import pytest

from services.webhooks.types import TYPES, outward, unknown_patterns, wanted


@pytest.mark.parametrize(
    ("kind", "data", "name"),
    [
        ("swap.ended", {"operation": "swap", "status": "ready", "model": "q"}, "swap_complete"),
        ("swap.ended", {"operation": "swap", "status": "failed", "model": "q"}, "swap_failed"),
        ("swap.ended", {"operation": "swap", "status": "errored", "model": "q"}, "swap_failed"),
        ("swap.ended", {"operation": "swap", "status": "cancelled", "model": "q"}, "swap.cancelled"),
        ("swap.ended", {"operation": "stop", "status": "ready", "model": ""}, "stop.complete"),
        ("swap.ended", {"status": "ready", "model": ""}, "stop.complete"),
        ("swap.accepted", {"operation": "swap", "model": "q"}, "swap.accepted"),
        ("warm.ended", {"operation": "warm", "status": "ready", "model": "q"}, "warm.complete"),
        ("warm.accepted", {"operation": "warm", "model": "q"}, "warm.accepted"),
        ("swap.phase", {"status": "loading"}, None),
        ("model.drifted", {"state": "idle"}, "model.drifted"),
        ("serving.changed", {"state": "idle"}, None),
        ("lock.forced", {}, "lock.forced"),
        ("schedule.fired", {}, "schedule.fired"),
        ("key.made", {}, None),
        ("swap_complete", {}, "swap_complete"),
    ],
)
def test_it_names_what_goes_out(kind: str, data: dict[str, Any], name: str | None) -> None:
    assert outward(kind, data) == name


def test_a_stop_or_warm_up_is_never_told_as_a_new_model() -> None:
    for operation in ("stop", "warm"):
        assert outward("swap.ended", {"operation": operation, "status": "ready", "model": "q"}) != "swap_complete"


@pytest.mark.parametrize("name", TYPES)
def test_names_keep_to_the_characters_of_standard_webhooks(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*", name)
    assert TYPES[name].fields and TYPES[name].severity in ("info", "warning", "error")


def test_patterns_choose() -> None:
    assert wanted("lock.forced", []) and wanted("lock.forced", ["lock.*"]) and wanted("lock.forced", ["lock.forced"])
    assert not wanted("lock.forced", ["swap.*"]) and not wanted("locksmith", ["lock.*"])
    assert unknown_patterns(["lock.*", "swap_complete", "lck.*", "*", "swap"]) == ["lck.*", "*", "swap"]
