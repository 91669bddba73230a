"""What is a drift and what is not, and what is known about who did it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cluster.readings import Container
from swaps.belief import (
    Belief,
    Kind,
    culprit,
    differs,
    gone_kind,
    replaced_by,
    serving_kind,
    started_at,
    started_by,
)
from swaps.launcher.node_reports import ContainerState
from swaps.launcher.witness import Witness

QWEN = Belief("2026-11-20T14:00:00+00:00", "qwen", "Qwen", ("qwen",), swap=7, boot_ids={"spark-1": "a", "spark-2": "b"})
NOTHING = Belief("2026-11-20T14:00:00+00:00", swap=8)
OURS = Container("vllm_node", "vllm-node", running=True, kind="launcher", labels={"sparkcontrol.swap": "7"})
THEIRS = Container(
    "chat", "vllm/vllm-openai", running=True, kind="vllm", id="c1", created="2026-11-20 14:01:10 +0000 UTC"
)


@pytest.mark.parametrize(
    ("belief", "serving", "ids", "is_drift"),
    [
        (None, True, ("x",), False),  # the first sight
        (QWEN, True, ("qwen",), False),
        (QWEN, True, ("qwen", "an-adapter"), False),
        (QWEN, True, ("gemma",), True),
        (QWEN, False, (), True),
        (NOTHING, False, (), False),
        (NOTHING, True, ("gemma",), True),
    ],
)
def test_it_compares_what_serves_with_what_should(
    belief: Belief | None, serving: bool, ids: tuple[str, ...], is_drift: bool
) -> None:
    assert differs(belief, serving, ids) is is_drift


def test_a_belief_survives_its_way_through_json() -> None:
    assert Belief.read(QWEN.as_dict()) == QWEN
    assert Belief.read({**QWEN.as_dict(), "of_a_newer_version": 1}) == QWEN
    assert Belief.read({}) is None


def witness(processes: int = 0, boots: dict[str, str] | None = None, **state: Any) -> Witness:
    told: dict[str, Any] = {"exists": True, "running": True, "labels": (("sparkcontrol.swap", "7"),)} | state
    return Witness("spark-1", ContainerState(**told), processes, boot_ids=boots or {"spark-1": "a"})


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (witness(), Kind.CRASHED),  # the launcher's idle container, and no vLLM in it
        (witness(running=False, exit_code=1), Kind.CRASHED),
        (witness(running=False, exit_code=137), Kind.CRASHED),
        (witness(running=False, exit_code=0), Kind.STOPPED),
        (witness(running=False, exit_code=143), Kind.STOPPED),
        (witness(exists=False, running=False, labels=()), Kind.STOPPED),
        (witness(labels=()), Kind.STOPPED),  # another container under our name
        (witness(boots={"spark-1": "a", "spark-2": "z"}), Kind.RESTARTED),
    ],
)
def test_it_tells_why_our_model_is_gone(seen: Witness, kind: Kind) -> None:
    gone = gone_kind(QWEN, seen, engine_dead=False)
    assert gone and gone[0] is kind
    assert gone[1] == ("spark-2" if kind is Kind.RESTARTED else "spark-1")


def test_a_vllm_that_is_still_starting_decides_nothing_but_a_dead_engine_does() -> None:
    assert gone_kind(QWEN, witness(processes=2), engine_dead=False) is None
    assert gone_kind(QWEN, witness(processes=2), engine_dead=True) == (Kind.CRASHED, "spark-1")


def test_the_same_model_may_answer_from_another_container() -> None:
    assert replaced_by(QWEN, "vllm_node", [OURS, THEIRS]) is None
    assert replaced_by(QWEN, "vllm_node", [THEIRS]) == THEIRS
    assert replaced_by(QWEN, "vllm_node", []) is None  # nothing is known
    assert serving_kind(QWEN, ["qwen"]) is Kind.REPLACED and serving_kind(QWEN, ["x"]) is Kind.OTHER_MODEL
    assert serving_kind(NOTHING, ["x"]) is Kind.STARTED


def test_the_culprit_is_the_slots_own_name_or_the_newest_server() -> None:
    older = Container("old", "ollama/ollama", running=True, kind="ollama", created="2026-11-19 08:00:00 +0000 UTC")
    named = Container("vllm_node", "custom", running=True, kind="vllm")
    assert culprit(QWEN, "vllm_node", [older, THEIRS, OURS]) == THEIRS
    assert culprit(QWEN, "vllm_node", [older, THEIRS, named]) == named
    assert culprit(QWEN, "vllm_node", [OURS]) is None


def test_labels_tell_who_started_a_container() -> None:
    assert started_by(OURS) == "swap 7 of Spark Control" and started_by(THEIRS) == ""
    compose = Container("c", "i", labels={"com.docker.compose.project": "lab"})
    assert started_by(compose) == "Docker Compose, project lab"
    assert started_by(Container("sparkrun_x", "i", kind="sparkrun")) == "sparkrun"
    assert started_at(THEIRS) == datetime(2026, 11, 20, 14, 1, 10, tzinfo=UTC)
    assert started_at(Container("c", "i", created="yesterday")) is None
